"""Derived copies of a certificate: the list, the form, the PDF, its evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from api.http.calls import Call, get_call
from api.http.copies import evidence_of, make_copy, pdf_of
from api.http.guard import GuardedRoute
from api.pages import wording
from api.pages.copy_views import CopiesPage, CopyLine
from api.pages.ends import end_of, errors_of, latest_day, usual_day
from api.pages.forms import Form, get_form
from api.pages.problems import SHOWN_ERRORS, problem_view, status_of
from api.pages.rendering import go, show, texts_for
from api.pages.texts import Texts
from api.pages.views import ProblemView
from registry.catalogue import service as catalogue
from registry.certificates import sight
from registry.certificates.tables import Certificate
from registry.copies import service as copies
from registry.copies.rules import CopyRequest
from registry.copies.tables import DerivedCopy
from registry.errors import NotFoundError
from registry.uses import service as uses
from registry.uses.tables import Use
from registry.work import Work
from verifier.status import Status
from verifier.times import shanghai_day

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]
OfUse = Annotated[str, Query(max_length=26)]


@router.get("/certificates/{certificate_id}/copies")
def list_copies(request: Request, certificate_id: str, call: OfCall, use: OfUse = "") -> Response:
    """加注件列表与制作表单。"""
    view = _page(call, certificate_id, Form({}, {}), texts_for(request), use)
    return show(request, "copies.html", view)


@router.post("/certificates/{certificate_id}/copies")
def make(request: Request, certificate_id: str, call: OfCall, form: OfForm) -> Response:
    """制作一份加注件。"""
    t = texts_for(request)
    try:
        wanted = _request(certificate_id, form)
        call.write(lambda work: make_copy(call, work, wanted))
    except SHOWN_ERRORS as refused:
        if isinstance(refused, NotFoundError) and refused.reason == "certificate_unknown":
            raise
        problem = problem_view(refused, t)
        view = _page(call, certificate_id, form, t, form.text("use_id"), problem, errors_of(refused, t))
        return show(request, "copies.html", view, status=status_of(refused))
    query = {"use": form.text("use_id")} if form.text("use_id") else {}
    return go(f"/certificates/{certificate_id}/copies", done="copy", **query)


def _request(certificate_id: str, form: Form) -> CopyRequest:
    return CopyRequest(
        certificate_id=certificate_id, matter_code=form.text("matter_code"), purpose=form.text("purpose"),
        receiver=form.text("receiver"), expires_at=end_of(form.text("expires_on")),
        masked=form.text("whole") != "yes", use_id=form.text("use_id") or None,
        authorisation_id=form.text("authorisation_id") or None,
    )  # fmt: skip


@router.get("/copies/{copy_id}/file")
def download(copy_id: str, call: OfCall) -> Response:
    """下载 PDF。"""
    return pdf_of(call, copy_id)


@router.post("/copies/{copy_id}/revoke")
def revoke(request: Request, copy_id: str, call: OfCall, form: OfForm) -> Response:
    """作废一份加注件。"""
    t, reason = texts_for(request), form.text("reason")
    certificate_id = call.read(lambda work: copies.get(work, copy_id).certificate_id)
    try:
        call.write(lambda work: copies.revoke(work, copy_id, reason))
    except SHOWN_ERRORS as refused:
        view = _page(call, certificate_id, Form({}, {}), t, form.text("use_id"), problem_view(refused, t))
        return show(request, "copies.html", view, status=status_of(refused))
    query = {"use": form.text("use_id")} if form.text("use_id") else {}
    return go(f"/certificates/{certificate_id}/copies", done="copy_ended", **query)


@router.get("/copies/{copy_id}/evidence")
def download_evidence(copy_id: str, call: OfCall) -> Response:
    """下载证据包。"""
    return evidence_of(call, copy_id)


def _page(
    call: Call,
    certificate_id: str,
    form: Form,
    t: Texts,
    use_id: str,
    problem: ProblemView | None = None,
    errors: Mapping[str, str] | None = None,
) -> CopiesPage:
    def ask(work: Work) -> CopiesPage:
        row = sight.look_at(work, certificate_id)
        use = _use(work, row, use_id)
        is_issuer = work.actor.department == row.department
        names = wording.department_names(work)
        proposed = {
            "expires_on": usual_day(work, row).isoformat(),
            "receiver": names.get(use.department, "") if use else "",
        }
        return CopiesPage(
            certificate_id=row.id, title=catalogue.definition_at(work, row.type_code, row.type_version).name,
            lines=[_line(work, copy, names, t) for copy in copies.list_of(work, row.id)],
            may_make=work.actor.department is not None and work.actor.has_role("registrar", "window"),
            is_issuer=is_issuer, may_show_whole=is_issuer and work.actor.has_role("registrar"),
            use_id=use.id if use else "", basis=f"{use.purpose} · {use.case_no}" if use else "",
            matters=[(matter.code, matter.name) for matter in catalogue.list_matters(work, live_only=True)],
            earliest=shanghai_day(work.at).isoformat(), latest=latest_day(work, row).isoformat(),
            values={**proposed, **{name: form.text(name) for name in form.texts}}, errors=errors or {},
            problem=problem,
        )  # fmt: skip

    return call.read(ask)


def _use(work: Work, row: Certificate, use_id: str) -> Use | None:
    if not use_id:
        return None
    use = uses.get(work, use_id)
    return use if use.department == work.actor.department and use.item_id == row.id else None


def _state_name(row: DerivedCopy, state: Status | None, t: Texts) -> str:
    if row.revoked_at is not None:
        return t("copies.ended")
    return t("copies.over") if state is None else wording.status_name(state, t)


def _line(work: Work, row: DerivedCopy, names: Mapping[str, str], t: Texts) -> CopyLine:
    state = copies.state_of(work, row)
    return CopyLine(
        id=row.id, number=f"{row.number:04d}", purpose=row.purpose, receiver=row.receiver,
        maker=names.get(row.department, row.department), made_at=row.made_at, expires_at=row.expires_at,
        tone="dormant" if state is None else wording.tone_of(state),
        state=_state_name(row, state, t),
        may_take=work.actor.has_role("registrar", "window"), may_end=copies.may_end(work, row),
        ended_because=row.revoked_reason or "",
    )  # fmt: skip
