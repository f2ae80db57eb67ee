"""What a delegate's phone asks of the registry, proved by its key: its delegations, and to sign those below them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.http.calls import Call, get_call
from api.http.delegations import ChainOut, chain_out
from api.http.devices import SignedRequest, asked_by, written
from api.http.forms import USUAL, Outgoing, problems
from api.http.guard import GuardedRoute
from registry.catalogue import service as catalogue
from registry.delegations import phones
from registry.delegations.phones import Held, ToSign
from registry.work import Work
from verifier.delegated_code import in_words
from verifier.delegation import LinkClaims, Role, reach_of

router = APIRouter(prefix="/api/v1", tags=["手机"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]

_ROLES: Final = {role: role.name.lower() for role in Role}


class HeldOut(Outgoing):
    """A delegation of this phone."""

    id: str
    role: str
    enterprise: str = Field(description="企业名称")
    words: str = Field(description="委托链，如 某公司 → 证照管理员，限 食品经营许可")
    begins_at: datetime
    ends_at: datetime
    state: str = Field(
        description="live 可亮码，awaiting 待上级手机签署，revoked 已撤销，suspended 登记部门被暂停，"
        "no_code 企业码不在有效状态"
    )
    reason: str | None = Field(description="撤销事由")
    chain: ChainOut | None = Field(description="委托链，live 时有")


class ToSignOut(Outgoing):
    """A delegation below one of this phone's, which waits for its signature."""

    id: str
    words: str
    to_be_signed: str = Field(description="待签字节，十六进制；手机应先读出其中的委托再签")


class DelegationsOfPhone(Outgoing):
    """Newest first."""

    items: list[HeldOut]
    to_sign: list[ToSignOut]


@router.post(
    "/devices/delegations", response_model=DelegationsOfPhone, summary="本机的企业委托", responses=problems(401, 429)
)
def held(body: SignedRequest, call: OfCall) -> Response:
    """由手机提交，设备密钥签名：本机受托的各项与待本机签署的下级委托。"""
    request = asked_by(body)
    return written(call, lambda work: _out(work, *phones.held_by(work, request)))


@router.post(
    "/devices/delegations/signature",
    response_model=DelegationsOfPhone,
    summary="签署下级委托",
    responses=problems(404, 409, 429),
)
def sign(body: SignedRequest, call: OfCall) -> Response:
    """由上级手机提交：委托编号与签名；重复提交无妨。"""
    request = asked_by(body)
    return written(call, lambda work: _out(work, *phones.sign_by(work, request)))


def _out(work: Work, items: list[Held], to_sign: list[ToSign]) -> DelegationsOfPhone:
    return DelegationsOfPhone(
        items=[
            HeldOut(
                id=one.row.id, role=_ROLES[Role(one.row.role)], enterprise=one.enterprise,
                words=_words(work, one.enterprise, one.claims, one.names), begins_at=one.row.valid_from_at,
                ends_at=one.row.valid_to_at, state=one.state, reason=one.row.revoked_reason,
                chain=chain_out(one.chain) if one.chain else None,
            )
            for one in items
        ],
        to_sign=[
            ToSignOut(
                id=one.row.id, words=_words(work, one.enterprise, one.claims, one.names),
                to_be_signed=one.to_be_signed.hex(),
            )
            for one in to_sign
        ],
    )  # fmt: skip


def _words(work: Work, enterprise: str, claims: list[LinkClaims], names: list[str | None]) -> str:
    def matter(code: str) -> str:
        found = catalogue.find_matter(work, code)
        return found.name if found else code

    def kind(code: str) -> str:
        found = catalogue.find_type(work, code)
        return found.name if found else code

    return in_words(enterprise, claims, reach_of(claims), matter, kind, names)
