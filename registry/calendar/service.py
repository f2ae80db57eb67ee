"""Use cases of the calendar: load a year, see it, and count with it."""

from __future__ import annotations

from datetime import date

from sqlalchemy import delete, select

from registry.calendar import rules
from registry.calendar.rules import Calendar, Difference, SpecialDay
from registry.calendar.tables import CalendarDay
from registry.errors import FieldError, InvalidDraftError, NotPermittedError
from registry.work import Work


def load(work: Work, year: int, text: str, source: str) -> int:
    """Replace the special days of a year by those of the text (rules.parse_year); how many there are.

    `source` names the announcement. Raises NotPermittedError, InvalidDraftError; then nothing is changed.
    """
    wanted = _read(work, year, text, source)
    work.session.execute(
        delete(CalendarDay).where(CalendarDay.day >= date(year, 1, 1), CalendarDay.day <= date(year, 12, 31))
    )
    work.session.add_all(
        CalendarDay(
            day=one.day, kind=one.kind, name=one.name, source=source.strip(), loaded_at=work.at,
            loaded_by=work.actor.id,
        )
        for one in wanted
    )  # fmt: skip
    work.session.flush()
    return len(wanted)


def look(work: Work, year: int, text: str, source: str) -> Difference:
    """What `load` would change; raises as it does."""
    wanted = _read(work, year, text, source)
    present = [SpecialDay(row.day, row.kind, row.name) for row in reversed(days(work)) if row.day.year == year]
    return rules.compare(present, wanted)


def _read(work: Work, year: int, text: str, source: str) -> list[SpecialDay]:
    if not work.actor.has_role("administrator"):
        raise NotPermittedError("not_an_administrator", "只有管理员可以维护工作日历。")
    errors = []
    if not 2000 <= year <= 2100:
        errors.append(FieldError("year", "wrong_year", "年份应为 2000 至 2100。"))
    if not 0 < len(source.strip()) <= 100 or not source.isprintable():
        errors.append(FieldError("source", "source_missing", "请写明依据，例如放假通知的文号，最多 100 个字。"))
    if errors:
        raise InvalidDraftError(errors)
    return rules.parse_year(text, year)


def days(work: Work) -> list[CalendarDay]:
    """Every special day, newest first."""
    return list(work.session.scalars(select(CalendarDay).order_by(CalendarDay.day.desc())))


def calendar(work: Work) -> Calendar:
    """The calendar as it is loaded now."""
    found = work.session.execute(select(CalendarDay.day, CalendarDay.kind)).tuples().all()
    return Calendar(
        frozenset(day for day, kind in found if kind == "off"), frozenset(day for day, kind in found if kind == "work")
    )
