"""Signed notes and checkpoints of the log (C2SP signed-note, C2SP tlog-checkpoint), Ed25519 only.

<origin>\\n<size>\\n<base64 root>\\n\\n— <name> <base64(4-byte key hash || 64-byte signature)>\\n
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from verifier.errors import MalformedError, SignatureError
from verifier.merkle import HASH_BYTES, MAX_SIZE
from verifier.suites import SIGNATURE_BYTES, PublicKey, SigningKey, Suite

MAX_NOTE_BYTES = 64 * 1024

_ED25519 = b"\x01"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A head of the log: origin names the log, size in entries, 32-byte root."""

    origin: str
    size: int
    root: bytes

    def to_text(self) -> str:
        """The three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def from_text(cls, text: str) -> Checkpoint:
        """Parse the signed lines. Raises MalformedError; extension lines are not accepted."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3] or not lines[0]:
            raise MalformedError("not_a_checkpoint", "检查点应为三行：日志名、大小、根")
        size = lines[1]
        if not (size.isascii() and size.isdigit() and str(int(size)) == size and int(size) <= MAX_SIZE):
            raise MalformedError("not_a_checkpoint", "检查点的大小不是十进制整数")
        return cls(lines[0], int(size), _base64(lines[2], HASH_BYTES))


def key_hash(name: str, key: PublicKey) -> bytes:
    """The first 4 bytes of SHA-256(name || \\n || 0x01 || key), C2SP signed-note."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + key.raw).digest()[:4]


def verifier_key(name: str, key: PublicKey) -> str:
    """The key as other tools take it: <name>+<key hash in hex>+<base64(0x01 || key)>, C2SP signed-note."""
    return f"{name}+{key_hash(name, key).hex()}+{base64.b64encode(_ED25519 + key.raw).decode()}"


def sign_checkpoint(checkpoint: Checkpoint, key: SigningKey) -> str:
    """The signed note of a checkpoint, under the log's origin as key name."""
    if key.public.suite is not Suite.ED25519:
        raise MalformedError("wrong_suite", "检查点只用 Ed25519 签名")
    text = checkpoint.to_text()
    signature = key_hash(checkpoint.origin, key.public) + key.sign(text.encode())
    return f"{text}\n— {checkpoint.origin} {base64.b64encode(signature).decode()}\n"


def open_checkpoint(note: str, origin: str, key: PublicKey) -> Checkpoint:
    """The checkpoint of a note signed by `key` for `origin`; other signatures (witnesses) are passed over.

    Raises MalformedError, SignatureError.
    """
    if len(note) > MAX_NOTE_BYTES:
        raise MalformedError("too_long", "检查点超过长度上限")
    text, separator, signatures = note.rpartition("\n\n")
    if not separator or not signatures.endswith("\n"):
        raise MalformedError("not_a_note", "不是签名文本（signed note）")
    text += "\n"
    checkpoint = Checkpoint.from_text(text)
    if checkpoint.origin != origin:
        raise SignatureError("wrong_log", "检查点属于另一个日志")
    prefix = f"— {origin} "
    for line in signatures[:-1].split("\n"):
        if not line.startswith(prefix):
            continue
        signature = _base64(line.removeprefix(prefix), 4 + SIGNATURE_BYTES)
        if signature[:4] == key_hash(origin, key):
            key.check(signature[4:], text.encode())
            return checkpoint
    raise SignatureError("not_signed_by_log", "检查点没有该日志密钥的签名")


def _base64(text: str, length: int) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError("not_base64", "不是 Base64 文本") from error
    if len(data) != length or base64.b64encode(data).decode() != text:
        raise MalformedError("not_base64", f"Base64 文本应为 {length} 字节的规范编码")
    return data
