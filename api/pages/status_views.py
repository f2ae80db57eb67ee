"""What the template of the public status sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from api.pages.views import Fact


@dataclass(frozen=True, slots=True)
class HeadLine:
    """A checkpoint of the log."""

    size: int
    root: str
    at: datetime | None
    block: str


@dataclass(frozen=True, slots=True)
class WitnessLine:
    """A witness of the log. trouble: why it did not cosign the last time; empty if it did."""

    name: str
    size: int
    lag: int
    at: datetime | None
    trouble: str


@dataclass(frozen=True, slots=True)
class StatusPage:
    """How the log and the chain are."""

    tone: Literal["good", "warn", "bad"]
    headline: str
    detail: str
    figures: Sequence[Fact]
    heads: Sequence[HeadLine]
    witnesses: Sequence[WitnessLine] = ()
    witnesses_note: str = ""
