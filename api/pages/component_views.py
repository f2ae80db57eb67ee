"""What the templates of components see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from api.pages.views import Fact, Option, ProblemView


@dataclass(frozen=True, slots=True)
class ComponentLine:
    """A component of the list."""

    code: str
    name: str
    place: str
    unit_name: str
    in_use: bool


@dataclass(frozen=True, slots=True)
class RowLine:
    """A fault of a row of a file."""

    row: int
    column: str
    message: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a file."""

    new: int
    known: int
    refused: int
    errors: Sequence[RowLine]


@dataclass(frozen=True, slots=True)
class ComponentsPage:
    """A page of components, and what became of a file."""

    lines: Sequence[ComponentLine]
    query: str
    next_href: str | None
    may_manage: bool
    open_faults: int
    labels_href: str
    report: ImportReport | None = None
    problem: ProblemView | None = None


@dataclass(frozen=True, slots=True)
class FaultLine:
    """A fault; `name` is empty where the component is shown beside it."""

    id: str
    code: str
    name: str
    place: str
    state: str
    state_name: str
    description: str
    reported_at: datetime
    has_photo: bool
    handling: str | None
    handled_at: datetime | None
    #: What was written about its handling and not taken, and why.
    tried: str = ""
    error: str | None = None


@dataclass(frozen=True, slots=True)
class FaultsPage:
    """The worklist of faults."""

    faults: Sequence[FaultLine]
    closed: bool
    may_manage: bool
    problem: ProblemView | None = None


@dataclass(frozen=True, slots=True)
class InspectionLine:
    """An inspection."""

    result: str
    note: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ComponentPage:
    """A component: what anybody sees, and what its department does."""

    code: str
    name: str
    place: str
    in_use: bool
    facts: Sequence[Fact]
    may_manage: bool
    code_id: str = ""
    faults: Sequence[FaultLine] = ()
    inspections: Sequence[InspectionLine] = ()
    results: Sequence[Option] = ()
    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: ProblemView | None = None
