"""Times on the wire: RFC 3339 in UTC with whole seconds; days in Asia/Shanghai."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone

from verifier.errors import MalformedError

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")

_FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)


def to_text(at: datetime) -> str:
    """2026-11-22T06:05:00Z; fractions of a second are dropped."""
    return (at if at.tzinfo is UTC else at.astimezone(UTC)).isoformat()[:19] + "Z"


def from_text(text: object) -> datetime:
    """The inverse of `to_text`. Raises MalformedError for any other form."""
    if not isinstance(text, str) or not _FORM.fullmatch(text):
        raise MalformedError("not_a_time", "时间应为 2026-11-22T06:05:00Z 的形式")
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise MalformedError("not_a_time", "时间不存在") from error


def from_seconds(seconds: int) -> datetime:
    """The time of a count of seconds since 1970. Raises MalformedError past the year 9999."""
    if not 0 <= seconds <= 253_402_300_799:
        raise MalformedError("not_a_time", "时间超出范围")
    return datetime.fromtimestamp(seconds, UTC)


def compact_date(text: object) -> date:
    """The day of yyyymmdd (GB/T 7408 basic form). Raises MalformedError for days that do not exist."""
    if not isinstance(text, str) or len(text) != 8 or not text.isascii() or not text.isdigit():
        raise MalformedError("not_a_date", "日期应为 yyyymmdd 的形式")
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise MalformedError("not_a_date", f"日期 {text} 不存在") from error


def shanghai_day(at: datetime) -> date:
    """The calendar day in Shanghai at that moment (no daylight saving since 1991)."""
    return at.astimezone(SHANGHAI).date()


def for_people(at: datetime) -> str:
    """2026年11月22日 14:05, Shanghai time."""
    local = at.astimezone(SHANGHAI)
    return f"{day_for_people(local)} {local:%H:%M}"


def day_for_people(day: date) -> str:
    """2026年11月22日."""
    return f"{day.year}年{day.month}月{day.day}日"


def clock(at: datetime) -> str:
    """14:05:09, Shanghai time."""
    return f"{at.astimezone(SHANGHAI):%H:%M:%S}"
