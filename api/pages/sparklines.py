"""A rate over months as a small drawing: where its line goes, and the same in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from registry.quality.rules import Ratio

WIDTH: Final = 240
HEIGHT: Final = 64
_MARGIN: Final = 5
_STEP: Final = 10

#: Where a point is drawn, in units of the drawing; y grows downwards.
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Sparkline:
    """A line in pieces: months of which there is nothing to say part it. `floor` is the percentage at the bottom."""

    lines: Sequence[str]
    dots: Sequence[Point]
    floor: int


def sparkline(ratios: Sequence[Ratio]) -> Sparkline:
    """The line of rates, the earliest at the left, from a round percentage below the least of them up to 100 %."""
    rates = [ratio.rate for ratio in ratios]
    floor = _floor([rate for rate in rates if rate is not None])
    points = [None if rate is None else _point(place, len(rates), rate, floor) for place, rate in enumerate(rates)]
    pieces: list[list[Point]] = [[]]
    for point in points:
        if point is not None:
            pieces[-1].append(point)
        elif pieces[-1]:
            pieces.append([])
    lines = [" ".join(f"{x},{y}" for x, y in piece) for piece in pieces if len(piece) > 1]
    return Sparkline(lines, [point for point in points if point is not None], floor)


def _floor(rates: Sequence[float]) -> int:
    least = min(rates, default=0.0)
    return max(0, min(int(least * 100) // _STEP * _STEP, 100 - _STEP))


def _point(place: int, count: int, rate: float, floor: int) -> Point:
    across = WIDTH - 2 * _MARGIN
    x = _MARGIN + across * place / max(1, count - 1)
    y = _MARGIN + (HEIGHT - 2 * _MARGIN) * (1 - (rate * 100 - floor) / (100 - floor))
    return round(x, 1), round(y, 1)
