"""What the template of extracts sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from api.pages.views import Option, ProblemView, Tone


@dataclass(frozen=True, slots=True)
class ExtractLine:
    """An extract of a list."""

    id: str
    matter: str
    receiver: str
    maker: str
    fields: Sequence[str]
    made_at: datetime
    expires_at: datetime
    tone: Tone
    state: str
    may_take: bool


@dataclass(frozen=True, slots=True)
class GoingField:
    """A field that may go out; whoever makes the extract may still keep it."""

    name: str
    title: str
    checked: bool


@dataclass(frozen=True, slots=True)
class Staying:
    """Why some fields stay, and which."""

    why: str
    titles: Sequence[str]


@dataclass(frozen=True, slots=True)
class Offer:
    """What an extract for a matter and a receiver would tell, and on what it rests: a use, or an authorisation."""

    matter: str
    receiver: str
    use_id: str
    basis: str
    authorised: bool
    always: Sequence[str]
    going: Sequence[GoingField]
    staying: Sequence[Staying]
    earliest: str
    latest: str


@dataclass(frozen=True, slots=True)
class ExtractsPage:
    """The extracts of a certificate; the choice of matter and receiver; then what will go out."""

    certificate_id: str
    title: str
    lines: Sequence[ExtractLine]
    may_make: bool
    matters: Sequence[Option]
    receivers: Sequence[Option]
    offer: Offer | None
    values: Mapping[str, str]
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: ProblemView | None = None
