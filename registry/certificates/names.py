"""Normal forms of names and numbers: what is hashed and compared; what was handed in is kept beside it."""

from __future__ import annotations

import re
import unicodedata

#: Names of nothing but ideographs, ASCII letters and digits, full-width brackets and the middle dot are in normal form
#: already. Compatibility ideographs (U+F900 …) are not among them: NFC replaces them. The private use area is: rare
#: characters live there.
_NORMAL_NAME = re.compile("[0-9A-Za-z\u3400-\u9fff\u3007（）·\ue000-\uf8ff\U00020000-\U0002f7ff\U00030000-\U0003ffff]+")
_IDEOGRAPH = "\u3400-\u9fff\u3007\uf900-\ufaff\ue000-\uf8ff\U00020000-\U0003ffff"
_HAS_IDEOGRAPH = re.compile(f"[{_IDEOGRAPH}]")
_SPACES = re.compile(r"\s+")
_INNER_SPACE = re.compile(f"(?<=[{_IDEOGRAPH}（）·])\\s+|\\s+(?=[{_IDEOGRAPH}（）·])")
#: Dots that stand for the middle dot of names: bullet, hyphenation point, katakana dots, bullet operator, full stops.
_DOTS = dict.fromkeys(map(ord, "•‧・･∙⋅．"), "·")
_FULL_TO_HALF = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
_BRACKETS = {ord("("): "（", ord(")"): "）"}
_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―－−"), "-")


def normalise_name(name: str) -> str:
    """A name for hashing: NFC, half-width letters and digits, one kind of middle dot, no stray spaces.

    Names with ideographs have full-width brackets and no spaces beside ideographs; other names have half-width brackets
    and single spaces.
    """
    if _NORMAL_NAME.fullmatch(name):
        return name
    plain = unicodedata.normalize("NFC", name).translate(_DOTS).translate(_FULL_TO_HALF)
    plain = _SPACES.sub(" ", plain).strip()
    if _HAS_IDEOGRAPH.search(plain):
        plain = _INNER_SPACE.sub("", plain.translate(_BRACKETS))
    return plain


def normalise_code(code: str) -> str:
    """A holder's number for hashing: half-width, upper case, no spaces, plain hyphens."""
    if code.isascii() and code.isalnum() and not code.islower():
        return code.upper()
    return _SPACES.sub("", code.translate(_FULL_TO_HALF).translate(_DASHES)).upper()


def normalise_number(number: str) -> str:
    """A printed number for hashing: NFC, half-width (brackets too), no spaces; its case stays."""
    return _SPACES.sub("", unicodedata.normalize("NFC", number).translate(_FULL_TO_HALF).translate(_DASHES))


def is_clean(text: str) -> bool:
    """Whether the text has no control characters (but tab and line ends) and no lone surrogates."""
    if text.isprintable():
        return True
    return not any(unicodedata.category(character) in ("Cc", "Cs") and character not in "\t\r\n" for character in text)
