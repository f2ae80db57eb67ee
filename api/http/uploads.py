"""Large files on their way in, known by their content, so that a broken connection goes on where it broke."""

from __future__ import annotations

import re
from contextlib import ExitStack
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from api.errors import ProblemError
from api.http.calls import Call, get_call
from api.http.forms import USUAL, Outgoing, problems
from api.http.guard import GuardedRoute
from registry.errors import NotPermittedError
from registry.imports.folder import CHUNK_BYTES
from registry.imports.sealed import SealedWriter

router = APIRouter(prefix="/api/v1", tags=["导入"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


class UploadShown(Outgoing):
    """How much of a file is there."""

    sha256: str
    offset: int = Field(description="已收到的字节数，从此处继续")
    complete: bool = Field(description="是否已收全并核对了摘要")


@router.get("/uploads/{sha256}", response_model=UploadShown, summary="上传到哪里了", responses=problems(404))
def show_upload(sha256: str, call: OfCall) -> UploadShown:
    """按内容的 SHA-256 询问；已收全的文件不必再传。"""
    digest, department = digest_of(sha256), department_of(call)
    return _shown(call, department, digest)


@router.put(
    "/uploads/{sha256}",
    response_model=UploadShown,
    summary="上传（可续传）",
    responses=problems(404, 409, 413, 503),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def continue_upload(
    request: Request,
    sha256: str,
    call: OfCall,
    upload_length: Annotated[int, Header(ge=1, description="整个文件的字节数")],
    upload_offset: Annotated[int, Header(ge=0, description="本次内容从文件的第几个字节开始")] = 0,
) -> UploadShown:
    """请求体为文件从 Upload-Offset 起的内容；中断后查询已收到多少，再从该处继续。收全后核对摘要。"""
    digest, department = digest_of(sha256), department_of(call)
    folder = call.services.import_folder
    shown = await run_in_threadpool(_shown, call, department, digest)
    if shown.complete:
        return shown
    with ExitStack() as stack:
        entered = folder.continued(department, digest, upload_offset, upload_length)
        file = await run_in_threadpool(stack.enter_context, entered)
        try:
            if await _receive(request, file, upload_length - upload_offset):
                await run_in_threadpool(folder.finish, department, digest, file)
        finally:
            await run_in_threadpool(stack.close)
    return await run_in_threadpool(_shown, call, department, digest)


async def _receive(request: Request, file: SealedWriter, wanted: int) -> bool:
    """Write what comes, at most `wanted` bytes; whether all of them came."""
    pending = bytearray()
    async for chunk in request.stream():
        wanted -= len(chunk)
        if wanted < 0:
            message = "收到的内容比 Upload-Length 声明的长。"
            raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "longer_than_announced", message)
        pending += chunk
        if len(pending) >= CHUNK_BYTES:
            await run_in_threadpool(file.write, bytes(pending))
            pending.clear()
    await run_in_threadpool(file.write, bytes(pending))
    return wanted == 0


def digest_of(text: str) -> bytes:
    """The 32 bytes of a digest in an address or a body. Raises ProblemError."""
    if not _DIGEST.fullmatch(text):
        raise ProblemError(HTTPStatus.NOT_FOUND, "not_a_digest", "SHA-256 应为 64 位小写十六进制。")
    return bytes.fromhex(text)


def department_of(call: Call) -> str:
    """The caller's department. Raises NotPermittedError."""
    department = call.known.actor.department
    if department is None:
        raise NotPermittedError("no_department", "导入由颁发部门进行，请使用部门账号。")
    return department


def _shown(call: Call, department: str, digest: bytes) -> UploadShown:
    received = call.services.import_folder.received(department, digest)
    return UploadShown(sha256=digest.hex(), offset=received.offset, complete=received.complete)
