"""How the registry's own records read in a trust bundle. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from registry.departments.rules import FIRST_DAY, LAST_DAY
from registry.keys import rules as key_rules
from registry.keys.rules import next_second, whole_second
from registry.keys.service import KnownKey
from verifier import delegation, extract, key_possession
from verifier.code import CodeKind
from verifier.jws import ALGORITHMS
from verifier.times import SHANGHAI
from verifier.trust import REGISTRY
from verifier.trust_content import Scope, TrustedKey, TrustedType

PURPOSES = {
    key_rules.LOG: ("log",),
    key_rules.STATUS: ("status",),
    key_rules.CODES: (*(kind.purpose for kind in CodeKind), delegation.PURPOSE),
}
#: Of every department's key.
DEPARTMENT_PURPOSES = ("entries", extract.PURPOSE)


def trusted_key(key: KnownKey) -> TrustedKey | None:
    """A key as verifiers see it; None for root keys, which stand apart."""
    department = key_rules.department_of(key.purpose)
    if department is not None:
        # A key that the department holds itself signs extracts too where JOSE has a name for its suite.
        entries_only = key.vault == key_rules.OWN_VAULT and key.public.suite not in ALGORITHMS
        purposes = (key_possession.ENTRIES,) if entries_only else DEPARTMENT_PURPOSES
        return TrustedKey(key.public, department, purposes, key.valid_from, key.valid_to)
    known = PURPOSES.get(key.purpose)
    return None if known is None else TrustedKey(key.public, REGISTRY, known, key.valid_from, key.valid_to)


@dataclass(frozen=True, slots=True)
class Suspension:
    """From when a department might not act, and until when (None: still)."""

    since_at: datetime
    until_at: datetime | None


def suspensions(decisions: Iterable[tuple[str, datetime]]) -> list[Suspension]:
    """The suspensions of a department, from its decisions (state, since when), oldest first."""
    found: list[Suspension] = []
    since_at: datetime | None = None
    for state, at in decisions:
        if state == "suspended" and since_at is None:
            since_at = at
        elif state == "active" and since_at is not None:
            found.append(Suspension(since_at, at))
            since_at = None
    return found if since_at is None else [*found, Suspension(since_at, None)]


def trusted_scopes(
    department: str, type_code: str, valid_from_on: date, valid_to_on: date | None, suspended: Iterable[Suspension]
) -> list[Scope]:
    """A scope as verifiers see it: its period (days in Shanghai, both inclusive, as instants) without the suspensions.

    Bundles know whole seconds: a suspension begins with the next one and ends with the one begun, so that nothing that
    was lawfully signed falls into it.
    """
    # Older versions took any day, and one bundle is for all scopes.
    start = midnight(max(valid_from_on, FIRST_DAY))
    end = None if valid_to_on is None else midnight(min(valid_to_on, LAST_DAY) + timedelta(days=1))
    scopes: list[Scope] = []
    for one in suspended:
        cut_at = next_second(one.since_at)
        if end is not None and cut_at >= end:
            break
        if start < cut_at:
            scopes.append(Scope(department, type_code, start, cut_at))
        if one.until_at is None:
            return scopes
        start = max(start, whole_second(one.until_at))
    return [*scopes, Scope(department, type_code, start, end)] if end is None or start < end else scopes


def midnight(day: date) -> datetime:
    """When a day begins in Shanghai."""
    return datetime.combine(day, time.min, SHANGHAI).astimezone(UTC)


def trusted_type(code: str, version: int, definition: dict[str, Any]) -> TrustedType:
    """A type at a version."""
    return TrustedType(code, version, definition["name"], definition["one_time"], definition["schema"])
