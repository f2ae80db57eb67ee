"""Witnesses and their cosignatures (C2SP tlog-cosignature, version 1).

A witness (见证方) remembers the newest head of a log that it has seen, and cosigns a newer one only after a consistency
proof. Its line in a checkpoint's note says: at this time, this was the largest head of the log that I knew. So a log
that shows two histories cannot have both of them cosigned by the same witness.

The signature is Ed25519 over "cosignature/v1\\n" || "time <seconds>\\n" || the three lines of the checkpoint; the line
holds base64(4-byte key hash || 8-byte seconds || 64-byte signature).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from verifier import times
from verifier.errors import MalformedError, SignatureError, UnwitnessedError, VerificationError, WitnessError
from verifier.note import (
    COSIGNATURE,
    Checkpoint,
    check_name,
    from_vkey,
    key_hash,
    open_checkpoint,
    read_signature_line,
    signature_line,
    split_note,
    to_vkey,
)
from verifier.suites import SIGNATURE_BYTES, PublicKey, SigningKey, Suite, public_key

MAX_WITNESSES = 256
#: How far the clocks of a witness and of a reader may differ.
SKEW = timedelta(minutes=5)

_SECONDS_BYTES = 8


@dataclass(frozen=True, slots=True)
class Witness:
    """One key of a witness: its name (no spaces), an Ed25519 key, and when it may cosign (valid_to exclusive).

    Two keys under one name are one witness before and after a change of keys.
    """

    name: str
    public: PublicKey
    valid_from: datetime
    valid_to: datetime | None = None

    @property
    def vkey(self) -> str:
        """The key as operators exchange it."""
        return to_vkey(self.name, self.public, COSIGNATURE)

    def to_json(self) -> dict[str, Any]:
        """{name, public, valid_from, valid_to}."""
        return {
            "name": self.name,
            "public": self.public.raw.hex(),
            "valid_from": times.to_text(self.valid_from),
            "valid_to": None if self.valid_to is None else times.to_text(self.valid_to),
        }

    @classmethod
    def from_json(cls, value: Any) -> Witness:
        """The inverse of `to_json`. Raises MalformedError."""
        if not isinstance(value, dict) or value.keys() != {"name", "public", "valid_from", "valid_to"}:
            raise MalformedError("wrong_fields", "见证方的字段与格式不符")
        name, end = value["name"], value["valid_to"]
        try:
            check_name(name)
            key = public_key(Suite.ED25519, bytes.fromhex(value["public"]))
        except (TypeError, ValueError, AttributeError) as error:
            raise MalformedError("wrong_field", "见证方的名称或公钥与格式不符") from error
        return cls(name, key, times.from_text(value["valid_from"]), None if end is None else times.from_text(end))


@dataclass(frozen=True, slots=True)
class Cosignature:
    """That a witness had seen a head as the largest one, at a time in whole seconds."""

    witness: Witness
    at: datetime


def witness_key(vkey: str) -> tuple[str, PublicKey]:
    """Name and key of a witness's vkey. Raises MalformedError."""
    return from_vkey(vkey, COSIGNATURE)


def cosign(checkpoint: Checkpoint, name: str, key: SigningKey, at: datetime) -> str:
    """The signature line of a witness with its newline, dated in whole seconds."""
    if key.public.suite is not Suite.ED25519:
        raise MalformedError("wrong_suite", "见证方只用 Ed25519 签名")
    seconds = int(at.timestamp())
    signature = key.sign(_message(seconds, checkpoint.to_text()))
    hashed = key_hash(name, key.public, COSIGNATURE)
    return signature_line(name, hashed + seconds.to_bytes(_SECONDS_BYTES, "big") + signature)


def find_cosignatures(text: str, lines: Iterable[str], witnesses: Iterable[Witness]) -> list[tuple[Cosignature, str]]:
    """Every cosignature by one of these keys on a note's text, with its line; other lines are passed over.

    Raises MalformedError for what is no signature line; WitnessError for a line of one of these keys that is wrong.
    """
    known = {(one.name, key_hash(one.name, one.public, COSIGNATURE)): one for one in witnesses}
    found: list[tuple[Cosignature, str]] = []
    for line in lines:
        name, hashed, signature = read_signature_line(line)
        witness = known.get((name, hashed))
        if witness is not None:
            found.append((Cosignature(witness, _check(text, witness, signature)), line))
    return found


def check_cosigned(
    note: bytes,
    head: Checkpoint,
    log_keys: Sequence[PublicKey],
    witnesses: Sequence[Witness],
    threshold: int,
    latest_at: datetime,
) -> list[Cosignature]:
    """The cosignatures on exactly this head, one of each witness, newest first.

    The steps: (1) the note is signed by the log, (2) no line of a trusted witness is wrong, (3) it is of this head,
    (4) the time of each is one at which the key was valid, and not later than `latest_at` + SKEW: those that are not
    count for nothing, (5) enough different witnesses remain.

    Raises MalformedError, SignatureError, WitnessError; UnwitnessedError if fewer than `threshold` remain.
    """
    # (1), (2) The signatures.
    checkpoint, found = _open(note, head.origin, tuple(log_keys), tuple(witnesses))
    # (3) The head.
    if checkpoint != head:
        raise WitnessError(
            "cosigned_head_differs",
            "见证方联署的日志头与回执的日志头不同",
            evidence={"size": head.size, "cosigned_size": checkpoint.size},
        )
    # (4) The times.
    newest: dict[str, Cosignature] = {}
    for one in found:
        seen = newest.get(one.witness.name)
        if _counts(one, latest_at) and (seen is None or one.at > seen.at):
            newest[one.witness.name] = one
    # (5) The number.
    if len(newest) < threshold:
        raise UnwitnessedError(
            "too_few_witnesses",
            f"只有 {len(newest)} 个受信任的见证方联署了这个日志头，需要 {threshold} 个；可稍后重新取证据包",
            evidence={**describe(newest.values()), "required": threshold},
        )
    return sorted(newest.values(), key=lambda one: (one.at, one.witness.name), reverse=True)


def due_from(witnesses: Iterable[Witness], threshold: int) -> datetime | None:
    """Since when heads can have been cosigned by `threshold` witnesses: the earliest time by which so many had begun.

    Heads anchored before it were never asked for more. None where nothing is required.
    """
    begun: dict[str, datetime] = {}
    for one in witnesses:
        begun[one.name] = min(one.valid_from, begun.get(one.name, one.valid_from))
    return sorted(begun.values())[threshold - 1] if 0 < threshold <= len(begun) else None


def describe(cosignatures: Iterable[Cosignature]) -> dict[str, Any]:
    """Names and times, as evidence that can be shown."""
    return {"witnesses": {one.witness.name: times.to_text(one.at) for one in cosignatures}}


# All evidence under one head carries the same note: its signatures are checked once.
@lru_cache(maxsize=64)
def _open(
    note: bytes, origin: str, log_keys: tuple[PublicKey, ...], witnesses: tuple[Witness, ...]
) -> tuple[Checkpoint, tuple[Cosignature, ...]]:
    try:
        text = note.decode()
    except UnicodeDecodeError as error:
        raise MalformedError("not_a_note", "检查点不是 UTF-8 文本") from error
    checkpoint = open_signed(text, origin, log_keys)
    body, lines = split_note(text)
    return checkpoint, tuple(one for one, _ in find_cosignatures(body, lines, witnesses))


def open_signed(note: str, origin: str, log_keys: Iterable[PublicKey]) -> Checkpoint:
    """The checkpoint of a note signed by one of the log's keys, past ones too. Raises as `open_checkpoint`."""
    refused: SignatureError | None = None
    for key in log_keys:
        try:
            return open_checkpoint(note, origin, key)
        except SignatureError as error:
            if error.reason != "not_signed_by_log":
                raise
            refused = error
    raise refused or SignatureError("not_signed_by_log", "检查点没有该日志密钥的签名")


def _counts(one: Cosignature, latest_at: datetime) -> bool:
    begins, ends = one.witness.valid_from, one.witness.valid_to
    return begins <= one.at <= latest_at + SKEW and (ends is None or one.at < ends)


def _check(text: str, witness: Witness, signature: bytes) -> datetime:
    evidence = {"witness": witness.name}
    if len(signature) != _SECONDS_BYTES + SIGNATURE_BYTES:
        raise WitnessError("bad_cosignature", f"见证方 {witness.name} 的联署长度不对", evidence=evidence)
    seconds = int.from_bytes(signature[:_SECONDS_BYTES], "big")
    try:
        witness.public.check(signature[_SECONDS_BYTES:], _message(seconds, text))
        return times.from_seconds(seconds)
    except VerificationError as error:
        raise WitnessError("bad_cosignature", f"见证方 {witness.name} 的联署与日志头不符", evidence=evidence) from error


def _message(seconds: int, text: str) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()
