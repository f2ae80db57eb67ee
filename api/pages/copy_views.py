"""What the template of derived copies sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from api.pages.views import Option, ProblemView, Tone


@dataclass(frozen=True, slots=True)
class CopyLine:
    """A copy of a list."""

    id: str
    number: str
    purpose: str
    receiver: str
    maker: str
    made_at: datetime
    expires_at: datetime
    tone: Tone
    state: str
    may_take: bool
    may_end: bool
    ended_because: str


@dataclass(frozen=True, slots=True)
class CopiesPage:
    """The copies of a certificate and the form of a new one; `use_id` and `basis` where it rests on a use."""

    certificate_id: str
    title: str
    lines: Sequence[CopyLine]
    may_make: bool
    is_issuer: bool
    may_show_whole: bool
    use_id: str
    basis: str
    matters: Sequence[Option]
    earliest: str
    latest: str
    values: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: ProblemView | None = None
