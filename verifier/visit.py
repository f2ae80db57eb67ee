"""A visit (通行记录): one decision of a gate, as it stands in the gate's journal and is handed in to the registry.

A line is canonical JSON (RFC 8785) and carries the SHA-256 of the line before it, so that a missing, added or altered
line shows. It names a code, never a person, and not which certificate opened the door.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from verifier import canonical, times
from verifier.errors import InclusionError, MalformedError

MAX_VISIT_BYTES = 1024

_ADMIT, _REFUSE = "admit", "refuse"
_FIELDS = {
    "at",
    "code_id",
    "code_issued_at",
    "decision",
    "event_id",
    "gate",
    "previous",
    "reason",
    "sequence",
    "trust_age_seconds",
    "trust_version",
    "venue",
}
_FORMS = {
    "code_id": re.compile(r"[0-9a-f]{16}", re.ASCII),
    "decision": re.compile(f"{_ADMIT}|{_REFUSE}"),
    "gate": re.compile(r"[0-9a-z]{8,32}", re.ASCII),
    "previous": re.compile(r"[0-9a-f]{64}", re.ASCII),
    "reason": re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII),
    "venue": re.compile(r"[0-9a-z]{1,32}", re.ASCII),
}


@dataclass(frozen=True, slots=True)
class Visit:
    """One line. gate: 8 to 32 lower-case letters and digits, drawn once for each journal; sequence counts from 1.

    decided_at, code_issued_at: whole seconds; trust_version, trust_age_seconds: of the trust bundle that the gate then
    had; code_id: 8 bytes, None where no genuine code was read; code_issued_at of a dynamic code: when its device showed
    it; previous: 32 bytes, for the first visit those of the journal's first line.
    """

    venue: str
    gate: str
    sequence: int
    decided_at: datetime
    admitted: bool
    reason: str
    code_id: bytes | None
    code_issued_at: datetime | None
    trust_version: int
    trust_age_seconds: int
    previous: bytes

    @property
    def event_id(self) -> str:
        """The same for the same event, however often it is handed in."""
        return f"{self.gate}-{self.sequence}"

    def to_json(self) -> dict[str, Any]:
        """The visit as a JSON object."""
        return {
            "at": times.to_text(self.decided_at),
            "code_id": None if self.code_id is None else self.code_id.hex(),
            "code_issued_at": None if self.code_issued_at is None else times.to_text(self.code_issued_at),
            "decision": _ADMIT if self.admitted else _REFUSE,
            "event_id": self.event_id,
            "gate": self.gate,
            "previous": self.previous.hex(),
            "reason": self.reason,
            "sequence": self.sequence,
            "trust_age_seconds": self.trust_age_seconds,
            "trust_version": self.trust_version,
            "venue": self.venue,
        }

    def to_bytes(self) -> bytes:
        """The line without its end."""
        return canonical.canonicalise(self.to_json())

    def digest(self) -> bytes:
        """What the next line carries as `previous`: SHA-256 of this line."""
        return hashlib.sha256(self.to_bytes()).digest()

    @classmethod
    def from_json(cls, value: Any) -> Visit:
        """The inverse of `to_json`. Raises MalformedError."""
        if not isinstance(value, dict) or value.keys() != _FIELDS:
            raise MalformedError("wrong_fields", "通行记录的字段与格式不符")
        code, issued = value["code_id"], value["code_issued_at"]
        visit = cls(
            venue=_text(value, "venue"),
            gate=_text(value, "gate"),
            sequence=_integer(value, "sequence", 1, 2**31 - 1),
            decided_at=times.from_text(value["at"]),
            admitted=_text(value, "decision") == _ADMIT,
            reason=_text(value, "reason"),
            code_id=None if code is None else bytes.fromhex(_text(value, "code_id")),
            code_issued_at=None if issued is None else times.from_text(issued),
            trust_version=_integer(value, "trust_version", 1, 2**53 - 1),
            trust_age_seconds=_integer(value, "trust_age_seconds", -(2**53 - 1), 2**53 - 1),
            previous=bytes.fromhex(_text(value, "previous")),
        )
        if visit.event_id != value["event_id"]:
            raise MalformedError("wrong_field", "通行记录的 event_id 与格式不符", evidence={"field": "event_id"})
        return visit

    @classmethod
    def from_bytes(cls, line: bytes) -> Visit:
        """The visit of a line in its one form. Raises MalformedError."""
        if len(line) > MAX_VISIT_BYTES:
            raise MalformedError("too_long", f"通行记录超过 {MAX_VISIT_BYTES} 字节")
        return cls.from_json(canonical.parse_canonical(line))


def check_chain(visits: Iterable[Visit], previous: bytes | None = None) -> bytes | None:
    """The digest of the last of these visits of one gate, which follow each other without a gap.

    `previous` is the digest of the line before them; None where it is not known. Raises InclusionError.
    """
    last: Visit | None = None
    for visit in visits:
        if previous is not None and visit.previous != previous:
            raise InclusionError("chain_broken", f"通行记录 {visit.event_id} 与前一条不相连")
        if last is not None and (visit.gate, visit.sequence) != (last.gate, last.sequence + 1):
            raise InclusionError("not_consecutive", f"通行记录 {visit.event_id} 之前有缺失")
        last, previous = visit, visit.digest()
    return previous


def _text(value: dict[str, Any], name: str) -> str:
    text = value[name]
    if not isinstance(text, str) or not _FORMS[name].fullmatch(text):
        raise MalformedError("wrong_field", f"通行记录的 {name} 与格式不符", evidence={"field": name})
    return text


def _integer(value: dict[str, Any], name: str, least: int, most: int) -> int:
    number = value[name]
    if type(number) is not int or not least <= number <= most:
        raise MalformedError("wrong_field", f"通行记录的 {name} 应为整数", evidence={"field": name})
    return number
