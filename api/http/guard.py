"""The door of every operation, in this order: its rule, the announced size of the body, who calls, cross-site writes,
roles, how often, the form of the body. Nothing of the body is read before all of them have passed."""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import Message

from api.access import Rule
from api.composition import Services
from api.errors import ProblemError
from api.http.callers import Caller, recognise
from api.http.rim import ACTOR, OPERATION

CALLER: Final = "suizheng.caller"
RULE: Final = "suizheng.rule"

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")


class _Received(Request):
    """A request whose JSON is UTF-8 of whole characters (RFC 8259 8.1, RFC 7493 2.1), nested at most 1024 deep.

    No database takes half a character, and the standard library's parser takes the process down with what is nested
    deeper than its stack, once a library has raised the interpreter's limit.
    """

    async def json(self) -> Any:
        """Raises json.JSONDecodeError."""
        # Windows likes to write a mark before UTF-8.
        body = (await self.body()).removeprefix(codecs.BOM_UTF8)
        # This one is strict but rounds large integers; the other reads them as they are.
        orjson.loads(body)
        return json.loads(body)


class GuardedRoute(APIRoute):
    """A route that cannot be reached past its rule in the table of access. Every router uses it as its route class."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        path = self.path

        async def guarded(request: Request) -> Response:
            services: Services = request.app.state.services
            method = "GET" if request.method == "HEAD" else request.method
            operation = f"{method} {path}"
            # A table without the row would have stopped create_app; a KeyError here fails closed.
            rule = _rules(request)[operation]
            request.scope[OPERATION], request.scope[RULE] = operation, rule
            _check_announced_size(request, rule)
            caller = await recognise(services, request)
            request.scope[CALLER] = caller
            request.scope[ACTOR] = caller.actor.id if caller else None
            _check_same_site(services, request, rule, caller)
            _check_roles(rule, caller)
            # A session does not make guessing other people's passwords cheaper.
            if rule.bucket == "logins" or (caller is None and rule.bucket is not None):
                check_rate(services, rule.bucket, request)
            _check_media_type(request, rule)
            return await handle(_Received(request.scope, _bounded(request, rule.limit_bytes)))

        return guarded


def limit_of(request: Request) -> int:
    """How many bytes the body of this request may have."""
    rule: Rule = request.scope[RULE]
    return rule.limit_bytes


def _rules(request: Request) -> Mapping[str, Rule]:
    rules: Mapping[str, Rule] = request.app.state.access
    return rules


def _check_announced_size(request: Request, rule: Rule) -> None:
    announced = request.headers.get("content-length", "0")
    if not announced.isascii() or not announced.isdigit():
        raise ProblemError(HTTPStatus.BAD_REQUEST, "bad_content_length", "请求头 Content-Length 不是数字。")
    if len(announced) > 18 or int(announced) > rule.limit_bytes:
        raise _too_large(rule.limit_bytes)


def _too_large(limit_bytes: int) -> ProblemError:
    limit = f"{limit_bytes // 1024**2} MB" if limit_bytes >= 1024**2 else f"{limit_bytes // 1024} KB"
    return ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", f"内容超过上限 {limit}，请拆分或缩小后重试。")


def _bounded(request: Request, limit_bytes: int) -> Callable[[], Coroutine[Any, Any, Message]]:
    """Receive, but stop at the limit: a chunked body announces no size, and an announced one may be a lie."""
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > limit_bytes:
            raise _too_large(limit_bytes)
        return message

    return receive


def _check_same_site(services: Services, request: Request, rule: Rule, caller: Caller | None) -> None:
    """Refuse a write that another site made a browser send with this caller's cookie (CSRF), and a login from one."""
    if request.method in _SAFE_METHODS:
        return
    if caller is not None and caller.means == "bearer":
        return
    fetch_site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if fetch_site is not None:
        same = fetch_site == "same-origin"
    elif origin is not None:
        same = origin in (services.settings.public_url, _own_origin(request))
    else:
        # No browser writes without one of the two. Without a cookie, or where none is needed, nothing can be ridden on.
        same = caller is None or rule.is_public
    if not same:
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "cross_site_write",
            "拒绝来自其他网站的写操作；脚本调用请使用令牌，或发送与本站一致的 Origin。",
        )


def _own_origin(request: Request) -> str:
    host = request.headers.get("host", "")
    return f"{request.url.scheme}://{urlsplit('//' + host).netloc}"


def _check_roles(rule: Rule, caller: Caller | None) -> None:
    if rule.is_public:
        return
    if caller is None:
        raise ProblemError(
            HTTPStatus.UNAUTHORIZED, "not_authenticated", "请先登录；程序调用请使用未过期、未吊销的令牌。"
        )
    if caller.must_change_password and not rule.while_password_due:
        raise ProblemError(
            HTTPStatus.FORBIDDEN, "password_change_due", "正在使用一次性密码，请先修改密码（POST /api/v1/password）。"
        )
    if caller.must_enrol and not (rule.while_factor_due or rule.while_password_due):
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "enrolment_due",
            "本系统要求此账号使用双重验证，请先设置验证器（POST /api/v1/second-factor）。",
        )
    if caller.actor.suspended and not rule.allows_suspended(caller.actor.roles):
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "department_suspended",
            "本部门已被暂停，恢复之前不能查看、颁发、使用或授权，只能挂失、注销和撤销；请联系管理员。",
        )
    if not rule.allows(caller.actor.roles):
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "role_not_allowed",
            "您的角色不能进行此操作，请联系管理员。",
            evidence={"needed": sorted(rule.roles)},
        )


def check_rate(services: Services, bucket: str, request: Request) -> None:
    """Take one request of this address from a bucket. Raises ProblemError."""
    limits = {"verifications": services.verifications, "logins": services.logins, "reports": services.reports}
    limit = limits[bucket]
    wait_seconds = limit.take(request.client.host if request.client else "")
    if wait_seconds > 0:
        raise ProblemError(
            HTTPStatus.TOO_MANY_REQUESTS,
            "too_many_requests",
            f"请求过于频繁，请在 {math.ceil(wait_seconds)} 秒后重试。",
            headers={"Retry-After": str(math.ceil(wait_seconds))},
        )


def _check_media_type(request: Request, rule: Rule) -> None:
    if request.method in _SAFE_METHODS or rule.body == "streamed":
        return
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not media_type and request.headers.get("content-length", "0") == "0":
        return
    accepted = media_type == "application/json" if rule.body == "json" else media_type in _FORMS
    if not accepted:
        wanted = "application/json" if rule.body == "json" else " 或 ".join(_FORMS)
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", f"请求内容的类型应为 {wanted}。"
        )
