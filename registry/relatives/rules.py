"""Which relations there are, and how many."""

from __future__ import annotations

from registry.errors import FieldError

RELATIONS = {"parent": "父母", "child": "子女", "spouse": "配偶", "guardian": "监护人", "other": "其他亲属"}
#: How many relatives somebody has at most, and for how many people one person acts: nobody collects cards.
MAX_RELATIVES = 5
MAX_HOLDERS = 8
MAX_DOCUMENT_CHARACTERS = 200


def check_relation(relation: str, document: str, *, same_person: bool) -> list[FieldError]:
    """Every fault of a relation's facts."""
    errors = []
    if relation not in RELATIONS:
        errors.append(FieldError("relation", "unknown_relation", f"关系应为 {'、'.join(RELATIONS)} 之一。"))
    if not 0 < len(document.strip()) <= MAX_DOCUMENT_CHARACTERS or not document.isprintable():
        message = f"请写明证明材料的名称和编号，最多 {MAX_DOCUMENT_CHARACTERS} 个字，例如“户口簿 310105…”。"
        errors.append(FieldError("document", "document_missing", message))
    if same_person:
        errors.append(FieldError("relative", "same_person", "亲属与持码人是同一人，本人申领无须绑定。"))
    return errors


def check_numbers(relatives: int, holders: int) -> list[FieldError]:
    """Faults of how many relatives the holder has, and for how many people the relative acts, before a new relation."""
    errors = []
    if relatives >= MAX_RELATIVES:
        message = f"此人已绑定 {MAX_RELATIVES} 名亲属，请先解除一名。"
        errors.append(FieldError("holder", "too_many_relatives", message))
    if holders >= MAX_HOLDERS:
        message = f"该亲属已为 {MAX_HOLDERS} 人代办，请先解除一项。"
        errors.append(FieldError("relative", "too_many_holders", message))
    return errors
