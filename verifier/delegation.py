"""Links of a delegation (委托): enterprise → 法定代表人 or 证照管理员 → 经办人, each narrower than the one before.

A link is the payload and the signature of a COSE_Sign1 of type 65007. Its protected header {1: suite, 4: kid, 16: type}
is not carried, since whoever signed is known: the registry for the first link, the delegate of the link before for the
others. Its external_aad (RFC 9052 4.3) ties it to what it hangs on: the enterprise's 18-character code (USCC) for the
first, SHA-256 of payload || signature of the link before for the others. Payload: [role, suite, key, matters, types,
issued, waits, lasts, status list, status index]; matters and types are null for "as the link before"; it begins `waits`
seconds after it was issued and ends `lasts` seconds later. Nobody is named, not even masked: the registry alone tells
a window who has the device of a link.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any

from verifier import cbor, cose, times
from verifier.cose import Type
from verifier.errors import DelegationError, MalformedError, SignatureError
from verifier.suites import SIGNATURE_BYTES, PublicKey, SigningKey, public_key

#: The purpose a registry's key needs to sign first links.
PURPOSE = "delegation"
MAX_LINKS = 3
MAX_SCOPE = 16
_MAX_LINK_BYTES = 640
_SUITES = 65538


class Role(IntEnum):
    """Whom a link makes its delegate. Along a chain the role always grows, so that there is no loop and no long way."""

    REPRESENTATIVE = 0
    MANAGER = 1
    HANDLER = 2


ROLE_CHINESE = {Role.REPRESENTATIVE: "法定代表人", Role.MANAGER: "证照管理员", Role.HANDLER: "经办人"}


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a delegation goes. matters, types: codes, None for all; begins_at inclusive, ends_at exclusive."""

    matters: frozenset[str] | None
    types: frozenset[str] | None
    begins_at: datetime
    ends_at: datetime

    def covers(self, matter: str | None, type_code: str | None, at: datetime) -> bool:
        """Whether this matter and this type lie within, at that time; None asks about nothing."""
        return (
            (matter is None or self.matters is None or matter in self.matters)
            and (type_code is None or self.types is None or type_code in self.types)
            and self.begins_at <= at < self.ends_at
        )


@dataclass(frozen=True, slots=True)
class LinkClaims:
    """What one link says."""

    role: Role
    key: PublicKey
    matters: tuple[str, ...] | None
    types: tuple[str, ...] | None
    issued_at: datetime
    begins_at: datetime
    ends_at: datetime
    status_list: int
    status_index: int

    def to_bytes(self) -> bytes:
        """The payload; scopes in ascending order."""
        return cbor.encode(
            [
                int(self.role),
                int(self.key.suite),
                self.key.raw,
                None if self.matters is None else sorted(self.matters),
                None if self.types is None else sorted(self.types),
                int(self.issued_at.timestamp()),
                int((self.begins_at - self.issued_at).total_seconds()),
                int((self.ends_at - self.begins_at).total_seconds()),
                self.status_list,
                self.status_index,
            ]
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> LinkClaims:
        """The inverse of `to_bytes`. Raises MalformedError."""
        parts = cbor.require_list(cbor.decode(data, limit=_MAX_LINK_BYTES), 10, 10)
        try:
            role = Role(cbor.require_uint(parts[0]))
        except ValueError as error:
            raise MalformedError("wrong_field", "委托的角色不受支持") from error
        if type(parts[1]) is not int or abs(parts[1]) > _SUITES:
            raise MalformedError("unknown_suite", "委托的设备密钥的签名套件不受支持")
        issued, waits, lasts = (cbor.require_uint(part) for part in parts[5:8])
        return cls(
            role=role,
            key=public_key(parts[1], cbor.require_bytes(parts[2])),
            matters=_scope(parts[3], 32),
            types=_scope(parts[4], 21),
            issued_at=times.from_seconds(issued),
            begins_at=times.from_seconds(issued + waits),
            ends_at=times.from_seconds(issued + waits + lasts),
            status_list=cbor.require_uint(parts[8]),
            status_index=cbor.require_uint(parts[9]),
        )


@dataclass(frozen=True, slots=True)
class Link:
    """A parsed link with the bytes that were signed."""

    payload: bytes
    signature: bytes
    claims: LinkClaims

    @classmethod
    def open(cls, value: Any) -> Link:
        """The link of [payload, signature]; nothing is verified yet. Raises MalformedError."""
        parts = cbor.require_list(value, 2, 2)
        payload = cbor.require_bytes(parts[0])
        return cls(payload, cbor.require_bytes(parts[1], SIGNATURE_BYTES), LinkClaims.from_bytes(payload))

    @property
    def anchor(self) -> bytes:
        """What the next link is tied to: SHA-256(payload || signature)."""
        return hashlib.sha256(self.payload + self.signature).digest()

    def check(self, signer: PublicKey, external: bytes) -> None:
        """Raises SignatureError unless `signer` signed this link under what it hangs on."""
        try:
            signer.check(self.signature, link_to_be_signed(self.payload, signer, external))
        except SignatureError as error:
            message = f"{ROLE_CHINESE[self.claims.role]}的委托不是其委托人签署的，或不属于该企业"
            raise SignatureError("link_not_by_delegator", message) from error


def link_to_be_signed(payload: bytes, signer: PublicKey, external: bytes) -> bytes:
    """The bytes that a delegator signs; external: the enterprise's USCC in ASCII, or the anchor of the link before."""
    return cose.to_be_signed(cose.protected_header(signer, Type.DELEGATION), payload, external)


def sign_link(claims: LinkClaims, key: SigningKey, external: bytes) -> Link:
    """A signed link."""
    payload = claims.to_bytes()
    return Link(payload, key.sign(link_to_be_signed(payload, key.public, external)), claims)


def reach_of(links: Sequence[LinkClaims]) -> Reach:
    """What links give together; every rule between them is checked.

    Raises DelegationError: too_deep, wrong_order, same_key_twice, period_widened, scope_widened, empty_period,
    delegated_out_of_period.
    """
    if not 0 < len(links) <= MAX_LINKS:
        raise DelegationError("too_deep", f"委托最多 {MAX_LINKS} 级")
    if len({link.key for link in links}) < len(links):
        raise DelegationError("same_key_twice", "同一设备密钥在委托中出现了两次")
    reach: Reach | None = None
    for before, link in zip((None, *links), links, strict=False):
        if before is not None and link.role <= before.role:
            message = f"{ROLE_CHINESE[before.role]}不能再委托{ROLE_CHINESE[link.role]}"
            raise DelegationError("wrong_order", message)
        reach = _narrow(reach, link)
    assert reach is not None
    return reach


def _narrow(reach: Reach | None, link: LinkClaims) -> Reach:
    """The reach of a link under the one above it."""
    who = ROLE_CHINESE[link.role]
    if not link.issued_at <= link.begins_at < link.ends_at:
        raise DelegationError("empty_period", f"{who}的委托期限没有长度")
    matters = None if link.matters is None else frozenset(link.matters)
    types = None if link.types is None else frozenset(link.types)
    if reach is None:
        return Reach(matters, types, link.begins_at, link.ends_at)
    if link.begins_at < reach.begins_at or link.ends_at > reach.ends_at:
        raise DelegationError("period_widened", f"{who}的委托期限超出上级的期限")
    if link.issued_at < reach.begins_at:
        raise DelegationError("delegated_out_of_period", f"{who}的委托签署时，上级的委托不在期限内")
    return Reach(
        _subset(matters, reach.matters, f"{who}的事项范围超出上级的范围"),
        _subset(types, reach.types, f"{who}的证照类型范围超出上级的范围"),
        link.begins_at,
        link.ends_at,
    )


def _subset(narrow: frozenset[str] | None, wide: frozenset[str] | None, message: str) -> frozenset[str] | None:
    if narrow is None:
        return wide
    if wide is not None and not narrow <= wide:
        raise DelegationError("scope_widened", message, evidence={"beyond": sorted(narrow - wide)})
    return narrow


def _scope(value: Any, limit: int) -> tuple[str, ...] | None:
    if value is None:
        return None
    scope = tuple(cbor.require_text(item, limit) for item in cbor.require_list(value, MAX_SCOPE, 1))
    if list(scope) != sorted(set(scope)):
        raise MalformedError("not_canonical", "委托范围应按升序排列且不重复")
    return scope
