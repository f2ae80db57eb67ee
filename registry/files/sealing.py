"""Encryption of stored files: streaming AEAD under a data key of their own, which a master key wraps.

Tink's AES256_GCM_HKDF_4KB: segments of 4 KiB, each under AES-256-GCM with its number and whether it is the last one in
the nonce (the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015), so that segments can be neither
altered, moved, left out nor added. A data key is a Tink keyset; wrapped, it is Tink's EncryptedKeyset. The name of the
object is associated data of both: neither a body nor a key passes for another object's.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final, Protocol, TypeAlias

import tink
from tink import streaming_aead

from registry.errors import FileKeyError

streaming_aead.register()

_TEMPLATE: Final = streaming_aead.streaming_aead_key_templates.AES256_GCM_HKDF_4KB
_PIECE_BYTES: Final = 1 << 20

DataKey: TypeAlias = Any


class Aead(Protocol):
    """Authenticated encryption with associated data, as tink.aead.Aead has it."""

    def encrypt(self, plaintext: bytes, associated_data: bytes) -> bytes:
        """The ciphertext. Raises FileKeyError: the key is away."""
        ...

    def decrypt(self, ciphertext: bytes, associated_data: bytes) -> bytes:
        """The plaintext. Raises FileKeyError: away, or not what this key encrypted."""
        ...


@dataclass(frozen=True, slots=True)
class Sealed:
    """Where a file lies sealed: its object's name, the id (8 bytes) of the master key, the data key under that."""

    object: str
    master: bytes
    wrapped: bytes


class NotAuthenticError(ValueError):
    """The bytes are not what was sealed under this key and name, or not all of it."""


def new_data_key() -> DataKey:
    """A fresh data key, for one object and never for another."""
    return tink.new_keyset_handle(_TEMPLATE)


def wrap(key: DataKey, master: Aead, name: str) -> bytes:
    """The data key of the object with this name under a master key. Raises FileKeyError."""
    return bytes(tink.proto_keyset_format.serialize_encrypted(key, master, name.encode()))


def unwrap(wrapped: bytes, master: Aead, name: str) -> DataKey:
    """The data key that was wrapped for this name. Raises FileKeyError."""
    try:
        return tink.proto_keyset_format.parse_encrypted(wrapped, master, name.encode())
    except tink.TinkError as damaged:
        message = "该文件的密钥记录已损坏，请从数据库备份恢复。"
        raise FileKeyError("file_key_damaged", message, {"object": name}) from damaged


def seal(pieces: Iterable[bytes], key: DataKey, name: str) -> Iterator[bytes]:
    """The ciphertext of the pieces. It has no end, and so is worth nothing, if a piece raises."""
    sink = _Sink()
    stream = key.primitive(streaming_aead.StreamingAead).new_encrypting_stream(sink, name.encode())
    for piece in pieces:
        stream.write(piece)
        yield sink.take()
    stream.close()
    yield sink.take()


def unseal(source: BinaryIO, key: DataKey, name: str) -> Iterator[bytes]:
    """The plaintext, piece by piece; each is authentic, and the last one only comes of a whole object.

    Raises NotAuthenticError.
    """
    try:
        primitive = key.primitive(streaming_aead.StreamingAead)
        with primitive.new_decrypting_stream(source, name.encode()) as plain:
            while piece := plain.read(_PIECE_BYTES):
                yield piece
    except tink.TinkError as altered:
        raise NotAuthenticError(name) from altered


class _Sink(io.RawIOBase):
    """What was written and not taken yet."""

    def __init__(self) -> None:
        super().__init__()
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._written.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        written, self._written = self._written, []
        return b"".join(written)
