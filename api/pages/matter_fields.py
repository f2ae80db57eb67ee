"""The fields of a face that a slot may need, by what people call them and grouped by the types that fill it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from api.pages.matter_views import FieldChoice, FieldsOffered
from api.pages.texts import Texts
from registry.catalogue import service as catalogue
from registry.catalogue.receivers import FACE_PARTS, HOLDER_PARTS, OWN
from registry.catalogue.rules import TypeDefinition
from registry.extracts.rules import title_of
from registry.work import Work


def offered(work: Work, accepts: Sequence[str], chosen: Sequence[str], t: Texts) -> list[FieldsOffered]:
    """The fields of these types in groups: what all or several have, then each type's own, then chosen ones that none
    has. Extracts are made of certificates alone, so materials have none."""
    types = [one for one in _definitions(work, accepts).values() if one.kind == "certificate"]
    counted = Counter(part for one in types for part in _own(one))
    shared = [part for part, count in counted.items() if count > 1]
    common = [*HOLDER_PARTS, *FACE_PARTS, *shared] if types else []
    groups = [(t("matters.fields_common"), common)]
    groups += [(one.name, [part for part in _own(one) if part not in shared]) for one in types]
    known = {part for _, parts in groups for part in parts}
    groups.append((t("matters.fields_unknown"), [part for part in dict.fromkeys(chosen) if part not in known]))
    return [
        FieldsOffered(title, [FieldChoice(part, _title(part, types), part in chosen) for part in parts])
        for title, parts in groups
        if parts
    ]


def titles(work: Work, accepts: Sequence[str], fields: Sequence[str]) -> list[str]:
    """What people call the fields of a slot that these types fill."""
    types = list(_definitions(work, accepts).values())
    return [_title(part, types) for part in fields]


def _definitions(work: Work, accepts: Sequence[str]) -> Mapping[str, TypeDefinition]:
    return {code: catalogue.definition_of(work, code) for code in accepts if catalogue.find_type(work, code)}


def _own(definition: TypeDefinition) -> list[str]:
    return [f"{OWN}.{name}" for name in definition.order]


def _title(part: str, types: Sequence[TypeDefinition]) -> str:
    having = next((one for one in types if part in _own(one)), None)
    if having is not None:
        return title_of(part, having)
    return title_of(part, types[0]) if types and not part.startswith(f"{OWN}.") else part
