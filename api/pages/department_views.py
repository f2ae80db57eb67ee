"""What the template of departments sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from api.pages.views import Option, ProblemView, Tone


@dataclass(frozen=True, slots=True)
class ScopeLine:
    """What a department may do with a type, both days inclusive; whether it is so today."""

    type_name: str
    action: str
    valid_from_on: date
    valid_to_on: date | None
    tone: Tone
    state: str
    #: Why it ends earlier than it was granted; empty if it does not.
    ended_because: str


@dataclass(frozen=True, slots=True)
class DepartmentCard:
    """A department; decided_at and reason are of the newest decision about it, if there was one.

    may_end: scopes whose end can still be earlier.
    """

    code: str
    name: str
    level: str
    operator: bool
    suspended: bool
    decided_at: datetime | None
    reason: str
    scopes: Sequence[ScopeLine]
    may_end: Sequence[Option]


@dataclass(frozen=True, slots=True)
class Draft:
    """What was sent and refused. place: "register", "grant", the code of the department that was decided about, or
    "end-" and the code of the one whose scope should end."""

    place: str = ""
    sent: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: ProblemView | None = None


@dataclass(frozen=True, slots=True)
class DepartmentsPage:
    """Every department, and the forms. today: yyyy-mm-dd in Shanghai; dual: two have to decide."""

    cards: Sequence[DepartmentCard]
    departments: Sequence[Option]
    types: Sequence[Option]
    actions: Sequence[Option]
    levels: Sequence[Option]
    today: str
    dual: bool
    draft: Draft
