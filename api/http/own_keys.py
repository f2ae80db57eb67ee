"""Keys that departments hold themselves: registered with a proof, listed, ended, or given up for the key service."""

from __future__ import annotations

import base64
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.http import proposals
from api.http.calls import Answer, Call, get_call
from api.http.forms import USUAL, Incoming, Moment, Outgoing, problems
from api.http.guard import GuardedRoute
from registry.errors import FieldError, InvalidDraftError, NotPermittedError
from registry.keys import own
from registry.keys.tables import KeyRow
from registry.proposals import service
from registry.proposals.actions import Applied
from registry.work import Work
from verifier.suites import Suite

router = APIRouter(prefix="/api/v1", tags=["部门密钥"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]


class NewKey(Incoming):
    """A public key that a department wants to sign with."""

    suite: Literal["ED25519", "ES256", "SM2"] = Field(description="签名套件")
    public: str = Field(max_length=66, description="公钥，十六进制：Ed25519 32 字节，ES256 与 SM2 为压缩点 33 字节")
    purpose: Literal["entries"] = Field(default="entries", description="用途：签署存证条目")
    valid_from: Moment | None = Field(default=None, description="最早启用时间，缺省为批准之后", strict=False)
    valid_to: Moment | None = Field(default=None, description="截止时间（不含），缺省为不限", strict=False)


class Challenge(Outgoing):
    """What has to be signed with the key, as it is, to prove that it is held."""

    id: str
    to_be_signed: str = Field(description="待签字节，Base64；原样用该私钥签署，SM2 的签名者标识为 1234567812345678")
    expires_at: datetime


class Proof(Incoming):
    """The answer to a challenge."""

    challenge_id: str = Field(max_length=26)
    signature: str = Field(max_length=128, description="64 字节签名，Base64（ES256、SM2 为 r‖s）")
    reason: str = Field(default="", max_length=200, description="理由；须由他人批准时必填")


class Ending(Incoming):
    """Why a key is ended; and since when its signatures are not to be believed, if it got into other hands."""

    reason: str = Field(max_length=200, description="理由")
    compromised_at: Moment | None = Field(
        default=None, description="自何时起的签名不可信；给出时须由他人批准", strict=False
    )


class DepartmentKey(Outgoing):
    """A key that signs or signed a department's entries."""

    kid: str
    suite: str
    public: str
    purpose: str = "entries"
    own: bool = Field(description="由部门自己保管")
    valid_from: datetime
    valid_to: datetime | None
    ended_as: str | None = Field(description="revoked 已作废，compromised 已泄露")
    ended_at: datetime | None
    ended_reason: str | None


class DepartmentKeys(Outgoing):
    """The keys of a department, newest first, and who signs for it now."""

    items: list[DepartmentKey]
    signs_itself: bool
    next_cursor: None = None


def key_of(row: KeyRow) -> DepartmentKey:
    """The key as it is shown."""
    return DepartmentKey(
        kid=row.kid.hex(), suite=Suite(row.suite).name, public=row.public.hex(), own=row.vault == "department",
        valid_from=row.valid_from, valid_to=row.valid_to, ended_as=row.ended_as, ended_at=row.ended_at,
        ended_reason=row.ended_reason,
    )  # fmt: skip


def signature_in(text: str) -> bytes:
    """Signature bytes of a request. Raises InvalidDraftError."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as wrong:
        raise InvalidDraftError([FieldError("signature", "not_base64", "签名应为 Base64。")]) from wrong


def check_own(call: Call, code: str) -> None:
    """Raises NotPermittedError for who belongs to another department and does not administer."""
    actor = call.known.actor
    if actor.department != code and not actor.has_role("administrator"):
        raise NotPermittedError("other_department", "只能办理本部门的密钥。", {"department": code})


@router.get("/departments/{code}/keys", summary="部门的签名密钥", responses=problems(404))
def list_keys(code: str, call: OfCall) -> DepartmentKeys:
    """为该部门签署过条目的全部密钥，不论由谁保管；与信任包所载一致。"""

    def ask(work: Work) -> DepartmentKeys:
        items = [key_of(row) for row in own.keys_of(work, code)]
        return DepartmentKeys(items=items, signs_itself=own.signs_itself(work.session, code, work.at))

    return call.read(ask)


@router.post(
    "/departments/{code}/keys/challenges", status_code=201, response_model=Challenge, summary="申请登记部门密钥",
    responses=problems(404, 409),
)  # fmt: skip
def ask_for_proof(code: str, body: NewKey, call: OfCall) -> Response:
    """返回待签字节，一小时内有效：用该私钥签署后提交，以证明持有。"""
    check_own(call, code)

    def act(work: Work) -> Answer:
        asked = own.ask_for_proof(work, code, body.suite, body.public, body.valid_from, body.valid_to)
        text = base64.b64encode(asked.to_be_signed).decode()
        return Answer(
            HTTPStatus.CREATED, Challenge(id=asked.row.id, to_be_signed=text, expires_at=asked.row.expires_at)
        )

    return call.answer(act)


@router.post(
    "/departments/{code}/keys", status_code=201, response_model=DepartmentKey, summary="登记部门密钥",
    responses={202: {"model": proposals.Proposal}, **problems(404, 409)},
)  # fmt: skip
def register_key(code: str, body: Proof, call: OfCall) -> Response:
    """核对持有证明。批准后，该部门的条目只能由部门自己签署，本系统不再代签。部门提出的须由管理员批准（202）。"""
    check_own(call, code)

    def act(work: Work) -> Answer:
        own.prove(work, code, body.challenge_id, signature_in(body.signature))
        given = {"department": code, "challenge_id": body.challenge_id}
        done = service.change(work, "key.own", given, body.reason, call.services.keys)
        if isinstance(done, Applied):
            return Answer(HTTPStatus.CREATED, key_of(done.value))
        return proposals.waiting(work, done)

    return call.answer(act)


@router.post(
    "/departments/{code}/keys/{kid}/end", response_model=DepartmentKey, summary="作废部门密钥",
    responses={202: {"model": proposals.Proposal}, **problems(404)},
)  # fmt: skip
def end_key(code: str, kid: str, body: Ending, call: OfCall) -> Response:
    """立即作废，此前所签不受影响；给出泄露时间的，那之后的签名不再可信，须由他人批准。"""
    check_own(call, code)
    key_id = kid_in(kid)
    if body.compromised_at is not None:
        given = {"department": code, "kid": kid, "compromised_at": body.compromised_at.isoformat()}
        return proposals.changing(
            call, "key.compromised", given, body.reason,
            lambda _, applied: Answer(HTTPStatus.OK, key_of(applied.value.row)),
        )  # fmt: skip
    return call.answer(lambda work: Answer(HTTPStatus.OK, key_of(own.end(work, code, key_id, body.reason).row)))


@router.post(
    "/departments/{code}/key-service", response_model=DepartmentKey, summary="改由密钥服务签署",
    responses={202: {"model": proposals.Proposal}, **problems(404, 409)},
)  # fmt: skip
def return_to_service(code: str, body: proposals.Reason, call: OfCall) -> Response:
    """由本系统的密钥服务重新为该部门代签；此前未签的条目以改签时刻为准。"""
    return proposals.changing(
        call, "key.service", {"department": code}, body.reason,
        lambda _, applied: Answer(HTTPStatus.OK, key_of(applied.value)),
    )  # fmt: skip


def kid_in(text: str) -> bytes:
    """The key id in a request. Raises InvalidDraftError."""
    try:
        return bytes.fromhex(text)
    except ValueError as wrong:
        message = "密钥编号应为 16 位十六进制。"
        raise InvalidDraftError([FieldError("kid", "not_hex", message)]) from wrong
