"""Dates and ages as people read them, in Shanghai's time."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from api.http.forms import in_range
from api.pages.texts import Texts
from verifier.errors import MalformedError
from verifier.times import compact_date

SHANGHAI: Final = ZoneInfo("Asia/Shanghai")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LONG_TERM: Final = "长期"


def of_shanghai(local: datetime) -> datetime:
    """A time without a zone as one of Shanghai. Raises ValueError outside the years that the API takes, too."""
    return in_range(local.replace(tzinfo=SHANGHAI))


def moment(at: datetime, t: Texts) -> str:
    """2026年11月22日 14:05, or 22 Nov 2026, 14:05."""
    local = at.astimezone(SHANGHAI)
    return f"{day(local.date(), t)}{', ' if t.language == 'en' else ' '}{local:%H:%M}"


def end(at: datetime, t: Texts) -> str:
    """The last moment of a period up to `at`: what ends at midnight lasts through the day before, and says so."""
    local = at.astimezone(SHANGHAI)
    return moment(at, t) if (local.hour, local.minute) != (0, 0) else day(local.date() - timedelta(days=1), t)


def day(on: date | str | None, t: Texts) -> str:
    """2026年11月22日, or 22 Nov 2026. Reads also yyyymmdd and 长期 as they stand in face data; None is 长期."""
    if on is None or on == LONG_TERM:
        return t("date.long_term")
    if isinstance(on, str):
        found = _compact_day(on)
        # What cannot be a day is shown as it stands: it may come from a bundle that nobody vouches for.
        if found is None:
            return on
        on = found
    if t.language == "en":
        return f"{on.day} {_MONTHS[on.month - 1]} {on.year}"
    return f"{on.year}年{on.month}月{on.day}日"


def month(on: date, t: Texts) -> str:
    """2026年11月, or Nov 2026."""
    return f"{_MONTHS[on.month - 1]} {on.year}" if t.language == "en" else f"{on.year}年{on.month}月"


def _compact_day(text: str) -> date | None:
    try:
        return compact_date(text)
    except MalformedError:
        return None


def age(span: timedelta, t: Texts) -> str:
    """How long ago, in the one unit that matters; never negative: clocks of different machines differ a little."""
    seconds = max(0, int(span.total_seconds()))
    for key, unit in (("date.days_ago", 86_400), ("date.hours_ago", 3_600), ("date.minutes_ago", 60)):
        if seconds >= unit:
            return t(key, n=seconds // unit)
    return t("date.just_now")
