"""What templates see: plain values, already masked, already in the reader's language. No template touches a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from verifier.verdict import Outcome, State

#: How a state looks: like a verdict, or like something that waits for somebody; "" stands out in no way.
Tone = Literal["valid", "invalid", "dormant", "undecided", "waiting", ""]
Option = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Fact:
    """A labelled value; `note` is said smaller beside it."""

    label: str
    value: str
    note: str = ""
    mono: bool = False
    wide: bool = False


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One fault of one field, in words."""

    label: str
    message: str


@dataclass(frozen=True, slots=True)
class ProblemView:
    """What went wrong with what was sent, and what to do."""

    title: str
    detail: str
    errors: Sequence[FieldFault] = ()
    next: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """What was written into one form of several and not taken, and why, by its inputs' names."""

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)


NOTHING_TRIED: Final = Tried()


@dataclass(frozen=True, slots=True)
class Link:
    """A way to go on."""

    href: str
    label: str


@dataclass(frozen=True, slots=True)
class TroublePage:
    """A page that could not be shown."""

    status: int
    title: str
    detail: str
    errors: Sequence[FieldFault]
    next: str
    way: Link
    number: str


@dataclass(frozen=True, slots=True)
class DisputeMark:
    """The open dispute about a certificate; `href` only for those who may see it."""

    held: bool
    href: str | None


@dataclass(frozen=True, slots=True)
class VerifyPage:
    """The page that waits for a code, a picture or a bundle."""

    problem: ProblemView | None = None


@dataclass(frozen=True, slots=True)
class CheckView:
    """One check of a verdict."""

    name: str
    outcome: Outcome
    message: str
    evidence: Sequence[Fact]
    as_of: str


@dataclass(frozen=True, slots=True)
class TakenPage:
    """What a fallback number stood for; recorded: for the person to see."""

    facts: Sequence[Fact]
    recorded: bool


@dataclass(frozen=True, slots=True)
class PosterNote:
    """What the registry knows of the poster that was just verified."""

    code_id: str
    number: int
    place: str
    kinds: Sequence[Option]


@dataclass(frozen=True, slots=True)
class VerdictPage:
    """A verdict: the one reason first, the rest on demand."""

    state: State
    word: str
    reason: str
    facts: Sequence[Fact]
    age: str
    what_next: str
    checks: Sequence[CheckView]
    tally: str
    #: The bearer of a printed code has to be looked at.
    second_factor: bool = False
    #: The page of the component whose label it is.
    component_href: str | None = None
    poster: PosterNote | None = None
    #: What a window stated; the next scan is for the same.
    purpose: str = ""

    @property
    def open_checks(self) -> bool:
        """Whether the checks are shown unasked: where something is open, they are the explanation."""
        return self.state in (State.INVALID, State.UNDECIDED)


@dataclass(frozen=True, slots=True)
class TypeOption:
    """A certificate type to choose."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class ColumnView:
    """A column of an import file."""

    header: str
    required: bool
    expected: str


@dataclass(frozen=True, slots=True)
class JobLine:
    """An import in a list."""

    id: str
    at: datetime
    file_name: str
    type_name: str
    state: str
    state_name: str
    dry_run: bool
    total: int
    done: int
    accepted: int
    duplicate: int
    refused: int


@dataclass(frozen=True, slots=True)
class RegisterPage:
    """The upload form of one type, and the newest jobs."""

    types: Sequence[TypeOption]
    chosen: TypeOption | None
    columns: Sequence[ColumnView]
    jobs: Sequence[JobLine]
    problem: ProblemView | None = None


@dataclass(frozen=True, slots=True)
class FormField:
    """One input of a generated form."""

    name: str
    label: str
    value: str = ""
    hint: str = ""
    error: str | None = None
    required: bool = False
    type: str = "text"
    long: bool = False
    options: Sequence[Option] = ()
    attrs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FieldGroup:
    """Inputs that belong together."""

    title: str
    fields: Sequence[FormField]


@dataclass(frozen=True, slots=True)
class Holders:
    """The inputs of every holder, and of one more. titles: of the only one, and of one among several with `#` in it."""

    groups: Sequence[FieldGroup]
    blank: FieldGroup
    minimum: int
    maximum: int
    titles: tuple[str, str]

    @property
    def may_add(self) -> bool:
        """Whether the type allows for another."""
        return len(self.groups) < self.maximum

    @property
    def may_remove(self) -> bool:
        """Whether the type allows for one less."""
        return len(self.groups) > self.minimum


@dataclass(frozen=True, slots=True)
class SinglePage:
    """The form of one certificate."""

    type_code: str
    type_name: str
    definer_name: str
    general: FieldGroup
    holders: Holders
    own: FieldGroup | None
    problem: ProblemView | None = None
    #: Names of files that were chosen and are not kept.
    lost: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class CertificateLine:
    """One certificate of a list, masked."""

    id: str
    number: str
    type_name: str
    holders: Sequence[str]
    issuer_name: str
    valid_from: str
    valid_to: str
    tone: Tone
    status: str
    progress: str


@dataclass(frozen=True, slots=True)
class Face:
    """The face of a certificate as paper shows it: always Chinese."""

    frame: str
    title: str
    number: str
    facts: Sequence[Fact]
    validity: str
    issuer: str
    issued: str
    #: Above the title, and below everything; empty where the type has none.
    emblem: str = ""
    footer: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the way from registration to the chain."""

    done: bool
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of an inclusion proof: the known hash that joins, and its side."""

    left: bool
    given: str


@dataclass(frozen=True, slots=True)
class Proof:
    """An inclusion proof, drawn."""

    index: str
    size: str
    href: str
    rungs: Sequence[Rung]
    facts: Sequence[Fact]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an item."""

    title: str
    at: datetime
    text: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class CodeCard:
    """A code of the holder, beside the certificate."""

    id: str
    title: str
    alt: str
    note: str


@dataclass(frozen=True, slots=True)
class FileLine:
    """A stored file of a certificate."""

    href: str
    name: str
    note: str
