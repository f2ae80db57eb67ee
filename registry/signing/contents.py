"""What entries commit to, for the department that is to sign them: the stored bytes and salts of their content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from registry.certificates.tables import Certificate
from registry.copies.tables import DerivedCopy
from registry.disputes.tables import DisputeStep
from registry.extracts.tables import Extract
from registry.materials.tables import Material
from registry.statuses.tables import StatusEvent
from registry.uses.tables import Use
from verifier.entry import Kind


class Content(NamedTuple):
    """RFC 8785 bytes and their salts, from which the digests in the entry follow (verifier.commitment.reseal)."""

    canonical: bytes
    salts: bytes


class Wanted(NamedTuple):
    """An entry of the outbox whose content is looked for. item: the text of its id."""

    entry_id: int
    kind: int
    item: str


#: Kinds of which the registry keeps content and salts under the item's id. Of the others it keeps none: what is public
#: about them stands in the facts of the entry itself.
_BY_ITEM: Final[Mapping[Kind, Select[tuple[str, bytes, bytes | None]]]] = MappingProxyType(
    {
        Kind.CERTIFICATE: select(Certificate.id, Certificate.face, Certificate.salts),
        Kind.MATERIAL: select(Material.id, Material.content, Material.salts),
        Kind.USE: select(Use.id, Use.content, Use.salts),
        Kind.COPY: select(DerivedCopy.id, DerivedCopy.content, DerivedCopy.salts),
        Kind.EXTRACT: select(Extract.id, Extract.content, Extract.salts),
    }
)

#: And where an item has several of a kind, under the rows of the entries; last the item, which is what is indexed.
_BY_ENTRY: Final[Mapping[Kind, Select[tuple[int, bytes, bytes, str]]]] = MappingProxyType(
    {
        Kind.STATUS: select(StatusEvent.entry_id, StatusEvent.content, StatusEvent.salts, StatusEvent.item_id),
        Kind.DISPUTE: select(DisputeStep.entry_id, DisputeStep.content, DisputeStep.salts, DisputeStep.dispute_id),
    }
)


def contents_of(session: Session, wanted: Sequence[Wanted]) -> dict[int, Content]:
    """The content of each entry by its row in the outbox; none where none is kept, or its salts are gone."""
    found: dict[int, Content] = {}
    for kind, query in _BY_ITEM.items():
        entries = {one.item: one.entry_id for one in wanted if one.kind == kind}
        if entries:
            chosen = query.where(query.selected_columns[0].in_(entries))
            for item, canonical, salts in session.execute(chosen).tuples():
                if salts is not None:
                    found[entries[item]] = Content(canonical, salts)
    for kind, steps in _BY_ENTRY.items():
        items = {one.entry_id: one.item for one in wanted if one.kind == kind}
        if items:
            entry_id, *_, item_id = steps.selected_columns
            chosen_steps = steps.where(item_id.in_(set(items.values())), entry_id.in_(items))
            for row_id, canonical, salts, _ in session.execute(chosen_steps).tuples():
                found[row_id] = Content(canonical, salts)
    return found
