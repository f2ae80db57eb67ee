"""Ids: 48 bits of milliseconds and 80 random bits, so that they sort by time and say nothing about the item.

The text form is 26 characters of Crockford's base 32 in lower case; both forms sort alike.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from registry.errors import NotFoundError

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
#: Two characters for every 10 bits.
_PAIRS = tuple(_ALPHABET[value >> 5] + _ALPHABET[value & 31] for value in range(1024))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RANDOM_BYTES = 10
TEXT_LENGTH = 26


def new_id(at: datetime, draw: Callable[[int], bytes]) -> bytes:
    """A new id of 16 bytes made at `at`."""
    return _prefix(at) + draw(_RANDOM_BYTES)


def new_ids(count: int, at: datetime, draw: Callable[[int], bytes]) -> list[tuple[bytes, str]]:
    """`count` different ids as (bytes, text), ascending, so that a bulk insert fills its index from left to right."""
    prefix, drawn = _prefix(at), draw(_RANDOM_BYTES * count)
    tails = sorted({drawn[start : start + _RANDOM_BYTES] for start in range(0, len(drawn), _RANDOM_BYTES)})
    while len(tails) < count:
        tails = sorted({*tails, draw(_RANDOM_BYTES)})
    prefix_text = id_text(prefix + bytes(_RANDOM_BYTES))[:10]
    return [(prefix + tail, prefix_text + _tail_text(int.from_bytes(tail))) for tail in tails]


def new_id_text(at: datetime, draw: Callable[[int], bytes]) -> str:
    """A new id in its text form."""
    return id_text(new_id(at, draw))


def id_text(value: bytes) -> str:
    """The 26 characters of a 16-byte id."""
    if len(value) != 16:
        raise ValueError(f"an id has 16 bytes, not {len(value)}")
    number = int.from_bytes(value)
    head = number >> 80
    pairs = _PAIRS
    return (
        pairs[head >> 40] + pairs[head >> 30 & 1023] + pairs[head >> 20 & 1023] + pairs[head >> 10 & 1023]
        + pairs[head & 1023] + _tail_text(number & (1 << 80) - 1)
    )  # fmt: skip


def id_bytes(text: str) -> bytes:
    """The 16 bytes of an id's text. Raises NotFoundError for text that is no id: nothing can stand under it."""
    value = 0
    try:
        for character in text:
            value = value << 5 | _VALUES[character]
        if len(text) != TEXT_LENGTH:
            raise KeyError(text)
        return value.to_bytes(16)
    except (KeyError, OverflowError) as not_an_id:
        raise NotFoundError("not_an_id", "编号格式不正确，请核对后重试。") from not_an_id


def _prefix(at: datetime) -> bytes:
    return ((at - _EPOCH) // timedelta(milliseconds=1)).to_bytes(6)


def _tail_text(number: int) -> str:
    pairs = _PAIRS
    return (
        pairs[number >> 70] + pairs[number >> 60 & 1023] + pairs[number >> 50 & 1023] + pairs[number >> 40 & 1023]
        + pairs[number >> 30 & 1023] + pairs[number >> 20 & 1023] + pairs[number >> 10 & 1023] + pairs[number & 1023]
    )  # fmt: skip
