"""Dates and ages as people read them, in Shanghai's time."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from api.pages.texts import Texts

SHANGHAI: Final = ZoneInfo("Asia/Shanghai")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LONG_TERM: Final = "长期"


def moment(at: datetime, t: Texts) -> str:
    """2026年11月22日 14:05, or 22 Nov 2026, 14:05."""
    local = at.astimezone(SHANGHAI)
    return f"{day(local.date(), t)}{', ' if t.language == 'en' else ' '}{local:%H:%M}"


def day(on: date | str | None, t: Texts) -> str:
    """2026年11月22日, or 22 Nov 2026. Reads also yyyymmdd and 长期 as they stand in face data; None is 长期."""
    if on is None or on == LONG_TERM:
        return t("date.long_term")
    if isinstance(on, str):
        if len(on) != 8 or not on.isdigit():
            return on
        on = date(int(on[:4]), int(on[4:6]), int(on[6:]))
    if t.language == "en":
        return f"{on.day} {_MONTHS[on.month - 1]} {on.year}"
    return f"{on.year}年{on.month}月{on.day}日"


def age(span: timedelta, t: Texts) -> str:
    """How long ago, in the one unit that matters; never negative: clocks of different machines differ a little."""
    seconds = max(0, int(span.total_seconds()))
    for key, unit in (("date.days_ago", 86_400), ("date.hours_ago", 3_600), ("date.minutes_ago", 60)):
        if seconds >= unit:
            return t(key, n=seconds // unit)
    return t("date.just_now")
