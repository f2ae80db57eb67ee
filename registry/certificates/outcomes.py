"""What becomes of a draft, and a draft on its way there."""

from __future__ import annotations

from dataclasses import dataclass

from registry.certificates.rules import CertificateDraft, Examined
from registry.errors import FieldError
from registry.files.service import AttachedFile
from verifier.commitment import Sealed


@dataclass(frozen=True, slots=True)
class Registered:
    """A certificate that stands. `entry_id` is its row in the log; None when it stood before (`duplicate`)."""

    id: str
    identifier: str
    entry_id: int | None
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class RowRefusal:
    """A draft that was not registered: `row` counts from 1; `existing_id` what stands in its place, if that is why."""

    row: int
    errors: tuple[FieldError, ...]
    existing_id: str | None = None
    permitted: bool = True


Outcome = Registered | RowRefusal
Outcomes = list[Outcome | None]


@dataclass(slots=True)
class Row:
    """A draft that passed, with what the later steps take for it."""

    place: int
    draft: CertificateDraft
    examined: Examined
    type_version: int
    files: tuple[AttachedFile, ...]
    item: bytes
    id: str
    slot: tuple[int, int]
    sealed: Sealed | None = None

    @property
    def identifier(self) -> str:
        """The certificate identifier, given or made."""
        return str(self.examined.face["certificate_identifier"])
