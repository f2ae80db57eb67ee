"""What the templates of venues see: rules, passes, visits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from api.pages.views import Fact, Option, ProblemView, Tone


@dataclass(frozen=True, slots=True)
class HoursRow:
    """Opening hours of some days of the week, as a form has them."""

    days: Sequence[int]
    start: str
    end: str


@dataclass(frozen=True, slots=True)
class VenueForm:
    """A venue's facts and rule, as a form has them."""

    name: str
    address: str
    area_code: str
    responsible: str
    hours: Sequence[HoursRow]
    admit: Sequence[str]
    admit_pass: bool
    anti_passback: str
    dynamic_only: bool = False
    printed_alone: bool = False


@dataclass(frozen=True, slots=True)
class VenueCard:
    """A venue of the list."""

    id: str
    name: str
    address: str
    hours: str
    admits: str


@dataclass(frozen=True, slots=True)
class VenuesPage:
    """All venues, and the form of a new one."""

    venues: Sequence[VenueCard]
    may_create: bool
    form: VenueForm
    types: Sequence[Option]
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: ProblemView | None = None


@dataclass(frozen=True, slots=True)
class VisitLine:
    """One decision of a gate."""

    at: datetime
    gate: str
    passed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class PassLine:
    """A pass, which names nobody."""

    from_at: datetime
    to_at: datetime
    tone: Tone
    status: str


@dataclass(frozen=True, slots=True)
class PassForm:
    """The form of a pass."""

    holder_code_type_code: str
    holder_code: str
    valid_from: str
    valid_to: str


@dataclass(frozen=True, slots=True)
class VenuePage:
    """One venue."""

    id: str
    name: str
    address: str
    may_manage: bool
    visits: Sequence[VisitLine]
    passed: int
    refused: int
    last_hand_in: str
    gate_command: str
    form: VenueForm
    types: Sequence[Option]
    facts: Sequence[Fact]
    code_types: Sequence[Option]
    pass_form: PassForm
    passes: Sequence[PassLine]
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: ProblemView | None = None
    problem_in: str = ""
