"""Each entry by itself: its form, its department's signature, whether that key was in force. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from verifier import cose
from verifier.entry import Entry, Kind
from verifier.errors import KindError, MalformedError, SignatureError
from verifier.suites import PublicKey
from verifier.trust_content import Scope, TrustContent, TrustedKey

ENTRIES = "entries"
MAX_SIGNED_BYTES = 8192

#: A map of 8 or 9 fields; the ninth, a byte string of 32, is the link to the item's earlier entry and always the last.
_MAP_OF_8, _MAP_OF_9, _LINK_BYTES = b"\xa8", b"\xa9", 35


@dataclass(frozen=True)
class KeyRing:
    """Who may sign entries when. `as_of`: younger keys may be missing here. `scopes` None: rights are not checked."""

    keys: Mapping[bytes, TrustedKey]
    as_of: datetime
    scopes: Mapping[tuple[str, str], Sequence[Scope]] | None = None

    @classmethod
    def of_trust(cls, content: TrustContent) -> KeyRing:
        """The keys and scopes of a trust bundle."""
        scopes: dict[tuple[str, str], list[Scope]] = {}
        for scope in content.scopes:
            scopes.setdefault((scope.department, scope.type_code), []).append(scope)
        return cls({key.public.kid: key for key in content.keys}, content.issued_at, scopes)


class Seen(NamedTuple):
    """What the comparison with rows needs of an entry. `payload_digest`: of the payload as it was submitted."""

    entry: Entry
    payload_digest: bytes


class Fault(NamedTuple):
    """What is wrong with one entry of a bundle; `code` None: its key is younger than the key ring."""

    at: int
    code: str | None
    expected: str
    found: str


class Examined(NamedTuple):
    """A bundle's entries; None where one cannot be read. `seen` is empty where nobody asked for it."""

    digests: list[bytes | None]
    seen: list[Seen | None]
    faults: list[Fault]
    signatures: int


def examine(first: int, entries: Sequence[bytes], ring: KeyRing | None, *, keep: bool) -> Examined:
    """Examine entries from index `first` on; without a key ring only their form. keep: give the entries back."""
    digests: list[bytes | None] = []
    seen: list[Seen | None] = []
    faults: list[Fault] = []
    signatures = 0
    for index, signed in enumerate(entries, first):
        try:
            message, payload = cose.open_typed(signed, cose.Type.ENTRY, limit=MAX_SIGNED_BYTES)
            entry = Entry.from_bytes(payload)
        except (MalformedError, KindError) as wrong:
            faults.append(Fault(index, "entry_malformed", "规范的签名条目", wrong.message))
            digests.append(None)
            if keep:
                seen.append(None)
            continue
        digest = hashlib.sha256(as_submitted(payload, entry)).digest()
        digests.append(digest)
        if keep:
            seen.append(Seen(entry, digest))
        if ring is not None:
            fault = _check_signature(index, message, entry, ring)
            signatures += fault is None
            if fault is not None:
                faults.append(fault)
    return Examined(digests, seen, faults, signatures)


def as_submitted(payload: bytes, entry: Entry) -> bytes:
    """The payload without the link that the log itself adds when it seals the entry."""
    if entry.previous is None or not payload.startswith(_MAP_OF_9):
        return payload
    return _MAP_OF_8 + payload[1:-_LINK_BYTES]


def _check_signature(index: int, message: cose.Sign1, entry: Entry, ring: KeyRing) -> Fault | None:
    key = ring.keys.get(message.kid)
    if key is None:
        code = "entry_unknown_key" if entry.recorded_at < ring.as_of else None
        return Fault(index, code, f"{entry.department} 的密钥", message.kid.hex())
    if key.owner != entry.department or ENTRIES not in key.purposes:
        return Fault(index, "entry_key_of_another", entry.department, f"{key.owner} 的密钥 {message.kid.hex()}")
    if not _in_force(key.valid_from, key.valid_to, entry.recorded_at):
        period = f"{key.valid_from.isoformat()} 至 {key.valid_to.isoformat() if key.valid_to else '今'}"
        return Fault(
            index, "entry_key_out_of_time", f"密钥 {message.kid.hex()}：{period}", entry.recorded_at.isoformat()
        )
    fault = _check_bytes(index, message, key.public)
    return fault or _check_scope(index, entry, ring)


def _check_bytes(index: int, message: cose.Sign1, key: PublicKey) -> Fault | None:
    try:
        message.check(key)
    except (SignatureError, MalformedError) as wrong:
        return Fault(index, "entry_bad_signature", f"密钥 {key.kid.hex()} 的签名", wrong.message)
    return None


def _check_scope(index: int, entry: Entry, ring: KeyRing) -> Fault | None:
    if ring.scopes is None or entry.kind is not Kind.CERTIFICATE or entry.recorded_at >= ring.as_of:
        return None
    type_code = str(entry.facts.get("type"))
    scopes = ring.scopes.get((entry.department, type_code), ())
    if any(_in_force(scope.valid_from, scope.valid_to, entry.recorded_at) for scope in scopes):
        return None
    return Fault(index, "entry_out_of_scope", f"{entry.department} 颁发 {type_code} 的权限", "没有")


def _in_force(valid_from: datetime, valid_to: datetime | None, at: datetime) -> bool:
    return valid_from <= at and (valid_to is None or at < valid_to)
