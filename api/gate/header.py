"""The beginning of a gate's journal: who writes it, and what is left of visits that were dropped."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from verifier import canonical, times
from verifier.errors import InclusionError, MalformedError

MAX_LINE_BYTES = 2048
BEGINNING = b'{"format":"suizheng-journal/'
"""Every journal begins so."""

_WHOLE, _CUT = "suizheng-journal/1", "suizheng-journal/2"
_FIELDS = frozenset(("format", "gate", "opened_at", "venue"))
_PAST_FIELDS = frozenset(("digest", "memory_digest", "newest_at", "remembered", "sequence", "trust_version"))


@dataclass(frozen=True, slots=True)
class Past:
    """What is left of the visits up to `sequence`, which the registry has.

    digest: 32 bytes, of the last of them, which the next line carries; newest_at, trust_version: as the journal knew
    them; remembered: how many lines of the replay memory follow the first line; memory_digest: SHA-256 of these lines.
    """

    sequence: int
    digest: bytes
    newest_at: datetime | None
    trust_version: int
    remembered: int
    memory_digest: bytes

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "digest": self.digest.hex(),
            "memory_digest": self.memory_digest.hex(),
            "newest_at": None if self.newest_at is None else times.to_text(self.newest_at),
            "remembered": self.remembered,
            "sequence": self.sequence,
            "trust_version": self.trust_version,
        }

    @classmethod
    def from_json(cls, value: Any) -> Past:
        """The inverse of `to_json`. Raises MalformedError."""
        if not isinstance(value, dict) or value.keys() != _PAST_FIELDS:
            raise MalformedError("wrong_fields", "文件不是闸口日志")
        newest_at, digests = value["newest_at"], (value["digest"], value["memory_digest"])
        numbers = (value["sequence"], value["trust_version"], value["remembered"])
        if any(type(number) is not int or number < 0 for number in numbers) or not all(map(_is_digest, digests)):
            raise MalformedError("wrong_field", "闸口日志首行的字段与格式不符")
        return cls(
            sequence=numbers[0],
            digest=bytes.fromhex(digests[0]),
            newest_at=None if newest_at is None else times.from_text(newest_at),
            trust_version=numbers[1],
            remembered=numbers[2],
            memory_digest=bytes.fromhex(digests[1]),
        )


@dataclass(frozen=True, slots=True)
class Header:
    """The first line: who writes this journal, and from when on. `past` is None where it has every visit."""

    gate: str
    venue: str
    opened_at: datetime
    past: Past | None = None

    @property
    def sequence(self) -> int:
        """Of the last visit that is not in the file."""
        return 0 if self.past is None else self.past.sequence

    @property
    def digest(self) -> bytes:
        """What the first visit in the file carries: of this line, or of the last visit that is not there any more."""
        return hashlib.sha256(self.to_bytes()).digest() if self.past is None else self.past.digest

    def to_bytes(self) -> bytes:
        """The line without its end."""
        value: dict[str, Any] = {
            "format": _WHOLE, "gate": self.gate, "opened_at": times.to_text(self.opened_at), "venue": self.venue
        }  # fmt: skip
        if self.past is not None:
            value |= {"format": _CUT, "past": self.past.to_json()}
        return canonical.canonicalise(value)

    @classmethod
    def from_bytes(cls, line: bytes) -> Header:
        """The inverse of `to_bytes`. Raises MalformedError."""
        value: Any = canonical.parse_canonical(line)
        if not isinstance(value, dict) or value.keys() - {"past"} != _FIELDS:
            raise MalformedError("wrong_fields", "文件不是闸口日志")
        is_known = value["format"] == (_CUT if "past" in value else _WHOLE)
        if not is_known or not all(isinstance(value[name], str) for name in ("gate", "venue")):
            raise MalformedError("unknown_version", "闸口日志的格式版本不受支持")
        past = Past.from_json(value["past"]) if "past" in value else None
        return cls(value["gate"], value["venue"], times.from_text(value["opened_at"]), past)


def read_memory(file: BinaryIO, header: Header) -> list[bytes]:
    """The lines of the replay memory, which follow the first line. Raises InclusionError where they were altered."""
    if header.past is None:
        return []
    lines = [file.readline(MAX_LINE_BYTES) for _ in range(header.past.remembered)]
    if hashlib.sha256(b"".join(lines)).digest() != header.past.memory_digest:
        raise InclusionError("memory_altered", "首行之后的放行记忆与首行不符")
    return lines


def _is_digest(value: Any) -> bool:
    try:
        return isinstance(value, str) and len(value) == 64 and len(bytes.fromhex(value)) == 32
    except ValueError:
        return False
