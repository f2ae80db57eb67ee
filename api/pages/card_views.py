"""What the templates of printed codes and relatives see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from api.pages.views import NOTHING_TRIED, Option, ProblemView, Tried


@dataclass(frozen=True, slots=True)
class RelativeLine:
    """A relation of a holder; whose it is, is not shown."""

    id: str
    relation: str
    document: str
    bound_at: datetime


@dataclass(frozen=True, slots=True)
class RelativesPage:
    """The form of a new relation, and those of a holder who was looked up (None: nobody was)."""

    code_types: Sequence[Option]
    relations: Sequence[Option]
    values: Mapping[str, str]
    most: int
    found: Sequence[RelativeLine] | None = None
    #: Whose relatives were looked for.
    looked_for: Tried = NOTHING_TRIED
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: ProblemView | None = None


@dataclass(frozen=True, slots=True)
class ScanLine:
    """A department looked, for a purpose."""

    department: str
    purpose: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ScansPage:
    """Who looked at a person's codes (None: nobody was looked up)."""

    code_types: Sequence[Option]
    days: int
    found: Sequence[ScanLine] | None = None
    tried: Tried = NOTHING_TRIED
    problem: ProblemView | None = None
