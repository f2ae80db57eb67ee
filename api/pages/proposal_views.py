"""What the template of dual control sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from api.pages.account_views import Secret
from api.pages.views import ProblemView, Tone


@dataclass(frozen=True, slots=True)
class Line:
    """One fact before and after; empty where there is none."""

    label: str
    before: str
    after: str

    @property
    def changes(self) -> bool:
        """Whether the change is about this fact."""
        return bool(self.after) and self.before != self.after


@dataclass(frozen=True, slots=True)
class ProposalCard:
    """A proposal: what it changes, who asked why and when, what became of it, and what the reader may do with it."""

    id: str
    title: str
    about: str
    lines: Sequence[Line]
    reason: str
    proposer: str
    proposed_at: datetime
    expires_at: datetime
    tone: Tone
    state: str
    is_open: bool
    is_stale: bool
    is_own: bool
    may_decide: bool
    decider: str = ""
    decided_at: datetime | None = None
    because: str = ""
    #: Where what it would make can be seen whole, if this is not all of it.
    look: str = ""


@dataclass(frozen=True, slots=True)
class ProposalsPage:
    """What waits, the oldest first, and what was decided, the newest first. binding_since: None while one decides
    alone; lonely: two have to decide, and only one can. at: the proposal that a refused decision was about."""

    waiting: Sequence[ProposalCard]
    decided: Sequence[ProposalCard]
    binding_since: datetime | None
    lonely: bool
    secret: Secret | None = None
    problem: ProblemView | None = None
    at: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
