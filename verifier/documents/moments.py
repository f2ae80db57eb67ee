"""Times as seals state them, and the moments they may mean.

A time that ends in Z should be UTC, and in some real files is China time; a time without a zone is China time. Where
the text leaves two readings, both are kept, and a judgement that depends on which is right is left open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from verifier import times
from verifier.errors import MalformedError

_FORM = re.compile(
    # One digit only where something divides them: 2026/1/5 9:05.
    r"(\d{4})(?:[-/年.](\d\d?)[-/月.](\d\d?)日?|(\d\d)(\d\d))"
    r"(?:[T ]?(?:(\d\d?):(\d\d?)(?::(\d\d?))?|(\d\d)(\d\d)(\d\d)?)(?:[.,]\d{1,9})?)?\s*(Z|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
_CLOSE = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time as it is written, and its possible meanings, the likelier one first."""

    text: str
    readings: tuple[datetime, ...]

    def to_json(self) -> dict[str, Any]:
        """{text, at, ambiguous}."""
        return {
            "text": self.text,
            "at": times.to_text(self.readings[0]),
            "ambiguous": len(self.readings) > 1,
        }


def read(text: str, beside: str = "") -> Moment:
    """The moment of a time's text; `beside` is another statement of the same time, which may settle the zone.

    Raises MalformedError.
    """
    wall, zone = _wall(text)
    if zone is None:
        return Moment(text, (wall.replace(tzinfo=times.SHANGHAI).astimezone(UTC),))
    if zone != UTC:
        return Moment(text, (wall.replace(tzinfo=zone).astimezone(UTC),))
    as_utc, as_china = wall.replace(tzinfo=UTC), wall.replace(tzinfo=times.SHANGHAI).astimezone(UTC)
    try:
        other, other_zone = _wall(beside)
    except MalformedError:
        return Moment(text, (as_utc, as_china))
    if other_zone is None:
        meant = other.replace(tzinfo=times.SHANGHAI)
        for reading in (as_utc, as_china):
            if abs(meant - reading) <= _CLOSE:
                return Moment(text, (reading,))
    return Moment(text, (as_utc, as_china))


def _wall(text: str) -> tuple[datetime, timezone | None]:
    found = _FORM.fullmatch(text.strip())
    if not found:
        raise MalformedError("not_a_time", "签章时间的写法无法识别")
    try:
        *parts, zone = found.groups()
        numbers = [int(part) for part in parts if part is not None]
        wall = datetime(*numbers)  # type: ignore[arg-type]  # noqa: DTZ001
        # The years at either end have no place for a time zone.
        if not 1900 < wall.year < 9000:
            raise MalformedError("not_a_time", "签章时间不合理")
        return wall, _zone(zone)
    except ValueError as error:
        raise MalformedError("not_a_time", "签章时间不存在") from error


def _zone(text: str | None) -> timezone | None:
    if text is None:
        return None
    if text == "Z":
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)
