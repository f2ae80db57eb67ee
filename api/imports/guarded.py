"""Cells of files for spreadsheet programs, kept from being run or eaten there."""

from __future__ import annotations

from typing import Final

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
#: A program shows at most so many digits of a number as they are.
_SHOWN_DIGITS: Final = 11


def neutral(text: str) -> str:
    """The text as no program takes it for a formula: an apostrophe before = + - @ and control characters (OWASP, CSV
    injection). The reader of imports takes it off again."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def exact(text: str) -> str:
    """`neutral`, and digits that a program would take for a number and shorten are wrapped as text too. The reader of
    imports takes the wrapping off again."""
    if text.isdigit() and (len(text) > _SHOWN_DIGITS or (len(text) > 1 and text[0] == "0")):
        return f'="{text}"'
    return neutral(text)
