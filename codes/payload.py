"""The text of a code: "SZ1:" and Base45 (RFC 9285), so that a QR in alphanumeric mode carries any bytes."""

from __future__ import annotations

import struct
import unicodedata

PREFIX = "SZ1:"
MAX_TEXT_CHARS = 1134
"""What QR version 22 holds at level M in alphanumeric mode (ISO/IEC 18004 table 7)."""
MAX_CODE_BYTES = 753
"""What MAX_TEXT_CHARS holds after the prefix: three characters for two bytes, two for a last one."""
MAX_SCANNED_CHARS = 2 * MAX_TEXT_CHARS

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_FOREIGN = 0xFF
_VALUES = bytes(_ALPHABET.find(chr(i)) if chr(i) in _ALPHABET else _FOREIGN for i in range(256))
_CHARACTERS = _ALPHABET.encode().ljust(256, b"?")
_PAIRS = tuple(low + high for high in _ALPHABET for low in _ALPHABET)

# What a Chinese input method types for `$`, `.` and `/`, after NFKC. None of them is in the alphabet: nothing is lost.
_TYPED_IN_CHINESE = str.maketrans({"\u00a5": "$", "\u3002": ".", "\u3001": "/"})
_LINE_BREAKS = str.maketrans("", "", "\r\n")


class PayloadError(ValueError):
    """Text that is no code of ours, or bytes too long for one. `.reason` is stable, `.message` is for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def encode(data: bytes) -> str:
    """The one text of these bytes. Raises PayloadError over MAX_CODE_BYTES and for no bytes at all."""
    size = len(data)
    if size > MAX_CODE_BYTES:
        raise PayloadError("too_long", f"码的内容有 {size} 字节，最多 {MAX_CODE_BYTES} 字节；请减少码中的授权项")
    if size == 0:
        raise PayloadError("empty", "码的内容为空")
    return PREFIX + _groups(data[: size & ~1]) + (_PAIRS[data[-1]] if size & 1 else "")


def decode(text: str) -> bytes:
    """The bytes whose one text this is (RFC 9285 section 4): encode(decode(text)) == text.

    Raises PayloadError for anything else: another prefix, a foreign character, a group that stands for no bytes.
    Does not normalise: what a scanner typed goes through `normalise_scanned` first.
    """
    size = len(text) - len(PREFIX)
    if size > MAX_TEXT_CHARS - len(PREFIX):
        raise PayloadError("too_long", f"内容超过 {MAX_TEXT_CHARS} 个字符，不是随证的码")
    if not text.startswith(PREFIX):
        raise PayloadError("not_a_code", f"内容不以 {PREFIX} 开头，不是随证的码")
    return decode_base45(text[len(PREFIX) :])


def decode_base45(text: str) -> bytes:
    """The bytes of Base45 (RFC 9285 section 4), whoever wrote it. Raises PayloadError; the caller bounds the length."""
    if not text or len(text) % 3 == 1:
        raise PayloadError("truncated", "码不完整，请重新扫描")
    try:
        values = text.encode("ascii").translate(_VALUES)
    except UnicodeEncodeError as error:
        raise PayloadError("foreign_character", "码中有不应出现的字符，请重新扫描") from error
    if _FOREIGN in values:
        raise PayloadError("foreign_character", "码中有不应出现的字符，请重新扫描")
    return _bytes_of(values)


def _groups(data: bytes) -> str:
    """The three characters of every two bytes, all at once: one large number with a lane of 32 bits for each group."""
    count = len(data) // 2
    lanes = bytearray(4 * count)
    lanes[2::4], lanes[3::4] = data[::2], data[1::2]
    values, ones = int.from_bytes(lanes, "big"), int.from_bytes(bytes((0, 0, 0, 1)) * count, "big")
    # Division by 45, twice, as multiplication and shift, exact for 16 bits (a test tries all); no lane overflows.
    upper = values * 46604 >> 21 & ones * 0x7FF
    high = upper * 1457 >> 16 & ones * 0x3F
    digits = (values - 45 * upper << 16 | upper - 45 * high << 8 | high).to_bytes(4 * count, "big")
    characters = bytearray(3 * count)
    characters[::3], characters[1::3], characters[2::3] = digits[1::4], digits[2::4], digits[3::4]
    return characters.translate(_CHARACTERS).decode()


def _bytes_of(values: bytes) -> bytes:
    whole = len(values) // 3
    groups = zip(values[0 : 3 * whole : 3], values[1::3], values[2::3], strict=False)
    try:
        # 45 cubed is more than 65,536 and 45 squared more than 256: the pack formats refuse what encodes nothing.
        data = struct.pack(f">{whole}H", *[c + 45 * d + 2025 * e for c, d, e in groups])
        if len(values) % 3:
            data += struct.pack("B", values[-2] + 45 * values[-1])
    except struct.error as error:
        raise PayloadError("impossible_group", "码的内容有误，请重新扫描") from error
    return data


def is_code(text: str) -> bool:
    """Whether the text claims to be a code of ours, to choose how to read it. Proves nothing."""
    return text.startswith(PREFIX)


def normalise_scanned(text: str) -> str:
    """What was printed in the code, from what a keyboard-wedge scanner or a person typed.

    Undoes the full-width forms of a Chinese input method (NFKC, and ￥ 。 、 for $ . /), Caps Lock, line breaks and
    outer white space. Never touches inner spaces: about 3 % of all codes hold two in a row. What is longer than
    MAX_SCANNED_CHARS comes back as it is, unread: `decode` refuses it.
    """
    if len(text) > MAX_SCANNED_CHARS:
        return text
    plain = unicodedata.normalize("NFKC", text).translate(_LINE_BREAKS).strip()
    if plain[: len(PREFIX)].upper() != PREFIX:
        return plain
    typed = plain.translate(_TYPED_IN_CHINESE)
    return typed.upper() if typed.isascii() else typed
