"""Codes: issue, re-issue, report a loss, and their pictures."""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from api.http.calls import Answer, Call, get_call
from api.http.forms import USUAL, HolderReference, Incoming, Outgoing, problems
from api.http.guard import GuardedRoute
from codes import picture
from registry.codes import service as codes
from registry.codes.rules import CodeRequest
from registry.codes.tables import Code
from registry.keys import rules as keys
from verifier.code import KIND_CHINESE, CodeKind
from verifier.status import CHINESE, Status
from verifier.suites import SigningKey

router = APIRouter(prefix="/api/v1", tags=["码"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]

_KINDS: Final = {
    "person": CodeKind.PERSON, "printed": CodeKind.PRINTED, "enterprise": CodeKind.ENTERPRISE, "venue": CodeKind.VENUE,
}  # fmt: skip
_DAY_SECONDS: Final = 86_400


class NewCode(Incoming):
    """A code to be issued; which fields are needed depends on the kind."""

    kind: Literal["person", "printed", "enterprise", "venue"] = Field(
        description="person 个人码，printed 离线码（印制），enterprise 企业码，venue 场所码"
    )
    holder_code: str | None = Field(default=None, max_length=64, description="个人码、离线码：持证人证件号码")
    holder_code_type_code: str | None = Field(default=None, pattern="^[0-9]{3}$", description="持证人的证件类型")
    certificate_types: list[str] = Field(default_factory=list, max_length=16, description="要出示的证照类型")
    venues: list[str] = Field(default_factory=list, max_length=16, description="要出示通行证的场所")
    relative: HolderReference | None = Field(default=None, description="离线码：代领的亲属，须已绑定")
    code: str | None = Field(default=None, max_length=18, description="企业码：统一社会信用代码")
    name: str | None = Field(default=None, max_length=100, description="企业码：企业名称")
    venue_id: str | None = Field(default=None, max_length=26, description="场所码：场所编号")
    valid_seconds: int | None = Field(default=None, ge=30, description="有效秒数，缺省为该种类的最长时间")


class Reissue(Incoming):
    """How long the new generation shall last."""

    valid_seconds: int | None = Field(default=None, ge=30, description="有效秒数，缺省与原码相同")


class CodeShown(Outgoing):
    """A code."""

    id: str
    kind: str
    kind_name: str
    generation: int
    name: str | None
    text: str = Field(description="码的内容，SZ1: 开头")
    status: str
    status_name: str
    issued_at: datetime
    expires_at: datetime
    replaced_by: str | None
    svg_url: str
    png_url: str


def number_of(reference: HolderReference) -> tuple[str, str]:
    """Code type and number."""
    return reference.holder_code_type_code, reference.holder_code


def code_of(row: Code) -> CodeShown:
    """The code as it is shown."""
    kind, status = CodeKind(row.kind), Status(row.status)
    return CodeShown(
        id=row.id,
        kind=kind.name.lower(),
        kind_name=KIND_CHINESE[kind],
        generation=row.generation,
        name=row.name,
        text=row.text,
        status=status.name.lower(),
        status_name=CHINESE[status],
        issued_at=row.issued_at,
        expires_at=row.expires_at,
        replaced_by=row.replaced_by,
        svg_url=f"/api/v1/codes/{row.id}.svg",
        png_url=f"/api/v1/codes/{row.id}.png",
    )


def signing_key(call: Call) -> SigningKey:
    """The key that signs codes now. Raises KeyUnavailableError."""
    return call.services.keys.key_for(keys.CODES, call.services.clock())


def _lasts(seconds: int | None) -> timedelta | None:
    # Longer than any kind may last: the registry says so, and the sum stays a date.
    return None if seconds is None else timedelta(seconds=min(seconds, 100_000 * _DAY_SECONDS))


@router.post("/codes", status_code=201, response_model=CodeShown, summary="签发码", responses=problems(404, 503))
def issue(body: NewCode, call: OfCall) -> Response:
    """签发个人码、离线码、企业码或场所码；同一主体的旧码随即失效。"""
    number, code_type = body.holder_code, body.holder_code_type_code
    request = CodeRequest(
        kind=_KINDS[body.kind],
        holder=None if number is None or code_type is None else (code_type, number),
        subject=body.venue_id if body.kind == "venue" else body.code,
        name=body.name,
        types=tuple(body.certificate_types),
        venues=tuple(body.venues),
        lasts=_lasts(body.valid_seconds),
        relative=None if body.relative is None else number_of(body.relative),
    )
    key = signing_key(call)
    return call.answer(lambda work: Answer(HTTPStatus.CREATED, code_of(codes.issue(work, request, key))))


@router.get(
    "/codes/{code_id}.svg",
    summary="码的图片（SVG）",
    response_class=Response,
    responses={200: {"content": {"image/svg+xml": {}}}, **problems(404)},
)
def get_svg(
    code_id: str,
    call: OfCall,
    level: Annotated[Literal["M", "Q"], Query(description="纠错级别：M 屏幕，Q 打印")] = "M",
) -> Response:
    """矢量图，任意放大不失真。"""
    row = call.read(lambda work: codes.get_own(work, code_id))
    title = f"{KIND_CHINESE[CodeKind(row.kind)]} {row.name or ''}".strip()
    return Response(picture.draw_svg(row.text, level, title=title), media_type="image/svg+xml")


@router.get(
    "/codes/{code_id}.png",
    summary="码的图片（PNG）",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}}, **problems(404)},
)
def get_png(
    code_id: str,
    call: OfCall,
    level: Annotated[Literal["M", "Q"], Query(description="纠错级别：M 屏幕，Q 打印")] = "M",
    module: Annotated[int, Query(ge=1, le=32, description="每个模块的像素数")] = 8,
) -> Response:
    """黑白位图。"""
    row = call.read(lambda work: codes.get_own(work, code_id))
    return Response(picture.draw_png(row.text, level, module), media_type="image/png")


@router.get("/codes/{code_id}", summary="码的详情", responses=problems(404))
def get_code(code_id: str, call: OfCall) -> CodeShown:
    """码的内容、代次与状态。"""
    return call.read(lambda work: code_of(codes.get_own(work, code_id)))


@router.post(
    "/codes/{code_id}/reissue",
    status_code=201,
    response_model=CodeShown,
    summary="换发码",
    responses=problems(404, 409, 503),
)
def reissue(code_id: str, call: OfCall, body: Reissue | None = None) -> Response:
    """签发新一代的码，原码立即失效。"""
    lasts = _lasts(body.valid_seconds if body else None)
    key = signing_key(call)
    return call.answer(lambda work: Answer(HTTPStatus.CREATED, code_of(codes.reissue(work, code_id, key, lasts))))


@router.post("/codes/{code_id}/loss", response_model=CodeShown, summary="挂失码", responses=problems(404, 409))
def report_loss(code_id: str, call: OfCall) -> Response:
    """挂失后该码立即失效；重复操作无妨。"""
    return call.answer(lambda work: Answer(HTTPStatus.OK, code_of(codes.report_loss(work, code_id))))


@router.post("/codes/losses", response_model=CodeShown, summary="按证件号码挂失离线码", responses=problems(404, 409))
def report_loss_of_holder(body: HolderReference, call: OfCall) -> Response:
    """丢了纸的人说不出码的编号：凭本人或亲属报的证件号码挂失，不论由哪个部门签发，立即失效。"""
    return call.answer(lambda work: Answer(HTTPStatus.OK, code_of(codes.lose_printed(work, number_of(body)))))
