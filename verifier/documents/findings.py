"""What an inspection finds: the file, its parts, each seal or signature with its own verdict, and remarks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from verifier import times
from verifier.documents.certificates import Certificate
from verifier.errors import Check
from verifier.verdict import STATE_CHINESE, Outcome, Policy, State, Verdict

#: What must have passed before a seal or signature is valid.
POLICY = Policy(frozenset((Check.FORMAT, Check.COMMITMENT, Check.SIGNATURE, Check.ISSUER, Check.VALIDITY)))
_INTEGRITY = (Check.FORMAT, Check.COMMITMENT, Check.SIGNATURE)
_WORST_FIRST = (State.INVALID, State.NOT_IN_FORCE, State.UNDECIDED, State.VALID)


class Format(StrEnum):
    """What a file is, by its content."""

    OFD = "ofd"
    PDF = "pdf"
    PNG = "png"
    JPEG = "jpeg"
    GIF = "gif"
    BMP = "bmp"
    TIFF = "tiff"
    WEBP = "webp"
    HEIF = "heif"
    AVIF = "avif"
    EVIDENCE = "evidence"
    EXTRACT = "extract"
    CODE = "code"
    TRUST = "trust"
    ZIP = "zip"
    ARCHIVE = "archive"
    XML = "xml"
    OFFICE = "office"
    TEXT = "text"
    UNKNOWN = "unknown"


PICTURES = frozenset(
    (
        Format.PNG,
        Format.JPEG,
        Format.GIF,
        Format.BMP,
        Format.TIFF,
        Format.WEBP,
        Format.HEIF,
        Format.AVIF,
    )
)

FORMAT_CHINESE = {
    Format.OFD: "OFD 版式文件",
    Format.PDF: "PDF 文件",
    Format.PNG: "PNG 图片",
    Format.JPEG: "JPEG 图片",
    Format.GIF: "GIF 图片",
    Format.BMP: "BMP 图片",
    Format.TIFF: "TIFF 图片",
    Format.WEBP: "WebP 图片",
    Format.HEIF: "HEIC 图片",
    Format.AVIF: "AVIF 图片",
    Format.EVIDENCE: "随证证据包",
    Format.EXTRACT: "证照摘录件（SD-JWT）",
    Format.CODE: "随证码",
    Format.TRUST: "信任包",
    Format.ZIP: "ZIP 压缩包",
    Format.ARCHIVE: "RAR、7z 或 gzip 压缩包",
    Format.XML: "XML 文件",
    Format.OFFICE: "办公文档",
    Format.TEXT: "文本文件",
    Format.UNKNOWN: "未知类型的文件",
}


@dataclass(frozen=True, slots=True)
class Roots:
    """The certificates that the person asking trusts: roots, or seal makers and signers themselves."""

    certificates: tuple[Certificate, ...] = ()


@dataclass(frozen=True, slots=True)
class Note:
    """A remark that decides nothing: stable reason, Chinese sentence, what it is about."""

    reason: str
    message: str
    evidence: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """{reason, message, evidence}."""
        return {"reason": self.reason, "message": self.message, "evidence": self.evidence}


@dataclass(frozen=True, slots=True)
class Signed:
    """One seal (签章) or signature. facts: what it says of itself, ready for JSON."""

    identity: str
    kind: str
    verdict: Verdict
    facts: dict[str, Any]
    notes: tuple[Note, ...] = ()

    @property
    def integrity(self) -> str:
        """intact, broken or unknown: nothing of period and trust."""
        outcomes = {result.check: result.outcome for result in self.verdict.checks}
        found = [outcomes.get(check, Outcome.NOT_CHECKED) for check in _INTEGRITY]
        if Outcome.FAILED in found:
            return "broken"
        return "intact" if all(outcome is Outcome.PASSED for outcome in found) else "unknown"

    def to_json(self) -> dict[str, Any]:
        """The verdict's keys with id, kind, integrity, notes and the facts."""
        verdict = self.verdict.to_json()
        verdict.pop("subject")
        return {
            "id": self.identity,
            "kind": self.kind,
            **verdict,
            "integrity": self.integrity,
            **self.facts,
            "notes": [note.to_json() for note in self.notes],
        }


@dataclass(frozen=True, slots=True)
class Inspection:
    """The answer for one file."""

    format: Format
    state: State
    reason: str
    message: str
    at: datetime
    size: int
    sha256: str
    sm3: str
    document: dict[str, Any] = field(default_factory=dict)
    invoice: dict[str, Any] | None = None
    signatures: tuple[Signed, ...] = ()
    notes: tuple[Note, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The answer as a JSON object; the keys are those of docs/inspect.md."""
        return {
            "format": self.format.value,
            "format_name": FORMAT_CHINESE[self.format],
            "state": self.state.value,
            "state_name": STATE_CHINESE[self.state],
            "reason": self.reason,
            "message": self.message,
            "at": times.to_text(self.at),
            "size": self.size,
            "sha256": self.sha256,
            "sm3": self.sm3,
            "document": self.document,
            "invoice": self.invoice,
            "signatures": [one.to_json() for one in self.signatures],
            "notes": [note.to_json() for note in self.notes],
        }


def worst(states: Iterable[State]) -> State:
    """Invalid beats not in force beats undecided beats valid."""
    found = set(states)
    return next(state for state in _WORST_FIRST if state in found)


def conclude(signatures: Iterable[Signed], doubt: Note | None = None) -> tuple[State, str, str]:
    """State, reason and message of a file by its signatures, and by what keeps it from being valid though they are."""
    found = list(signatures)
    if not found and doubt is not None:
        return State.UNDECIDED, doubt.reason, doubt.message
    if not found:
        return State.UNDECIDED, "no_signature", "文件没有电子签章或数字签名，真伪无法判定"
    state = worst(one.verdict.state for one in found)
    first = next(one for one in found if one.verdict.state is state)
    if state is State.VALID and doubt is not None:
        return State.UNDECIDED, doubt.reason, doubt.message
    message = first.verdict.message
    if len(found) > 1:
        if state is State.VALID:
            message = f"{len(found)} 个签章均有效"
        else:
            message = f"共 {len(found)} 个签章，其中 {first.identity} 号：{message}"
    return state, first.verdict.reason, message
