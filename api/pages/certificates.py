"""The list of certificates: narrowed by type, state and period; searched by number, identifier or holder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Final, Self
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response

from api.http.calls import Call, get_call
from api.http.guard import GuardedRoute
from api.pages import wording
from api.pages.forms import Form, get_form
from api.pages.problems import problem_view
from api.pages.rendering import go, show, texts_for
from api.pages.texts import Texts
from api.pages.views import CertificateLine, Option, ProblemView
from registry.catalogue import service as catalogue
from registry.certificates import masking
from registry.certificates.searching import Search, list_page, look_up
from registry.certificates.tables import Certificate
from registry.errors import FieldError, InvalidDraftError
from registry.log.standing import places_of
from registry.work import Work
from verifier.entry import Kind
from verifier.identifiers import IdentifierError, check_holder_number, mask_name
from verifier.status import Status

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

_PAGE_ROWS: Final = 25
#: What every identifier (证照标识) begins with.
_IDENTIFIER_ROOT: Final = "1.2.156.3005.2."
_MAX_QUERY_CHARACTERS: Final = 200
#: What may stand in an address. Numbers may not: that of a 残疾人证 holds its holder's citizen number.
_NARROWING: Final = ("type", "status", "issued_from", "issued_to")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a list was asked for, as it was typed."""

    type: str = ""
    status: str = ""
    issued_from: str = ""
    issued_to: str = ""
    q: str = ""
    holder_code_type_code: str = ""
    holder_code: str = ""
    purpose: str = ""

    @classmethod
    def of(cls, form: Form) -> Self:
        """What a form sent."""
        return cls(**{name: form.text(name)[:_MAX_QUERY_CHARACTERS] for name in cls.__dataclass_fields__})

    @property
    def is_searching(self) -> bool:
        """Whether it names a number, an identifier or a holder, and so must not become an address."""
        return bool(self.q or self.holder_code)

    @property
    def is_looking_up(self) -> bool:
        """Whether it reaches further than what the department issued or used: then who asks and why is written down."""
        return bool(self.holder_code or (self.q and self.purpose))

    @property
    def given(self) -> Mapping[str, str]:
        """What was filled in, by the names of the inputs."""
        texts = {name: str(getattr(self, name)) for name in self.__dataclass_fields__}
        return {name: text for name, text in texts.items() if text and (name in _NARROWING or self.is_searching)}

    def search(self, department: str | None) -> Search:
        """The search it stands for. Raises InvalidDraftError naming the input."""
        by_identifier = self.q.startswith(_IDENTIFIER_ROOT)
        return Search(
            department=department,
            type_code=self.type or None,
            status=_status(self.status),
            number=self.q if self.q and not by_identifier else None,
            identifier=self.q if by_identifier else None,
            holder=self._holder(),
            issued_from=_day("issued_from", self.issued_from),
            issued_to=_day("issued_to", self.issued_to),
        )

    def _holder(self) -> tuple[str, str] | None:
        if not self.holder_code:
            return None
        try:
            check_holder_number(self.holder_code_type_code, self.holder_code.upper())
        except IdentifierError as wrong:
            raise InvalidDraftError([FieldError("holder_code", wrong.reason, f"{wrong.message}。")]) from wrong
        return self.holder_code_type_code, self.holder_code


def _status(text: str) -> Status | None:
    try:
        return Status(int(text)) if text else None
    except ValueError as wrong:
        raise InvalidDraftError([FieldError("status", "wrong_form", "没有这种状态，请从列表中选择。")]) from wrong


def _day(name: str, text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as wrong:
        raise InvalidDraftError([FieldError(name, "date_does_not_exist", "颁发日期不是存在的日期。")]) from wrong


@dataclass(frozen=True, slots=True)
class CertificatesPage:
    """A page of the list, or what a search found.

    `sent` is what the next page of a search must send again: numbers stand in no address.
    """

    asked: Asked
    types: Sequence[Option]
    statuses: Sequence[Option]
    code_types: Sequence[Option]
    lines: Sequence[CertificateLine]
    sent: Mapping[str, str]
    first_href: str | None
    next_href: str | None
    further: str
    narrowed: bool
    by_day: bool
    problem: ProblemView | None = None


@router.get("/certificates")
def list_certificates(
    request: Request, call: OfCall, type: str = "", status: str = "", issued_from: str = "", issued_to: str = "",
    cursor: str = "",
) -> Response:  # fmt: skip
    """证照列表：按类型、状态与颁发日期筛选。"""
    return _answer(request, call, Asked(type, status, issued_from, issued_to), cursor)


@router.post("/certificates/search")
def search(request: Request, call: OfCall, form: OfForm) -> Response:
    """按证照编号、标识或持证主体查找，号码只在请求体里，不进地址；只有筛选条件的，转到可收藏的列表地址。"""
    asked = Asked.of(form)
    if not asked.is_searching:
        return go("/certificates", **asked.given)
    return _answer(request, call, asked, form.text("cursor"))


def _answer(request: Request, call: Call, asked: Asked, cursor: str) -> Response:
    t = texts_for(request)

    def ask(work: Work) -> CertificatesPage:
        search = asked.search(_own_department(call))
        if asked.is_looking_up:
            page = look_up(work, search, asked.purpose, cursor or None, _PAGE_ROWS)
        else:
            page = list_page(work, search, cursor or None, _PAGE_ROWS)
        return _page(work, asked, lines_of(work, page.certificates, t), t, cursor=cursor, further=page.cursor or "")

    try:
        # Who looked up whose certificates is written down; any other list is read without a lock.
        view = call.write(ask) if asked.is_looking_up else call.read(ask)
    except InvalidDraftError as refused:
        problem = problem_view(refused, t)
        return show(
            request, "certificates.html", call.read(lambda work: _page(work, asked, (), t, problem)), status=422
        )
    return show(request, "certificates.html", view)


def _own_department(call: Call) -> str | None:
    """Registrars see what their department issued; windows also what it used or may use, and auditors all, masked."""
    actor = call.known.actor
    return None if actor.has_role("window", "auditor") else actor.department


def _shown_day(text: str) -> str:
    # A browser's field of a day takes nothing else.
    try:
        return date.fromisoformat(text).isoformat() if text else ""
    except ValueError:
        return ""


def _page(
    work: Work,
    asked: Asked,
    lines: Sequence[CertificateLine],
    t: Texts,
    problem: ProblemView | None = None,
    cursor: str = "",
    further: str = "",
) -> CertificatesPage:
    def address(at: str) -> str:
        kept = {**asked.given, **({"cursor": at} if at else {})}
        return f"/certificates?{urlencode(kept)}" if kept else "/certificates"

    return CertificatesPage(
        asked=replace(
            asked,
            type=catalogue.national_code(work, asked.type),
            issued_from=_shown_day(asked.issued_from),
            issued_to=_shown_day(asked.issued_to),
        ),
        types=wording.type_options(work),
        statuses=wording.status_options(t),
        code_types=wording.code_type_options(t),
        lines=lines,
        sent=asked.given if asked.is_searching else {},
        first_href=address("") if cursor else None,
        next_href=address(further) if further else None,
        further=further,
        narrowed=bool(asked.given),
        by_day=bool(asked.issued_from or asked.issued_to),
        problem=problem,
    )


def lines_of(work: Work, rows: Sequence[Certificate], t: Texts) -> list[CertificateLine]:
    """The rows as lines, masked for the actor; names of people are masked for everybody in lists."""
    places = places_of(work, [row.id for row in rows], Kind.CERTIFICATE)
    lines = []
    for row in rows:
        definition = catalogue.definition_at(work, row.type_code, row.type_version)
        face = masking.masked(work, row, work.actor)
        lines.append(
            CertificateLine(
                id=row.id,
                number=str(face["certificate_number"]),
                type_name=definition.name,
                holders=[_shown_name(holder) for holder in face["holders"]],
                issuer_name=str(face["issuing_authority_name"]),
                valid_from=face["valid_from"],
                valid_to=face["valid_to"],
                tone=wording.tone_of(row.status),
                status=wording.status_name(row.status, t),
                progress=places[row.id].stage,
            )
        )
    return lines


def _shown_name(holder: dict[str, str]) -> str:
    name = holder["holder_name"]
    is_person = not holder["holder_code_type_code"].startswith("0")
    return mask_name(name) if is_person and "*" not in name else name
