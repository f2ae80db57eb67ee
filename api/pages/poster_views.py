"""What the templates of applications, posters and alarms see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from api.pages.views import NOTHING_TRIED, Option, ProblemView, Tone, Tried


@dataclass(frozen=True, slots=True)
class ApplicationLine:
    """An application; `may_decide`: by whoever looks."""

    id: str
    name: str
    address: str
    unit: str
    applicant: str
    document: str
    applied_at: datetime
    tone: Tone
    state: str
    reason: str
    venue_id: str | None
    may_decide: bool
    tried: Tried = NOTHING_TRIED


@dataclass(frozen=True, slots=True)
class ApplicationsPage:
    """Applications, and the form of a new one."""

    lines: Sequence[ApplicationLine]
    may_apply: bool
    roles: Sequence[Option]
    code_types: Sequence[Option]
    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: ProblemView | None = None


@dataclass(frozen=True, slots=True)
class PosterLine:
    """A poster."""

    code_id: str
    number: int
    tone: Tone
    status: str
    live: bool
    place: str
    bound_at: datetime | None
    tried: Tried = NOTHING_TRIED


@dataclass(frozen=True, slots=True)
class PostersPage:
    """A venue's posters."""

    venue_id: str
    venue_name: str
    address: str
    lines: Sequence[PosterLine]
    may_manage: bool
    most: int
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: ProblemView | None = None


@dataclass(frozen=True, slots=True)
class AlarmLine:
    """An open alarm."""

    id: str
    venue_id: str
    venue_name: str
    number: int
    place: str
    kind: str
    note: str
    raised_at: datetime
    tried: Tried = NOTHING_TRIED


@dataclass(frozen=True, slots=True)
class AlarmsPage:
    """The worklist of alarms."""

    lines: Sequence[AlarmLine]
    may_manage: bool
    problem: ProblemView | None = None
