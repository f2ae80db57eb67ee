"""Deterministic CBOR (RFC 8949 section 4.2): one byte string per value, and nothing else is read."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import cbor2

from verifier.errors import MalformedError


class _Kept(threading.local):
    """Making an encoder or a decoder costs more than most of what it does: each thread keeps one."""

    encoder: cbor2.CBOREncoder | None = None
    decoder: cbor2.CBORDecoder | None = None


_kept = _Kept()
_CBOR_ERRORS = (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError, EOFError, MemoryError)


def encode(value: Any) -> bytes:
    """The core deterministic encoding of a value."""
    encoder = _kept.encoder
    if encoder is None:
        encoder = _kept.encoder = cbor2.CBOREncoder(BytesIO(), canonical=True)
    encoder.fp = stream = BytesIO()
    try:
        encoder.encode(value)
    except BaseException:
        # What stopped half-way may remember containers it was in.
        _kept.encoder = None
        raise
    return stream.getvalue()


def decode(data: bytes, *, limit: int) -> Any:
    """The value of bytes in core deterministic encoding, at most `limit` bytes.

    Raises MalformedError for anything else: other encodings of the same value, trailing bytes, nesting too deep.
    """
    check_length(data, limit)
    value = decode_any(data)
    try:
        again = encode(value)
    except _CBOR_ERRORS as error:
        raise MalformedError("not_cbor", "内容不是有效的 CBOR") from error
    require_canonical(again, data)
    return value


def check_length(data: bytes, limit: int) -> None:
    """Raises MalformedError for more than `limit` bytes."""
    if len(data) > limit:
        raise MalformedError("too_long", f"内容 {len(data)} 字节，超过上限 {limit} 字节", evidence={"bytes": len(data)})


def require_canonical(again: bytes, data: bytes) -> None:
    """Raises MalformedError unless what was read, encoded again, is what was read."""
    if again != data:
        raise MalformedError("not_canonical", "内容不是确定性 CBOR 编码（RFC 8949 4.2）")


def decode_any(data: bytes) -> Any:
    """The value of CBOR bytes in any encoding; its size was checked before, its form must be checked afterwards."""
    decoder = _kept.decoder
    if decoder is None:
        decoder = _kept.decoder = cbor2.CBORDecoder(BytesIO())
    try:
        return decoder.decode_from_bytes(data)
    except _CBOR_ERRORS as error:
        _kept.decoder = None
        raise MalformedError("not_cbor", "内容不是有效的 CBOR") from error


def decode_whole(data: bytes) -> Any:
    """As `decode_any`; bytes after the value are refused too."""
    stream = BytesIO(data)
    try:
        value = cbor2.CBORDecoder(stream).decode()
    except _CBOR_ERRORS as error:
        raise MalformedError("not_cbor", "内容不是有效的 CBOR") from error
    if stream.tell() != len(data):
        raise MalformedError("not_cbor", "内容之后还有多余字节")
    return value


def require_map(value: Any, keys: frozenset[Any], optional: frozenset[Any] = frozenset()) -> dict[Any, Any]:
    """The value as a map that has all `keys`, perhaps some of `optional`, and no others."""
    if not isinstance(value, dict) or not keys <= value.keys() <= keys | optional:
        raise MalformedError("wrong_fields", "内容的字段与格式不符")
    return value


def require_bytes(value: Any, length: int | None = None) -> bytes:
    """The value as a byte string, of exactly `length` bytes if given."""
    if not isinstance(value, bytes) or (length is not None and len(value) != length):
        raise MalformedError("wrong_field", "字段应为字节串" if length is None else f"字段应为 {length} 字节的字节串")
    return value


def require_text(value: Any, limit: int) -> str:
    """The value as text of 1 to `limit` characters."""
    if not isinstance(value, str) or not 0 < len(value) <= limit:
        raise MalformedError("wrong_field", f"字段应为 1 至 {limit} 个字符的文本")
    return value


def require_uint(value: Any, limit: int = 2**63 - 1) -> int:
    """The value as an integer from 0 to `limit`."""
    if type(value) is not int or not 0 <= value <= limit:
        raise MalformedError("wrong_field", "字段应为非负整数")
    return value


def require_list(value: Any, most: int, least: int = 0) -> list[Any]:
    """The value as an array of `least` to `most` items."""
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise MalformedError("wrong_field", f"字段应为 {least} 至 {most} 项的数组")
    return value


def head(major: int, argument: int) -> bytes:
    """The initial byte and argument of a data item in their shortest form (RFC 8949 3)."""
    kind = major << 5
    if argument < 24:
        return bytes((kind | argument,))
    if argument < 0x100:
        return bytes((kind | 24, argument))
    if argument < 0x10000:
        return bytes((kind | 25,)) + argument.to_bytes(2, "big")
    if argument < 0x100000000:
        return bytes((kind | 26,)) + argument.to_bytes(4, "big")
    return bytes((kind | 27,)) + argument.to_bytes(8, "big")


#: The encodings of small integers.
_UNSIGNED = [head(0, number) for number in range(0x400)]


def unsigned(number: int) -> bytes:
    """The encoding of an integer from 0 on, without the general encoder."""
    return _UNSIGNED[number] if 0 <= number < 0x400 else head(0, number)


#: The heads of short byte strings.
_BYTE_STRINGS = [head(2, length) for length in range(0x100)]


def byte_string(data: bytes) -> bytes:
    """The encoding of a byte string, without the general encoder."""
    length = len(data)
    return (_BYTE_STRINGS[length] if length < 0x100 else head(2, length)) + data


def byte_strings(items: Sequence[bytes], length: int) -> bytes:
    """The encodings of byte strings, one after another, that the caller knows to be of this length, or compares."""
    return _BYTE_STRINGS[length].join((b"", *items))


def text_string(text: str) -> bytes:
    """The encoding of a text, without the general encoder."""
    data = text.encode()
    return head(3, len(data)) + data
