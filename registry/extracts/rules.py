"""Which parts of a face an extract may tell, and to whom. Pure.

A part is named by its path (registry.catalogue.receivers). It may go out if the matter's slot needs it and the type
lets it go to a department of the receiver's level.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

from registry.catalogue.receivers import FACE_PARTS, GOVERNMENT, HOLDER_PARTS, NOBODY
from registry.catalogue.rules import Slot, TypeDefinition
from registry.copies.rules import check_end
from registry.errors import FieldError
from verifier.extract import OPEN_FIELDS

FIELD_CHINESE: Final = {
    "certificate_name": "证照名称",
    "issuing_authority_name": "颁发机构",
    "issue_date": "颁发日期",
    "valid_from": "有效期起",
    "valid_to": "有效期止",
    "certificate_number": "证照编号",
    "certificate_identifier": "证照标识",
    "area_code": "属地编码",
    "holders.holder_name": "持证主体名称",
    "holders.holder_code": "持证主体代码",
}

_OWN, _HOLDERS = "extend_info", "holders"


@dataclass(frozen=True, slots=True)
class ExtractRequest:
    """An extract as it is asked for, of the certificate that a use relies on. fields None: all that may go out.

    receiver: 18-character code; `expires_at` is exclusive.
    """

    certificate_id: str
    receiver: str
    expires_at: datetime
    fields: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What happens to each part of a face: it goes out, it is not needed, or the type keeps it from the receiver."""

    going: tuple[str, ...]
    not_needed: tuple[str, ...]
    kept: tuple[str, ...]


def check_request(request: ExtractRequest, now: datetime, valid_to_on: date | None) -> list[FieldError]:
    """Every fault of a request about a certificate that is valid to that day (None: without end)."""
    errors = check_end("摘录件", request.expires_at, now, valid_to_on)
    if request.fields is not None and len(set(request.fields)) != len(request.fields):
        errors.append(FieldError("fields", "repeated_field", "同一字段只能列一次。"))
    return errors


def parts_of(face: Mapping[str, Any]) -> list[str]:
    """The parts of a face that can be told one by one, in reading order."""
    own = [f"{_OWN}.{name}" for name in face.get(_OWN, {})]
    return [*HOLDER_PARTS, *(name for name in FACE_PARTS if name in face), *own]


def receivers_of(part: str, definition: TypeDefinition) -> frozenset[str]:
    """To which levels of departments a part may go.

    The type says so (`x-disclose`). Where it says nothing: what is masked for readers of the registry goes to nobody,
    everything else to government.
    """
    head, _, name = part.partition(".")
    masked = head == _OWN and name in definition.masks
    return definition.receivers.get(part, NOBODY if masked else GOVERNMENT)


def governed_by(newest: TypeDefinition, registered: TypeDefinition) -> TypeDefinition:
    """The version under which something was registered, with the newest version's decision about who may be told what.

    A type that is made stricter is so for what was registered before. Fields that the newest version has no more keep
    the rule they had.
    """
    gone = [name for name in registered.order if name not in newest.order]
    kept = {part: levels for part, levels in registered.receivers.items() if part.removeprefix(f"{_OWN}.") in gone}
    masks = {name: registered.masks[name] for name in gone if name in registered.masks}
    return replace(registered, receivers={**kept, **newest.receivers}, masks={**masks, **newest.masks})


def choose(face: Mapping[str, Any], slot: Slot, definition: TypeDefinition, level: str) -> Choice:
    """What an extract for this slot and a receiver of this level may tell."""
    parts = parts_of(face)
    needed = [part for part in parts if part in slot.fields]
    going = tuple(part for part in needed if level in receivers_of(part, definition))
    return Choice(
        going, tuple(part for part in parts if part not in needed), tuple(part for part in needed if part not in going)
    )


def refusal(wanted: Iterable[str], choice: Choice) -> tuple[str, list[str]] | None:
    """Why not all of these may go out (field_not_for_receiver, field_not_needed) and which; None if they may."""
    asked = [part for part in wanted if part not in choice.going]
    kept = [part for part in asked if part in choice.kept]
    if kept:
        return "field_not_for_receiver", kept
    return ("field_not_needed", asked) if asked else None


def select(face: Mapping[str, Any], parts: Sequence[str]) -> dict[str, Any]:
    """The face with these parts alone, and those that every extract tells."""
    shown = {name: face[name] for name in (*OPEN_FIELDS, *(part for part in parts if part in FACE_PARTS))}
    members = [part.removeprefix(f"{_HOLDERS}.") for part in parts if part in HOLDER_PARTS]
    if "holder_code" in members:
        members.append("holder_code_type_code")
    if members:
        shown[_HOLDERS] = [{name: holder[name] for name in members} for holder in face[_HOLDERS]]
    own = [part.removeprefix(f"{_OWN}.") for part in parts if part.startswith(f"{_OWN}.")]
    if own:
        shown[_OWN] = {name: face[_OWN][name] for name in own}
    return shown


def title_of(part: str, definition: TypeDefinition) -> str:
    """What people call a part."""
    head, _, name = part.partition(".")
    return definition.schema.title([name]) if head == _OWN else FIELD_CHINESE.get(part, part)
