"""The outermost layer: a number for every request, security headers on every answer, a line in the access log, and an
end for every error that nobody foresaw."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

import orjson
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import make_problem

REQUEST_ID: Final = "suizheng.request_id"
OPERATION: Final = "suizheng.operation"
ACTOR: Final = "suizheng.actor"

#: Nothing from elsewhere, nothing inline; `blob:` is the browser's own preview of a picture before it is sent.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'self'"
)
#: Alone for the worker that reads pictures: its library is WebAssembly.
_DECODER: Final = "/static/js/reader/decoder.js"
_POLICY_OF_DECODER: Final = f"{CONTENT_SECURITY_POLICY}; script-src 'self' 'wasm-unsafe-eval'"
_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
#: What the access log says of a caller who did not wait for the answer.
_CLIENT_GONE: Final = 499
_A_YEAR_IN_SECONDS: Final = 31_536_000
#: The page of last resort; it needs nothing of what may have failed, and reads without its styles too.
_PAGE: Final = (
    '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1">'
    '<meta name="color-scheme" content="light dark">'
    "<title>系统内部错误 · 随证</title>"
    '<link rel="stylesheet" href="/static/tokens.css"><link rel="stylesheet" href="/static/base.css">'
    '<link rel="stylesheet" href="/static/components.css"><link rel="stylesheet" href="/static/pages.css"></head>'
    '<body><main class="page page-narrow"><div class="trouble"><p class="trouble-number" aria-hidden="true">500</p>'
    '<h1>系统内部错误</h1><p class="lead">{message}</p>'
    '<p class="soft" lang="en">Something went wrong here. Try again; if it fails, tell the administrator the number '
    "above.</p>"
    '<div class="form-actions"><a class="button button-main" href="/">回到首页 <span lang="en">Home</span></a></div>'
    "</div></main></body></html>"
)
_NUMBER_BYTES: Final = 10
_NUMBERS_DRAWN: Final = 64

_access = logging.getLogger("suizheng.access")
_errors = logging.getLogger("suizheng.errors")


class Rim:
    """ASGI middleware round everything else. `draw(n)` gives the n random bytes of a request's number."""

    def __init__(self, app: ASGIApp, *, draw: Callable[[int], bytes], is_https: bool) -> None:
        self._app = app
        self._draw = draw
        self._numbers: list[str] = []
        self._headers = dict(_HEADERS)
        if is_https:
            self._headers["Strict-Transport-Security"] = f"max-age={_A_YEAR_IN_SECONDS}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope[REQUEST_ID] = self._number()
        started_at, status = time.perf_counter(), 0

        async def dress(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._dress(MutableHeaders(raw=message["headers"]), request_id, scope["path"])
            await send(message)

        try:
            if _has_two_lengths(scope):
                await _refuse_two_lengths(dress, request_id)
            else:
                await self._app(scope, receive, dress)
        except ClientDisconnect:
            # Whoever asked has gone away; nothing was written that was not committed, and nobody is there to answer.
            status = status or _CLIENT_GONE
        except Exception:  # noqa: BLE001 (the process's rim: logged here with its number, shown outside without its cause)
            _errors.exception("request %s (%s) failed", request_id, _name(scope))
            if status == 0:
                await _answer_failed(dress, request_id, asks_for_page=_asks_for_page(scope))
        _log_access(scope, request_id, status, time.perf_counter() - started_at)

    def _number(self) -> str:
        if not self._numbers:
            # Many at once: for each draw the thread that all requests share gives way to whatever else computes.
            drawn = self._draw(_NUMBER_BYTES * _NUMBERS_DRAWN)
            self._numbers = [drawn[at : at + _NUMBER_BYTES].hex() for at in range(0, len(drawn), _NUMBER_BYTES)]
        return self._numbers.pop()

    def _dress(self, headers: MutableHeaders, request_id: str, path: str) -> None:
        if path == _DECODER:
            headers["Content-Security-Policy"] = _POLICY_OF_DECODER
        for name, value in self._headers.items():
            headers.setdefault(name, value)
        # Static files are asked for again by their tag; everything else may be about somebody and is never kept.
        headers.setdefault("Cache-Control", "no-cache" if path.startswith("/static/") else "no-store")
        headers["X-Request-Id"] = request_id


def _has_two_lengths(scope: Scope) -> bool:
    names = [name for name, _ in scope["headers"] if name in (b"content-length", b"transfer-encoding")]
    return len(names) > 1


async def _refuse_two_lengths(send: Send, request_id: str) -> None:
    """A proxy in front may have believed the other one, and then what follows is not the caller's (RFC 9112 6.3)."""
    message = "请求同时给出了两种内容长度，请只用 Content-Length 或 Transfer-Encoding 之一。"
    await _answer(send, 400, "two_lengths", message, request_id, [(b"connection", b"close")])


def _asks_for_page(scope: Scope) -> bool:
    return "text/html" in Headers(scope=scope).get("accept", "")


async def _answer_failed(send: Send, request_id: str, *, asks_for_page: bool) -> None:
    message = f"系统内部错误，未能完成操作。请稍后重试；若仍失败，请把编号 {request_id} 告知管理员。"
    if not asks_for_page:
        await _answer(send, 500, "internal_error", message, request_id, [])
        return
    headers = [(b"content-type", b"text/html; charset=utf-8")]
    await send({"type": "http.response.start", "status": 500, "headers": headers})
    await send({"type": "http.response.body", "body": _PAGE.format(message=message).encode()})


async def _answer(
    send: Send, status: int, reason: str, message: str, request_id: str, headers: list[tuple[bytes, bytes]]
) -> None:
    problem = make_problem(status, reason, message)
    problem.instance = instance_of(request_id)
    headers = [(b"content-type", b"application/problem+json"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": orjson.dumps(problem.model_dump())})


def instance_of(request_id: str) -> str:
    """The URI by which a problem names the request that met it."""
    return f"urn:suizheng:request:{request_id}"


def _name(scope: Scope) -> str:
    return str(scope.get(OPERATION) or f"{scope['method']} (no operation)")


def _log_access(scope: Scope, request_id: str, status: int, seconds: float) -> None:
    # The operation's template, never the path or the query: those may name an item or a person.
    actor = scope.get(ACTOR) or "anonymous"
    _access.info("%s %s -> %d in %.1f ms by %s", request_id, _name(scope), status, seconds * 1000, actor)
