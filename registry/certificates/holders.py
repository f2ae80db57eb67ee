"""Holders of certificates and materials: who they may be, in normal form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from registry.catalogue.rules import TypeDefinition
from registry.certificates.names import is_clean, normalise_code, normalise_name
from registry.errors import FieldError
from verifier.identifiers import IdentifierError, check_holder_number

MAX_NAME_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class HolderDraft:
    """A holder as handed in: name, number, and what kind of number it is (GB/T 36903 Annex A as practised)."""

    name: str
    code: str
    code_type: str


#: (code type, normalised code): what the blind index is made of.
HolderKey = tuple[str, str]


def check_holders(
    definition: TypeDefinition, drafts: Sequence[HolderDraft], raw: dict[str, str], errors: list[FieldError]
) -> tuple[list[dict[str, str]], list[HolderKey]]:
    """The holders as the face shows them, and their keys; faults are added to `errors`, changed texts to `raw`."""
    rule = definition.holder
    if not rule.minimum <= len(drafts) <= rule.maximum:
        message = f"持证主体应有 {rule.minimum} 至 {rule.maximum} 个，实有 {len(drafts)} 个。"
        errors.append(FieldError("holders", "wrong_count", message))
        return [], []
    shown: list[dict[str, str]] = []
    keys: list[HolderKey] = []
    for place, draft in enumerate(drafts):
        name, code = normalise_name(draft.name), normalise_code(draft.code)
        if name != draft.name:
            raw[f"holders[{place}].holder_name"] = draft.name
        key = (draft.code_type, code)
        errors += _faults(definition, f"holders[{place}]", draft, name, code)
        if key in keys:
            errors.append(FieldError(f"holders[{place}].holder_code", "holder_twice", "同一持证主体重复出现。"))
        keys.append(key)
        shown.append({"holder_name": name, "holder_code": code, "holder_code_type_code": draft.code_type})
    return shown, keys


def _faults(definition: TypeDefinition, path: str, draft: HolderDraft, name: str, code: str) -> list[FieldError]:
    errors = []
    if not 0 < len(name) <= MAX_NAME_CHARACTERS or not is_clean(draft.name):
        message = f"持证主体名称应为 1 至 {MAX_NAME_CHARACTERS} 个字，不含控制字符。"
        errors.append(FieldError(f"{path}.holder_name", "wrong_name", message))
    if draft.code_type not in definition.holder.code_types:
        message = f"“{definition.name}”的持证主体不能是这种证件代码类型。"
        errors.append(FieldError(f"{path}.holder_code_type_code", "holder_kind_not_allowed", message))
    try:
        check_holder_number(draft.code_type, code)
    except IdentifierError as wrong:
        errors.append(FieldError(f"{path}.holder_code", wrong.reason, f"{wrong.message}。"))
    return errors
