"""Taking turns: the subject and its limit are timed alternately, so that a noisy machine disturbs both alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from typing import TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Result:
    """One line of bench/results.json. ratio = value / limit; `goal` is what the ratio should reach, in words."""

    name: str
    value: float
    unit: str
    limit: float
    ratio: float
    goal: str
    met: bool
    spread: str

    def to_json(self) -> dict[str, object]:
        """The result as a JSON object."""
        return asdict(self)


def seconds(work: Callable[[], object]) -> float:
    """How long one call took."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turns(subject: Callable[[], object], limit: Callable[[], object], rounds: int) -> list[tuple[float, float]]:
    """Seconds of each, round by round, after one warm-up of both."""
    subject()
    limit()
    return [(seconds(subject), seconds(limit)) for _ in range(rounds)]


def each(work: Callable[[_T], object], items: Iterable[_T]) -> Callable[[], object]:
    """What does the work for each of the items once, whenever it is called."""
    kept = list(items)

    def run() -> None:
        for item in kept:
            work(item)

    return run


def at_most(name: str, pairs: list[tuple[float, float]], calls: int, goal: float) -> Result:
    """A result in microseconds a call: the subject's time over the limit's, to be at most `goal`."""
    ratios = [mine / theirs for mine, theirs in pairs]
    return Result(
        name,
        round(statistics.median(mine for mine, _ in pairs) / calls * 1e6, 2),
        "µs",
        round(statistics.median(theirs for _, theirs in pairs) / calls * 1e6, 2),
        round(statistics.median(ratios), 3),
        f"≤ {goal}",
        statistics.median(ratios) <= goal,
        f"{min(ratios):.2f}–{max(ratios):.2f}",
    )


def at_least(name: str, pairs: list[tuple[float, float]], items: int, goal: float) -> Result:
    """A result in items a second: the subject's rate over the limit's, to be at least `goal`."""
    ratios = [theirs / mine for mine, theirs in pairs]
    return Result(
        name,
        round(items / statistics.median(mine for mine, _ in pairs)),
        "1/s",
        round(items / statistics.median(theirs for _, theirs in pairs)),
        round(statistics.median(ratios), 3),
        f"≥ {goal}",
        statistics.median(ratios) >= goal,
        f"{min(ratios):.2f}–{max(ratios):.2f}",
    )


def for_information(name: str, pairs: list[tuple[float, float]], items: int) -> Result:
    """A result in items a second without a goal."""
    return replace(at_least(name, pairs, items, 0), goal="—")
