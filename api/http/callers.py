"""Who calls: a person of the staff by the session cookie, or a department's system by a bearer token (RFC 6750)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from api.composition import Services
from api.http.limits import source_of
from registry.accounts import service as accounts
from registry.accounts import tokens
from registry.accounts.rules import BROWSER_LASTS, SESSION_LASTS, TOKEN_PREFIX
from registry.accounts.service import Login
from registry.accounts.tries import Place
from registry.departments.standing import is_suspended
from registry.errors import AuthenticationError, SecondFactorNeededError
from registry.factors.rules import HALF_SESSION_LASTS
from registry.work import REGISTRY, Actor

#: Longer secrets are none of ours; they are not even hashed.
MAX_SECRET_CHARS: Final = 128
_COOKIE: Final = "suizheng_session"
#: By this one an account knows the browser again; it opens nothing.
_BROWSER_COOKIE: Final = "suizheng_browser"
#: Between the password and the code. It is no session's: sessions are not looked for here, nor half ones there.
_HALF_COOKIE: Final = "suizheng_half"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever was authenticated, and by which means."""

    actor: Actor
    name: str
    username: str | None
    must_change_password: bool
    means: Literal["cookie", "bearer"]
    #: The session is for setting a second factor up, and for nothing else.
    must_enrol: bool = False


def cookie_name(services: Services, name: str = _COOKIE) -> str:
    """The session cookie's name; over https its prefix makes browsers refuse one from a sibling host (RFC 6265bis)."""
    return f"__Host-{name}" if services.settings.is_https else name


def set_cookies(services: Services, response: Response, login: Login) -> None:
    """Hand the session's secret and the browser's to the browser, out of the reach of scripts and of other sites."""
    for name, secret, lasts in (
        (_COOKIE, login.secret, SESSION_LASTS),
        (_BROWSER_COOKIE, login.browser, BROWSER_LASTS),
    ):
        response.set_cookie(
            cookie_name(services, name), secret, max_age=int(lasts.total_seconds()), path="/", httponly=True,
            samesite="strict", secure=services.settings.is_https,
        )  # fmt: skip


def set_half_cookie(services: Services, response: Response, needed: SecondFactorNeededError) -> None:
    """Hand the half session's secret to the browser, as `set_cookies` does."""
    response.set_cookie(
        cookie_name(services, _HALF_COOKIE), needed.half_session, max_age=int(HALF_SESSION_LASTS.total_seconds()),
        path="/", httponly=True, samesite="strict", secure=services.settings.is_https,
    )  # fmt: skip


def half_session_of(services: Services, request: Request) -> str:
    """The secret of the request's half session; empty without one."""
    return _secret_in(request, cookie_name(services, _HALF_COOKIE)) or ""


def clear_half_cookie(services: Services, response: Response) -> None:
    """Make the browser forget the half session."""
    response.delete_cookie(
        cookie_name(services, _HALF_COOKIE), path="/", httponly=True, samesite="strict",
        secure=services.settings.is_https,
    )  # fmt: skip


def clear_cookie(services: Services, response: Response) -> None:
    """Make the browser forget the session; the account goes on knowing the browser."""
    response.delete_cookie(
        cookie_name(services), path="/", httponly=True, samesite="strict", secure=services.settings.is_https
    )


def session_secret(services: Services, request: Request) -> str | None:
    """The secret in the request's session cookie."""
    return _secret_in(request, cookie_name(services))


def place_of(services: Services, request: Request) -> Place:
    """From where somebody logs in."""
    browser = _secret_in(request, cookie_name(services, _BROWSER_COOKIE))
    return Place(source_of(request.client.host if request.client else ""), browser)


def _secret_in(request: Request, cookie: str) -> str | None:
    secret = request.cookies.get(cookie)
    return secret if secret and len(secret) <= MAX_SECRET_CHARS else None


def find_caller(services: Services, request: Request) -> Caller | None:
    """Whoever the request's credentials belong to; None without any, or with a cookie that is no longer in force.

    Raises AuthenticationError for an Authorization header that does not hold: a system must learn that its token is
    wrong even where no token is needed.
    """
    header = request.headers.get("authorization")
    if header is not None:
        return _by_token(services, header)
    secret = session_secret(services, request)
    return None if secret is None else caller_of(services, secret)


async def recognise(services: Services, request: Request) -> Caller | None:
    """`find_caller` without holding up other requests; tokens that arrive together are looked up together."""
    header = request.headers.get("authorization")
    if header is None:
        return await run_in_threadpool(find_caller, services, request)
    return _system(await services.authentications.do(_token_in(header)))


def _by_token(services: Services, header: str) -> Caller:
    secret = _token_in(header)
    with services.registry.read(REGISTRY) as work:
        return _system(tokens.authenticate(work, secret))


def _token_in(header: str) -> str:
    scheme, _, secret = header.partition(" ")
    secret = secret.strip()
    if scheme.lower() != "bearer" or not secret.startswith(TOKEN_PREFIX) or len(secret) > MAX_SECRET_CHARS:
        raise AuthenticationError("token_malformed", f"请求头 Authorization 应为 Bearer {TOKEN_PREFIX}… 形式的令牌。")
    return secret


def _system(actor: Actor) -> Caller:
    return Caller(actor=actor, name=actor.id, username=None, must_change_password=False, means="bearer")


def caller_of(services: Services, secret: str) -> Caller | None:
    """Whose session has this secret; None if it is no longer in force."""
    with services.registry.read(REGISTRY) as work:
        found = accounts.find_session(work, secret)
        if found is None:
            return None
        staff, actor = found.staff, found.actor
        if actor.department is not None:
            actor = replace(actor, suspended=is_suspended(work.session, actor.department))
    return Caller(
        actor=actor, name=staff.name, username=staff.username, must_change_password=staff.must_change_password,
        means="cookie", must_enrol=found.must_enrol,
    )  # fmt: skip
