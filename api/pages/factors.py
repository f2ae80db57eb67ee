"""The second factor: the second step of a log-in, one's own page, and taking it off another's account."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from markupsafe import Markup

from api.http.callers import caller_of, clear_half_cookie, half_session_of, place_of, set_cookies
from api.http.calls import Call, get_call
from api.http.factors import account_id_of
from api.http.guard import CALLER, GuardedRoute
from api.pages.entrance import entered
from api.pages.entrance_views import LoginPage
from api.pages.factor_page import factor_page
from api.pages.factor_views import CodePage, RecoveryPage, SetupPage
from api.pages.forms import Form, get_form
from api.pages.kept import kept_in
from api.pages.problems import SHOWN_ERRORS, problem_view, status_of
from api.pages.proposals import wish
from api.pages.rendering import go, local_path, show, texts_for
from codes import picture
from registry.errors import AuthenticationError, TransitionError
from registry.factors import rules
from registry.factors import service as factors
from registry.factors.service import Enrolment

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]


@router.post("/login/code")
def enter_code(request: Request, call: OfCall, form: OfForm) -> Response:
    """登录第二步：验证码或备用码。"""
    services, t = call.services, texts_for(request)
    onward, kept = local_path(form.text("next")), kept_in(form)
    try:
        half, place = half_session_of(services, request), place_of(services, request)
        login = factors.enter_code(services.registry, services.files.masters, half, form.text("code"), place)
    except AuthenticationError as refused:
        problem = problem_view(refused, t)
        if refused.reason in ("half_session_over", "account_disabled"):
            return show(request, "login.html", LoginPage(onward, "", problem, kept), status=status_of(refused))
        view = CodePage(onward, kept, problem, recovering=bool(form.text("recovering")))
        return show(request, "login_code.html", view, status=status_of(refused))
    response = entered(request, call, login, onward, kept)
    clear_half_cookie(services, response)
    return response


@router.get("/second-factor")
def show_factor(request: Request, call: OfCall, next: str = "/") -> Response:
    """我的双重验证。"""
    return show(request, "factor.html", factor_page(request, call, account_id_of(call), local_path(next)))


@router.post("/second-factor/begin")
def begin(request: Request, call: OfCall, form: OfForm) -> Response:
    """设置或更换验证器：给出二维码与密钥。"""
    services = call.services
    try:
        begun = factors.begin_enrolment(
            services.registry, services.files.masters, account_id_of(call), form.exact("password"), form.text("code")
        )
    except SHOWN_ERRORS as refused:
        return _again(request, call, form, refused, "begin")
    return show(request, "factor_setup.html", _setup(request, form, begun))


@router.post("/second-factor/confirm")
def confirm(request: Request, call: OfCall, form: OfForm) -> Response:
    """以验证码确认；备用码只显示这一次。"""
    services, account_id = call.services, account_id_of(call)
    masters, place = services.files.masters, place_of(services, request)
    try:
        enrolled = factors.confirm_enrolment(services.registry, masters, account_id, form.text("code"), place)
    except AuthenticationError as refused:
        begun = call.read(lambda work: factors.shown_enrolment(work, masters, account_id))
        if begun is None:
            return _again(request, call, form, refused, "begin")
        return show(request, "factor_setup.html", _setup(request, form, begun, refused), status=status_of(refused))
    except TransitionError as over:
        return _again(request, call, form, over, "begin")
    request.scope[CALLER] = caller_of(services, enrolled.login.secret)
    view = RecoveryPage(enrolled.recovery_codes, local_path(form.text("next")), kept_in(form))
    response = show(request, "factor_codes.html", view)
    set_cookies(services, response, enrolled.login)
    return response


@router.post("/second-factor/codes")
def renew(request: Request, call: OfCall, form: OfForm) -> Response:
    """换发备用码；只显示这一次。"""
    services = call.services
    try:
        codes = factors.renew_recovery_codes(
            services.registry, services.files.masters, account_id_of(call), form.exact("password"), form.text("code")
        )
    except SHOWN_ERRORS as refused:
        return _again(request, call, form, refused, "codes")
    return show(request, "factor_codes.html", RecoveryPage(codes, "/second-factor"))


@router.post("/second-factor/end")
def end(request: Request, call: OfCall, form: OfForm) -> Response:
    """关闭双重验证。"""
    services = call.services
    try:
        factors.end(
            services.registry, services.files.masters, account_id_of(call), form.exact("password"), form.text("code"),
            services.settings.second_factor,
        )  # fmt: skip
    except SHOWN_ERRORS as refused:
        return _again(request, call, form, refused, "end")
    return go("/second-factor", done="factor_ended")


@router.post("/accounts/{account_id}/second-factor")
def remove(request: Request, account_id: str, call: OfCall) -> Response:
    """解除他人账号的双重验证（手机遗失）；须经双人复核。"""
    done = wish(call, "account.factor", {"account_id": account_id}, texts_for(request)("factor.remove"))
    return go("/accounts", done="factor_removed") if done is not None else go("/proposals", done="proposed")


def _setup(request: Request, form: Form, begun: Enrolment, refused: Exception | None = None) -> SetupPage:
    t = texts_for(request)
    uri = rules.key_uri(begun.secret, begun.username)
    # Drawn here from an address of our own: markup by its making.
    svg = Markup(picture.draw_key_uri_svg(uri, title=t("factor.qr")))  # noqa: S704
    problem = None if refused is None else problem_view(refused, t)
    secret = rules.secret_text(begun.secret)
    return SetupPage(svg, secret, begun.expires_at, local_path(form.text("next")), kept_in(form), problem)


def _again(request: Request, call: Call, form: Form, refused: Exception, place: str) -> Response:
    onward, problem = local_path(form.text("next")), problem_view(refused, texts_for(request))
    view = factor_page(request, call, account_id_of(call), onward, kept_in(form), problem, place)
    return show(request, "factor.html", view, status=status_of(refused))
