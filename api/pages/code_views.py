"""What the templates of codes see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from api.pages.views import NOTHING_TRIED, Fact, Option, ProblemView, Tone, Tried


@dataclass(frozen=True, slots=True)
class CodeLine:
    """A code of a list."""

    id: str
    kind: str
    name: str
    generation: int
    issued_at: datetime
    expires_at: datetime
    tone: Tone
    status: str


@dataclass(frozen=True, slots=True)
class CodesPage:
    """The form of one kind of code, and what was issued lately."""

    kinds: Sequence[str]
    kind: str
    code_types: Sequence[Option]
    types: Sequence[Option]
    venues: Sequence[Option]
    recent: Sequence[CodeLine]
    values: Mapping[str, str]
    chosen: Sequence[str] = ()
    #: The number that was to be reported lost.
    lost: Tried = NOTHING_TRIED
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: ProblemView | None = None


@dataclass(frozen=True, slots=True)
class CodePage:
    """One code, large."""

    id: str
    title: str
    live: bool
    status: str
    name: str
    expires_at: datetime
    replaced_by: str | None
    facts: Sequence[Fact]
    text: str
    file_name: str
    #: A printed code is not reissued here but claimed again, with the holder's number.
    claim_again: bool = False
    problem: ProblemView | None = None
