"""The one table of what a code opens for whom. What is not in it stays closed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from registry.errors import FieldError

#: Records of scans are for the holder, not for tracing: a month, as with visits.
KEPT_FOR: Final = timedelta(days=30)
MAX_PURPOSE_CHARACTERS: Final = 200


class Scanner(StrEnum):
    """Who scans. A window that says no purpose is the public; a venue needs to know whether, not what."""

    PUBLIC = "public"
    WINDOW = "window"
    GATE = "gate"


#: Of every code to everybody: whether it holds, what kind it is, until when, and what is still to be looked at.
_ALWAYS: Final = frozenset(("kind", "kind_name", "expires_at", "dynamic", "second_factor_due"))
#: Facts of public signs, which are printed on the sign or stand in public registers.
_SIGN: Final = frozenset(("name", "place", "subject", "code_id", "generation", "issued_at", "shown_at", "grants"))
_PERSON: Final[Mapping[Scanner, frozenset[str]]] = {
    Scanner.PUBLIC: frozenset(),
    Scanner.GATE: frozenset(("code_id", "shown_at")),
    Scanner.WINDOW: frozenset(("code_id", "generation", "issued_at", "shown_at", "grants")),
}
#: Kind of the code -> scanner -> fields of the verdict's subject beside those that everybody sees.
TABLE: Final[Mapping[str, Mapping[Scanner, frozenset[str]]]] = {
    "person": _PERSON,
    "printed": _PERSON,
    "enterprise": dict.fromkeys(Scanner, _SIGN),
    "venue": dict.fromkeys(Scanner, _SIGN),
    "component": dict.fromkeys(Scanner, _SIGN),
    # What a copy is of stands on the paper that bears the code; its code names nobody.
    "derived": dict.fromkeys(Scanner, _SIGN),
    # The links name people: who acts for the enterprise is the window's business.
    "delegated": {
        Scanner.PUBLIC: frozenset(("name", "subject")),
        Scanner.GATE: frozenset(("name", "subject", "code_id")),
        Scanner.WINDOW: frozenset(
            ("name", "subject", "code_id", "generation", "issued_at", "grants", "delegation", "chain")
        ),
    },
}


def scanner_of(roles: Collection[str], purpose: str) -> Scanner:
    """Who somebody with these roles scans as (no roles: no account)."""
    if purpose.strip() and not {"window", "registrar"}.isdisjoint(roles):
        return Scanner.WINDOW
    return Scanner.GATE if "venue" in roles and "window" not in roles else Scanner.PUBLIC


def opened(subject: Mapping[str, Any], scanner: Scanner) -> dict[str, Any]:
    """What this scanner sees of the subject of a code's verdict; a kind that is not in the table shows the least."""
    fields = _ALWAYS | TABLE.get(str(subject.get("kind")), {}).get(scanner, frozenset())
    return {name: value for name, value in subject.items() if name in fields}


def check_purpose(purpose: str) -> list[FieldError]:
    """Faults of a purpose that was stated."""
    if len(purpose.strip()) <= MAX_PURPOSE_CHARACTERS and purpose.isprintable():
        return []
    return [FieldError("purpose", "wrong_length", f"用途最多 {MAX_PURPOSE_CHARACTERS} 个字。")]
