"""Files of any format, handed in as they are and known by their content."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, BinaryIO, Final, cast

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from api.filing import quota_of
from api.http.calls import Answer, Call, get_call
from api.http.forms import USUAL, Outgoing, problems
from api.http.guard import GuardedRoute, limit_of
from registry.files import service as files
from registry.files.store import StoredFile
from registry.work import Work

router = APIRouter(prefix="/api/v1", tags=["文件"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]

#: Larger bodies wait on disk, not in memory.
_IN_MEMORY_BYTES: Final = 1024 * 1024


class FileShown(Outgoing):
    """A stored file."""

    sha256: str
    sm3: str
    size: int = Field(description="字节数")
    media_type: str = Field(description="按内容识别的类型，与上传时声明的无关")


def shown(stored: StoredFile) -> FileShown:
    """The file as it is shown."""
    return FileShown(sha256=stored.sha256.hex(), sm3=stored.sm3.hex(), size=stored.size, media_type=stored.media_type)


@router.post(
    "/files",
    status_code=201,
    response_model=FileShown,
    summary="上传文件",
    responses=problems(413),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def store_file(request: Request, call: OfCall) -> Response:
    """请求体即文件内容，不限格式，最大 64 MB。相同内容只存一份。"""
    hasher = hashlib.sha256()
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as spool:
        async for chunk in request.stream():
            hasher.update(chunk)
            await run_in_threadpool(spool.write, chunk)
        spool.seek(0)
        return await run_in_threadpool(_store, call, cast(BinaryIO, spool), limit_of(request), hasher.digest())


def take_in(call: Call, work: Work, stored: Sequence[StoredFile]) -> None:
    """Note files that the caller's department hands in. Raises LimitError where they exceed its quota."""
    files.check_quota(work, quota_of(call.services.settings), stored)
    files.register_many(work, stored)


def _store(call: Call, stream: BinaryIO, limit_bytes: int, digest: bytes) -> Response:
    # The bytes are durable before the row that refers to them; a crash between the two leaves a file nobody refers to.
    stored = call.services.files.put(stream, limit_bytes)

    def act(work: Work) -> Answer:
        take_in(call, work, [stored])
        return Answer(HTTPStatus.CREATED, shown(stored))

    return call.answer(act, digest=digest)
