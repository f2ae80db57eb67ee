"""The way in: home, settings, log-in, log-out, one's own password."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response

from api.access import ADMINISTRATOR
from api.http.callers import caller_of, clear_cookie, place_of, session_secret, set_cookies, set_half_cookie
from api.http.calls import Call, get_call
from api.http.guard import CALLER, GuardedRoute
from api.pages.entrance_views import Door, HomePage, KeptPage, LoginPage, PasswordPage, WaitingLine
from api.pages.factor_page import factor_page, go_and_enrol
from api.pages.factor_views import CodePage
from api.pages.first_steps import first_steps
from api.pages.forms import Form, get_form
from api.pages.kept import KeptForm, kept_in
from api.pages.navigation import way_to
from api.pages.preferences import Preferences
from api.pages.problems import field_errors, problem_view, status_of
from api.pages.rendering import go, local_path, show, texts_for
from api.pages.status import figures_of, read_state
from api.pages.texts import Texts
from registry.accounts import service as accounts
from registry.accounts.service import Login
from registry.disputes import service as disputes
from registry.errors import AuthenticationError, InvalidDraftError, SecondFactorNeededError
from registry.notices import service as notices

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

_DOORS: Final = (
    Door("register", "files", "/register"),
    Door("use", "window", "/use"),
    Door("venues", "building", "/venues"),
)
#: For whoever carries a code; they have no account.
_OWN: Final = Door("wallet", "qr", "/wallet")


@router.get("/")
def home(request: Request, call: OfCall) -> Response:
    """首页。"""
    t = texts_for(request)
    roles = call.caller.actor.roles if call.caller else None
    doors = [*_DOORS, _OWN] if roles is None else [one for one in _DOORS if way_to(one.href).is_seen_by(roles)]
    steps = call.read(first_steps) if roles is not None and ADMINISTRATOR in roles else None
    return show(request, "home.html", HomePage(doors, figures_of(read_state(call), t), _waiting(call, t), steps))


def _waiting(call: Call, t: Texts) -> list[WaitingLine] | None:
    """Work that waits for the caller's department; None for whoever has none or no part in it."""
    department = call.caller.actor.department if call.caller else None
    if department is None or not call.known.actor.has_role("registrar", "window"):
        return None
    counts = call.read(lambda work: (disputes.waiting(work, department), notices.unread(work, department)))
    lines = (
        WaitingLine(counts[0], t("waiting.disputes"), "/disputes"),
        WaitingLine(counts[1], t("waiting.notices"), "/notices"),
    )
    return [line for line in lines if line.count]


@router.post("/settings")
def change_settings(request: Request, call: OfCall, form: OfForm) -> Response:
    """语言与字号。"""
    changed = Preferences.of(request).changed(form.text("language") or None, form.text("print") or None)
    response = go(local_path(form.text("back")))
    changed.keep(response, secure=call.services.settings.is_https)
    return response


@router.get("/login")
def login_form(request: Request, call: OfCall, next: str = "/") -> Response:
    """登录页。"""
    if call.caller is not None:
        return go(local_path(next))
    return show(request, "login.html", LoginPage(local_path(next)))


@router.post("/login")
def log_in(request: Request, call: OfCall, form: OfForm) -> Response:
    """登录。"""
    username, onward, kept = form.text("username"), local_path(form.text("next")), kept_in(form)
    place, asked = place_of(call.services, request), call.services.settings.second_factor
    try:
        login = accounts.log_in(call.services.registry, username, form.exact("password"), place, asked)
    except SecondFactorNeededError as needed:
        response: Response = show(request, "login_code.html", CodePage(onward, kept))
        set_half_cookie(call.services, response, needed)
        return response
    except AuthenticationError as refused:
        view = LoginPage(onward, username, problem_view(refused, texts_for(request)), kept)
        return show(request, "login.html", view, status=status_of(refused))
    return entered(request, call, login, onward, kept)


def entered(request: Request, call: Call, login: Login, onward: str, kept: KeptForm | None) -> Response:
    """After a log-in: on to where it was wanted for, unless something has to be done or sent first."""
    if login.staff.must_change_password:
        return enter(call, login, "/password")
    if kept is None:
        return enter(call, login, go_and_enrol(onward) if login.must_enrol else onward)
    request.scope[CALLER] = caller_of(call.services, login.secret)
    if login.must_enrol:
        response: Response = show(request, "factor.html", factor_page(request, call, login.staff.id, onward, kept))
    else:
        response = show(request, "kept.html", KeptPage(kept))
    set_cookies(call.services, response, login)
    return response


def enter(call: Call, login: Login, path: str, done: str | None = None) -> Response:
    """Send the browser on with its session."""
    response = go(path, done=done)
    set_cookies(call.services, response, login)
    return response


@router.post("/logout")
def log_out(request: Request, call: OfCall) -> Response:
    """退出。"""
    secret = session_secret(call.services, request)
    if secret is not None:
        call.write(lambda work: accounts.log_out(work, secret))
    response = go("/")
    clear_cookie(call.services, response)
    return response


@router.get("/password")
def password_form(request: Request, call: OfCall) -> Response:
    """修改口令页。"""
    caller = call.known
    return show(request, "password.html", PasswordPage(caller.must_change_password, caller.username or ""))


@router.post("/password")
def change_password(request: Request, call: OfCall, form: OfForm) -> Response:
    """修改口令；旧会话全部结束，以新口令建立新会话。"""
    caller, t = call.known, texts_for(request)
    old, new = form.exact("old"), form.exact("new")
    username = caller.username or ""
    if new != form.exact("again"):
        again = PasswordPage(caller.must_change_password, username, again_error=t("password.differ"))
        return show(request, "password.html", again, status=422)
    try:
        staff_id, place = caller.actor.id.removeprefix("staff:"), place_of(call.services, request)
        login = accounts.change_password(
            call.services.registry, staff_id, old, new, place, call.services.settings.second_factor
        )
    except (AuthenticationError, InvalidDraftError) as refused:
        weak = field_errors(refused, t).get("new_password")
        problem = None if weak else problem_view(refused, t)
        view = PasswordPage(caller.must_change_password, username, problem, new_error=weak)
        return show(request, "password.html", view, status=422)
    return enter(call, login, go_and_enrol("/") if login.must_enrol else "/", done="password")
