"""One entry of the evidence log (存证条目): what was done to which item by which department, and nothing personal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
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
        # By hand, for it is done for every entry; `from_bytes` and a test hold it against the general encoder.
        parts = [
            b"\xa8\x01\x01\x02" if self.previous is None else b"\xa9\x01\x01\x02",
            cbor.head(0, self.kind),
            b"\x03",
            cbor.byte_string(self.item),
            b"\x04",
            cbor.text_string(self.department),
            b"\x05",
            cbor.head(0, (self.recorded_at - _EPOCH) // _MILLISECOND),
            b"\x06",
            cbor.byte_string(self.digest.sha256),
            b"\x07",
            cbor.byte_string(self.digest.sm3),
            b"\x08",
            _facts_bytes(self.facts),
        ]
        if self.previous is not None:
            parts += (b"\x09", cbor.byte_string(self.previous))
        return b"".join(parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> Entry:
        """The entry in its one encoding. Raises MalformedError."""
        value = cbor.require_map(cbor.decode(data, limit=MAX_ENTRY_BYTES), _KEYS, frozenset((_PREVIOUS,)))
        if value[1] != VERSION or type(value[1]) is not int:
            raise MalformedError("unknown_version", "存证条目的版本不受支持", evidence={"version": str(value[1])[:20]})
        kind = _KINDS.get(cbor.require_uint(value[2]))
        if kind is None:
            raise MalformedError("unknown_kind", "存证条目的种类不受支持")
        previous = value.get(_PREVIOUS)
        return cls(
            kind=kind,
            item=cbor.require_bytes(value[3], ITEM_BYTES),
            department=cbor.require_text(value[4], 18),
            recorded_at=_EPOCH + cbor.require_uint(value[5], 253_402_300_799_000) * _MILLISECOND,
            digest=DoubleDigest(cbor.require_bytes(value[6], DIGEST_BYTES), cbor.require_bytes(value[7], DIGEST_BYTES)),
            facts=_facts(value[8]),
            previous=None if previous is None else cbor.require_bytes(previous, DIGEST_BYTES),
        )


_KINDS = {int(kind): kind for kind in Kind}


def _facts_bytes(facts: Mapping[str, int | str | bytes]) -> bytes:
    # Keys sort by their encodings: shorter names first.
    parts = [cbor.head(5, len(facts))]
    for name in sorted(facts, key=_order):
        value = facts[name]
        parts.append(cbor.text_string(name))
        if type(value) is int and value >= 0:
            parts.append(cbor.head(0, value))
        elif type(value) is str:
            parts.append(cbor.text_string(value))
        else:
            parts.append(cbor.encode(value))
    return b"".join(parts)


def _order(name: str) -> tuple[int, bytes]:
    data = name.encode()
    return len(data), data


def _facts(value: Any) -> dict[str, int | str | bytes]:
    if not isinstance(value, dict):
        raise MalformedError("wrong_field", "存证条目的事实应为映射")
    for name, fact in value.items():
        if type(name) is not str or type(fact) not in (int, str, bytes):
            raise MalformedError("wrong_field", "存证条目的事实只能是整数、文本或字节串")
    return value
