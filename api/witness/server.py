"""The witness over HTTP: C2SP tlog-witness, and one page that says who it is and what it remembers."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from api.http.limits import RateLimit
from api.witness.cosigner import Cosigner
from api.witness.errors import WitnessFolderError
from api.witness.folder import Identity
from api.witness.submission import MAX_BODY_BYTES, PATH, TEXT_TYPE, Answer
from verifier import times

#: What one address may ask: a log asks once for each head that it anchors.
REQUESTS_PER_MINUTE: Final = 240
_READ_SECONDS: Final = 10
_CONNECTIONS: Final = 64
_GRACE_SECONDS: Final = 5

_log = logging.getLogger("suizheng.witness")


def create_app(identity: Identity, cosigner: Cosigner, origins: Callable[[], list[str]]) -> Starlette:
    """The application. `origins` names the logs that are witnessed now."""
    limit = RateLimit(REQUESTS_PER_MINUTE, REQUESTS_PER_MINUTE // 4, time.monotonic)

    async def add_checkpoint(request: Request) -> Response:
        wait_seconds = limit.take(request.client.host if request.client else "")
        if wait_seconds > 0:
            refused = _response(Answer(429, "请求过于频繁，请稍后再试\n"))
            refused.headers["Retry-After"] = str(int(wait_seconds) + 1)
            return refused
        body = await _read(request)
        if isinstance(body, Answer):
            return _response(body)
        try:
            return _response(await run_in_threadpool(cosigner.add_checkpoint, body))
        except WitnessFolderError as error:
            _log.error("%s", error.message)
            return _response(Answer(503, "见证方暂时不能记录，没有联署；请稍后再试\n"))

    async def show(request: Request) -> Response:
        return _response(Answer(200, await run_in_threadpool(describe, identity, origins())))

    async def refuse(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return _response(Answer(status, "没有这个地址\n" if status == 404 else "不支持这样的请求\n"))

    routes = [Route(PATH, add_checkpoint, methods=["POST"]), Route("/", show, methods=["GET"])]
    return Starlette(routes=routes, exception_handlers={HTTPException: refuse})


def describe(identity: Identity, origins: list[str]) -> str:
    """The public key, and for each log the size of the newest cosigned head and when that was."""
    known = {one.head.origin: one for one in identity.memory.remembered()}
    lines = [identity.vkey]
    for origin in sorted({*origins, *known}):
        one = known.get(origin)
        lines.append(f"{origin} 0 -" if one is None else f"{origin} {one.head.size} {times.to_text(one.cosigned_at)}")
    return "\n".join(lines) + "\n"


def serve(app: Starlette, listener: socket.socket) -> None:
    """Serve on the listener until told to stop."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=_CONNECTIONS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[listener])


async def _read(request: Request) -> bytes | Answer:
    """The body, or why it is not read to its end: nobody may fill our memory or hold a connection for long."""
    body = b""
    try:
        async with asyncio.timeout(_READ_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    return Answer(413, "请求过长\n")
    except TimeoutError:
        return Answer(408, "请求没有按时发完\n")
    except ClientDisconnect:
        return Answer(400, "请求没有发完\n")
    return body


def _response(answer: Answer) -> Response:
    headers = {"Content-Type": answer.content_type, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
    if answer.content_type == TEXT_TYPE and answer.status >= 400:
        headers["Content-Language"] = "zh-CN"
    return Response(answer.text.encode(), answer.status, headers)
