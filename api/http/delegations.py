"""Delegations of enterprises: grant, sign, list, show to the device, preview, revoke; and codes shown under them."""

from __future__ import annotations

import hashlib
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.composition import Services
from api.http.calls import Answer, Call, get_call
from api.http.codes import signing_key
from api.http.forms import USUAL, Incoming, Moment, Outgoing, problems
from api.http.guard import GuardedRoute
from codes import payload
from registry.delegations import rules
from registry.delegations import service as delegations
from registry.delegations.rules import DelegationDraft, Shown
from registry.delegations.tables import Delegation
from registry.errors import FieldError, InvalidDraftError
from registry.work import Work
from verifier.delegated_code import Chain, examine_delegated
from verifier.delegation import Role
from verifier.suites import Suite
from verifier.verdict import State

router = APIRouter(prefix="/api/v1", tags=["企业委托"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]

ROLES: Final = {role.name.lower(): role for role in Role}


class NewDelegation(Incoming):
    """A delegation to be recorded."""

    enterprise: str = Field(max_length=18, description="企业统一社会信用代码")
    parent_id: str | None = Field(default=None, max_length=26, description="上级委托编号；企业直接委托时不填")
    role: Literal["representative", "manager", "handler"] = Field(
        description="representative 法定代表人，manager 证照管理员，handler 经办人"
    )
    name: str = Field(max_length=20, description="被委托人姓名，只保存遮掩后的形式")
    holder_code: str = Field(max_length=64, description="被委托人证件号码，只保存盲索引")
    holder_code_type_code: str = Field(default="111", pattern="^[0-9]{3}$", description="被委托人证件类型")
    suite: Literal["ED25519", "ES256", "SM2"] = Field(default="ED25519", description="设备密钥的签名套件")
    public: str = Field(max_length=66, pattern="^([0-9a-f]{2})+$", description="设备公钥，十六进制")
    matters: list[str] | None = Field(default=None, max_length=16, description="事项编码；不填则与上级相同（不限）")
    types: list[str] | None = Field(default=None, max_length=16, description="证照类型代码；不填则与上级相同（不限）")
    valid_from_at: Moment | None = Field(default=None, description="起始时间，缺省为现在", strict=False)
    valid_to_at: Moment = Field(description="截止时间（不含），不晚于上级", strict=False)
    document: str | None = Field(default=None, max_length=100, description="委托书编号（企业直接委托时必填）")


class OfEnterprise(Incoming):
    """Whose delegations; in the body, for the number of a sole trader stands for a person."""

    enterprise: str = Field(max_length=18, description="企业统一社会信用代码")


class Signature(Incoming):
    """The signature of the delegator's device."""

    signature: str = Field(pattern="^[0-9a-f]{128}$", description="64 字节签名，十六进制")


class Ending(Incoming):
    """Why a delegation ends."""

    reason: str = Field(max_length=200, description="撤销事由")


class DelegationOut(Outgoing):
    """A delegation; the delegate's name is masked, the number is not kept."""

    id: str
    enterprise: str
    parent_id: str | None
    role: str
    role_name: str
    name: str | None
    matters: list[str] | None
    types: list[str] | None
    valid_from_at: datetime
    valid_to_at: datetime
    state: str = Field(description="awaiting 待上级设备签署，live 已签署，revoked 已撤销")
    to_be_signed: str | None = Field(description="待上级设备签署的字节，十六进制；已签署时为空")
    document: str | None
    revoked_at: datetime | None
    revoked_reason: str | None
    revoked_with: str | None


class Delegations(Outgoing):
    """Delegations, each after its parent or oldest first."""

    items: list[DelegationOut]
    next_cursor: None = None


class ChainOut(Outgoing):
    """What the delegate's device keeps to show codes; nothing in it is secret."""

    format: str = "suizheng-delegation/1"
    enterprise: str = Field(description="企业码，SZ1: 开头")
    kid: str
    links: list[dict[str, str]]


def state_of(row: Delegation) -> str:
    """awaiting, live or revoked."""
    if row.revoked_at is not None:
        return "revoked"
    return "awaiting" if row.signature is None else "live"


def chain_out(chain: Chain) -> ChainOut:
    """A chain as a device takes it."""
    links = [{"payload": link.payload.hex(), "signature": link.signature.hex()} for link in chain.links]
    return ChainOut(enterprise=payload.encode(chain.enterprise), kid=chain.kid.hex(), links=links)


def _out(work: Work, row: Delegation) -> DelegationOut:
    state = state_of(row)
    return DelegationOut(
        id=row.id, enterprise=row.enterprise, parent_id=row.parent_id, role=Role(row.role).name.lower(),
        role_name=rules.role_name(row.role), name=row.name, matters=row.matters, types=row.types,
        valid_from_at=row.valid_from_at, valid_to_at=row.valid_to_at, state=state,
        to_be_signed=delegations.to_be_signed(work, row).hex() if state == "awaiting" else None,
        document=row.document, revoked_at=row.revoked_at, revoked_reason=row.revoked_reason,
        revoked_with=row.revoked_with,
    )  # fmt: skip


@router.post(
    "/delegations", status_code=201, response_model=DelegationOut, summary="登记委托", responses=problems(404, 409, 503)
)
def grant(body: NewDelegation, call: OfCall) -> Response:
    """企业直接委托时由登记机构当场签署；有上级时返回待签字节，由上级的设备签署后提交。"""
    key = signing_key(call)

    def act(work: Work) -> Answer:
        draft = DelegationDraft(
            enterprise=body.enterprise, role=ROLES[body.role], name=body.name,
            delegate=(body.holder_code_type_code, body.holder_code), suite=int(Suite[body.suite]),
            public=bytes.fromhex(body.public), valid_from_at=body.valid_from_at or work.at,
            valid_to_at=body.valid_to_at, matters=None if body.matters is None else tuple(body.matters),
            types=None if body.types is None else tuple(body.types), document=body.document, parent_id=body.parent_id,
        )  # fmt: skip
        return Answer(HTTPStatus.CREATED, _out(work, delegations.grant(work, draft, key)))

    return call.answer(act)


@router.post("/delegations/search", summary="企业的委托")
def search(body: OfEnterprise, call: OfCall) -> Delegations:
    """一家企业的全部委托，先登记的在前；parent_id 指明上级。"""
    return call.read(
        lambda work: Delegations(items=[_out(work, row) for row in delegations.of_enterprise(work, body.enterprise)])
    )


@router.get("/delegations/{delegation_id}", summary="委托详情", responses=problems(404))
def get_delegation(delegation_id: str, call: OfCall) -> DelegationOut:
    """一项委托；待签署时含待签字节。"""
    return call.read(lambda work: _out(work, delegations.get(work, delegation_id)))


@router.post(
    "/delegations/{delegation_id}/signature",
    response_model=DelegationOut,
    summary="提交上级设备的签名",
    responses=problems(404, 409),
)
def complete(delegation_id: str, body: Signature, call: OfCall) -> Response:
    """签名须是上级设备对待签字节所作；重复提交无妨。"""
    signature = bytes.fromhex(body.signature)
    return call.answer(
        lambda work: Answer(HTTPStatus.OK, _out(work, delegations.complete(work, delegation_id, signature)))
    )


@router.get("/delegations/{delegation_id}/chain", summary="委托链（存入设备）", responses=problems(404, 409))
def get_chain(delegation_id: str, call: OfCall) -> ChainOut:
    """被委托人的设备据此亮码；其中没有秘密，设备私钥不离开设备。"""
    return call.read(lambda work: chain_out(delegations.chain_of(work, delegation_id)))


@router.get("/delegations/{delegation_id}/cascade", summary="撤销的影响", responses=problems(404))
def preview(delegation_id: str, call: OfCall) -> Delegations:
    """撤销时将一并失效的委托，自身在前。"""
    return call.read(
        lambda work: Delegations(
            items=[_out(work, row) for row in delegations.cascade(work, delegation_id) if row.revoked_at is None]
        )
    )


@router.post(
    "/delegations/{delegation_id}/revoke", response_model=Delegations, summary="撤销委托", responses=problems(404)
)
def revoke(delegation_id: str, body: Ending, call: OfCall) -> Response:
    """立即撤销，其下的委托和据此登记的授权一并失效；答复为本次撤销的各项。"""

    def act(work: Work) -> Answer:
        ended = delegations.revoke(work, delegation_id, body.reason)
        return Answer(HTTPStatus.OK, Delegations(items=[_out(work, row) for row in ended]))

    return call.answer(act)


def digest_of(text: str) -> bytes:
    """What names a shown code."""
    return hashlib.sha256(text.encode()).digest()


def shown_code(services: Services, text: str, field: str, at: datetime | None = None) -> Shown:
    """A delegated code as it was shown, valid at that time (now by default) by the newest trust bundle.

    Raises InvalidDraftError with the verdict's reason for anything else.
    """
    plain = payload.normalise_scanned(text)
    verdict, code = examine_delegated(plain, services.trust.bundle(), at or services.clock())
    if verdict.state is not State.VALID or code is None:
        raise InvalidDraftError([FieldError(field, verdict.reason, f"{verdict.message}。")])
    return Shown(code, digest_of(plain), str(verdict.subject["chain"]))
