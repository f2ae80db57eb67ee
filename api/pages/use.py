"""Using what exists (用证): the case and the applicant, what can be used, and the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from api.http.calls import Call, get_call
from api.http.delegations import digest_of, shown_code
from api.http.guard import GuardedRoute
from api.http.verifications import verify_presented
from api.pages import wording
from api.pages.delegation_words import chain_words, names_by_code
from api.pages.forms import Form, get_form
from api.pages.problems import SHOWN_ERRORS, field_errors, problem_view, status_of
from api.pages.rendering import show, texts_for
from api.pages.texts import Texts
from api.pages.use_page import item_name, receipt_page, refused_page, slots_of
from api.pages.use_views import CaseView, ChoosePage, RecentUse, UsePage
from api.pages.views import ProblemView
from codes import payload
from registry.authorisations import service as authorisations
from registry.authorisations.rules import AuthorisationDraft
from registry.catalogue import service as catalogue
from registry.catalogue.tables import Matter
from registry.certificates import searching
from registry.certificates.names import normalise_code
from registry.codes import service as codes
from registry.delegations import showing
from registry.delegations.rules import Shown
from registry.devices import service as devices
from registry.errors import (
    FieldError,
    InvalidDraftError,
    NotFoundError,
    NotPermittedError,
    RegistryError,
    ReuseRefusedError,
)
from registry.fallbacks import service as fallbacks
from registry.fallbacks.rules import read_number
from registry.scans import service as scans
from registry.uses import service as uses
from registry.uses.rules import ReuseRequest
from registry.uses.tables import Use
from registry.work import Work
from verifier.code import CodeKind
from verifier.delegated_code import is_delegated, open_delegated
from verifier.delegation import reach_of
from verifier.identifiers import IdentifierError, check_holder_number
from verifier.verdict import State

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

_RECENT: Final = 8
#: An authorisation recorded at the window is for this case: one use, and over by tomorrow.
_AT_THE_WINDOW_LASTS: Final = timedelta(days=1)
_MAX_CASE_NO: Final = 64
_OF_CITIZENS, _OF_ENTERPRISES = "111", "001"


@dataclass(frozen=True, slots=True)
class Applicant:
    """Whose items are looked for. `number`: (code type, number) where known; a person code tells the index alone."""

    index: bytes
    shown: str
    number: tuple[str, str] | None = None
    #: The text of the delegated code by which somebody acts for the applicant.
    delegated: str = ""
    #: The look at this person's code was recorded just now, for the person to see.
    recorded: bool = False


@router.get("/use")
def use_form(request: Request, call: OfCall) -> Response:
    """用证第一步：事项、办件编号、申请人。"""
    chosen = {"matter": [request.query_params.get("matter", "")]}
    return show(request, "use.html", _first(call, texts_for(request), Form(chosen, {})))


@router.post("/use")
def find_items(request: Request, call: OfCall, form: OfForm) -> Response:
    """用证第二步：列出可用的证照与材料。"""
    t = texts_for(request)
    try:
        # First what can be wrong without anybody being looked up: a number is good once, and each look is recorded.
        purpose = call.read(lambda work: _checked(work, form, t)).purpose
        applicant = _applicant(call, form, t, purpose)
        if applicant.delegated:
            _accept(call, form, applicant.delegated)
        view = call.read(lambda work: _choices(work, form, applicant, t))
    except SHOWN_ERRORS as refused:
        errors = field_errors(refused, t)
        page = _first(call, t, form, None if errors else problem_view(refused, t), errors)
        return show(request, "use.html", page, status=status_of(refused))
    return show(request, "use_choose.html", view)


@router.post("/use/authorise")
def authorise(request: Request, call: OfCall, form: OfForm) -> Response:
    """登记本次用证的授权：一次有效，次日到期。"""
    t = texts_for(request)
    problem: ProblemView | None = None
    status = 200
    applicant = _carried(form)
    try:
        call.write(lambda work: authorisations.grant(work, _draft(work, form, applicant)))
    except SHOWN_ERRORS as refused:
        problem, status = problem_view(refused, t), status_of(refused)
    view = call.read(lambda work: _choices(work, form, applicant, t, problem))
    return show(request, "use_choose.html", view, status=status)


def _draft(work: Work, form: Form, applicant: Applicant) -> AuthorisationDraft:
    matter = _matter(work, form.text("matter"))
    return AuthorisationDraft(
        route="holder" if applicant.number else "function",
        grantee=matter.department,
        matter_code=matter.code,
        purpose=matter.purpose,
        valid_from_at=work.at,
        valid_to_at=work.at + _AT_THE_WINDOW_LASTS,
        item_kind=form.text("item_kind"),
        item_id=form.text("item_id"),
        subject=applicant.number,
        max_uses=1,
    )


@router.post("/use/case")
def return_to_case(request: Request, call: OfCall, form: OfForm) -> Response:
    """回到本办件，另选证照，或按证照编号查找：申请人不必再扫一次码。"""
    t = texts_for(request)
    return show(request, "use_choose.html", call.read(lambda work: _choices(work, form, _carried(form), t)))


@router.post("/uses")
def use_item(request: Request, call: OfCall, form: OfForm) -> Response:
    """用证第三步：用于本办件；不能用时说明原因，并记录在案。"""
    t, log = texts_for(request), call.services.pipeline.log
    applicant = _carried(form)
    delegated = applicant.delegated

    def act(work: Work, shown: Shown | None) -> Use:
        reuse = ReuseRequest(
            item_kind=form.text("item_kind"),
            item_id=form.text("item_id"),
            matter_code=form.text("matter"),
            case_no=form.text("case_no"),
            purpose=_matter(work, form.text("matter")).purpose,
            authorisation_id="" if shown else form.text("authorisation_id"),
            shown=shown,
            subject_index=applicant.index,
            operator=work.actor.id,
            device=device_of(request),
        )
        return uses.reuse(work, reuse)

    try:
        # Before the write: the newest trust bundle may have to be made first, and there is one writer at a time.
        shown = _accepted(call, form, delegated) if delegated else None
    except InvalidDraftError as over:
        fault = over.errors[0]
        return _refused(request, call, form, NotPermittedError(fault.reason, fault.message))
    try:
        use = call.write(lambda work: act(work, shown))
    except ReuseRefusedError as refused:
        return _refused(request, call, form, refused)
    except SHOWN_ERRORS as error:
        problem = problem_view(error, t)
        choices = call.read(lambda work: _choices(work, form, applicant, t, problem))
        return show(request, "use_choose.html", choices, status=status_of(error))
    view = replace(call.read(lambda work: receipt_page(work, log, use, t)), case=_carried_case(form, applicant))
    return show(request, "use_result.html", view, address=f"/uses/{use.id}")


def _case(work: Work, form: Form) -> showing.Case:
    return showing.Case(work.actor.department or "", _matter(work, form.text("matter")).code, form.text("case_no"))


def _accept(call: Call, form: Form, text: str) -> None:
    """Take the delegated code for this case while its proof is fresh. Raises InvalidDraftError."""
    shown = shown_code(call.services, text, "text")
    call.write(lambda work: showing.accept(work, shown, _case(work, form)))


def _accepted(call: Call, form: Form, text: str) -> Shown:
    """The code that was taken for this case; its chain is held against the newest trust bundle once more.

    Raises InvalidDraftError.
    """
    at = call.read(lambda work: showing.shown_at(work, digest_of(text), _case(work, form)))
    return shown_code(call.services, text, "text", at)


def _refused(request: Request, call: Call, form: Form, refused: RegistryError) -> Response:
    t, item = texts_for(request), (form.text("item_kind"), form.text("item_id"))
    case = _carried_case(form, _carried(form))
    view = call.read(lambda work: refused_page(work, refused, item, case, t))
    return show(request, "use_result.html", view, status=409)


def device_of(request: Request) -> str:
    """The desk's address in the intranet: which machine, not who."""
    return f"web:{request.client.host}" if request.client else "web"


@router.get("/uses/{use_id}")
def show_use(request: Request, use_id: str, call: OfCall) -> Response:
    """用证结果与回执。"""
    t, log = texts_for(request), call.services.pipeline.log

    def ask(work: Work) -> Response:
        use = uses.get(work, use_id)
        if use.department != work.actor.department and not work.actor.has_role("auditor"):
            raise NotPermittedError("not_your_use", "只能查看本部门的用证记录。")
        return show(request, "use_result.html", receipt_page(work, log, use, t))

    return call.read(ask)


def _matter(work: Work, code: str) -> Matter:
    """One of the actor's own matters. Raises NotFoundError."""
    matter = catalogue.get_live_matter(work, code)
    if matter.department != work.actor.department:
        raise NotFoundError("matter_unknown", "本部门没有该事项，请重新选择。")
    return matter


def _first(
    call: Call, t: Texts, form: Form, problem: ProblemView | None = None, errors: Mapping[str, str] | None = None
) -> UsePage:
    department = call.known.actor.department or ""

    def ask(work: Work) -> UsePage:
        matters = catalogue.list_matters(work, department)
        names = {matter.code: matter.name for matter in matters}
        live = [(matter.code, matter.name) for matter in matters if matter.retired_at is None]
        recent = [
            RecentUse(
                use.id, use.used_at, use.case_no, names.get(use.matter_code, use.matter_code), item_name(work, use)
            )
            for use in uses.list_page(work, department, limit=_RECENT)
        ]
        return UsePage(
            matters=live, code_types=wording.code_type_options(t), recent=recent,
            matter=form.text("matter"), case_no=form.text("case_no"), code_type=form.text("holder_code_type_code"),
            holder_code=form.text("holder_code"), errors=errors or {}, problem=problem,
        )  # fmt: skip

    return call.read(ask)


def _checked(work: Work, form: Form, t: Texts) -> Matter:
    """The matter of a case that is named properly. Raises InvalidDraftError, NotFoundError."""
    if not 0 < len(form.text("case_no")) <= _MAX_CASE_NO:
        raise InvalidDraftError([FieldError("case_no", "wrong_length", t("use.case_no_length"))])
    return _matter(work, form.text("matter"))


def _choices(work: Work, form: Form, applicant: Applicant, t: Texts, problem: ProblemView | None = None) -> ChoosePage:
    matter, number = _checked(work, form, t), form.text("number").strip()
    return ChoosePage(
        case=_carried_case(form, applicant), matter_name=matter.name, purpose=matter.purpose,
        slots=slots_of(work, matter, applicant.index, t, bool(applicant.delegated), _limit(applicant), number),
        number=number, recorded=applicant.recorded, problem=problem,
    )  # fmt: skip


def _limit(applicant: Applicant) -> frozenset[str] | None:
    """The types that a delegated code allows; None without one, and for one without limits."""
    if not applicant.delegated:
        return None
    return reach_of(open_delegated(applicant.delegated).claims).types


def _carried_case(form: Form, applicant: Applicant) -> CaseView:
    code_type, number = applicant.number or ("", "")
    return CaseView(
        form.text("matter"), form.text("case_no"), applicant.index.hex(), applicant.shown, code_type, number,
        applicant.delegated,
    )  # fmt: skip


def _carried(form: Form) -> Applicant:
    """The applicant as the page of choices carried it from the first step."""
    try:
        index = bytes.fromhex(form.text("subject"))
    except ValueError:
        index = b""
    code_type, number = form.text("holder_code_type_code"), form.text("holder_code")
    delegated = form.exact("delegated")
    if not is_delegated(delegated):
        delegated = ""
    return Applicant(index, form.text("holder"), (code_type, number) if number else None, delegated)


def _applicant(call: Call, form: Form, t: Texts, purpose: str) -> Applicant:
    text = form.exact("text")
    if text.strip():
        return _scanned(call, text, t, purpose)
    code_type, number = form.text("holder_code_type_code"), normalise_code(form.text("holder_code"))
    if code_type == _OF_CITIZENS and _is_number_of(_OF_ENTERPRISES, number):
        # The list begins with people's numbers: no enterprise's is one of those too.
        code_type = _OF_ENTERPRISES
    try:
        check_holder_number(code_type, number)
    except IdentifierError as wrong:
        raise InvalidDraftError([FieldError("holder_code", wrong.reason, f"{wrong.message}。")]) from wrong
    return Applicant(call.write(lambda work: _looked_up(work, code_type, number, purpose)), "", (code_type, number))


def _looked_up(work: Work, code_type: str, number: str, purpose: str) -> bytes:
    """The blind index of an applicant's number; who looked and what for is written down, as for a search."""
    index = uses.subject_index(work, code_type, number)
    searching.record_lookup(work, "holder", index, purpose)
    return index


def _is_number_of(code_type: str, number: str) -> bool:
    try:
        check_holder_number(code_type, number)
    except IdentifierError:
        return False
    return True


def _said(call: Call, text: str, t: Texts, purpose: str) -> Applicant:
    """The applicant whose fallback number this is; the number does not hold afterwards."""
    taken = call.write(lambda work: fallbacks.take(work, text, purpose))
    kind = wording.kind_name(CodeKind(taken.code.kind), t)
    if taken.code.kind == CodeKind.ENTERPRISE:
        return Applicant(taken.subject_index, f"{kind} {taken.code.name}", ("001", taken.code.subject))
    return Applicant(taken.subject_index, kind, recorded=True)


def _scanned(call: Call, text: str, t: Texts, purpose: str) -> Applicant:
    """The applicant behind a code that is valid now. Raises InvalidDraftError for any other."""
    if read_number(text) is not None:
        return _said(call, text, t, purpose)
    plain = payload.normalise_scanned(text)
    if is_delegated(plain):
        shown = shown_code(call.services, plain, "text")
        index = call.read(lambda work: uses.subject_index(work, "001", shown.enterprise))
        slots = [(link.status_list, link.status_index) for link in shown.code.claims]
        people, names = call.read(lambda work: (showing.names_of(work, slots), names_by_code(work)))
        words = chain_words(shown.code.enterprise.name or shown.enterprise, shown.code.claims, people, names, t)
        return Applicant(index, words, ("001", shown.enterprise), plain)
    verdict = verify_presented(call.services, text)
    if verdict.state is not State.VALID:
        raise InvalidDraftError([FieldError("text", verdict.reason, f"{verdict.message}。")])
    subject: Mapping[str, Any] = verdict.subject

    def ask(work: Work) -> Applicant:
        code = codes.find(work, str(subject.get("code_id")))
        # A printed code does not prove who carries it, so nobody applies with one.
        if code is None or code.kind not in (CodeKind.PERSON, CodeKind.ENTERPRISE):
            raise InvalidDraftError([FieldError("text", "not_an_applicant", t("use.not_an_applicant"))])
        kind = wording.kind_name(CodeKind(code.kind), t)
        if code.kind == CodeKind.PERSON:
            scans.record(work, code.id, purpose)
            return Applicant(devices.holder_of(work, code), kind, recorded=True)
        return Applicant(uses.subject_index(work, "001", code.subject), f"{kind} {code.name}", ("001", code.subject))

    return call.write(ask)
