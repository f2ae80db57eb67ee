"""What the templates of delegations see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from markupsafe import Markup

from api.pages.views import Fact, Option, ProblemView, Tone


@dataclass(frozen=True, slots=True)
class DelegationLine:
    """A delegation of a list. depth: how many stand above it."""

    id: str
    depth: int
    enterprise: str
    name: str
    role: str
    scope: str
    ends_at: datetime
    tone: Tone
    state: str


@dataclass(frozen=True, slots=True)
class DelegationForm:
    """The form of a new delegation; parent_id is empty where the enterprise itself delegates."""

    parent_id: str
    enterprise: str
    roles: Sequence[Option]
    code_types: Sequence[Option]
    matters: Sequence[Option]
    types: Sequence[Option]
    values: Mapping[str, str]
    chosen: Sequence[str]


@dataclass(frozen=True, slots=True)
class DelegationsPage:
    """The delegations of one enterprise as a tree, or those recorded lately."""

    enterprise: str
    name: str
    has_code: bool
    lines: Sequence[DelegationLine]
    recent: Sequence[DelegationLine]
    may_grant: bool
    form: DelegationForm
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: ProblemView | None = None


@dataclass(frozen=True, slots=True)
class DelegationPage:
    """One delegation. falling: what would be revoked with it; form: of one below it, None where there can be none."""

    id: str
    enterprise: str
    title: str
    words: str
    tone: Tone
    state: str
    facts: Sequence[Fact]
    to_be_signed: str
    has_chain: bool
    #: The link for the delegate's phone and its QR, empty where there is no chain.
    link: str
    svg: Markup
    falling: Sequence[DelegationLine]
    may_revoke: bool
    form: DelegationForm | None
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: ProblemView | None = None
