"""The list of certificates: filters, search by number or identifier, search by holder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response

from api.http.calls import Call, get_call
from api.http.guard import GuardedRoute
from api.pages import wording
from api.pages.forms import Form, get_form
from api.pages.rendering import show, texts_for
from api.pages.texts import Texts
from api.pages.views import CertificateLine, CertificatesPage, ProblemView
from registry.catalogue import service as catalogue
from registry.certificates import masking
from registry.certificates import service as certificates
from registry.certificates.service import Search
from registry.certificates.tables import Certificate
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


@router.get("/certificates")
def list_certificates(
    request: Request, call: OfCall, q: str = "", type: str = "", status: str = "", cursor: str = ""
) -> Response:
    """证照列表：按编号或标识查找，按类型与状态筛选。"""
    t, asked = texts_for(request), q.strip()[:_MAX_QUERY_CHARACTERS]
    by_identifier = asked.startswith(_IDENTIFIER_ROOT)
    search = Search(
        department=_own_department(call),
        type_code=type or None,
        status=_status(status),
        number=asked if asked and not by_identifier else None,
        identifier=asked if by_identifier else None,
    )

    def ask(work: Work) -> CertificatesPage:
        page = certificates.list_page(work, search, cursor or None, _PAGE_ROWS)
        kept = {name: value for name, value in (("q", asked), ("type", type), ("status", status)) if value}
        further = f"/certificates?{urlencode({**kept, 'cursor': page.cursor})}" if page.cursor else None
        first = f"/certificates?{urlencode(kept)}" if cursor else None
        return _page(
            work, t, lines_of(work, page.certificates, t), q=asked, type_code=type, status=status,
            first_href=first, next_href=further, narrowed=bool(kept),
        )  # fmt: skip

    return show(request, "certificates.html", call.read(ask))


@router.post("/certificates/search")
def search_by_holder(request: Request, call: OfCall, form: OfForm) -> Response:
    """按持证主体查找。号码只在请求体里，不进地址；用途为必填。"""
    t = texts_for(request)
    code_type, number, purpose = form.text("holder_code_type_code"), form.text("holder_code"), form.text("purpose")
    problem = _fault(code_type, number, purpose, t)

    def ask(work: Work) -> CertificatesPage:
        found: Sequence[CertificateLine] = ()
        if problem is None:
            search = Search(department=_own_department(call), holder=(code_type, number))
            found = lines_of(
                work, certificates.list_page(work, search, None, certificates.MAX_PAGE_ROWS).certificates, t
            )
        return _page(
            work, t, found, by_holder=True, code_type=code_type, purpose=purpose, narrowed=True, problem=problem
        )

    return show(request, "certificates.html", call.read(ask), status=422 if problem else 200)


def _fault(code_type: str, number: str, purpose: str, t: Texts) -> ProblemView | None:
    if not purpose:
        return ProblemView(t("certificates.cannot"), t("certificates.purpose_missing"))
    try:
        check_holder_number(code_type, number.upper())
    except IdentifierError as wrong:
        return ProblemView(t("certificates.cannot"), t.said(f"reason.{wrong.reason}", f"{wrong.message}。"))
    return None


def _own_department(call: Call) -> str | None:
    """Registrars see what their department issued; windows and auditors see all, masked."""
    actor = call.known.actor
    return None if actor.has_role("window", "auditor") else actor.department


def _status(text: str) -> Status | None:
    try:
        return Status(int(text))
    except ValueError:
        return None


def _page(
    work: Work,
    t: Texts,
    lines: Sequence[CertificateLine],
    *,
    q: str = "",
    type_code: str = "",
    status: str = "",
    by_holder: bool = False,
    code_type: str = "",
    purpose: str = "",
    first_href: str | None = None,
    next_href: str | None = None,
    narrowed: bool = False,
    problem: ProblemView | None = None,
) -> CertificatesPage:
    return CertificatesPage(
        q=q, types=wording.type_options(work), type=type_code, statuses=wording.status_options(t), status=status,
        code_types=wording.code_type_options(t), code_type=code_type, purpose=purpose, by_holder=by_holder,
        lines=lines, first_href=first_href, next_href=next_href, narrowed=narrowed, problem=problem,
    )  # fmt: skip


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
