"""What the template of accounts and tokens sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime

from api.pages.views import Option, ProblemView, Tone


@dataclass(frozen=True, slots=True)
class StaffLine:
    """An account of the list."""

    id: str
    username: str
    name: str
    department: str
    roles: Sequence[str]
    tone: Tone
    state: str
    disabled: bool
    role_codes: frozenset[str]
    is_self: bool
    two_step: bool = False


@dataclass(frozen=True, slots=True)
class TokenLine:
    """A token of the list."""

    id: str
    name: str
    department: str
    roles: Sequence[str]
    expires_at: datetime
    tone: Tone
    state: str
    live: bool
    #: Names of the venues it is for alone.
    venues: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Secret:
    """Something that is shown once."""

    title: str
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class AccountForm:
    """The two forms of the page as they were sent."""

    username: str = ""
    name: str = ""
    department: str = ""
    roles: Sequence[str] = ()
    token_name: str = ""
    token_department: str = ""
    expires_on: str = ""
    token_roles: Sequence[str] = ()
    token_venues: Sequence[str] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AccountsPage:
    """Accounts and tokens."""

    staff: Sequence[StaffLine]
    tokens: Sequence[TokenLine]
    departments: Sequence[Option]
    roles: Sequence[Option]
    token_roles: Sequence[Option]
    form: AccountForm
    venues: Sequence[Option]
    secret: Secret | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: ProblemView | None = None
    problem_in: str = ""
    #: Whether two administrators have to decide.
    dual: bool = False
    #: Accounts whose reopening waits for another administrator.
    reopening: Set[str] = frozenset()
