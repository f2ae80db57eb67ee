"""RLP (Ethereum yellow paper, appendix B): byte strings and lists, one encoding each, and nothing else is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from verifier.errors import Check, MalformedError

Item: TypeAlias = "bytes | list[Item]"

#: A header holds a list, its extra data may be one of lists of lists; nothing we read is deeper.
MAX_DEPTH = 6
_LONG = 55


def decode(data: bytes) -> Item:
    """The item of these bytes. Raises MalformedError: not RLP, another encoding of it, trailing bytes, too deep."""
    try:
        item, end = _decode(data, 0, len(data), MAX_DEPTH)
    except IndexError as error:
        raise _wrong() from error
    if end != len(data):
        raise _wrong()
    return item


def decode_list(data: bytes, least: int, most: int) -> list[Item]:
    """The items of a list that has `least` to `most` of them. Raises MalformedError."""
    item = decode(data)
    if not isinstance(item, list) or not least <= len(item) <= most:
        raise _wrong()
    return item


def encode(item: bytes | Sequence[Item]) -> bytes:
    """The one encoding of an item."""
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < 0x80:
            return item
        return _head(0x80, len(item)) + item
    body = b"".join([encode(part) for part in item])
    return _head(0xC0, len(body)) + body


def to_bytes(item: Item, length: int | None = None) -> bytes:
    """The item as a byte string, of exactly `length` bytes if given. Raises MalformedError."""
    if not isinstance(item, bytes) or (length is not None and len(item) != length):
        raise _wrong()
    return item


def to_uint(item: Item, bits: int = 64) -> int:
    """The item as an integer below 2^bits, without leading zeros. Raises MalformedError."""
    data = to_bytes(item)
    if len(data) * 8 > bits or data[:1] == b"\0":
        raise _wrong()
    return int.from_bytes(data)


def from_uint(number: int) -> bytes:
    """An integer without leading zeros; empty for 0."""
    return number.to_bytes((number.bit_length() + 7) // 8)


def _head(base: int, length: int) -> bytes:
    if length <= _LONG:
        return bytes((base + length,))
    size = from_uint(length)
    return bytes((base + _LONG + len(size),)) + size


def _decode(data: bytes, at: int, end: int, depth: int) -> tuple[Item, int]:
    """The item that begins at `at`, within `end`, and where it ends."""
    first = data[at]
    if at >= end or depth == 0:
        raise _wrong()
    if first < 0x80:
        return data[at : at + 1], at + 1
    is_list = first >= 0xC0
    start, length = _length(data, at, first - (0xC0 if is_list else 0x80))
    stop = start + length
    if stop > end:
        raise _wrong()
    if not is_list:
        if length == 1 and data[start] < 0x80:
            raise _wrong()
        return data[start:stop], stop
    items: list[Item] = []
    while start < stop:
        item, start = _decode(data, start, stop, depth - 1)
        items.append(item)
    return items, stop


def _length(data: bytes, at: int, code: int) -> tuple[int, int]:
    """Where the content begins and how long it is."""
    if code <= _LONG:
        return at + 1, code
    width = code - _LONG
    start = at + 1 + width
    size = data[at + 1 : start]
    length = int.from_bytes(size)
    if len(size) != width or size[0] == 0 or length <= _LONG:
        raise _wrong()
    return start, length


def _wrong() -> MalformedError:
    return MalformedError("not_rlp", "链上证明的内容不是规范的 RLP 编码", check=Check.ANCHOR)
