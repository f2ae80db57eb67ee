"""Verification: whatever is presented, the answer is a verdict. Asking is not a failure."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Request
from pydantic import Field, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from api.composition import Services
from api.errors import FieldProblem, ProblemError
from api.http.calls import Call, get_call
from api.http.forms import Incoming, Moment, Outgoing, problems
from api.http.guard import GuardedRoute
from api.http.scans import opened_to
from api.presented import Judged, JudgedFile, judge_file, unread
from codes import pages, picture
from verifier.evidence import MAGIC
from verifier.verdict import State, Verdict
from verifier.verify import verify as decide

router = APIRouter(prefix="/api/v1", tags=["核验"], route_class=GuardedRoute)
OfCall = Annotated[Call, Depends(get_call)]

_AT: Final = TypeAdapter(Moment)
#: Of several codes in one file the least favourable verdict is given, so that a good one cannot cover a bad one.
_LEAST_FAVOURABLE_FIRST: Final = (State.INVALID, State.NOT_IN_FORCE, State.UNDECIDED, State.VALID)


class Presented(Incoming):
    """What is to be verified, as text."""

    text: str = Field(max_length=65_536, description="码的内容（SZ1: 开头），扫码枪输入的原样即可")
    at: Moment | None = Field(default=None, description="按哪个时间核验，缺省为现在", strict=False)
    purpose: str = Field(default="", max_length=200, description="窗口说明用途后可见码中可出示的证照，并记录给本人查看")


class CheckShown(Outgoing):
    """One check."""

    check: str
    name: str
    outcome: str = Field(description="passed 通过，failed 未通过，not_checked 未检查")
    reason: str
    message: str
    evidence: dict[str, Any]
    as_of: str | None = Field(description="所依据数据的时间")
    age_seconds: int | None = Field(description="所依据数据的新旧，秒")


class TrustShown(Outgoing):
    """What the verdict rests on."""

    version: int
    issued_at: datetime
    expires_at: datetime


class SourceShown(Outgoing):
    """The picture or document that the code of the verdict was read from."""

    page: int | None = Field(description="所给结论的码在第几页，从 1 起；图片为空")
    pages: int | None = Field(description="文件的页数；图片为空")
    codes: int = Field(description="共读到几个二维码")


class VerdictShown(Outgoing):
    """The verdict (核验结论)."""

    state: str = Field(description="valid 有效，invalid 无效，not_in_force 不在有效状态，undecided 无法判定")
    state_name: str
    reason: str
    message: str
    at: str
    checks: list[CheckShown]
    subject: dict[str, Any]
    trust: TrustShown
    source: SourceShown | None = Field(default=None, description="码是从图片或文件中读出的")


@router.post(
    "/verifications",
    response_model=VerdictShown,
    summary="核验码、证据包或图片",
    responses=problems(400, 413, 415, 422, 429),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": Presented.model_json_schema()},
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["file"],
                        "properties": {
                            "file": {
                                "type": "string",
                                "format": "binary",
                                "description": "证据包，或含二维码的图片（PNG、JPEG、WebP、GIF、BMP、"
                                "本系统的 SVG）、PDF 与 TIFF（前 25 页），最大 16 MB",
                            },
                            "at": {"type": "string", "format": "date-time", "description": "按哪个时间核验"},
                            "purpose": {"type": "string", "maxLength": 200, "description": "窗口的用途"},
                        },
                    }
                },
            },
        }
    },
)
async def verify(request: Request, call: OfCall) -> dict[str, Any]:
    """无需登录。只要请求本身可读，一律答复 200 与四态结论；结论为无效不是请求失败。"""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        async with request.form(max_files=1, max_fields=4, max_part_size=65_536) as form:
            file, text, at = form.get("file"), form.get("text"), form.get("at")
            stated = form.get("purpose")
            presented: bytes | str | None = await file.read() if isinstance(file, UploadFile) else None
        if presented is None and isinstance(text, str):
            presented = text
        moment = _moment(at) if isinstance(at, str) and at else None
        purpose = stated if isinstance(stated, str) else ""
    elif media_type == "application/json":
        form_json = _parse(await request.body())
        presented, moment, purpose = form_json.text, form_json.at, form_json.purpose
    else:
        message = "请求内容的类型应为 application/json（码）或 multipart/form-data（文件）。"
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", message)
    if presented is None:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "incomplete_form", "表单应有文件 file 或文本 text。")
    return await run_in_threadpool(_verify_to_json, call, presented, moment, purpose)


def _verify_to_json(call: Call, presented: bytes | str, at: datetime | None, purpose: str) -> dict[str, Any]:
    """The verdict as far as it opens to the caller, with the trust bundle it rests on, as JSON."""
    content = call.services.trust.bundle().content
    trust = TrustShown(version=content.version, issued_at=content.issued_at, expires_at=content.expires_at)
    worst, file = judge_presented(call.services, presented, at)
    verdict = opened_to(call, worst.verdict, purpose)
    source = None if file is None else SourceShown(page=worst.page, pages=file.pages, codes=file.codes).model_dump()
    return verdict.to_json() | {"trust": trust.model_dump(), "source": source}


def verify_presented(services: Services, presented: bytes | str, at: datetime | None = None) -> Verdict:
    """As `judge_presented`, the verdict alone."""
    return judge_presented(services, presented, at)[0].verdict


def judge_presented(
    services: Services, presented: bytes | str, at: datetime | None = None
) -> tuple[Judged, JudgedFile | None]:
    """The verdict on a code's text, or on the bytes of an evidence bundle, by the newest trust bundle; of several codes
    in a picture or a document the worst one, and what was read of the file.

    Never raises for any of them; `at` is the time asked about, now by default.
    """
    moment = at or services.clock()
    data = presented.encode("utf-8", "replace") if isinstance(presented, str) else presented
    trust = services.trust.bundle()
    if data.startswith(MAGIC) or not pages.is_readable(data):
        return Judged(decide(data, trust, moment)), None
    try:
        file = judge_file(data, lambda one: decide(one, trust, moment), moment)
    except picture.PictureError as error:
        return Judged(unread(error.reason, error.message, moment)), None
    return min(file.judged, key=lambda one: _LEAST_FAVOURABLE_FIRST.index(one.verdict.state)), file


def _parse(body: bytes) -> Presented:
    try:
        return Presented.model_validate(orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise ProblemError(HTTPStatus.BAD_REQUEST, "not_json", "请求内容不是有效的 JSON。") from error
    except ValidationError as error:
        fields = tuple(
            FieldProblem(field=".".join(map(str, fault["loc"])), reason=fault["type"], message="内容不符合要求")
            for fault in error.errors(include_url=False, include_input=False, include_context=False)
        )
        message = "应有 text（码的内容），可有 at（带时区的时间）。"
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", message, errors=fields) from error


def _moment(text: str) -> datetime:
    try:
        return _AT.validate_python(text)
    except ValidationError as error:
        message = "at 应为带时区的时间，例如 2026-11-22T14:05:00+08:00。"
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", message) from error
