"""Departments and their scopes: register, grant, end, suspend, reinstate. For administrators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api.http.calls import Call, get_call
from api.http.guard import GuardedRoute
from api.pages.department_views import DepartmentCard, DepartmentsPage, Draft, ScopeLine
from api.pages.forms import Form, get_form
from api.pages.problems import SHOWN_ERRORS, field_errors, problem_view, status_of
from api.pages.proposals import wish
from api.pages.rendering import go, show, texts_for
from api.pages.texts import Texts
from api.pages.views import Option
from registry.accounts import control
from registry.catalogue import service as catalogue
from registry.departments import service as departments
from registry.departments import standing
from registry.departments.rules import ACTIONS, LEVELS
from registry.departments.tables import Department, Scope, ScopeEnd
from registry.errors import FieldError, InvalidDraftError
from registry.work import Work
from verifier.times import shanghai_day

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]


@router.get("/departments")
def list_departments(request: Request, call: OfCall) -> Response:
    """部门与权限。"""
    return show(request, "departments.html", _page(call, texts_for(request)))


@router.post("/departments")
def register(request: Request, call: OfCall, form: OfForm) -> Response:
    """登记部门。"""

    given = {name: form.text(name) for name in ("code", "name", "short_name", "level")}
    return _done(
        request, call, form, "register", "department_registered", _wish(call, form, "department.register", given)
    )


@router.post("/departments/scopes")
def grant_scope(request: Request, call: OfCall, form: OfForm) -> Response:
    """授予权限。"""

    def act() -> object:
        given = {name: form.text(name) for name in ("department", "type_code", "action")}
        days = {name: _day(form, name) for name in ("valid_from_on", "valid_to_on")}
        return _wish(call, form, "scope.grant", {**given, **days})()

    return _done(request, call, form, "grant", "scope_granted", act)


@router.post("/departments/{code}/scopes/end")
def end_scope(request: Request, code: str, call: OfCall, form: OfForm) -> Response:
    """提前截止权限；只收回，不须复核。"""

    def act() -> object:
        _check_agreed(form)
        ends_on = _day(form, "valid_to_on")
        if ends_on is None:
            raise InvalidDraftError([FieldError("valid_to_on", "date_does_not_exist", "请填写存在的日期。")])
        scope_id, day, reason = form.text("scope_id"), date.fromisoformat(ends_on), form.text("reason")
        return call.write(lambda work: departments.end_scope(work, code, scope_id, day, reason))

    return _done(request, call, form, f"end-{code}", "scope_ended", act)


@router.post("/departments/{code}/suspend")
def suspend(request: Request, code: str, call: OfCall, form: OfForm) -> Response:
    """暂停部门。"""

    def act() -> object:
        _check_agreed(form)
        return call.write(lambda work: standing.suspend(work, code, form.text("reason")))

    return _done(request, call, form, code, "department_suspended", act)


@router.post("/departments/{code}/reinstate")
def reinstate(request: Request, code: str, call: OfCall, form: OfForm) -> Response:
    """恢复部门。"""

    def act() -> object:
        _check_agreed(form)
        return _wish(call, form, "department.reinstate", {"code": code})()

    return _done(request, call, form, code, "department_reinstated", act)


def _check_agreed(form: Form) -> None:
    if form.text("agreed") != "yes":
        raise InvalidDraftError([FieldError("agreed", "not_agreed", "请先勾选确认。")])


def _wish(call: Call, form: Form, action: str, given: Mapping[str, str | None]) -> Callable[[], object]:
    return lambda: wish(call, action, given, form.text("reason"))


def _day(form: Form, name: str) -> str | None:
    text = form.text(name)
    try:
        return date.fromisoformat(text).isoformat() if text else None
    except ValueError as wrong:
        raise InvalidDraftError([FieldError(name, "date_does_not_exist", "请填写存在的日期。")]) from wrong


def _done(request: Request, call: Call, form: Form, place: str, done: str, act: Callable[[], object]) -> Response:
    """Do it and show the list; or the worklist, where nothing was made and it waits for a second administrator.

    A refusal is shown with what was sent, in the form at `place`.
    """
    t = texts_for(request)
    try:
        made = act()
    except SHOWN_ERRORS as refused:
        names = ("code", "name", "short_name", "level", "department", "type_code", "action", "valid_from_on",
                 "valid_to_on", "reason", "scope_id")  # fmt: skip
        draft = Draft(
            place, {name: form.text(name) for name in names}, field_errors(refused, t), problem_view(refused, t)
        )
        return show(request, "departments.html", _page(call, t, draft), status=status_of(refused))
    call.services.worker.wake()
    return go("/departments", done=done) if made is not None else go("/proposals", done="proposed")


def _page(call: Call, t: Texts, draft: Draft | None = None) -> DepartmentsPage:
    def ask(work: Work) -> DepartmentsPage:
        types = {row.code: row.name for row in catalogue.list_types(work)}
        scopes = sorted(
            departments.list_scopes(work), key=lambda scope: (scope.type_code, scope.action, scope.valid_from_on)
        )
        today, ends = shanghai_day(work.at), departments.ends_of(work)
        rows = departments.list_all(work)
        return DepartmentsPage(
            cards=[_card(work, row, scopes, ends, types, today, t) for row in rows],
            departments=[(row.code, row.name) for row in rows],
            types=list(types.items()),
            actions=[(action, t(f"scope.{action}")) for action in ACTIONS],
            levels=_levels(t),
            today=today.isoformat(),
            dual=control.binding_since(work) is not None,
            draft=draft or Draft(),
        )

    return call.read(ask)


def _levels(t: Texts) -> list[Option]:
    return [(level, t.said(f"level.{level}", chinese)) for level, chinese in LEVELS.items()]


def _card(
    work: Work, row: Department, every: list[Scope], ends: Mapping[str, ScopeEnd], types: Mapping[str, str],
    today: date, t: Texts,
) -> DepartmentCard:  # fmt: skip
    scopes = [scope for scope in every if scope.department == row.code]
    history = standing.history(work, row.code)
    newest = history[-1] if history else None
    return DepartmentCard(
        code=row.code,
        name=row.name,
        level=t.said(f"level.{row.level}", LEVELS.get(row.level, row.level)),
        operator=row.operator,
        suspended=newest is not None and newest.state == "suspended",
        decided_at=newest.since_at if newest else None,
        reason=newest.reason if newest else "",
        scopes=[_scope(scope, ends.get(scope.id), types, today, t) for scope in scopes],
        may_end=[
            (
                scope.id,
                f"{types.get(scope.type_code, scope.type_code)} · {t(f'scope.{scope.action}')} · "
                f"{scope.valid_from_on} – {scope.valid_to_on or t('scope.no_end')}",
            )
            for scope in scopes
            if scope.valid_to_on is None or scope.valid_to_on > today
        ],
    )


def _scope(scope: Scope, end: ScopeEnd | None, types: Mapping[str, str], today: date, t: Texts) -> ScopeLine:
    if today < scope.valid_from_on:
        state = "coming"
    elif scope.valid_to_on is not None and scope.valid_to_on < today:
        state = "past"
    else:
        state = "live"
    return ScopeLine(
        type_name=types.get(scope.type_code, scope.type_code),
        action=t(f"scope.{scope.action}"),
        valid_from_on=scope.valid_from_on,
        valid_to_on=scope.valid_to_on,
        tone="valid" if state == "live" else "dormant",
        state=t(f"scope.{state}"),
        ended_because=end.reason if end else "",
    )
