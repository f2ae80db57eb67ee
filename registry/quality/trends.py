"""The four rates over the months before one, of all that the actor may see together.

Cost: the index of days of issue is read twice, never a row, then the reports, and MONTH_FACES faces a month.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import Select, String, cast, func, select

from registry.certificates.tables import Certificate
from registry.quality import counting
from registry.quality.counting import Cell
from registry.quality.rules import Fault, Ratio, month_after, months_until, pooled, standing
from registry.quality.service import scope
from registry.quality.tables import IssueReport
from registry.work import Work

MONTHS: Final = 12
#: Faces that are read for completeness and accuracy of one month: those issued last.
MONTH_FACES: Final = 200


@dataclass(frozen=True, slots=True)
class MonthRates:
    """The four rates of one month of issue; pooled is of the types and departments that reported."""

    month: date
    pooled: Ratio
    on_time: Ratio
    complete: Ratio
    accurate: Ratio


def trend(work: Work, last: date, department: str | None = None) -> list[MonthRates]:
    """The rates of MONTHS months up to `last` (a first of a month), the earliest first. Raises NotPermittedError."""
    department = scope(work, department)
    months = months_until(last, MONTHS)
    on_time = _on_time(work, months, department)
    reported = _reports(work, months, department)
    registered = _registered(work, months, department) if reported else {}
    return [
        MonthRates(
            month,
            _pooled(reported.get(month, {}), registered.get(month, {})),
            on_time[month],
            *standing(_faces(work, month, on_time[month].denominator, department)),
        )
        for month in months
    ]


def _pooled(reported: dict[Cell, int], registered: dict[Cell, int]) -> Ratio:
    parts = [pooled(registered.get(cell, 0), should) for cell, should in reported.items()]
    known = [ratio for ratio in parts if ratio is not None]
    return Ratio(sum(one.numerator for one in known), sum(one.denominator for one in known))


def _faces(work: Work, month: date, issued: int, department: str | None) -> Iterable[tuple[str, list[Fault]]]:
    return counting.examined(work, month, MONTH_FACES, department=department) if issued else ()


def _on_time(work: Work, months: list[date], department: str | None) -> dict[date, Ratio]:
    """How many of each month were registered on their day of issue."""
    # As text, because SQLite keeps days as text and makes one of the day of registration.
    timely = cast(counting.registered_on(work), String) <= cast(Certificate.issued_on, String)
    query = _of(select(Certificate.issued_on, func.count(), func.count().filter(timely)), months, department)
    total: dict[date, int] = defaultdict(int)
    punctual: dict[date, int] = defaultdict(int)
    # By day, as the index goes: nothing is sorted.
    for issued_on, count, in_time in work.session.execute(query.group_by(Certificate.issued_on)):
        total[issued_on.replace(day=1)] += count
        punctual[issued_on.replace(day=1)] += in_time
    return {month: Ratio(punctual[month], total[month]) for month in months}


def _registered(work: Work, months: list[date], department: str | None) -> dict[date, dict[Cell, int]]:
    # A column a month: the few groups of types and departments are kept at hand while the index is read once.
    counts = [func.count().filter(counting.of_month(month)) for month in months]
    query = _of(select(Certificate.type_code, Certificate.department, *counts), months, department)
    found: dict[date, dict[Cell, int]] = {month: {} for month in months}
    for type_code, issuer, *of_months in work.session.execute(
        query.group_by(Certificate.type_code, Certificate.department)
    ):
        for month, count in zip(months, of_months, strict=True):
            found[month][type_code, issuer] = count
    return found


def _of(query: Select[Any], months: list[date], department: str | None) -> Select[Any]:
    query = query.where(Certificate.issued_on >= months[0], Certificate.issued_on < month_after(months[-1]))
    return query if department is None else query.where(Certificate.department == department)


def _reports(work: Work, months: list[date], department: str | None) -> dict[date, dict[Cell, int]]:
    query = select(IssueReport).where(IssueReport.month >= months[0], IssueReport.month <= months[-1])
    if department is not None:
        query = query.where(IssueReport.department == department)
    found: dict[date, dict[Cell, int]] = defaultdict(dict)
    for row in work.session.scalars(query):
        found[row.month][row.type_code, row.department] = row.should_issue
    return found
