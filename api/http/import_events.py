"""An import's progress as it happens, by server-sent events (WHATWG HTML 9.2), which browsers resume."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Final

import orjson
from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from api.http.calls import Call, get_call
from api.http.forms import USUAL, problems
from api.http.guard import GuardedRoute
from api.http.import_forms import ImportShown, shown
from registry.imports import service
from registry.imports.rules import DUE, State

router = APIRouter(prefix="/api/v1", tags=["导入"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]

#: How often to look. Nobody sees more than that, and it is one row read by its key.
_LOOK_EVERY_SECONDS: Final = 0.4
#: Something is sent at least this often, so that a proxy sees life and a caller who has gone is noticed.
_SIGN_OF_LIFE_SECONDS: Final = 10.0
#: A stream ends after this, and the browser asks again: a server that stops does not wait for listeners for long, and
#: whoever has lost the right to look is asked for it.
_LONGEST_SECONDS: Final = 25.0
_AGAIN_AFTER_MS: Final = 1_000


@router.get(
    "/imports/{import_id}/events",
    summary="导入进度（SSE）",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}, **problems(404)},
)
def watch_import(import_id: str, call: OfCall) -> StreamingResponse:
    """每有变化即发送事件 progress，数据同 GET /imports/{id}；不再变化时发送 end。断线后自动重连即可。"""
    first = _look(call, import_id)
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(_events(call, import_id, first), media_type="text/event-stream", headers=headers)


def _look(call: Call, import_id: str) -> ImportShown:
    return call.read(lambda work: shown(work, service.get(work, import_id)))


async def _events(call: Call, import_id: str, first: ImportShown) -> AsyncIterator[bytes]:
    began = said = time.monotonic()
    seen, now = None, first
    yield f"retry: {_AGAIN_AFTER_MS}\n\n".encode()
    while True:
        moment = time.monotonic()
        if now != seen:
            seen, said = now, moment
            yield _event("progress", now)
            if State(now.state) not in DUE:
                yield _event("end", now)
                return
        elif moment - said > _SIGN_OF_LIFE_SECONDS:
            said = moment
            yield b": still here\n\n"
        if moment - began > _LONGEST_SECONDS:
            return
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
        now = await run_in_threadpool(_look, call, import_id)


def _event(name: str, now: ImportShown) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + orjson.dumps(now.model_dump(mode="json")) + b"\n\n"
