"""Signing keys: their history with counts, and rotation. Private halves are never shown."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.http import proposals
from api.http.calls import Answer, Call, get_call
from api.http.forms import USUAL, Incoming, Outgoing, problems
from api.http.guard import GuardedRoute
from registry.keys import rules
from registry.keys.service import KeyService, KnownKey
from registry.proposals.actions import Applied
from registry.work import Work

router = APIRouter(prefix="/api/v1", tags=["密钥"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]

MAX_LEAD_HOURS = 24 * 90


class Rotation(Incoming):
    """A new key for a purpose."""

    purpose: str = Field(max_length=64, description="用途：log、codes、status、trust-root 或 department:<部门代码>")
    lead_hours: int = Field(
        default=24, ge=0, le=MAX_LEAD_HOURS, description="新密钥先随信任包公布，多少小时后启用；0 为立即"
    )
    suite: Literal["ED25519", "ES256", "SM2"] | None = Field(default=None, description="套件，缺省按设置")
    reason: str = Field(default="", max_length=200, description="理由；实行双人复核时必填")


class KeyShown(Outgoing):
    """A key without its private half."""

    kid: str
    purpose: str
    suite: str
    public: str
    vault: str = Field(description="files 文件，token 密码令牌，department 部门自己保管")
    valid_from: datetime
    valid_to: datetime | None
    uses: int = Field(description="至少签过多少次")
    last_used_at: datetime | None
    ended_as: str | None = Field(description="revoked 已作废，compromised 已泄露")
    due: str = Field(description="waiting 待启用，fresh 在用，due_soon 临近更换，overdue 应更换，past 已停用")


class Keys(Outgoing):
    """Every key, newest first within a purpose."""

    items: list[KeyShown]
    next_cursor: None = None


def key_shown(key: KnownKey, at: datetime) -> KeyShown:
    """The key as it is shown."""
    period = rules.Period(key.public.kid, key.valid_from, key.valid_to)
    return KeyShown(
        kid=key.public.kid.hex(), purpose=key.purpose, suite=key.public.suite.name, public=key.public.raw.hex(),
        vault=key.vault, valid_from=key.valid_from, valid_to=key.valid_to, uses=key.uses,
        last_used_at=key.last_used_at, ended_as=key.ended_as, due=rules.due(period, at),
    )  # fmt: skip


def history(keys: KeyService, at: datetime) -> list[KeyShown]:
    """Every key with what this process has counted, by purpose, the newest first."""
    keys.flush_counts(at)
    known = sorted(keys.known(), key=lambda key: key.valid_from, reverse=True)
    return [key_shown(key, at) for key in sorted(known, key=lambda key: _rank(key.purpose))]


def _rank(purpose: str) -> tuple[int, str]:
    own = rules.REGISTRY_PURPOSES
    return (own.index(purpose) if purpose in own else len(own), purpose)


@router.get("/keys", summary="密钥及其历史", responses=problems(503))
def list_keys(call: OfCall) -> Keys:
    """全部签名密钥的公开部分、有效时段、使用次数与更换提醒。"""
    return Keys(items=history(call.services.keys, call.services.clock()))


@router.post("/keys/rotate", status_code=201, response_model=KeyShown, summary="更换密钥", responses=problems(409, 503))
def rotate(body: Rotation, call: OfCall) -> Response:
    """新密钥先公布、后启用；旧密钥此前所签继续有效。"""

    def made(work: Work, applied: Applied) -> Answer:
        known = call.services.keys.known_in(work.session.connection())
        fresh = next(key for key in known if key.public == applied.value)
        return Answer(HTTPStatus.CREATED, key_shown(fresh, work.at))

    return proposals.changing(call, "key.rotate", body.model_dump(exclude={"reason"}), body.reason, made)
