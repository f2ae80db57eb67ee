"""The four rates over the months before one, of all that the actor may see together.

Cost: one grouped query on the index of days of issue, one of the reports, and MONTH_FACES faces a month.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import String, case, cast, extract, func, select

from registry.certificates.tables import Certificate
from registry.quality import counting
from registry.quality.counting import Cell
from registry.quality.rules import Ratio, month_after, months_until, pooled, standing
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
    registered, punctual = _counts(work, months, department)
    reported = _reports(work, months, department)
    return [_rates(work, month, registered[month], punctual[month], reported[month], department) for month in months]


def _rates(
    work: Work, month: date, registered: dict[Cell, int], punctual: int, reported: dict[Cell, int],
    department: str | None,
) -> MonthRates:  # fmt: skip
    of_reported = [pooled(registered.get(cell, 0), should) for cell, should in reported.items()]
    parts = [ratio for ratio in of_reported if ratio is not None]
    faces = counting.examined(work, month, MONTH_FACES, department=department) if registered else ()
    complete, accurate = standing(faces)
    return MonthRates(
        month=month,
        pooled=Ratio(sum(one.numerator for one in parts), sum(one.denominator for one in parts)),
        on_time=Ratio(punctual, sum(registered.values())),
        complete=complete,
        accurate=accurate,
    )


def _counts(
    work: Work, months: list[date], department: str | None
) -> tuple[dict[date, dict[Cell, int]], dict[date, int]]:
    """({month: {cell: registered}}, {month: registered on the day of issue})."""
    # As text, because SQLite keeps days as text and makes one of the day of registration.
    on_time = cast(counting.registered_on(work), String) <= cast(Certificate.issued_on, String)
    year, month = extract("year", Certificate.issued_on), extract("month", Certificate.issued_on)
    query = select(
        Certificate.type_code, Certificate.department, year, month, func.count(), func.sum(case((on_time, 1), else_=0))
    ).where(Certificate.issued_on >= months[0], Certificate.issued_on < month_after(months[-1]))
    if department is not None:
        query = query.where(Certificate.department == department)
    registered: dict[date, dict[Cell, int]] = defaultdict(dict)
    punctual: dict[date, int] = defaultdict(int)
    for type_code, issuer, in_year, in_month, count, timely in work.session.execute(
        query.group_by(Certificate.type_code, Certificate.department, year, month)
    ):
        first = date(int(in_year), int(in_month), 1)
        registered[first][type_code, issuer] = count
        punctual[first] += timely
    return registered, punctual


def _reports(work: Work, months: list[date], department: str | None) -> dict[date, dict[Cell, int]]:
    query = select(IssueReport).where(IssueReport.month >= months[0], IssueReport.month <= months[-1])
    if department is not None:
        query = query.where(IssueReport.department == department)
    found: dict[date, dict[Cell, int]] = defaultdict(dict)
    for row in work.session.scalars(query):
        found[row.month][row.type_code, row.department] = row.should_issue
    return found
