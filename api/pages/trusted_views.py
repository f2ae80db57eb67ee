"""What the template of others' certificates sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from api.pages.views import Option, ProblemView, Tone


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What a certificate says of itself, and its SHA-256 in groups to be read aloud. period: tone and word for now."""

    subject: str
    organisation: str
    region: str
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    key: str
    tone: Tone
    period: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class TrustedCard:
    """A certificate that is trusted, was, or waits for the second administrator."""

    id: str
    name: str
    purpose: str
    facts: CertificateFacts
    reason: str
    by: str
    at: datetime
    ended_at: datetime | None = None
    ended_by: str = ""
    because: str = ""


@dataclass(frozen=True, slots=True)
class Previewed:
    """A certificate that was read from a file and is kept by nobody yet: its DER in Base64, and what to know of it."""

    certificate: str
    purpose: str
    facts: CertificateFacts
    warnings: Sequence[str]


@dataclass(frozen=True, slots=True)
class TrustedPage:
    """The lists, and the form: the file first, then what was read from it. problem_in: `add`, or a certificate's id."""

    trusted: Sequence[TrustedCard]
    waiting: Sequence[TrustedCard]
    ended: Sequence[TrustedCard]
    purposes: Sequence[Option]
    may_change: bool
    dual: bool
    sent: Mapping[str, str] = field(default_factory=dict)
    preview: Previewed | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: ProblemView | None = None
    problem_in: str = ""
