"""What the templates of the working desks see: using, coding, hosting, watching, administering."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from api.pages.views import Fact, Option, ProblemView, Step, Tone


@dataclass(frozen=True, slots=True)
class RecentUse:
    """A use of this department."""

    id: str
    at: datetime
    case_no: str
    matter: str
    item: str


@dataclass(frozen=True, slots=True)
class UsePage:
    """The first step of a use: matter, case, applicant."""

    matters: Sequence[Option]
    code_types: Sequence[Option]
    recent: Sequence[RecentUse]
    matter: str = ""
    case_no: str = ""
    code_type: str = ""
    holder_code: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: ProblemView | None = None


@dataclass(frozen=True, slots=True)
class AuthorisationView:
    """The authorisation under which an item may be used."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class ItemView:
    """Something that could be used for a slot."""

    kind: str
    id: str
    type_name: str
    number: str
    holders: Sequence[str]
    issuer_name: str
    valid_to: str
    tone: Tone
    status: str
    in_force: bool
    authorisation: AuthorisationView | None
    #: Whether the delegated code that was shown covers it; None where none was shown.
    delegated: bool | None = None


@dataclass(frozen=True, slots=True)
class SlotView:
    """A slot of the matter with what was found for it."""

    name: str
    required: bool
    accepts: Sequence[str]
    items: Sequence[ItemView]

    @property
    def usable(self) -> int:
        """How many of them are in force."""
        return sum(item.in_force for item in self.items)


@dataclass(frozen=True, slots=True)
class ChoosePage:
    """The second step of a use: what can be used."""

    matter_code: str
    matter_name: str
    case_no: str
    purpose: str
    subject: str
    holder: str
    code_type: str
    holder_code: str
    slots: Sequence[SlotView]
    #: The delegated code that was shown for the applicant; empty without one.
    delegated: str = ""
    #: The look at the person's code or number was recorded for that person.
    recorded: bool = False
    problem: ProblemView | None = None


@dataclass(frozen=True, slots=True)
class UseResult:
    """The last step of a use: accepted with its receipt, or refused with the reason."""

    accepted: bool
    title: str
    reason: str
    next: str
    facts: Sequence[Fact]
    #: The first step again, with the same matter where it is known.
    next_href: str = "/use"
    steps: Sequence[Step] = ()
    receipt_href: str | None = None
    copies_href: str | None = None
    extracts_href: str | None = None


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


@dataclass(frozen=True, slots=True)
class HoursRow:
    """Opening hours of some days of the week, as a form has them."""

    days: Sequence[int]
    start: str
    end: str


@dataclass(frozen=True, slots=True)
class VenueForm:
    """A venue's facts and rule, as a form has them."""

    name: str
    address: str
    area_code: str
    responsible: str
    hours: Sequence[HoursRow]
    admit: Sequence[str]
    admit_pass: bool
    anti_passback: str
    dynamic_only: bool = False
    printed_alone: bool = False


@dataclass(frozen=True, slots=True)
class VenueCard:
    """A venue of the list."""

    id: str
    name: str
    address: str
    hours: str
    admits: str


@dataclass(frozen=True, slots=True)
class VenuesPage:
    """All venues, and the form of a new one."""

    venues: Sequence[VenueCard]
    may_create: bool
    form: VenueForm
    types: Sequence[Option]
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: ProblemView | None = None


@dataclass(frozen=True, slots=True)
class VisitLine:
    """One decision of a gate."""

    at: datetime
    gate: str
    passed: bool
    reason: str


@dataclass(frozen=True, slots=True)
class PassLine:
    """A pass, which names nobody."""

    from_at: datetime
    to_at: datetime
    tone: Tone
    status: str


@dataclass(frozen=True, slots=True)
class PassForm:
    """The form of a pass."""

    holder_code_type_code: str
    holder_code: str
    valid_from: str
    valid_to: str


@dataclass(frozen=True, slots=True)
class VenuePage:
    """One venue."""

    id: str
    name: str
    address: str
    may_manage: bool
    visits: Sequence[VisitLine]
    passed: int
    refused: int
    last_hand_in: str
    gate_command: str
    form: VenueForm
    types: Sequence[Option]
    facts: Sequence[Fact]
    code_types: Sequence[Option]
    pass_form: PassForm
    passes: Sequence[PassLine]
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: ProblemView | None = None
    problem_in: str = ""


@dataclass(frozen=True, slots=True)
class HeadLine:
    """A checkpoint of the log."""

    size: int
    root: str
    at: datetime | None
    block: str


@dataclass(frozen=True, slots=True)
class WitnessLine:
    """A witness of the log. trouble: why it did not cosign the last time; empty if it did."""

    name: str
    size: int
    lag: int
    at: datetime | None
    trouble: str


@dataclass(frozen=True, slots=True)
class StatusPage:
    """How the log and the chain are."""

    tone: Literal["good", "warn", "bad"]
    headline: str
    detail: str
    figures: Sequence[Fact]
    heads: Sequence[HeadLine]
    witnesses: Sequence[WitnessLine] = ()
    witnesses_note: str = ""


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


@dataclass(frozen=True, slots=True)
class AccountsPage:
    """Accounts and tokens."""

    staff: Sequence[StaffLine]
    tokens: Sequence[TokenLine]
    departments: Sequence[Option]
    roles: Sequence[Option]
    token_roles: Sequence[Option]
    form: AccountForm
    secret: Secret | None = None
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: ProblemView | None = None
    problem_in: str = ""
    #: Whether two administrators have to decide.
    dual: bool = False
