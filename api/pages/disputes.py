"""Disputes about certificates, and the recall list: who relied on a certificate, and who knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response

from api.access import AUDITOR
from api.http.calls import Call, get_call
from api.http.guard import GuardedRoute
from api.pages import times, wording
from api.pages.dispute_views import DisputeLine, DisputePage, DisputesPage, RecallPage, RelianceLine
from api.pages.forms import Form, get_form
from api.pages.problems import SHOWN_ERRORS, problem_view, status_of
from api.pages.rendering import go, show, texts_for
from api.pages.texts import Texts
from api.pages.views import Event, Fact, ProblemView, Tone
from registry.catalogue import service as catalogue
from registry.certificates import masking
from registry.certificates import service as certificates
from registry.certificates.tables import Certificate
from registry.disputes import listing, rules
from registry.disputes import service as disputes
from registry.disputes.tables import Dispute
from registry.errors import NotFoundError, NotPermittedError
from registry.notices import service as notices
from registry.uses import service as uses
from registry.work import Work
from verifier.times import shanghai_day

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

_PAGE_ROWS: Final = 50
_TONES: dict[str, Tone] = {
    "raised": "waiting", "accepted": "waiting", "corrected": "valid", "rejected": "dormant", "closed": "dormant"
}  # fmt: skip


@router.get("/disputes")
def list_disputes(request: Request, call: OfCall, cursor: str = "") -> Response:
    """异议列表：本部门提出的和要答复的，先到期的在前。"""
    t = texts_for(request)

    def ask(work: Work) -> DisputesPage:
        everywhere = work.actor.has_role(AUDITOR)
        page = listing.list_page(work, None if everywhere else work.actor.department or "", cursor or None, _PAGE_ROWS)
        return DisputesPage(
            [_line(work, row, t) for row in page.disputes],
            first_href="/disputes" if cursor else None,
            next_href=f"/disputes?{urlencode({'cursor': page.cursor})}" if page.cursor else None,
        )

    return show(request, "disputes.html", call.read(ask))


@router.get("/disputes/{dispute_id}")
def show_dispute(request: Request, dispute_id: str, call: OfCall) -> Response:
    """一件异议：经过、期限、下一步、受影响的办件。"""
    return show(request, "dispute.html", _page(call, dispute_id, texts_for(request)))


@router.post("/certificates/{certificate_id}/disputes")
def raise_dispute(certificate_id: str, call: OfCall, form: OfForm) -> Response:
    """对证照提出异议。"""
    for_holder = form.text("for_holder") == "yes"
    row = call.write(
        lambda work: disputes.raise_dispute(work, certificate_id, form.text("statement"), for_holder=for_holder)
    )
    return go(f"/disputes/{row.id}", done="dispute")


@router.post("/disputes/{dispute_id}/accept")
def accept(request: Request, dispute_id: str, call: OfCall, form: OfForm) -> Response:
    """受理异议；可以暂停用证。"""
    holds = form.text("holds") == "yes"
    return _step(request, dispute_id, call, lambda work: disputes.accept(work, dispute_id, holds=holds))


@router.post("/disputes/{dispute_id}/decide")
def decide(request: Request, dispute_id: str, call: OfCall, form: OfForm) -> Response:
    """作出处理结果：已更正，或异议不成立。"""
    act = disputes.correct if form.text("decision") == "corrected" else disputes.reject
    outcome = form.text("outcome")
    return _step(request, dispute_id, call, lambda work: act(work, dispute_id, outcome), outcome)


@router.post("/disputes/{dispute_id}/close")
def close(request: Request, dispute_id: str, call: OfCall) -> Response:
    """办结：已把结果告知提出人。"""
    return _step(request, dispute_id, call, lambda work: disputes.close(work, dispute_id))


@router.get("/certificates/{certificate_id}/recall")
def show_recall(request: Request, certificate_id: str, call: OfCall) -> Response:
    """召回清单：哪些办件用过这份证照，通知了谁，谁已读。"""
    t = texts_for(request)

    def ask(work: Work) -> RecallPage:
        row = certificates.get(work, certificate_id)
        if work.actor.department != row.department and not work.actor.has_role("auditor"):
            raise NotPermittedError("not_the_issuer", "只有颁发部门和审计员可以查看召回清单。")
        return RecallPage(
            row.id, _title(work, row), wording.tone_of(row.status), wording.status_name(row.status, t),
            _reliance(work, row.id),
        )  # fmt: skip

    return show(request, "recall.html", call.read(ask))


def _step(request: Request, dispute_id: str, call: Call, act: Callable[[Work], Dispute], outcome: str = "") -> Response:
    try:
        call.write(act)
    except SHOWN_ERRORS as refused:
        if isinstance(refused, NotFoundError):
            raise
        t = texts_for(request)
        view = _page(call, dispute_id, t, problem_view(refused, t), outcome)
        return show(request, "dispute.html", view, status=status_of(refused))
    return go(f"/disputes/{dispute_id}", done="dispute_step")


def _page(call: Call, dispute_id: str, t: Texts, problem: ProblemView | None = None, outcome: str = "") -> DisputePage:
    def ask(work: Work) -> DisputePage:
        row, actor, names = disputes.get(work, dispute_id), work.actor, wording.department_names(work)
        answers = actor.department == row.issuer and actor.has_role("registrar")
        raised = actor.department == row.raised_by and actor.has_role("window", "registrar")
        facts = [
            Fact(t("disputes.raised_by"), names.get(row.raised_by, row.raised_by)),
            Fact(t("disputes.whose"), t("disputes.of_holder") if row.for_holder else t("disputes.of_department")),
            Fact(t("disputes.issuer"), names.get(row.issuer, row.issuer)),
            Fact(t("disputes.reuse"), t("disputes.held") if row.holds else t("disputes.not_held")),
        ]
        return DisputePage(
            line=_line(work, row, t), certificate_id=row.certificate_id, successor_id=row.successor_id, facts=facts,
            events=_events(row, t), reliance=_reliance(work, row.certificate_id) if actor.department == row.issuer
            or actor.has_role("auditor") else (),
            may_accept=answers and row.state == "raised", may_decide=answers and row.state in rules.OPEN,
            may_close=raised and "closed" in rules.NEXT[row.state], problem=problem, outcome=outcome,
            must_change=answers and row.state == "accepted"
            and certificates.get(work, row.certificate_id).status not in rules.CORRECTED_STATUSES,
        )  # fmt: skip

    return call.read(ask)


def _line(work: Work, row: Dispute, t: Texts) -> DisputeLine:
    certificate = certificates.get(work, row.certificate_id)
    due = "" if row.state == "closed" else times.day(row.due_on, t)
    waits_for = row.issuer if row.state in rules.OPEN else row.raised_by
    return DisputeLine(
        id=row.id, title=_title(work, certificate), statement=row.statement, state=t(f"dispute.{row.state}"),
        tone=_TONES[row.state], due=due, overdue=rules.is_overdue(row.state, row.due_on, shanghai_day(work.at)),
        ours=row.state != "closed" and waits_for == work.actor.department,
    )  # fmt: skip


def _title(work: Work, row: Certificate) -> str:
    """The certificate's type and number, masked for the actor."""
    face = masking.masked(work, row, work.actor)
    return f"{catalogue.get_type(work, row.type_code).name} {face['certificate_number']}"


def _events(row: Dispute, t: Texts) -> list[Event]:
    steps = [
        (row.raised_at, "raised", row.statement),
        (row.accepted_at, "accepted", ""),
        (row.decided_at, "corrected" if row.successor_id or row.state == "corrected" else "decided", row.outcome or ""),
        (row.closed_at, "closed", ""),
    ]
    return [Event(t(f"dispute.{name}"), at, text) for at, name, text in steps if at is not None]


def _reliance(work: Work, certificate_id: str) -> list[RelianceLine]:
    names = wording.department_names(work)
    # The newest notice of each case is the one that counts.
    told = {one.use_id: one for one in notices.told_of(work, certificate_id) if one.use_id}
    matters = {matter.code: matter.name for matter in catalogue.list_matters(work)}
    lines = []
    for use in uses.relying_on(work, "certificate", certificate_id):
        notice = told.get(use.id)
        lines.append(
            RelianceLine(
                names.get(use.department, use.department), matters.get(use.matter_code, use.matter_code), use.case_no,
                use.used_at, notice.sent_at if notice else None, notice.read_at if notice else None,
            )
        )  # fmt: skip
    return lines
