"""What the templates of disputes, notices, recalls and the calendar see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from api.pages.views import Event, Fact, ProblemView, Tone


@dataclass(frozen=True, slots=True)
class DisputeLine:
    """One dispute of a list; `due` is empty where no step is due."""

    id: str
    title: str
    statement: str
    state: str
    tone: Tone
    due: str
    overdue: bool
    ours: bool


@dataclass(frozen=True, slots=True)
class DisputesPage:
    """Some of the disputes a department raised or answers."""

    lines: Sequence[DisputeLine]
    first_href: str | None = None
    next_href: str | None = None


@dataclass(frozen=True, slots=True)
class RelianceLine:
    """One case that relied on a certificate, and whether its department was told and has read it."""

    department: str
    matter: str
    case_no: str
    used_at: datetime
    told_at: datetime | None
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class DisputePage:
    """One dispute with the steps that the reader may take."""

    line: DisputeLine
    certificate_id: str
    successor_id: str | None
    facts: Sequence[Fact]
    events: Sequence[Event]
    reliance: Sequence[RelianceLine]
    may_accept: bool
    may_decide: bool
    may_close: bool
    #: Whether the certificate has to be replaced or withdrawn before the dispute can be called corrected.
    must_change: bool = False
    outcome: str = ""
    problem: ProblemView | None = None


@dataclass(frozen=True, slots=True)
class RecallPage:
    """Who relied on a certificate."""

    certificate_id: str
    title: str
    tone: Tone
    status: str
    reliance: Sequence[RelianceLine]


@dataclass(frozen=True, slots=True)
class NoticeLine:
    """One notice."""

    id: str
    title: str
    text: str
    sent_at: datetime
    read_at: datetime | None


@dataclass(frozen=True, slots=True)
class NoticesPage:
    """A department's inbox."""

    lines: Sequence[NoticeLine]
    next_href: str | None


@dataclass(frozen=True, slots=True)
class CalendarLine:
    """One day that differs from the weekend rule."""

    day: date
    kind: str
    name: str
    source: str


@dataclass(frozen=True, slots=True)
class CalendarPage:
    """The loaded days and the form that loads a year."""

    years: Mapping[int, Sequence[CalendarLine]]
    year: str
    source: str
    days: str
    errors: Sequence[str] = ()
    #: What loading it would change; None until that was looked at.
    coming: Sequence[CalendarLine] | None = None
    going: Sequence[CalendarLine] = ()
