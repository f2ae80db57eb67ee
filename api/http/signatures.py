"""Entries that departments sign themselves: handed out, and taken back with their signatures."""

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
from registry.signing import service
from registry.signing.contents import Content as KeptContent
from registry.signing.rules import MAX_TOGETHER
from registry.work import Work

router = APIRouter(prefix="/api/v1/signatures", tags=["部门自行签署"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]


class Wanted(Incoming):
    """How many entries are asked for."""

    limit: int = Field(default=MAX_TOGETHER, ge=1, le=MAX_TOGETHER, description="最多领取多少条")


class Content(Outgoing):
    """What an entry's digests are made of."""

    canonical: str = Field(description="规范 JSON（RFC 8785），Base64")
    salts: str = Field(description="逐字段的盐值，Base64")


class ToSign(Outgoing):
    """An entry to be signed."""

    entry_id: int
    kind: int = Field(description="存证条目的种类：1 证照，3 状态变更，5 用证 ……")
    item: str
    payload: str = Field(description="条目（确定性 CBOR），Base64")
    to_be_signed: str = Field(description="待签字节（RFC 9052 4.4），Base64")
    content: Content | None = Field(description="承诺的内容，可据以重算摘要；不另存内容的种类为 null")


class Prepared(Outgoing):
    """What was handed out. Its signatures are taken until `expires_at`."""

    id: str
    kid: str = Field(description="须用哪把密钥签署")
    suite: str
    recorded_at: datetime = Field(description="条目的时间，即签署时间；由登记系统的时钟给出")
    expires_at: datetime
    entries: list[ToSign]
    held_back: list[int] = Field(description="部门现无颁发权限、不能签署的证照条目")
    left: int = Field(description="除此之外还有多少条待签")


class Signature(Incoming):
    """One signature."""

    entry_id: int = Field(ge=1, le=2**63 - 1)
    signature: str = Field(max_length=128, description="64 字节签名，Base64（ES256、SM2 为 r‖s）")


class Signatures(Incoming):
    """The signatures of one preparation."""

    id: str = Field(max_length=26)
    signatures: list[Signature] = Field(min_length=1, max_length=MAX_TOGETHER)


class Outcome(Outgoing):
    """What became of one signature."""

    entry_id: int
    outcome: str = Field(
        description="signed 已签署，signed_before 已由另一签名签署，wrong_signature 签名不符，"
        "scope_missing 无颁发权限，unknown 不是本部门的待签条目"
    )
    leaf_hash: str | None


class Committed(Outgoing):
    """The outcome of each signature, in the order in which they came, and how many entries still wait."""

    items: list[Outcome]
    left: int


@router.post("/prepare", summary="领取待签条目")
def prepare(body: Wanted, call: OfCall) -> Prepared:
    """本部门等待自行签署的条目，先登记的在前。每次领取的时间重新给出，15 分钟内提交签名；过期可再领取。"""
    prepared = call.write(lambda work: service.prepare(work, body.limit))
    row = prepared.preparation
    return Prepared(
        id=row.id, kid=row.kid.hex(), suite=prepared.key.suite.name, recorded_at=row.recorded_at,
        expires_at=row.expires_at, entries=[_to_sign(entry) for entry in prepared.entries],
        held_back=list(prepared.held_back), left=prepared.left,
    )  # fmt: skip


def _to_sign(entry: service.ToSign) -> ToSign:
    return ToSign(
        entry_id=entry.entry_id, kind=entry.kind, item=entry.item, payload=_text(entry.payload),
        to_be_signed=_text(entry.to_be_signed), content=_content(entry.content),
    )  # fmt: skip


def _content(kept: KeptContent | None) -> Content | None:
    return None if kept is None else Content(canonical=_text(kept.canonical), salts=_text(kept.salts))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@router.post("/commit", summary="提交签名", responses=problems(404, 409))
def commit(body: Signatures, call: OfCall) -> Committed:
    """逐条核对并落盘；逐条给出结果，可安全重复提交。"""
    signatures = [(one.entry_id, signature_in(one.signature)) for one in body.signatures]

    def act(work: Work) -> Committed:
        done = service.commit(work, body.id, signatures)
        items = [
            Outcome(
                entry_id=one.entry_id, outcome=one.outcome, leaf_hash=one.leaf_hash.hex() if one.leaf_hash else None
            )
            for one in done
        ]
        return Committed(items=items, left=service.awaiting(work.session, work.actor.department or ""))

    return call.write(act)
