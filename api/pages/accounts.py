"""Accounts of the staff and tokens of department systems: an administrator's page."""

from __future__ import annotations

from collections.abc import Mapping, Set
from datetime import date, datetime, time, timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response

from api.http.calls import Call, get_call
from api.http.guard import GuardedRoute
from api.pages import wording
from api.pages.account_views import AccountForm, AccountsPage, Secret, StaffLine, TokenLine
from api.pages.forms import Form, get_form
from api.pages.problems import SHOWN_ERRORS, field_errors, problem_view, status_of
from api.pages.proposals import wish
from api.pages.rendering import go, show, texts_for
from api.pages.texts import Texts
from api.pages.times import SHANGHAI
from api.pages.views import ProblemView, Tone
from registry.accounts import control, tokens, tries
from registry.accounts import service as accounts
from registry.accounts.tables import ApiToken, Staff
from registry.errors import FieldError, InvalidDraftError, NotFoundError, NotPermittedError
from registry.factors import service as factors
from registry.proposals import service as proposals
from registry.venues import service as venues
from registry.venues.tables import Venue
from registry.work import Work

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

_TOKEN_LASTS: Final = timedelta(days=365)


@router.get("/accounts")
def show_accounts(request: Request, call: OfCall) -> Response:
    """账号与令牌。"""
    return show(request, "accounts.html", _page(call, texts_for(request)))


@router.post("/accounts")
def create_account(request: Request, call: OfCall, form: OfForm) -> Response:
    """新建账号；一次性口令只显示一次。"""
    t = texts_for(request)
    username, department = form.text("username"), form.text("department") or None
    try:
        given = {"username": username, "name": form.text("name"), "roles": form.all("roles"), "department": department}
        made = wish(call, "account.create", given, form.text("reason"))
    except SHOWN_ERRORS as refused:
        return _again(request, call, refused, form, "staff")
    if made is None:
        return go("/proposals", done="proposed")
    secret = Secret(t("accounts.made", name=username), made.once["one_time_password"], t("accounts.once"))
    return show(request, "accounts.html", _page(call, t, secret=secret), status=201)


@router.post("/accounts/{account_id}/password")
def reset_password(request: Request, account_id: str, call: OfCall) -> Response:
    """重置口令；新的一次性口令只显示一次。须经双人复核。"""
    t = texts_for(request)
    done = wish(call, "account.password", {"account_id": account_id}, t("accounts.reset"))
    if done is None:
        return go("/proposals", done="proposed")
    secret = Secret(t("accounts.made", name=done.value.username), done.once["one_time_password"], t("accounts.once"))
    return show(request, "accounts.html", _page(call, t, secret=secret))


@router.post("/accounts/{account_id}/disable")
def disable_account(account_id: str, call: OfCall) -> Response:
    """停用账号；不能停用自己，以免无人能管理。"""
    if call.known.actor.id == f"staff:{account_id}":
        raise NotPermittedError("not_oneself", "不能停用自己的账号。")
    call.write(lambda work: accounts.disable_staff(work, account_id))
    return go("/accounts", done="disabled")


@router.post("/accounts/{account_id}/reopen")
def reopen_account(request: Request, account_id: str, call: OfCall, form: OfForm) -> Response:
    """恢复已停用的账号；新的一次性口令只显示一次。须经双人复核。"""
    t = texts_for(request)
    try:
        done = wish(call, "account.reopen", {"account_id": account_id}, form.text("reason"))
    except SHOWN_ERRORS as refused:
        return _again(request, call, refused, form, account_id)
    if done is None:
        return go("/proposals", done="proposed")
    secret = Secret(t("accounts.made", name=done.value.username), done.once["one_time_password"], t("accounts.once"))
    return show(request, "accounts.html", _page(call, t, secret=secret))


@router.post("/accounts/{account_id}/roles")
def set_roles(request: Request, account_id: str, call: OfCall, form: OfForm) -> Response:
    """变更角色；须经双人复核。"""
    given = {"account_id": account_id, "roles": form.all("roles")}
    try:
        made = wish(call, "account.roles", given, form.text("reason"))
    except SHOWN_ERRORS as refused:
        return _again(request, call, refused, form, account_id)
    return go("/accounts", done="roles") if made is not None else go("/proposals", done="proposed")


@router.post("/tokens")
def create_token(request: Request, call: OfCall, form: OfForm) -> Response:
    """新建令牌；密文只显示一次。"""
    t = texts_for(request)
    name, department = form.text("token_name"), form.text("token_department") or None
    try:
        expires_at = _end_of_day(form.text("expires_on"), t)
        roles, chosen = form.all("token_roles"), form.all("token_venues")
        given = {"name": name, "department": department, "roles": roles, "venues": chosen or None}
        made = wish(call, "token.create", {**given, "expires_at": expires_at.isoformat()}, form.text("reason"))
    except SHOWN_ERRORS as refused:
        return _again(request, call, refused, form, "token")
    if made is None:
        return go("/proposals", done="proposed")
    secret = Secret(t("tokens.made", name=name), made.once["secret"], t("tokens.once"))
    return show(request, "accounts.html", _page(call, t, secret=secret), status=201)


@router.post("/tokens/{token_id}/revoke")
def revoke_token(token_id: str, call: OfCall) -> Response:
    """吊销令牌，立即失效。"""
    call.write(lambda work: tokens.revoke(work, token_id))
    return go("/accounts", done="revoked")


def _end_of_day(text: str, t: Texts) -> datetime:
    try:
        return datetime.combine(date.fromisoformat(text), time(23, 59, 59), SHANGHAI)
    except ValueError as wrong:
        raise InvalidDraftError([FieldError("expires_at", "date_does_not_exist", t("tokens.no_such_day"))]) from wrong


def _again(request: Request, call: Call, refused: Exception, form: Form, place: str) -> Response:
    if isinstance(refused, NotFoundError):
        raise refused
    t = texts_for(request)
    errors = field_errors(refused, t)
    if place == "token":
        renamed = {
            "name": "token_name",
            "department": "token_department",
            "roles": "token_roles",
            "venues": "token_venues",
        }
        errors = {renamed.get(name, name): message for name, message in errors.items()}
    sent = AccountForm(
        form.text("username"), form.text("name"), form.text("department"), form.all("roles"), form.text("token_name"),
        form.text("token_department"), form.text("expires_on"), form.all("token_roles"),
        form.all("token_venues"), form.text("reason"),
    )  # fmt: skip
    view = _page(call, t, form=sent, errors=errors, problem=problem_view(refused, t), place=place)
    return show(request, "accounts.html", view, status=status_of(refused))


def _page(
    call: Call,
    t: Texts,
    *,
    form: AccountForm | None = None,
    secret: Secret | None = None,
    errors: Mapping[str, str] | None = None,
    problem: ProblemView | None = None,
    place: str = "",
) -> AccountsPage:
    in_a_year = (call.services.clock() + _TOKEN_LASTS).astimezone(SHANGHAI).date()

    def ask(work: Work) -> AccountsPage:
        names, staff = wording.department_names(work), accounts.list_staff(work)
        places = {row.id: row for row in venues.list_all(work)}
        guessed, two_step = tries.guessed_at(work, [row.username for row in staff]), factors.having(work)
        waiting = proposals.list_all(work, open_only=True)
        return AccountsPage(
            staff=[_staff(row, names, guessed, two_step, work, t) for row in staff],
            tokens=[_token(row, names, places, work, t) for row in tokens.list_tokens(work)],
            venues=[(row.id, f"{row.name} · {names.get(row.department, row.department)}") for row in places.values()],
            departments=list(names.items()), roles=wording.role_options(t),
            token_roles=wording.token_role_options(t),
            form=form or AccountForm(expires_on=in_a_year.isoformat()), secret=secret, errors=errors or {},
            problem=problem, problem_in=place, dual=control.binding_since(work) is not None,
            reopening={row.arguments["account_id"] for row in waiting if row.action == "account.reopen"},
        )  # fmt: skip

    return call.read(ask)


def _staff(
    row: Staff, names: Mapping[str, str], guessed: Set[str], two_step: Set[str], work: Work, t: Texts
) -> StaffLine:
    tone, state = _staff_state(row, is_guessed_at=row.username in guessed)
    return StaffLine(
        id=row.id, username=row.username, name=row.name, department=_department(row.department, names, t),
        roles=[wording.role_name(role, t) for role in row.roles], tone=tone, state=t(f"account.{state}"),
        disabled=row.disabled_at is not None, role_codes=frozenset(row.roles),
        is_self=work.actor.id == f"staff:{row.id}", two_step=row.id in two_step,
    )  # fmt: skip


def _staff_state(row: Staff, *, is_guessed_at: bool) -> tuple[Tone, str]:
    if row.disabled_at is not None:
        return "dormant", "disabled"
    if is_guessed_at:
        return "invalid", "guessed"
    return ("waiting", "password_due") if row.must_change_password else ("valid", "open")


def _token(row: ApiToken, names: Mapping[str, str], places: Mapping[str, Venue], work: Work, t: Texts) -> TokenLine:
    if row.revoked_at is not None:
        tone, state = "dormant", "revoked"
    elif row.expires_at <= work.at:
        tone, state = "dormant", "expired"
    else:
        tone, state = "valid", "live"
    return TokenLine(
        id=row.id, name=row.name, department=_department(row.department, names, t),
        roles=[wording.role_name(role, t) for role in row.roles], expires_at=row.expires_at,
        venues=[places[venue].name if venue in places else venue for venue in row.venues or ()],
        tone="valid" if tone == "valid" else "dormant", state=t(f"token.{state}"), live=state == "live",
    )  # fmt: skip


def _department(code: str | None, names: Mapping[str, str], t: Texts) -> str:
    return t("staff.no_department") if code is None else names.get(code, code)
