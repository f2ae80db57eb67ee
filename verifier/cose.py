"""COSE_Sign1 (RFC 9052 section 4.2) in one strict form.

The protected header holds the suite (1), the key id (4) and a type (16, RFC 9596); the unprotected header is empty
except in receipts. The type keeps signatures apart: what was signed as one thing never passes as another. Types are
CoAP content formats from the range for private experiments (RFC 7252 12.3) or media type names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import IntEnum
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from verifier import cbor
from verifier.errors import KindError, MalformedError
from verifier.suites import KID_BYTES, SIGNATURE_BYTES, PublicKey, SigningKey

ALG, KID, TYP = 1, 4, 16

_TAG = b"\xd2"
#: The tag and an array of four; an array of four whose first item is the context of a single signature.
_TAGGED = _TAG + b"\x84"
_SIGNED = b"\x84\x6aSignature1"
_BEFORE_SIGNATURE = cbor.head(2, SIGNATURE_BYTES)
_HEADER = frozenset((ALG, KID, TYP))
_MAX_HEADER_BYTES = 512


class Type(IntEnum):
    """Types of the signed objects that are ours alone."""

    PERSON_CODE = 65001
    ENTERPRISE_CODE = 65002
    VENUE_CODE = 65003
    COMPONENT_CODE = 65004
    PRINTED_CODE = 65005
    POSSESSION = 65006
    DELEGATION = 65007
    DELEGATED_CODE = 65008
    DERIVED_CODE = 65009
    ENTRY = 65010
    STATUS_DELTA = 65011
    KEY_POSSESSION = 65012


class Sign1(NamedTuple):
    """A parsed, not yet checked COSE_Sign1. `payload` is None when detached."""

    protected: bytes
    header: Mapping[Any, Any]
    unprotected: dict[Any, Any]
    payload: bytes | None
    signature: bytes

    @property
    def kid(self) -> bytes:
        """The 8-byte key id from the protected header."""
        return cbor.require_bytes(self.header.get(KID), KID_BYTES)

    def check(self, key: PublicKey, payload: bytes | None = None) -> None:
        """Raises SignatureError, MalformedError unless `key` signed this with its own suite."""
        if self.header.get(ALG) != key.suite:
            raise MalformedError("wrong_suite", "签名套件与密钥不符")
        body = self.payload if payload is None else payload
        key.check(self.signature, to_be_signed(self.protected, body or b""))


def to_be_signed(protected: bytes, payload: bytes, external: bytes = b"") -> bytes:
    """The Sig_structure of RFC 9052 4.4: ["Signature1", protected, external_aad, payload]."""
    return _SIGNED + cbor.byte_string(protected) + cbor.byte_string(external) + cbor.byte_string(payload)


def protected_header(key: PublicKey, typ: int | str) -> bytes:
    """The protected header of everything that a key signs as one type: who knows both need not be told it."""
    return cbor.encode({ALG: int(key.suite), KID: key.kid, TYP: typ})


def sign1(payload: bytes, key: SigningKey, typ: int | str) -> bytes:
    """A tagged COSE_Sign1 over the payload."""
    before = _before_payload(key.public, typ)
    body = cbor.byte_string(payload)
    return before.assembled + body + _BEFORE_SIGNATURE + key.sign(before.signed + body)


def signer(key: SigningKey, typ: int | str) -> Callable[[bytes], bytes]:
    """What makes a tagged COSE_Sign1 of each payload: for many under one key, whose header is then encoded once."""
    sign, byte_string = key.sign, cbor.byte_string
    signed, assembled = _before_payload(key.public, typ)

    def sign_one(payload: bytes) -> bytes:
        body = byte_string(payload)
        return assembled + body + _BEFORE_SIGNATURE + sign(signed + body)

    return sign_one


def detached(protected: bytes, unprotected: bytes, signature: bytes) -> bytes:
    """A tagged COSE_Sign1 whose payload travels elsewhere; `unprotected` is the header's encoding."""
    return _assemble(protected, unprotected, None, signature)


def open1(data: bytes, *, limit: int) -> Sign1:
    """Parse a tagged COSE_Sign1 of at most `limit` bytes. Nothing is verified yet. Raises MalformedError."""
    return open_with(data, _encoded_unprotected, limit=limit)


def open_with(data: bytes, encode_unprotected: Callable[[dict[Any, Any]], bytes], *, limit: int) -> Sign1:
    """`open1` for who knows the one encoding of the unprotected header that belongs there. Raises MalformedError."""
    cbor.check_length(data, limit)
    if data[:1] != _TAG:
        raise MalformedError("not_signed", "内容不是 COSE 签名")
    protected, unprotected, payload, signature = cbor.require_list(cbor.decode_any(data[1:]), 4, 4)
    if payload is not None:
        cbor.require_bytes(payload)
    if not isinstance(unprotected, dict):
        raise MalformedError("wrong_field", "COSE 头应为映射")
    again = _assemble(
        cbor.require_bytes(protected),
        encode_unprotected(unprotected),
        payload,
        cbor.require_bytes(signature, SIGNATURE_BYTES),
    )
    cbor.require_canonical(again, data)
    return Sign1(protected, _header(protected), unprotected, payload, signature)


def from_parts(protected: Any, payload: Any, signature: Any) -> tuple[Sign1, bytes]:
    """The message of these three parts with nothing unprotected, and its bytes. Nothing is verified yet.

    Raises MalformedError.
    """
    parts = cbor.require_bytes(protected), cbor.require_bytes(payload), cbor.require_bytes(signature, SIGNATURE_BYTES)
    return Sign1(parts[0], _header(parts[0]), {}, parts[1], parts[2]), _assemble(parts[0], b"\xa0", parts[1], parts[2])


def open_typed(data: bytes, typ: int | str, *, limit: int) -> tuple[Sign1, bytes]:
    """Parse a COSE_Sign1 of exactly this type and its payload. Raises MalformedError, KindError."""
    message = open1(data, limit=limit)
    return message, require_typed(message, typ)


def require_typed(message: Sign1, typ: int | str) -> bytes:
    """The payload of a message of exactly this type with nothing unprotected. Raises MalformedError, KindError."""
    header = message.header
    if header.keys() != _HEADER:
        raise MalformedError("wrong_fields", "COSE 保护头的字段与格式不符")
    if header[TYP] != typ or isinstance(header[TYP], bool):
        raise KindError("wrong_type", "这是另一种签名内容")
    if message.unprotected or message.payload is None:
        raise MalformedError("wrong_fields", "COSE 未保护头应为空，且内容不得分离")
    return message.payload


def _assemble(protected: bytes, unprotected: bytes, payload: bytes | None, signature: bytes) -> bytes:
    byte_string = cbor.byte_string
    body = b"\xf6" if payload is None else byte_string(payload)
    return _TAGGED + byte_string(protected) + unprotected + body + byte_string(signature)


def _encoded_unprotected(header: dict[Any, Any]) -> bytes:
    return cbor.encode(header) if header else b"\xa0"


class _BeforePayload(NamedTuple):
    """What stands before the payload: in what is signed, and in the message."""

    signed: bytes
    assembled: bytes


@lru_cache(maxsize=1024)
def _before_payload(key: PublicKey, typ: int | str) -> _BeforePayload:
    protected = cbor.byte_string(cbor.encode({ALG: int(key.suite), KID: key.kid, TYP: typ}))
    return _BeforePayload(_SIGNED + protected + b"\x40", _TAGGED + protected + b"\xa0")


@lru_cache(maxsize=1024)
def _header(protected: bytes) -> Mapping[Any, Any]:
    # One key signs many things under the same protected header: it is parsed once.
    header = cbor.decode(protected, limit=_MAX_HEADER_BYTES)
    if not isinstance(header, dict):
        raise MalformedError("wrong_field", "COSE 头应为映射")
    return MappingProxyType(header)
