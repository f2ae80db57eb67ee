"""One entry of the evidence log (存证条目): what was done to which item by which department, and nothing personal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from functools import lru_cache
from typing import Any

from verifier import cbor
from verifier.digests import DIGEST_BYTES, DoubleDigest
from verifier.errors import MalformedError

VERSION = 1
ITEM_BYTES = 16
MAX_ENTRY_BYTES = 4096

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_KEYS = frozenset(range(1, 9))
_PREVIOUS = 9
_OPTIONAL = frozenset((_PREVIOUS,))
#: Integers of CBOR itself (RFC 8949 3.1, major types 0 and 1): no bignums.
_LEAST, _MOST = -(2**64), 2**64 - 1


class Kind(IntEnum):
    """What an entry is about."""

    CERTIFICATE = 1
    MATERIAL = 2
    STATUS = 3
    AUTHORISATION = 4
    USE = 5
    CODE = 6
    VISITS = 7
    DEPARTMENT = 8
    TYPE = 9
    COPY = 10
    DEVICE = 13
    COMPONENT = 14
    VENUE = 15
    DELEGATION = 16
    EXTRACT = 18
    COPY_STATUS = 20
    DISPUTE = 21


@dataclass(frozen=True, slots=True)
class Entry:
    """The payload a department signs; its signed form is the leaf of the log.

    item: 16-byte random id of the thing; department: 18-character USCC; recorded_at: whole milliseconds, UTC;
    digest: salted commitment; facts: public facts by kind; previous: leaf hash of the item's earlier entry (32 bytes).
    """

    kind: Kind
    item: bytes
    department: str
    recorded_at: datetime
    digest: DoubleDigest
    facts: Mapping[str, int | str | bytes] = field(default_factory=dict)
    previous: bytes | None = None

    def to_bytes(self) -> bytes:
        """{1: version, 2: kind, 3: item, 4: department, 5: ms, 6: SHA-256, 7: SM3, 8: facts, 9?: previous}."""
        return encode_many((self,))[0]

    @classmethod
    def from_bytes(cls, data: bytes) -> Entry:
        """The entry in its one encoding. Raises MalformedError."""
        cbor.check_length(data, MAX_ENTRY_BYTES)
        value = cbor.require_map(cbor.decode_any(data), _KEYS, _OPTIONAL)
        if value[1] != VERSION or type(value[1]) is not int:
            raise MalformedError("unknown_version", "存证条目的版本不受支持", evidence={"version": str(value[1])[:20]})
        kind = _KINDS.get(cbor.require_uint(value[2]))
        if kind is None:
            raise MalformedError("unknown_kind", "存证条目的种类不受支持")
        previous = value.get(_PREVIOUS)
        entry = cls(
            kind=kind,
            item=cbor.require_bytes(value[3], ITEM_BYTES),
            department=cbor.require_text(value[4], 18),
            recorded_at=_EPOCH + cbor.require_uint(value[5], 253_402_300_799_000) * _MILLISECOND,
            digest=DoubleDigest(cbor.require_bytes(value[6], DIGEST_BYTES), cbor.require_bytes(value[7], DIGEST_BYTES)),
            facts=_facts(value[8]),
            previous=None if previous is None else cbor.require_bytes(previous, DIGEST_BYTES),
        )
        # There is one writer of these bytes: what it would write otherwise is another encoding of the same.
        cbor.require_canonical(entry.to_bytes(), data)
        return entry


_KINDS = {int(kind): kind for kind in Kind}
_FACTS = frozenset((int, str, bytes))


def encode_many(entries: Iterable[Entry]) -> list[bytes]:
    """`Entry.to_bytes` of each. In a bulk nearly all have department and time in common: they are encoded once."""
    # By hand, for it is done for every entry; a test holds it against the general encoder.
    byte_string, unsigned = cbor.byte_string, cbor.unsigned
    encoded: list[bytes] = []
    known: dict[tuple[str, datetime], bytes] = {}
    for entry in entries:
        facts, previous, of = entry.facts, entry.previous, (entry.department, entry.recorded_at)
        middle = known.get(of)
        if middle is None:
            milliseconds = (entry.recorded_at - _EPOCH) // _MILLISECOND
            middle = known[of] = b"\x04" + _known_text(entry.department) + b"\x05" + unsigned(milliseconds) + b"\x06"
        sha256, sm3 = entry.digest
        parts = [
            b"\xa8\x01\x01\x02" if previous is None else b"\xa9\x01\x01\x02",
            unsigned(entry.kind),
            b"\x03",
            byte_string(entry.item),
            middle,
            byte_string(sha256),
            b"\x07",
            byte_string(sm3),
            b"\x08",
            cbor.head(5, len(facts)),
        ]
        for name, encoded_name in _in_order(tuple(facts)):
            value = facts[name]
            parts.append(encoded_name)
            parts.append(unsigned(value) if type(value) is int and value >= 0 else _value_bytes(value))
        if previous is not None:
            parts += (b"\x09", byte_string(previous))
        encoded.append(b"".join(parts))
    return encoded


def _value_bytes(value: int | str | bytes) -> bytes:
    return _known_text(value) if type(value) is str else cbor.encode(value)


@lru_cache(maxsize=256)
def _in_order(names: tuple[str, ...]) -> list[tuple[str, bytes]]:
    """Names with their encodings, in the order of these (RFC 8949 4.2.1)."""
    return sorted([(name, _known_text(name)) for name in names], key=lambda pair: pair[1])


@lru_cache(maxsize=4096)
def _known_text(text: str) -> bytes:
    # The same few departments, types and names in every entry.
    return cbor.text_string(text)


def _facts(value: Any) -> dict[str, int | str | bytes]:
    if not isinstance(value, dict):
        raise MalformedError("wrong_field", "存证条目的事实应为映射")
    for name, fact in value.items():
        if type(name) is not str or type(fact) not in _FACTS:
            raise MalformedError("wrong_field", "存证条目的事实只能是整数、文本或字节串")
        if type(fact) is int and not _LEAST <= fact <= _MOST:
            raise MalformedError("wrong_field", "存证条目的整数超出 64 位")
    return value
