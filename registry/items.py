"""What can be authorised and used: a certificate or a material, seen alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from registry.catalogue import service as catalogue
from registry.certificates import service as certificates
from registry.certificates.tables import Certificate
from registry.materials import service as materials
from registry.materials.tables import Material
from registry.work import Work
from verifier.status import Status

#: Uses of one item may run side by side; a change of its status waits for them, and they for it.
_SHARED = {"read": True}


@dataclass(frozen=True, slots=True)
class Item:
    """A certificate or a material as authorisations and uses see it. `salts` is None once the item was erased."""

    kind: str
    id: str
    type_code: str
    department: str
    status: Status
    valid_from_on: date
    valid_to_on: date | None
    one_time: bool
    holders: frozenset[bytes]
    sha256: bytes
    salts: bytes | None = field(repr=False)


def find_item(work: Work, kind: str, item_id: str) -> Item | None:
    """The item of this kind and id as it stands now; until the transaction ends its status cannot change."""
    row: Certificate | Material | None
    if kind == "certificate":
        row = work.session.get(Certificate, item_id, populate_existing=True, with_for_update=_SHARED)
        holders = certificates.holders_of(work, item_id)
    elif kind == "material":
        row = work.session.get(Material, item_id, populate_existing=True, with_for_update=_SHARED)
        holders = materials.holders_of(work, item_id)
    else:
        return None
    if row is None:
        return None
    definition = catalogue.definition_at(work, row.type_code, row.type_version)
    return Item(
        kind, row.id, row.type_code, row.department, Status(row.status),
        row.valid_from_on, row.valid_to_on, definition.one_time, frozenset(holders), row.sha256, row.salts,
    )  # fmt: skip
