"""How the registry's own records read in a trust bundle. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from registry.keys import rules as key_rules
from registry.keys.service import KnownKey
from verifier import delegation
from verifier.code import CodeKind
from verifier.times import SHANGHAI
from verifier.trust import REGISTRY
from verifier.trust_content import Scope, TrustedKey, TrustedType

PURPOSES = {
    key_rules.LOG: ("log",),
    key_rules.STATUS: ("status",),
    key_rules.CODES: (*(kind.purpose for kind in CodeKind), delegation.PURPOSE),
}


def trusted_key(key: KnownKey) -> TrustedKey | None:
    """A key as verifiers see it; None for root keys, which stand apart."""
    department = key_rules.department_of(key.purpose)
    if department is not None:
        return TrustedKey(key.public, department, ("entries",), key.valid_from, key.valid_to)
    purposes = PURPOSES.get(key.purpose)
    return None if purposes is None else TrustedKey(key.public, REGISTRY, purposes, key.valid_from, key.valid_to)


def trusted_scope(department: str, type_code: str, valid_from_on: date, valid_to_on: date | None) -> Scope:
    """Days in Shanghai, both inclusive, as instants: from the first midnight to the one after the last day."""
    end = None if valid_to_on is None else midnight(valid_to_on + timedelta(days=1))
    return Scope(department, type_code, midnight(valid_from_on), end)


def midnight(day: date) -> datetime:
    """When a day begins in Shanghai."""
    return datetime.combine(day, time.min, SHANGHAI).astimezone(UTC)


def trusted_type(code: str, version: int, definition: dict[str, Any]) -> TrustedType:
    """A type at a version."""
    return TrustedType(code, version, definition["name"], definition["one_time"], definition["schema"])
