"""What the templates of matters see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from api.pages.views import Option, ProblemView
from registry.catalogue.rules import MAX_SLOTS


@dataclass(frozen=True, slots=True)
class MatterLine:
    """A matter in the list."""

    code: str
    name: str
    department: str
    slots: int
    retired: bool


@dataclass(frozen=True, slots=True)
class MattersPage:
    """Every matter, those in use first."""

    lines: Sequence[MatterLine]


@dataclass(frozen=True, slots=True)
class SlotLine:
    """A slot in words."""

    code: str
    name: str
    accepts: Sequence[str]
    required: bool
    fields: Sequence[str]


@dataclass(frozen=True, slots=True)
class EditionLine:
    """What a matter said before, and until when."""

    revision: int
    name: str
    purpose: str
    slots: Sequence[SlotLine]
    until_at: datetime


@dataclass(frozen=True, slots=True)
class MatterPage:
    """One matter."""

    code: str
    name: str
    department: str
    purpose: str
    revision: int
    slots: Sequence[SlotLine]
    editions: Sequence[EditionLine]
    retired_at: datetime | None
    retired_because: str
    reason: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: ProblemView | None = None


@dataclass(frozen=True, slots=True)
class FieldChoice:
    """A field that a slot may need: its path, and what people call it."""

    name: str
    title: str
    checked: bool


@dataclass(frozen=True, slots=True)
class FieldsOffered:
    """Fields that belong together: of all chosen types, of one, of none."""

    title: str
    fields: Sequence[FieldChoice]


@dataclass(frozen=True, slots=True)
class SlotFields:
    """The fields that one slot of the form may need."""

    place: int
    offered: Sequence[FieldsOffered]


@dataclass(frozen=True, slots=True)
class SlotRow:
    """A slot as the form has it: every text as it was typed. offered: its fields, put in before it is shown."""

    code: str = ""
    name: str = ""
    accepts: Sequence[str] = ()
    required: bool = True
    fields: Sequence[str] = ()
    offered: Sequence[FieldsOffered] = ()


@dataclass(frozen=True, slots=True)
class MatterForm:
    """The editor. `fixed`: the matter stands, so that code and department stay."""

    fixed: bool
    code: str
    name: str
    department: str
    purpose: str
    revision: int
    rows: Sequence[SlotRow]
    departments: Sequence[Option]
    types: Sequence[Option]
    errors: Mapping[str, str] = field(default_factory=dict)
    problem: ProblemView | None = None
    #: The slot to look at, if one was added or removed.
    focus: int | None = None

    @property
    def may_add(self) -> bool:
        """Whether a matter may have another slot."""
        return len(self.rows) < MAX_SLOTS

    def error_of(self, place: int, column: str) -> str | None:
        """What is wrong with one column of one slot; what is wrong with all of it stands with its code."""
        found = self.errors.get(f"slots.{place}.{column}")
        return found or (self.errors.get(f"slots.{place}") if column == "code" else None)
