"""How long a number holds, how often one may be wrong, and what a guess is worth."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

DIGITS: Final = 8
LASTS: Final = timedelta(minutes=5)
#: Within this time one account may be wrong so often, and all accounts together so often.
FAILURES_WITHIN: Final = timedelta(hours=1)
MAX_FAILURES: Final = 10
MAX_FAILURES_OF_ALL: Final = 100
#: How many numbers may hold at once in the whole registry.
MAX_LIVE: Final = 1_000
#: What the holder reads of a look-up for which nobody stated a purpose.
NO_PURPOSE: Final = "核对备用号（未说明用途）"

_NUMBERS: Final = 10**DIGITS
#: The largest multiple of _NUMBERS below 2^32: what is not below it would favour small numbers.
_FAIR_BELOW: Final = 2**32 // _NUMBERS * _NUMBERS


def draw_number(draw: Callable[[int], bytes]) -> str:
    """Eight digits, each number as likely as any other. `draw(n)` returns n unpredictable bytes."""
    while (value := int.from_bytes(draw(4))) >= _FAIR_BELOW:
        pass
    return f"{value % _NUMBERS:0{DIGITS}d}"


def read_number(text: str) -> str | None:
    """The number somebody typed: eight digits, in groups or not; None for anything else."""
    plain = text.strip().replace(" ", "").replace("-", "")
    return plain if len(plain) == DIGITS and plain.isascii() and plain.isdigit() else None


def is_locked(failures: int, failures_of_all: int) -> bool:
    """Whether nobody may try now: this account, or any."""
    return failures >= MAX_FAILURES or failures_of_all >= MAX_FAILURES_OF_ALL


def odds_in_an_hour(tries: int = MAX_FAILURES_OF_ALL, live: int = MAX_LIVE) -> float:
    """The chance that one of so many guesses hits one of so many numbers that hold: at most tries × live / 10^8."""
    return 1 - (1 - live / _NUMBERS) ** tries
