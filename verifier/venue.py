"""A venue and its rule of admission (场所), as the trust bundle carries them to gates."""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass
from datetime import time
from typing import Any

from verifier.errors import MalformedError

MAX_ANTI_PASSBACK_SECONDS = 86_400

_FLAGS = frozenset(("dynamic_only", "printed_alone"))
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00", re.ASCII)


@dataclass(frozen=True, slots=True)
class Hours:
    """Open on these ISO weekdays (1 Monday … 7 Sunday) from `opens` to `closes`, Shanghai time; 24:00 is time.max."""

    days: frozenset[int]
    opens: time
    closes: time


@dataclass(frozen=True, slots=True)
class VenueRule:
    """Who may enter when: holders of these certificate types or of a pass, once per code in the window (seconds).

    dynamic_only: only codes that their device shows at this moment, none from paper or a picture. printed_alone: a
    printed code opens without anybody looking at its bearer.
    """

    hours: tuple[Hours, ...]
    admit_types: frozenset[str]
    admit_passes: bool
    anti_passback_seconds: int
    dynamic_only: bool = False
    printed_alone: bool = False

    def to_json(self) -> dict[str, Any]:
        """{hours: [{days, from, to}], admit: {types, pass}, anti_passback_seconds, and what is true of the flags}."""
        rule = {
            "hours": [
                {"days": sorted(span.days), "from": _clock_text(span.opens), "to": _clock_text(span.closes)}
                for span in self.hours
            ],
            "admit": {"types": sorted(self.admit_types), "pass": self.admit_passes},
            "anti_passback_seconds": self.anti_passback_seconds,
        }
        # Left out where it is not so, as in the bundles of earlier versions.
        return rule | {name: True for name in _FLAGS if getattr(self, name)}

    @classmethod
    def from_json(cls, value: Any) -> VenueRule:
        """The inverse of `to_json`. Raises MalformedError naming the field."""
        rule = _object(value, "rule", {"hours", "admit", "anti_passback_seconds"}, _FLAGS)
        admit = _object(rule["admit"], "admit", {"types", "pass"})
        types, passes, seconds = admit["types"], admit["pass"], rule["anti_passback_seconds"]
        if not isinstance(types, list) or len(types) > 64 or not all(isinstance(code, str) for code in types):
            raise _wrong("admit.types", "证照类型代码的列表")
        if not isinstance(passes, bool):
            raise _wrong("admit.pass", "true 或 false")
        if type(seconds) is not int or not 0 <= seconds <= MAX_ANTI_PASSBACK_SECONDS:
            raise _wrong("anti_passback_seconds", f"0 至 {MAX_ANTI_PASSBACK_SECONDS} 的秒数")
        flags = {name: rule.get(name, False) for name in _FLAGS}
        for name, flag in flags.items():
            if not isinstance(flag, bool):
                raise _wrong(name, "true 或 false")
        hours = rule["hours"]
        if not isinstance(hours, list) or len(hours) > 32:
            raise _wrong("hours", "开放时段的列表")
        return cls(tuple(_hours(span) for span in hours), frozenset(types), passes, seconds, **flags)


@dataclass(frozen=True, slots=True)
class Venue:
    """A registered venue: 26-character id, its real name and address, its rule."""

    id: str
    name: str
    address: str
    rule: VenueRule

    def to_json(self) -> dict[str, Any]:
        """The venue as a JSON object."""
        return {"id": self.id, "name": self.name, "address": self.address, "rule": self.rule.to_json()}

    @classmethod
    def from_json(cls, value: Any) -> Venue:
        """The inverse of `to_json`. Raises MalformedError."""
        venue = _object(value, "venue", {"id", "name", "address", "rule"})
        for name in ("id", "name", "address"):
            if not isinstance(venue[name], str) or not 0 < len(venue[name]) <= 200:
                raise _wrong(name, "1 至 200 个字符的文本")
        return cls(venue["id"], venue["name"], venue["address"], VenueRule.from_json(venue["rule"]))


def _hours(value: Any) -> Hours:
    span = _object(value, "hours", {"days", "from", "to"})
    days = span["days"]
    if not isinstance(days, list) or not days or not all(type(day) is int and 1 <= day <= 7 for day in days):
        raise _wrong("hours.days", "1（周一）至 7（周日）的列表")
    opens, closes = _clock(span["from"], "hours.from"), _clock(span["to"], "hours.to")
    if opens >= closes:
        raise _wrong("hours.to", "晚于 hours.from 的时刻（跨夜请分成两段）")
    return Hours(frozenset(days), opens, closes)


def _clock(value: Any, field: str) -> time:
    if not isinstance(value, str) or not _CLOCK.fullmatch(value):
        raise _wrong(field, "HH:MM 形式的时刻")
    return time.max if value == "24:00" else time(int(value[:2]), int(value[3:]))


def _clock_text(value: time) -> str:
    return "24:00" if value == time.max else f"{value:%H:%M}"


def _object(value: Any, field: str, keys: set[str], optional: Set[str] = frozenset()) -> dict[str, Any]:
    if not isinstance(value, dict) or not keys <= value.keys() <= keys | optional:
        raise _wrong(field, "含有且只含有 " + "、".join(sorted(keys)) + " 的对象")
    return value


def _wrong(field: str, expected: str) -> MalformedError:
    return MalformedError("wrong_field", f"场所规则的 {field} 应为{expected}", evidence={"field": field})
