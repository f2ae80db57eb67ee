"""Applications for venue codes, a venue's posters, and alarms about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api.http.calls import Call, get_call
from api.http.codes import signing_key
from api.http.guard import GuardedRoute
from api.pages import wording
from api.pages.forms import Form, get_form
from api.pages.poster_views import (
    AlarmLine,
    AlarmsPage,
    ApplicationLine,
    ApplicationsPage,
    PosterLine,
    PostersPage,
)
from api.pages.problems import SHOWN_ERRORS, field_errors, problem_view, status_of, tried_in
from api.pages.rendering import go, show, texts_for
from api.pages.texts import Texts
from api.pages.views import ProblemView, Tone, Tried
from registry.applications import rules as application_rules
from registry.applications import service as applications
from registry.applications.tables import Application
from registry.errors import FieldError, InvalidDraftError, NotFoundError, NotPermittedError
from registry.posters import rules
from registry.posters import service as posters
from registry.venues import service as venues
from registry.work import Work
from verifier.status import Status

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

_EMPTY = Form({}, {})


@router.get("/venues/applications")
def list_applications(request: Request, call: OfCall) -> Response:
    """场所码申请：收件与审核。"""
    return show(request, "applications.html", _applications(call, _EMPTY, texts_for(request)))


@router.post("/venues/applications")
def apply(request: Request, call: OfCall, form: OfForm) -> Response:
    """收件。"""
    t = texts_for(request)
    applicant = form.text("applicant_code_type_code"), form.text("applicant_code")
    try:
        call.write(
            lambda work: applications.apply(
                work, form.text("unit").upper(), applicant, form.text("applicant_role"), form.text("document"),
                form.text("name"), form.text("address"), form.text("area_code"),
            )
        )  # fmt: skip
    except SHOWN_ERRORS as refused:
        inputs = {"applicant": "applicant_code", "responsible": "unit"}
        errors = {inputs.get(name, name): said for name, said in field_errors(refused, t).items()}
        view = _applications(call, form, t, problem_view(refused, t), errors)
        return show(request, "applications.html", view, status=status_of(refused))
    return go("/venues/applications", done="applied")


@router.post("/venues/applications/{application_id}/decide")
def decide(request: Request, application_id: str, call: OfCall, form: OfForm) -> Response:
    """审核。"""
    t, key, approved = texts_for(request), signing_key(call), form.text("decision") == "approve"
    try:
        row = call.write(
            lambda work: applications.decide(
                work, application_id, approved=approved, reason=form.text("reason"), key=key
            )
        )
    except SHOWN_ERRORS as refused:
        tried = tried_in(form, refused, t)
        view = _applications(call, _EMPTY, t, None if tried.errors else problem_view(refused, t))
        lines = [replace(line, tried=tried) if line.id == application_id else line for line in view.lines]
        view = replace(view, lines=lines)
        return show(request, "applications.html", view, status=status_of(refused))
    if row.venue_id is not None:
        return go(f"/venues/{row.venue_id}/posters", done="approved")
    return go("/venues/applications", done="refused")


def _applications(
    call: Call,
    form: Form,
    t: Texts,
    problem: ProblemView | None = None,
    errors: Mapping[str, str] | None = None,
) -> ApplicationsPage:
    actor = call.known.actor

    def line(row: Application) -> ApplicationLine:
        tones: dict[str, Tone] = {"open": "waiting", "approved": "valid", "refused": "invalid"}
        may_decide = row.state == "open" and actor.has_role("venue") and actor.department == row.department
        return ApplicationLine(
            id=row.id, name=row.name, address=row.address, unit=row.unit, document=row.document,
            applicant=t.said(f"applicant.{row.applicant_role}", application_rules.APPLICANTS[row.applicant_role]),
            applied_at=row.applied_at, tone=tones[row.state],
            state=t.said(f"application.{row.state}", application_rules.STATES[row.state]), reason=row.reason or "",
            venue_id=row.venue_id, may_decide=may_decide and actor.id != row.applied_by,
        )  # fmt: skip

    rows = call.read(lambda work: applications.list_all(work, _watched(call)))
    return ApplicationsPage(
        lines=[line(row) for row in rows], may_apply=actor.has_role("window", "venue") and actor.department is not None,
        roles=[(key, t.said(f"applicant.{key}", name)) for key, name in application_rules.APPLICANTS.items()],
        code_types=wording.code_type_options(t, people_only=True),
        values={"area_code": "310105", **{name: form.text(name) for name in form.texts}}, errors=errors or {},
        problem=problem,
    )  # fmt: skip


def _watched(call: Call) -> str | None:
    actor = call.known.actor
    return None if actor.has_role("administrator", "auditor") else actor.department


@router.get("/venues/alarms")
def list_alarms(request: Request, call: OfCall) -> Response:
    """海报告警的待办。"""
    return show(request, "alarms.html", _alarms(call, texts_for(request)))


@router.post("/venues/alarms/{alarm_id}/close")
def close(request: Request, alarm_id: str, call: OfCall, form: OfForm) -> Response:
    """办结，可同时停用这张海报的码。"""
    t, withdraw = texts_for(request), form.text("withdraw") == "yes"
    try:
        call.write(lambda work: posters.close(work, alarm_id, form.text("outcome"), withdraw=withdraw))
    except SHOWN_ERRORS as refused:
        tried = tried_in(form, refused, t)
        view = _alarms(call, t, None if tried.errors else problem_view(refused, t))
        lines = [replace(line, tried=tried) if line.id == alarm_id else line for line in view.lines]
        return show(request, "alarms.html", replace(view, lines=lines), status=status_of(refused))
    return go("/venues/alarms", done="alarm_closed")


def _alarms(call: Call, t: Texts, problem: ProblemView | None = None) -> AlarmsPage:
    found = call.read(lambda work: posters.list_alarms(work, _watched(call)))
    lines = [
        AlarmLine(
            alarm.id, venue.id, venue.name, poster.number, poster.place or "",
            t.said(f"alarm.{alarm.kind}", rules.ALARMS[alarm.kind]), alarm.note, alarm.raised_at,
        )
        for alarm, poster, venue in found
    ]  # fmt: skip
    return AlarmsPage(lines, call.known.actor.has_role("venue"), problem)


@router.get("/venues/{venue_id}/posters")
def list_posters(request: Request, venue_id: str, call: OfCall) -> Response:
    """一个场所的海报。"""
    t = texts_for(request)
    return show(request, "posters.html", call.read(lambda work: _posters(work, venue_id, t)))


@router.post("/venues/{venue_id}/posters")
def make(request: Request, venue_id: str, call: OfCall, form: OfForm) -> Response:
    """制作编号海报。"""
    t, count, key = texts_for(request), form.text("count"), signing_key(call)
    try:
        if not count.isdecimal() or len(count) > 4:
            raise InvalidDraftError([FieldError("count", "not_a_number", t("posters.count_form"))])
        call.write(lambda work: posters.make(work, venue_id, int(count), key))
    except SHOWN_ERRORS as refused:
        return _again(request, call, venue_id, refused)
    return go(f"/venues/{venue_id}/posters", done="posters")


@router.post("/posters/{code_id}/place")
def put_up(request: Request, code_id: str, call: OfCall, form: OfForm) -> Response:
    """登记张贴位置。"""
    venue_id = call.read(lambda work: posters.get(work, code_id)).venue_id
    geohash = form.text("geohash").lower() or None
    try:
        call.write(lambda work: posters.put_up(work, code_id, form.text("place"), geohash))
    except SHOWN_ERRORS as refused:
        return _again(request, call, venue_id, refused, (code_id, tried_in(form, refused, texts_for(request))))
    return go(f"/venues/{venue_id}/posters", done="put_up")


@router.post("/posters/{code_id}/reports")
def report(code_id: str, call: OfCall, form: OfForm) -> Response:
    """举报；不记录是谁报的。"""
    call.write_as_anyone(lambda work: posters.report(work, code_id, form.text("kind"), form.text("note")))
    return go("/verify", done="poster_reported")


def _again(
    request: Request, call: Call, venue_id: str, refused: Exception, tried: tuple[str, Tried] | None = None
) -> Response:
    """The posters with what was wrong, at the poster that was tried."""
    if isinstance(refused, NotFoundError | NotPermittedError):
        raise refused
    t = texts_for(request)
    errors = field_errors(refused, t)
    problem = None if tried and errors else problem_view(refused, t)
    view = call.read(lambda work: _posters(work, venue_id, t, problem, errors))
    if tried is not None:
        lines = [replace(line, tried=tried[1]) if line.code_id == tried[0] else line for line in view.lines]
        view = replace(view, lines=lines)
    return show(request, "posters.html", view, status=status_of(refused))


def _posters(
    work: Work,
    venue_id: str,
    t: Texts,
    problem: ProblemView | None = None,
    errors: Mapping[str, str] | None = None,
) -> PostersPage:
    venue = venues.get(work, venue_id)
    is_own = work.actor.department == venue.department
    if not is_own and not work.actor.has_role("administrator", "auditor"):
        raise NotPermittedError("not_the_venues_department", "只能查看本部门的场所。")
    lines = [
        PosterLine(
            poster.code_id, poster.number, wording.tone_of(code.status), wording.status_name(code.status, t),
            code.status == Status.VALID and code.expires_at > work.at, poster.place or "", poster.bound_at,
        )
        for poster, code in posters.of_venue(work, venue_id)
    ]  # fmt: skip
    return PostersPage(
        venue.id, venue.name, venue.address, lines, is_own and work.actor.has_role("venue"), rules.MAX_AT_ONCE,
        errors or {}, problem,
    )  # fmt: skip
