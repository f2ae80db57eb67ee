"""What a delegate's phone has and may sign: found by the phone's key, which its request proves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import select

from registry.codes import service as codes
from registry.delegations import service as delegations
from registry.delegations.tables import Delegation
from registry.errors import InvalidDraftError, NotFoundError
from registry.work import Work
from verifier import cbor
from verifier.code import CodeKind
from verifier.delegated_code import Chain
from verifier.delegation import LinkClaims
from verifier.device_request import DeviceRequest
from verifier.presentation import device_key
from verifier.suites import SIGNATURE_BYTES, PublicKey

LIST, SIGN = "delegations", "sign-delegation"
#: A phone has a few; more of them are not shown.
MOST = 20


@dataclass(frozen=True, slots=True)
class Held:
    """A delegation of the phone: the chain down to it in claims and masked names; `chain` shows codes, while it can."""

    row: Delegation
    enterprise: str
    claims: list[LinkClaims]
    names: list[str | None]
    state: str
    chain: Chain | None


@dataclass(frozen=True, slots=True)
class ToSign:
    """A delegation below the phone's that waits for its signature."""

    row: Delegation
    enterprise: str
    claims: list[LinkClaims]
    names: list[str | None]
    to_be_signed: bytes


def held_by(work: Work, request: DeviceRequest) -> tuple[list[Held], list[ToSign]]:
    """The delegations of the phone that signed this request [public key], and those that it may sign; newest first.

    Raises SignatureError, MalformedError, ValidityError.
    """
    key = _proved(work, request, LIST)
    rows = _of_key(work, key)
    return [_held(work, row) for row in rows], list(_to_sign(work, rows))


def sign_by(work: Work, request: DeviceRequest) -> tuple[list[Held], list[ToSign]]:
    """Take the signature in this request [public key, delegation's id, signature]; then as `held_by`.

    Raises NotFoundError (also: not below a delegation of this phone), TransitionError, InvalidDraftError, and what
    `held_by` raises.
    """
    key = _proved(work, request, SIGN)
    row, rows = delegations.get(work, request.text(1)), _of_key(work, key)
    if row.parent_id not in {one.id for one in rows}:
        raise NotFoundError("delegation_unknown", "没有这项待签的委托，请刷新后重试。")
    signature = request.arguments[2] if len(request.arguments) > 2 else None
    delegations.complete(work, row.id, cbor.require_bytes(signature, SIGNATURE_BYTES))
    return [_held(work, one) for one in rows], list(_to_sign(work, rows))


def _proved(work: Work, request: DeviceRequest, action: str) -> PublicKey:
    key = device_key(request.arguments[0] if request.arguments else None)
    request.check(key, action, work.at)
    return key


def _of_key(work: Work, key: PublicKey) -> list[Delegation]:
    query = select(Delegation).where(Delegation.public == key.raw, Delegation.suite == int(key.suite))
    return list(work.session.scalars(query.order_by(Delegation.id.desc()).limit(MOST)))


def _held(work: Work, row: Delegation) -> Held:
    chain, state = None, "revoked" if row.revoked_at is not None else "awaiting" if row.signature is None else "live"
    if state == "live" and delegations.is_suspended(work, delegations.path_to(work, row.id)):
        state = "suspended"
    if state == "live":
        try:
            chain = delegations.chain_of(work, row.id)
        except InvalidDraftError:
            state = "no_code"
    return Held(row, *_above(work, row), state, chain)


def _to_sign(work: Work, rows: list[Delegation]) -> Iterator[ToSign]:
    query = select(Delegation).where(
        Delegation.parent_id.in_([row.id for row in rows if row.revoked_at is None]),
        Delegation.signature.is_(None), Delegation.revoked_at.is_(None),
    )  # fmt: skip
    for row in work.session.scalars(query.order_by(Delegation.id.desc()).limit(MOST)):
        yield ToSign(row, *_above(work, row), delegations.to_be_signed(work, row))


def _above(work: Work, row: Delegation) -> tuple[str, list[LinkClaims], list[str | None]]:
    """The enterprise's name, and the chain down to this delegation in claims and masked names."""
    path = delegations.path_to(work, row.id)
    code = codes.find_newest(work, CodeKind.ENTERPRISE, row.enterprise)
    claims = [delegations.link_of(one).claims for one in path]
    return (code.name or "") if code else row.enterprise, claims, [one.name for one in path]
