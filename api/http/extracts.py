"""Extracts: make one of a certificate for a use, list, download."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.http.calls import Answer, Call, get_call
from api.http.forms import USUAL, Incoming, Moment, Outgoing, problems
from api.http.guard import GuardedRoute
from registry.extracts import service as extracts
from registry.extracts.rules import ExtractRequest
from registry.extracts.service import KeyOf
from registry.extracts.tables import Extract, ExtractDraft
from registry.keys.rules import department_purpose
from registry.uses import service as uses
from registry.work import Work

router = APIRouter(prefix="/api/v1", tags=["摘录件"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]

EXTRACT_MEDIA_TYPE: Final = "application/dc+sd-jwt"


class NewExtract(Incoming):
    """An extract to be made for a use of the caller's department."""

    use_id: str = Field(max_length=26, description="本部门对该证照的用证编号")
    receiver: str | None = Field(default=None, max_length=18, description="接收单位代码，缺省为本部门")
    expires_at: Moment = Field(strict=False, description="有效至（不含），带时区，最长 180 天")
    fields: list[str] | None = Field(
        default=None, max_length=64, description="要给出的字段，缺省为该材料项所需且可以给出的全部"
    )


class ExtractShown(Outgoing):
    """An extract."""

    id: str
    certificate_id: str
    use_id: str
    department: str
    receiver: str
    matter_code: str
    purpose: str
    fields: list[str] = Field(description="给出的字段；证照名称、颁发机构、颁发日期与有效期总是给出")
    bound: bool = Field(description="是否绑定持证人的手机")
    made_at: datetime = Field(description="出具时间；等待签署时为申请时间")
    expires_at: datetime
    state: str = Field(
        description="valid 有效，expired 已到期，awaiting_signature 等待发证部门签署，其他为原证照的状态"
    )
    file_url: str


class Extracts(Outgoing):
    """The extracts of a certificate, newest first."""

    items: list[ExtractShown]


def key_of(call: Call) -> KeyOf:
    """The keys with which departments sign. They raise KeyUnavailableError."""
    return lambda department, at: call.services.keys.key_for(department_purpose(department), at)


def file_of(call: Call, extract_id: str) -> Response:
    """The SD-JWT as a download. Raises NotFoundError, TransitionError (its issuer has not signed it yet)."""
    text = call.read(lambda work: extracts.get(work, extract_id).text)
    headers = {"Content-Disposition": f'attachment; filename="{extract_id}.sd-jwt"'}
    return Response(text.encode(), media_type=EXTRACT_MEDIA_TYPE, headers=headers)


@router.post(
    "/certificates/{certificate_id}/extracts",
    status_code=201,
    response_model=ExtractShown,
    summary="出具摘录件",
    responses=problems(404, 409, 503),
)
def make(certificate_id: str, body: NewExtract, call: OfCall) -> Response:
    """依一次用证，只给出该事项的材料项所需的字段（SD-JWT，RFC 9901），由发证部门签名。原证照失效，摘录件同时失效。

    自行签署的发证部门签署之后才能下载（state 为 awaiting_signature）。
    """

    def act(work: Work) -> Answer:
        receiver = body.receiver or work.actor.department or ""
        fields = None if body.fields is None else tuple(body.fields)
        request = ExtractRequest(certificate_id, receiver, body.expires_at, fields)
        made = extracts.make(work, request, uses.get(work, body.use_id), key_of(call))
        return Answer(HTTPStatus.CREATED, _shown(work, made))

    return call.answer(act)


@router.get("/certificates/{certificate_id}/extracts", summary="证照的摘录件", responses=problems(404))
def list_extracts(certificate_id: str, call: OfCall) -> Extracts:
    """颁发部门可见全部，其他部门可见本部门出具或接收的。"""
    return call.read(lambda work: Extracts(items=[_shown(work, one) for one in extracts.list_of(work, certificate_id)]))


@router.get(
    "/extracts/{extract_id}/file",
    summary="摘录件文件",
    response_class=Response,
    responses={200: {"content": {EXTRACT_MEDIA_TYPE: {}}}, **problems(404, 409)},
)
def get_file(extract_id: str, call: OfCall) -> Response:
    """出具部门、接收部门与颁发部门可以下载；可离线核验（suizheng verify）。"""
    return file_of(call, extract_id)


def _shown(work: Work, row: Extract | ExtractDraft) -> ExtractShown:
    state, is_draft = extracts.state_of(work, row), isinstance(row, ExtractDraft)
    named = "expired" if state is None else state.name.lower()
    return ExtractShown(
        id=row.id, certificate_id=row.certificate_id, use_id=row.use_id, department=row.department,
        receiver=row.receiver, matter_code=row.matter_code, purpose=row.purpose, fields=row.fields,
        bound=row.device_id is not None,
        made_at=row.asked_at if isinstance(row, ExtractDraft) else row.made_at, expires_at=row.expires_at,
        state="awaiting_signature" if is_draft and named == "valid" else named,
        file_url=f"/api/v1/extracts/{row.id}/file",
    )  # fmt: skip
