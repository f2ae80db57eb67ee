"""The text of a 16-byte id: 26 characters of Crockford's base 32 in lower case; bytes and texts sort alike."""

from __future__ import annotations

from typing import Final

ID_BYTES: Final = 16
TEXT_LENGTH: Final = 26

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
#: Our digits as Python's; what is no digit of ours becomes none of its.
_PYTHONS: Final = bytes(
    b"0123456789abcdefghijklmnopqrstuv"[_ALPHABET.index(chr(code))] if chr(code) in _ALPHABET else 0
    for code in range(256)
)
#: Two characters for every 10 bits.
_PAIRS: Final = tuple(_ALPHABET[value >> 5] + _ALPHABET[value & 31] for value in range(1024))


def id_text(value: bytes) -> str:
    """The 26 characters of a 16-byte id. Raises ValueError for another length."""
    if len(value) != ID_BYTES:
        raise ValueError(f"an id has 16 bytes, not {len(value)}")
    number = int.from_bytes(value)
    head = number >> 80
    pairs = _PAIRS
    return (
        pairs[head >> 40] + pairs[head >> 30 & 1023] + pairs[head >> 20 & 1023] + pairs[head >> 10 & 1023]
        + pairs[head & 1023] + tail_text(number & (1 << 80) - 1)
    )  # fmt: skip


def id_value(text: str) -> bytes:
    """The 16 bytes of an id's text. Raises ValueError for text that is no id."""
    if len(text) != TEXT_LENGTH:
        raise ValueError(f"an id's text has {TEXT_LENGTH} characters, not {len(text)}")
    try:
        value = int(text.encode("ascii").translate(_PYTHONS), 32)
    except ValueError as error:
        raise ValueError("an id's text has only characters of Crockford's base 32") from error
    if value >> 128:
        raise ValueError("an id has 128 bits")
    return value.to_bytes(ID_BYTES)


def tail_text(number: int) -> str:
    """The last 16 characters, of the lower 80 bits."""
    pairs = _PAIRS
    return (
        pairs[number >> 70] + pairs[number >> 60 & 1023] + pairs[number >> 50 & 1023] + pairs[number >> 40 & 1023]
        + pairs[number >> 30 & 1023] + pairs[number >> 20 & 1023] + pairs[number >> 10 & 1023] + pairs[number & 1023]
    )  # fmt: skip
