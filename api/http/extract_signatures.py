"""Extracts that departments sign themselves: handed out, and taken back with their signatures."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import Field

from api.http.calls import Call, get_call
from api.http.forms import USUAL, Incoming, Outgoing, problems
from api.http.guard import GuardedRoute
from api.http.own_keys import signature_in
from registry.extracts import detached
from registry.signing.rules import MAX_TOGETHER

router = APIRouter(
    prefix="/api/v1/signatures/extracts", tags=["部门自行签署"], route_class=GuardedRoute, responses=USUAL
)
OfCall = Annotated[Call, Depends(get_call)]


class Wanted(Incoming):
    """How many extracts are asked for."""

    limit: int = Field(default=100, ge=1, le=100, description="最多领取多少份")


class ExtractToSign(Outgoing):
    """An extract to be signed."""

    extract_id: str
    to_be_signed: str = Field(description="待签字节（RFC 7515 5.1 的签名输入），文本")
    disclosures: list[str] = Field(description="披露项（RFC 9901 4.2）")
    face: str = Field(description="原证照的照面数据，规范 JSON（RFC 8785），Base64")
    salts: str = Field(description="照面数据逐字段的盐值，Base64")


class PreparedExtracts(Outgoing):
    """What was handed out. Its signatures are taken until `expires_at`."""

    id: str
    kid: str = Field(description="须用哪把密钥签署")
    recorded_at: datetime = Field(description="摘录件的出具时间，由登记系统的时钟给出")
    expires_at: datetime
    extracts: list[ExtractToSign]
    held_back: list[str] = Field(description="现在不能出具的摘录件：用证、权限或期限已不成立")


class ExtractSignature(Incoming):
    """One signature."""

    extract_id: str = Field(max_length=26)
    signature: str = Field(max_length=128, description="64 字节签名，Base64（ES256 为 r‖s）")


class ExtractSignatures(Incoming):
    """The signatures of one preparation."""

    id: str = Field(max_length=26)
    signatures: list[ExtractSignature] = Field(min_length=1, max_length=MAX_TOGETHER)


class ExtractOutcome(Outgoing):
    """What became of one signature."""

    extract_id: str
    outcome: str = Field(
        description="signed 已签署，signed_before 已由另一签名签署，wrong_signature 签名不符，"
        "refused 现在不能出具，unknown 不是等待本部门签署的摘录件"
    )


class CommittedExtracts(Outgoing):
    """The outcome of each signature, in the order in which they came."""

    items: list[ExtractOutcome]


@router.post("/prepare", summary="领取待签的摘录件")
def prepare(body: Wanted, call: OfCall) -> PreparedExtracts:
    """等待本部门自行签署的摘录件，先申请的在前。每次领取重新给出时间，15 分钟内提交签名；过期可再领取。"""
    prepared = call.write(lambda work: detached.prepare(work, body.limit))
    row = prepared.preparation
    return PreparedExtracts(
        id=row.id, kid=row.kid.hex(), recorded_at=row.recorded_at, expires_at=row.expires_at,
        extracts=[_to_sign(one) for one in prepared.extracts], held_back=list(prepared.held_back),
    )  # fmt: skip


def _to_sign(one: detached.ToSign) -> ExtractToSign:
    return ExtractToSign(
        extract_id=one.extract_id, to_be_signed=one.to_be_signed.decode(), disclosures=list(one.disclosures),
        face=_text(one.face), salts=_text(one.salts),
    )  # fmt: skip


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@router.post("/commit", summary="提交摘录件的签名", responses=problems(404, 409))
def commit(body: ExtractSignatures, call: OfCall) -> CommittedExtracts:
    """逐份核对并出具；逐份给出结果，可安全重复提交。"""
    signatures = [(one.extract_id, signature_in(one.signature)) for one in body.signatures]
    done = call.write(lambda work: detached.commit(work, body.id, signatures))
    return CommittedExtracts(items=[ExtractOutcome(extract_id=one, outcome=outcome) for one, outcome in done])
