"""What entries commit to, for the department that is to sign them: the stored bytes and salts of their content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from registry.certificates.tables import Certificate
from registry.copies.tables import DerivedCopy
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
    changes = {one.entry_id: one.item for one in wanted if one.kind == Kind.STATUS}
    if changes:
        chosen_events = select(StatusEvent.entry_id, StatusEvent.content, StatusEvent.salts).where(
            StatusEvent.item_id.in_(set(changes.values())), StatusEvent.entry_id.in_(changes)
        )
        found |= {
            entry_id: Content(content, salts) for entry_id, content, salts in session.execute(chosen_events).tuples()
        }
    return found
