"""What the template of a department's own keys sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from api.pages.proposal_views import ProposalCard
from api.pages.views import Option, ProblemView, Tone


@dataclass(frozen=True, slots=True)
class OwnKeyLine:
    """A key that signs or signed for the department; may_end: it is its own, and not ended yet."""

    kid: str
    suite: str
    holder: str
    valid_from: datetime
    valid_to: datetime | None
    tone: Tone
    state: str
    reason: str
    may_end: bool


@dataclass(frozen=True, slots=True)
class AskedKey:
    """A challenge that waits for its signature, and the key that it is for."""

    id: str
    kid: str
    to_be_signed: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SigningKeysPage:
    """Who signs for a department, and with which keys. place: the form that was refused, with what was sent.

    departments: to choose from, for administrators. may_hold: not the department that runs this registry.
    waiting: what the reader proposed and an administrator has not decided yet.
    """

    department: str
    name: str
    departments: Sequence[Option]
    signs_itself: bool
    may_hold: bool
    administers: bool
    awaiting: int
    keys: Sequence[OwnKeyLine]
    suites: Sequence[Option]
    asked: AskedKey | None = None
    place: str = ""
    sent: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: ProblemView | None = None
    waiting: Sequence[ProposalCard] = ()
