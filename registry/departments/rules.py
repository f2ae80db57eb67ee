"""Rules of departments and scopes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date
from typing import Literal, Protocol

from registry.errors import FieldError
from verifier.identifiers import IdentifierError, check_uscc

Action = Literal["issue", "use"]
ACTIONS: tuple[Action, ...] = ("issue", "use")
LEVELS = {"municipal": "市级", "district": "区级", "street": "街道（镇）", "unit": "社会组织或企业"}

MAX_NAME_CHARACTERS = 100
MAX_SHORT_NAME_CHARACTERS = 30
MAX_REASON_CHARACTERS = 200
#: Days of scopes. The calendar's own ends are no moments in every zone.
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(2199, 12, 31)


def item_of(code: str) -> bytes:
    """The 16 bytes under which the log speaks of a department: they follow from its public code."""
    return hashlib.sha256(b"suizheng/department/1" + code.encode()).digest()[:16]


def check_department(code: str, name: str, short_name: str, level: str) -> list[FieldError]:
    """Every fault of a department's facts; none if it may be registered."""
    errors = []
    try:
        check_uscc(code, "code")
    except IdentifierError as wrong:
        errors.append(FieldError("code", wrong.reason, wrong.message))
    if not 0 < len(name.strip()) <= MAX_NAME_CHARACTERS or not name.isprintable():
        errors.append(FieldError("name", "wrong_length", f"部门名称应为 1 至 {MAX_NAME_CHARACTERS} 个字。"))
    if not 0 < len(short_name.strip()) <= MAX_SHORT_NAME_CHARACTERS or not short_name.isprintable():
        errors.append(FieldError("short_name", "wrong_length", f"简称应为 1 至 {MAX_SHORT_NAME_CHARACTERS} 个字。"))
    if level not in LEVELS:
        errors.append(FieldError("level", "unknown_level", f"层级应为 {'、'.join(LEVELS)} 之一。"))
    return errors


def check_scope(type_code: str, action: str, valid_from_on: date, valid_to_on: date | None) -> list[FieldError]:
    """Every fault of a scope's facts."""
    errors = []
    if action not in ACTIONS:
        errors.append(FieldError("action", "unknown_action", "权限应为 issue（颁发）或 use（用证）。"))
    if len(type_code) != 21:
        errors.append(FieldError("type_code", "wrong_length", "证照类型代码应为 21 位。"))
    if valid_to_on is not None and valid_to_on < valid_from_on:
        errors.append(FieldError("valid_to_on", "ends_before_it_begins", "权限的截止日期早于起始日期。"))
    for name, day in (("valid_from_on", valid_from_on), ("valid_to_on", valid_to_on)):
        if day is not None and not FIRST_DAY <= day <= LAST_DAY:
            errors.append(
                FieldError(name, "day_out_of_range", f"日期应在 {FIRST_DAY.year} 年至 {LAST_DAY.year} 年之间。")
            )
    return errors


def check_reason(reason: str) -> list[FieldError]:
    """The fault of a decision's reason, if it has one."""
    if 0 < len(reason.strip()) <= MAX_REASON_CHARACTERS and reason.isprintable():
        return []
    return [FieldError("reason", "wrong_length", f"理由应为 1 至 {MAX_REASON_CHARACTERS} 个字。")]


def check_end(scope: Period, valid_to_on: date, today: date) -> list[FieldError]:
    """The fault of a day on which a scope shall end earlier, if it has one."""
    if valid_to_on < today:
        message = "截止日不能早于今天：今天之前的签署不受影响；需要立刻停止的，请暂停部门。"
        return [FieldError("valid_to_on", "ends_before_today", message)]
    if valid_to_on < scope.valid_from_on:
        return [FieldError("valid_to_on", "ends_before_it_begins", "权限的截止日期早于起始日期。")]
    if scope.valid_to_on is not None and valid_to_on > scope.valid_to_on:
        message = f"该权限本来到 {scope.valid_to_on:%Y-%m-%d} 为止，只能提前；需要延长的，请另行授予。"
        return [FieldError("valid_to_on", "not_earlier", message)]
    return []


class Period(Protocol):
    """A period of days, both inclusive; no end is None."""

    @property
    def valid_from_on(self) -> date: ...

    @property
    def valid_to_on(self) -> date | None: ...


def covers(periods: Iterable[Period], on: date) -> bool:
    """Whether any of the periods contains the day."""
    return any(
        period.valid_from_on <= on and (period.valid_to_on is None or on <= period.valid_to_on) for period in periods
    )
