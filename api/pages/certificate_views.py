"""What the page of a certificate shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from api.pages.views import CodeCard, DisputeMark, Event, Face, Fact, FileLine, ProblemView, Proof, Step, Tone


@dataclass(frozen=True, slots=True)
class CodeForm:
    """The way to a code where there is none yet."""

    text: str
    action: str


@dataclass(frozen=True, slots=True)
class ChangeLink:
    """The way to one legal operation."""

    href: str
    name: str
    meaning: str
    is_way_back: bool


@dataclass(frozen=True, slots=True)
class AsOf:
    """How a certificate stood on a day; `on` and `most` (the last day to ask for) as yyyy-mm-dd."""

    on: str
    most: str
    day: str
    tone: Tone
    status: str
    reason: str


@dataclass(frozen=True, slots=True)
class VersionLine:
    """One of the versions of a certificate; the one that is shown has no href."""

    href: str
    identifier: str
    issued: str
    tone: Tone
    status: str


@dataclass(frozen=True, slots=True)
class CertificatePage:
    """One certificate with everything that is known of it."""

    id: str
    face: Face
    tone: Tone
    status: str
    progress: str
    masked: bool
    may_disclose: bool
    steps: Sequence[Step]
    proof: Proof | None
    events: Sequence[Event]
    uses: Sequence[Event]
    code: CodeCard | None
    code_form: CodeForm | None
    evidence_ready: bool
    may_take: bool
    facts: Sequence[Fact]
    files: Sequence[FileLine]
    changes: Sequence[ChangeLink]
    #: No operation leaves its state.
    closed: bool
    as_of: AsOf
    versions: Sequence[VersionLine]
    dispute: DisputeMark | None = None
    may_dispute: bool = False
    problem: ProblemView | None = None
