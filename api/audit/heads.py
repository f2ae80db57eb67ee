"""Heads of the log that somebody signed, anchored or kept, and the published one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from api.audit.findings import Findings
from verifier.cosignature import Witness, find_cosignatures
from verifier.errors import MalformedError, SignatureError, WitnessError
from verifier.note import Checkpoint, from_vkey, open_checkpoint, split_note
from verifier.suites import PublicKey
from verifier.trust_content import TrustContent


class KnownHead(NamedTuple):
    """A head that the log must lead to. `code`: the divergence if it does not; `source` for people."""

    size: int
    root: bytes
    code: str
    source: str


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The log's name and every key that ever signed its heads."""

    origin: str | None
    keys: tuple[PublicKey, ...]


def parse_vkey(text: str) -> LogKeys:
    """The name and key of a C2SP verifier key: `name+hash+base64(0x01 || key)`. Raises MalformedError."""
    name, key = from_vkey(text.strip())
    return LogKeys(name, (key,))


def keys_of_trust(content: TrustContent) -> LogKeys:
    """The log's keys, past ones too."""
    return LogKeys(content.origin, tuple(key.public for key in content.keys if "log" in key.purposes))


def read_checkpoint(
    data: bytes | None, keys: LogKeys, witnesses: Sequence[Witness], findings: Findings
) -> Checkpoint | None:
    """The published head, with its signatures checked where keys are known; None if it cannot be used."""
    try:
        if data is None:
            findings.report("checkpoint_missing", expected="checkpoint 文件", found="没有文件")
            return None
        note = data.decode()
        head = Checkpoint.from_text(note.rpartition("\n\n")[0] + "\n")
    except (UnicodeDecodeError, MalformedError) as wrong:
        reason = wrong.message if isinstance(wrong, MalformedError) else "不是 UTF-8 文本"
        findings.report("checkpoint_malformed", expected="C2SP 检查点", found=reason)
        return None
    if keys.origin is not None and not findings.compare("checkpoint_other_log", keys.origin, head.origin):
        return None
    _check_signature(note, head, keys, findings)
    check_cosignatures(note, head.size, witnesses, findings)
    return head


def _check_signature(note: str, head: Checkpoint, keys: LogKeys, findings: Findings) -> None:
    if not keys.keys:
        findings.block("检查点签名", "没有日志密钥：请用 --trust 或 --key 给出")
        return
    signed = is_signed(note, head.origin, keys.keys)
    findings.count("检查点签名", int(signed))
    if not signed:
        expected = "、".join(key.kid.hex() for key in keys.keys)
        findings.report("checkpoint_not_signed", expected=f"密钥 {expected}", found=signers(note), size=head.size)


def check_cosignatures(note: str, size: int, witnesses: Sequence[Witness], findings: Findings) -> None:
    """Every line of a known witness under a head; a wrong one is a divergence, a missing one is not."""
    try:
        text, lines = split_note(note)
        found = find_cosignatures(text, lines, witnesses)
    except (WitnessError, MalformedError) as wrong:
        findings.report("cosignature_differs", expected="见证方的签名", found=wrong.message, size=size)
        return
    findings.count("见证签名", len(found))


def is_signed(note: str, origin: str, keys: Iterable[PublicKey]) -> bool:
    """Whether one of the keys signed the note for this log."""
    for key in keys:
        try:
            open_checkpoint(note, origin, key)
        except (SignatureError, MalformedError):
            continue
        return True
    return False


def signers(note: str) -> str:
    """Who signed a note, by the names it gives itself."""
    lines = note.rpartition("\n\n")[2].splitlines()
    return "、".join(line.split(" ")[1] for line in lines if line.count(" ") == 2) or "没有签名"


def newest_of(heads: Sequence[KnownHead]) -> KnownHead | None:
    """The largest of some heads."""
    return max(heads, key=lambda head: head.size, default=None)
