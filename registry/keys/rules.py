"""Which key speaks for a purpose when. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

LOG = "log"
CODES = "codes"
STATUS = "status"
TRUST_ROOT = "trust-root"
#: Keys that a registry cannot start without.
REGISTRY_PURPOSES = (LOG, CODES, STATUS, TRUST_ROOT)

_DEPARTMENT = "department:"

#: The first key of a purpose is in force from so long before the first thing it has to sign: the clocks of two
#: processes differ, and what one of them recorded a moment earlier must find the key that the other one made.
FIRST_KEY_MARGIN = timedelta(hours=1)


def department_purpose(code: str) -> str:
    """The purpose of the key with which a department signs its entries."""
    return _DEPARTMENT + code


def department_of(purpose: str) -> str | None:
    """The department whose entries a key of this purpose signs; None for the registry's own purposes."""
    return purpose.removeprefix(_DEPARTMENT) if purpose.startswith(_DEPARTMENT) else None


@dataclass(frozen=True, slots=True)
class Period:
    """A key and when it is in force: from (inclusive), to (exclusive, None while open)."""

    kid: bytes
    valid_from: datetime
    valid_to: datetime | None

    def covers(self, at: datetime) -> bool:
        """Whether the key is in force at that time."""
        return self.valid_from <= at and (self.valid_to is None or at < self.valid_to)


def in_force(periods: Iterable[Period], at: datetime) -> Period | None:
    """The one key in force at that time, or None."""
    return next((period for period in periods if period.covers(at)), None)


def whole_second(at: datetime) -> datetime:
    """Cut down to whole seconds: trust bundles carry no fractions."""
    return at.replace(microsecond=0)


def next_second(at: datetime) -> datetime:
    """The first whole second not before `at`: when keys change over, so that no fraction of a second has two keys."""
    cut = whole_second(at)
    return cut if cut == at else cut + timedelta(seconds=1)
