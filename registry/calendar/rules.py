"""What a working day is, and counting in them. Days are days in Asia/Shanghai.

Without loaded days only the weekend rule holds: Monday to Friday are working days. The State Council announces holidays
and make-up days (调休) year by year, so they are data that somebody loads, never part of the program.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from registry.errors import FieldError, InvalidDraftError

KINDS = {"off": "休", "work": "班"}
_READ = {**{kind: kind for kind in KINDS}, **{chinese: kind for kind, chinese in KINDS.items()}}
MAX_DAYS = 120
_SATURDAY = 5
_STEP = timedelta(days=1)
#: So many days of rest in a row mean a broken table, not a holiday.
_LONGEST_REST = 60


@dataclass(frozen=True, slots=True)
class Calendar:
    """The days that differ from the weekend rule: `off` are days of rest, `work` are make-up working days."""

    off: frozenset[date] = frozenset()
    work: frozenset[date] = frozenset()

    def is_working(self, day: date) -> bool:
        """Whether offices work on this day."""
        if day in self.work:
            return True
        return day not in self.off and day.weekday() < _SATURDAY

    def after(self, day: date, count: int) -> date:
        """The `count`-th working day after `day`, which is not counted itself; 0 is `day`.

        Raises ValueError for a negative count, and when two months pass without a working day.
        """
        if count < 0:
            raise ValueError(f"{count} working days cannot be after anything")
        rest = 0
        while count:
            day += _STEP
            if self.is_working(day):
                count, rest = count - 1, 0
            else:
                rest += 1
                if rest > _LONGEST_REST:
                    raise ValueError(f"no working day in the {_LONGEST_REST} days before {day}")
        return day

    def between(self, first: date, last: date) -> int:
        """How many working days are after `first`, up to and with `last`; 0 if `last` is not later."""
        days = (first + _STEP * n for n in range(1, max(0, (last - first).days) + 1))
        return sum(self.is_working(day) for day in days)


@dataclass(frozen=True, slots=True)
class SpecialDay:
    """A day that differs from the weekend rule."""

    day: date
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Difference:
    """What loading a year would change: days that are new or say something else, and days that would be gone."""

    coming: list[SpecialDay]
    going: list[SpecialDay]


def compare(before: Iterable[SpecialDay], after: Iterable[SpecialDay]) -> Difference:
    """How the days of a year differ, both in the order of days."""
    old, new = list(before), list(after)
    days = {one.day for one in new}
    return Difference([one for one in new if one not in old], [one for one in old if one.day not in days])


def parse_year(text: str, year: int) -> list[SpecialDay]:
    """The days of one year from lines of `2026-10-01,休,国庆节`; 休 (off) is a day of rest, 班 (work) a make-up working
    day.

    Raises InvalidDraftError naming every wrong line, also days twice, of another year, or that change nothing.
    """
    found: dict[date, SpecialDay] = {}
    errors: list[FieldError] = []
    for number, cells in enumerate(csv.reader(text.splitlines()), 1):
        row = [cell.strip() for cell in cells]
        if not any(row) or row[0].startswith("#"):
            continue
        fault = _fault(row, year, found)
        if isinstance(fault, str):
            errors.append(FieldError("days", "wrong_line", f"第 {number} 行：{fault}", number))
        else:
            found[fault.day] = fault
    if not found and not errors:
        errors.append(FieldError("days", "no_days", "没有任何一天，请每行写一天，例如 2026-10-01,休,国庆节。"))
    if len(found) > MAX_DAYS:
        errors.append(FieldError("days", "too_many_days", f"一年最多 {MAX_DAYS} 天，请核对。"))
    if errors:
        raise InvalidDraftError(errors)
    return sorted(found.values(), key=lambda one: one.day)


def _fault(row: list[str], year: int, found: dict[date, SpecialDay]) -> SpecialDay | str:
    if len(row) != 3:
        return "应为“日期,休或班,名称”三项，用英文逗号隔开。"
    try:
        day = date.fromisoformat(row[0])
    except ValueError:
        return f"“{row[0][:20]}”不是存在的日期，应写作 2026-10-01。"
    kind = _READ.get(row[1])
    if kind is None:
        return "第二项应为“休”（放假）或“班”（调休上班）。"
    if day.year != year:
        return f"{day} 不在 {year} 年。"
    if day in found:
        return f"{day} 写了两次，请只留一行。"
    if kind == "work" and day.weekday() < _SATURDAY:
        return f"{day} 不是周末，本来就上班，不必写“班”。"
    if not 0 < len(row[2]) <= 30 or not row[2].isprintable():
        return "名称应为 1 至 30 个字。"
    return SpecialDay(day, kind, row[2])
