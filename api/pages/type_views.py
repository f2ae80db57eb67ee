"""What the templates of certificate types see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from api.pages.views import Face, Fact, Option, ProblemView
from registry.catalogue.field_rows import FieldRow
from registry.catalogue.sheets import Sheet


@dataclass(frozen=True, slots=True)
class TypeLine:
    """A type in the list."""

    code: str
    name: str
    kind: str
    version: int
    definer: str
    local_codes: Sequence[str]


@dataclass(frozen=True, slots=True)
class DraftLine:
    """A draft in the list."""

    id: str
    name: str
    version: int
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class TypesPage:
    """Every type; drafts for those who write them."""

    lines: Sequence[TypeLine]
    drafts: Sequence[DraftLine]
    discarded: Sequence[DraftLine]


@dataclass(frozen=True, slots=True)
class FieldLine:
    """A field of a published type in words."""

    name: str
    title: str
    kind: str
    form: str
    required: bool
    mask: str
    shown_to: str
    receivers: str


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version of a type."""

    version: int
    published_at: datetime
    current: bool


@dataclass(frozen=True, slots=True)
class TypeLook:
    """How certificates of a type look, and to whom extracts may tell what of them."""

    face: Face
    audiences: Sequence[Fact]


@dataclass(frozen=True, slots=True)
class TypePage:
    """A type in one version."""

    code: str
    name: str
    version: int
    newest: bool
    look: TypeLook
    facts: Sequence[Fact]
    fields: Sequence[FieldLine]
    schema: str
    versions: Sequence[VersionLine]
    local_codes: Sequence[str]
    local_code: str = ""
    error: str | None = None
    problem: ProblemView | None = None


@dataclass(frozen=True, slots=True)
class DraftPage:
    """The editor."""

    id: str
    revision: int
    sheet: Sheet
    fixed: bool
    look: TypeLook
    holder_types: Sequence[Option]
    field_kinds: Sequence[Option]
    masks: Sequence[Option]
    shown_to: Sequence[Option]
    receivers: Sequence[Option]
    frames: Sequence[Option]
    kinds: Sequence[Option]
    may_take_back: bool
    discarded: bool
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: ProblemView | None = None

    @property
    def rows(self) -> Sequence[FieldRow]:
        """The fields in their order."""
        return self.sheet.rows

    def error_of(self, place: int, column: str) -> str | None:
        """What is wrong with one column of one row."""
        return self.errors.get(f"rows.{place}.{column}")


@dataclass(frozen=True, slots=True)
class SchemaPage:
    """The expert view of a draft."""

    id: str
    name: str
    revision: int
    schema: str
    error: str | None = None
    problem: ProblemView | None = None


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """The last look before publishing. `changes`: against the version before; `missing`: what is still wrong; `dual`:
    a second administrator has to decide; `waits`: just this is waiting for one."""

    id: str
    revision: int
    name: str
    code: str
    version: int
    look: TypeLook
    changes: Sequence[str]
    missing: Sequence[str]
    dual: bool
    waits: bool
    errors: Mapping[str, str]
