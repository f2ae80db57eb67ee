"""Which key speaks for a purpose when. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from registry.errors import FieldError, InvalidDraftError, KeyUnavailableError, TransitionError
from verifier.suites import Suite

LOG = "log"
CODES = "codes"
STATUS = "status"
TRUST_ROOT = "trust-root"
#: Keys that a registry cannot start without.
REGISTRY_PURPOSES = (LOG, CODES, STATUS, TRUST_ROOT)

_DEPARTMENT = "department:"
#: The vault of keys whose private halves departments hold themselves; they are nowhere here.
OWN_VAULT = "department"
#: What settings may name.
FAMILIES = (*REGISTRY_PURPOSES, "department")

#: The first key of a purpose is in force from so long before the first thing it has to sign: the clocks of two
#: processes differ, and what one of them recorded a moment earlier must find the key that the other one made.
FIRST_KEY_MARGIN = timedelta(hours=1)


def department_purpose(code: str) -> str:
    """The purpose of the key with which a department signs its entries."""
    return _DEPARTMENT + code


def department_of(purpose: str) -> str | None:
    """The department whose entries a key of this purpose signs; None for the registry's own purposes."""
    return purpose.removeprefix(_DEPARTMENT) if purpose.startswith(_DEPARTMENT) else None


def family(purpose: str) -> str:
    """What a setting names: `department` for every department's purpose, the purpose itself otherwise."""
    return "department" if department_of(purpose) is not None else purpose


def check_suite(purpose: str, suite: Suite) -> None:
    """Raises KeyUnavailableError where a purpose cannot have keys of the suite: checkpoints are Ed25519 (C2SP)."""
    if purpose == LOG and suite is not Suite.ED25519:
        message = "存证日志的检查点只能用 Ed25519 签署（C2SP signed note）。（log keys are Ed25519）"
        raise KeyUnavailableError("suite_not_for_purpose", message, {"purpose": purpose, "suite": suite.name})


def check_rotation(purpose: str, suite: Suite | None, periods: Sequence[Period], at: datetime) -> None:
    """Whether a purpose with keys of these periods can get a new one of the suite (None: the usual one) from here.

    Raises InvalidDraftError (no such purpose, another suite than it may have), TransitionError (key_of_department,
    rotation_pending).
    """
    if not periods:
        allowed = f"{'、'.join(REGISTRY_PURPOSES)}，或 {_DEPARTMENT}<部门代码>（已有密钥的部门）"
        message = f"没有用途为“{purpose}”的密钥；可以更换的用途：{allowed}。"
        raise InvalidDraftError([FieldError("purpose", "unknown_purpose", message)], message)
    if suite is not None:
        try:
            check_suite(purpose, suite)
        except KeyUnavailableError as wrong:
            raise InvalidDraftError([FieldError("suite", wrong.reason, wrong.message)], wrong.message) from wrong
    if signs_itself(periods, at):
        message = "该部门自行签署，其密钥由部门更换；如改由本系统代签，请办理“改由密钥服务签署”。"
        raise TransitionError("own", "rotate", message, "key_of_department")
    if any(period.valid_from > at for period in periods):
        message = "该用途已有一个尚未启用的新密钥，请待其启用后再更换。（a new key is already waiting）"
        raise TransitionError("waiting", "rotate", message, "rotation_pending")


#: How long a key should serve, and how long before that end its administrator is warned.
SERVES = timedelta(days=2 * 365)
WARN_BEFORE = timedelta(days=30)


def due(period: Period, at: datetime) -> str:
    """past, waiting, fresh, due_soon or overdue: when a key should be replaced. Nothing stops by itself."""
    if not period.covers(at):
        return "waiting" if at < period.valid_from else "past"
    left = period.valid_from + SERVES - at
    if left <= timedelta(0):
        return "overdue"
    return "due_soon" if left <= WARN_BEFORE else "fresh"


@dataclass(frozen=True, slots=True)
class Period:
    """A key and when it is in force: from (inclusive), to (exclusive, None while open); own: a department holds it."""

    kid: bytes
    valid_from: datetime
    valid_to: datetime | None
    own: bool = False

    def covers(self, at: datetime) -> bool:
        """Whether the key is in force at that time."""
        return self.valid_from <= at and (self.valid_to is None or at < self.valid_to)

    @property
    def is_empty(self) -> bool:
        """Whether the key was ended before it began."""
        return self.valid_to is not None and self.valid_to <= self.valid_from


def in_force(periods: Iterable[Period], at: datetime) -> Period | None:
    """The one key in force at that time, or None."""
    return next((period for period in periods if period.covers(at)), None)


def signs_itself(periods: Iterable[Period], at: datetime) -> bool:
    """Whether the department holds the key of that time; or held the last one, so that without it nobody signs."""
    begun = [period for period in periods if period.valid_from <= at and not period.is_empty]
    return bool(begun) and max(begun, key=lambda period: period.valid_from).own


def left_until(periods: Iterable[Period], recorded_at: datetime) -> datetime | None:
    """When the key service took over what the department left unsigned; None unless it has, and signs still.

    Periods are oldest first. What the key service could sign by its time was not left.
    """
    known = [period for period in periods if not period.is_empty]
    if not known or known[-1].own or recorded_at >= known[-1].valid_from:
        return None
    present = in_force(known, recorded_at)
    return known[-1].valid_from if present is None or present.own else None


def whole_second(at: datetime) -> datetime:
    """Cut down to whole seconds: trust bundles carry no fractions."""
    return at.replace(microsecond=0)


def next_second(at: datetime) -> datetime:
    """The first whole second not before `at`: when keys change over, so that no fraction of a second has two keys."""
    cut = whole_second(at)
    return cut if cut == at else cut + timedelta(seconds=1)
