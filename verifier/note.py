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
from verifier.suites import PublicKey, SigningKey, Suite, public_key

MAX_NOTE_BYTES = 64 * 1024
MAX_NAME_BYTES = 200
MAX_VKEY_CHARS = 400

#: Signature types of C2SP signed-note: the log's own, and a witness's (cosignature/v1 with a time).
ED25519 = b"\x01"
COSIGNATURE = b"\x04"

_SIGNATURE = "— "


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
        return cls(lines[0], parse_size(lines[1]), _base64(lines[2], HASH_BYTES))


def parse_size(text: str) -> int:
    """The number of ASCII decimal text without leading zeros. Raises MalformedError."""
    if not (text.isascii() and text.isdigit() and len(text) <= 19 and str(int(text)) == text and int(text) <= MAX_SIZE):
        raise MalformedError("not_a_checkpoint", "检查点的大小不是十进制整数")
    return int(text)


def key_hash(name: str, key: PublicKey, kind: bytes = ED25519) -> bytes:
    """The first 4 bytes of SHA-256(name || \\n || type || key), C2SP signed-note."""
    return hashlib.sha256(name.encode() + b"\n" + kind + key.raw).digest()[:4]


def to_vkey(name: str, key: PublicKey, kind: bytes = ED25519) -> str:
    """The key as operators exchange it: <name>+<key hash in hex>+<base64(type || key)>, C2SP signed-note."""
    return f"{name}+{key_hash(name, key, kind).hex()}+{base64.b64encode(kind + key.raw).decode()}"


def from_vkey(vkey: str, kind: bytes = ED25519) -> tuple[str, PublicKey]:
    """Name and Ed25519 key of a vkey of this type. Raises MalformedError."""
    name, *parts = vkey.split("+", 2)
    if len(parts) != 2 or len(vkey) > MAX_VKEY_CHARS:
        raise MalformedError("not_a_vkey", "公钥应为 名称+8位十六进制+Base64 的形式（C2SP vkey）")
    check_name(name)
    data = _base64(parts[1], 1 + HASH_BYTES)
    if data[:1] != kind:
        raise MalformedError("wrong_suite", "公钥的类型不对：日志的公钥是 01，见证方的公钥是 04")
    key = public_key(Suite.ED25519, data[1:])
    if key_hash(name, key, kind).hex() != parts[0]:
        raise MalformedError("wrong_key_hash", "公钥与其名称、校验值不符，可能抄写有误")
    return name, key


def check_name(name: str) -> None:
    """Raises MalformedError unless it may name a key: not empty, printable, neither spaces nor plus signs."""
    if not name or "+" in name or " " in name or not name.isprintable() or len(name.encode()) > MAX_NAME_BYTES:
        raise MalformedError("wrong_name", "密钥名称不能为空，不能含空格、加号或不可见字符，且不超过 200 字节")


def sign_checkpoint(checkpoint: Checkpoint, key: SigningKey) -> str:
    """The signed note of a checkpoint, under the log's origin as key name."""
    if key.public.suite is not Suite.ED25519:
        raise MalformedError("wrong_suite", "检查点只用 Ed25519 签名")
    text = checkpoint.to_text()
    signature = key_hash(checkpoint.origin, key.public) + key.sign(text.encode())
    return f"{text}\n{signature_line(checkpoint.origin, signature)}"


def open_checkpoint(note: str, origin: str, key: PublicKey) -> Checkpoint:
    """The checkpoint of a note signed by `key` for `origin`; other signatures (witnesses) are passed over.

    Raises MalformedError, SignatureError.
    """
    text, lines = split_note(note)
    checkpoint = Checkpoint.from_text(text)
    if checkpoint.origin != origin:
        raise SignatureError("wrong_log", "检查点属于另一个日志")
    wanted = key_hash(origin, key)
    for line in lines:
        if not line.startswith(f"{_SIGNATURE}{origin} "):
            continue
        _, hashed, signature = read_signature_line(line)
        if hashed == wanted:
            key.check(signature, text.encode())
            return checkpoint
    raise SignatureError("not_signed_by_log", "检查点没有该日志密钥的签名")


def split_note(note: str) -> tuple[str, list[str]]:
    """The signed text with its last newline, and the signature lines without theirs; of unknown keys too.

    Raises MalformedError, also for a line that is no signature (C2SP signed-note).
    """
    if len(note) > MAX_NOTE_BYTES:
        raise MalformedError("too_long", "检查点超过长度上限")
    text, separator, signatures = note.rpartition("\n\n")
    if not separator or not signatures.endswith("\n"):
        raise MalformedError("not_a_note", "不是签名文本（signed note）")
    lines = signatures[:-1].split("\n")
    for line in lines:
        read_signature_line(line)
    return text + "\n", lines


def signature_line(name: str, data: bytes) -> str:
    """— <name> <base64(data)>\\n, where data begins with the key hash."""
    return f"{_SIGNATURE}{name} {base64.b64encode(data).decode()}\n"


def read_signature_line(line: str) -> tuple[str, bytes, bytes]:
    """Name, 4-byte key hash and signature of a line without its newline. Raises MalformedError."""
    name, separator, encoded = line.removeprefix(_SIGNATURE).partition(" ")
    if not line.startswith(_SIGNATURE) or not separator:
        raise MalformedError("not_a_note", "签名行应为：— 名称 Base64")
    check_name(name)
    data = _base64(encoded)
    if len(data) < 5:
        raise MalformedError("not_a_note", "签名行过短")
    return name, data[:4], data[4:]


def _base64(text: str, length: int | None = None) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedError("not_base64", "不是 Base64 文本") from error
    if length not in (None, len(data)) or base64.b64encode(data).decode() != text:
        raise MalformedError("not_base64", "Base64 文本的长度不对，或不是规范编码")
    return data
