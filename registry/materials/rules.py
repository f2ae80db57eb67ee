"""What makes a draft a material: pure decisions about one draft, every fault named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from registry.catalogue.rules import TypeDefinition
from registry.certificates.holders import HolderDraft, HolderKey, check_holders
from registry.certificates.names import is_clean
from registry.certificates.rules import Issuer, check_data, day
from registry.errors import FieldError
from registry.statuses.rules import Operation
from verifier.evidence import LONG_TERM

MAX_TITLE_CHARACTERS = 100

#: What can happen to a material: it is withdrawn, ended or put on hold; it is never renewed or transferred.
OPERATIONS = frozenset((Operation.SUSPEND, Operation.RETURN, Operation.LAPSE, Operation.CANCEL, Operation.REVOKE))


#: 电子发票: the type of e-invoices. Its data are read from a file (registry.invoices) and never typed.
INVOICE_TYPE = "11310105MB9T00011M903"
READ_FROM_FILES = frozenset((INVOICE_TYPE,))


@dataclass(frozen=True, slots=True)
class MaterialDraft:
    """A material as handed in. Dates are yyyymmdd, valid_to may be 长期; `department` is the one that answers for it.

    `matter_code` and `case_no` say where it was handed in or produced; they are not part of its content.
    """

    type_code: str
    title: str
    holders: tuple[HolderDraft, ...]
    valid_from: str
    valid_to: str
    data: Mapping[str, Any]
    matter_code: str | None = None
    case_no: str | None = None
    department: str | None = None


@dataclass(frozen=True, slots=True)
class ExaminedMaterial:
    """A draft that passed: what is sealed, and what the tables need."""

    content: dict[str, Any]
    valid_from_on: date
    valid_to_on: date | None
    holders: list[HolderKey]


def examine(
    draft: MaterialDraft, definition: TypeDefinition, issuer: Issuer, files: list[dict[str, str | int]]
) -> ExaminedMaterial | list[FieldError]:
    """The examined draft with its files, or every fault found."""
    errors: list[FieldError] = []
    title = draft.title.strip()
    if not 0 < len(title) <= MAX_TITLE_CHARACTERS or not title.isprintable():
        errors.append(FieldError("title", "wrong_length", f"材料名称应为 1 至 {MAX_TITLE_CHARACTERS} 个字。"))
    holders, keys = check_holders(definition, draft.holders, {}, errors)
    valid_from_on, valid_to_on = _period(draft, definition, errors)
    data = check_data(definition, draft.data, "data", errors)
    if not files and not data:
        errors.append(FieldError("files", "empty_material", "材料应至少有一个附件或填写内容。"))
    for field, text, limit in (("matter_code", draft.matter_code, 32), ("case_no", draft.case_no, 64)):
        if text is not None and (not 0 < len(text) <= limit or not is_clean(text)):
            errors.append(FieldError(field, "wrong_form", f"应为 1 至 {limit} 个字符。"))
    if errors or valid_from_on is None:
        return errors
    content = {
        "material_title": title,
        "material_type_code": definition.code,
        "material_type_name": definition.name,
        "department_code": issuer.code,
        "department_name": issuer.name,
        "valid_from": draft.valid_from,
        "valid_to": draft.valid_to,
        "holders": holders,
        "data": data,
        "files": files,
    }
    return ExaminedMaterial(content, valid_from_on, valid_to_on, keys)


def _period(
    draft: MaterialDraft, definition: TypeDefinition, errors: list[FieldError]
) -> tuple[date | None, date | None]:
    valid_from_on = day(draft.valid_from)
    valid_to_on = None if draft.valid_to == LONG_TERM else day(draft.valid_to)
    if valid_from_on is None or (valid_to_on is None and draft.valid_to != LONG_TERM):
        field = "valid_from" if valid_from_on is None else "valid_to"
        errors.append(FieldError(field, "date_does_not_exist", "应为存在的日期，形如 20260131；截止日期可填“长期”。"))
    elif valid_to_on is not None and valid_to_on < valid_from_on:
        errors.append(FieldError("valid_to", "ends_before_it_begins", "有效期截止日期早于起始日期。"))
    else:
        fault = definition.validity.fault(valid_from_on, valid_to_on)
        if fault is not None:
            errors.append(FieldError("valid_to", "wrong_validity", f"{fault}。"))
    return valid_from_on, valid_to_on
