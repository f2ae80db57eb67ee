"""What the templates of using see: what to prove, what can be used, how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

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
    #: Why it cannot be used; empty if it can.
    why_not: str = ""
    #: Whether a dispute about it is open.
    disputed: bool = False
    #: Whether the delegated code that was shown covers it; None where none was shown.
    delegated: bool | None = None


@dataclass(frozen=True, slots=True)
class SlotView:
    """A slot of the matter with what was found for it."""

    name: str
    required: bool
    accepts: Sequence[str]
    items: Sequence[ItemView]
    #: There are more than are shown.
    more: bool = False

    @property
    def usable(self) -> int:
        """How many of them are in force."""
        return sum(item.in_force for item in self.items)


@dataclass(frozen=True, slots=True)
class CaseView:
    """The case and its applicant, as the forms of one step carry them to the next."""

    matter: str
    case_no: str
    #: The applicant's blind index in hex.
    subject: str
    holder: str
    code_type: str
    holder_code: str
    #: The delegated code that was shown for the applicant; empty without one.
    delegated: str = ""


@dataclass(frozen=True, slots=True)
class ChoosePage:
    """The second step of a use: what can be used."""

    case: CaseView
    matter_name: str
    purpose: str
    slots: Sequence[SlotView]
    #: Of the certificate that is looked for among many; empty for all.
    number: str = ""
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
    #: To go on with the same case; None where the applicant is not known any more.
    case: CaseView | None = None
    #: The first step again, with the same matter where it is known.
    next_href: str = "/use"
    steps: Sequence[Step] = ()
    receipt_href: str | None = None
    copies_href: str | None = None
    extracts_href: str | None = None
