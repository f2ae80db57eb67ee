"""What the templates of materials see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from api.pages.views import Fact, FieldGroup, Holders, Option, ProblemView, Proof, Step, Tone


@dataclass(frozen=True, slots=True)
class MaterialLine:
    """A material in the list."""

    id: str
    title: str
    type_name: str
    case_no: str
    registered_at: datetime
    tone: Tone
    status: str
    href: str


@dataclass(frozen=True, slots=True)
class MaterialsPage:
    """A page of materials, and what they were narrowed by."""

    lines: Sequence[MaterialLine]
    types: Sequence[Option]
    q: str
    type_code: str
    narrowed: bool
    first_href: str | None
    next_href: str | None
    #: The file that was looked for: its name, and its SHA-256 in groups.
    looked: tuple[str, str] | None = None
    errors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MaterialForm:
    """The form of one material of a type."""

    type_code: str
    type_name: str
    groups: Sequence[FieldGroup]
    holders: Holders
    own: FieldGroup | None
    problem: ProblemView | None = None
    #: Names of files that were chosen and are not kept.
    lost: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class NewMaterialPage:
    """Which types of materials this department may register."""

    types: Sequence[Option]


@dataclass(frozen=True, slots=True)
class SealLine:
    """A seal or signature of a file, and what it is worth."""

    name: str
    tone: Tone
    state: str
    message: str


@dataclass(frozen=True, slots=True)
class FileCard:
    """A file of a material. seals: None until it was inspected."""

    name: str
    note: str
    sha256: str
    tone: Tone = "dormant"
    verdict: str = ""
    message: str = ""
    seals: Sequence[SealLine] | None = None


@dataclass(frozen=True, slots=True)
class MaterialPage:
    """One material. consumption: what became of a material that counts once; empty for others."""

    id: str
    title: str
    type_name: str
    tone: Tone
    status: str
    masked: bool
    facts: Sequence[Fact]
    data: Sequence[Fact]
    files: Sequence[FileCard]
    may_inspect: bool
    inspected: bool
    consumption: str
    consumed: bool
    steps: Sequence[Step]
    proof: Proof | None
