"""Which column is which field where the names do not say it: what was chosen before, and what is similar."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from api.imports.columns import (
    FILES,
    LONGEST_KEY,
    MAX_HOLDERS,
    Column,
    columns_of,
    first_path,
    key_of,
    labels_of,
    lay_out,
    names_of,
)
from api.imports.sheets import Cell, SheetError, column_letters
from registry.catalogue.rules import TypeDefinition

How = Literal["chosen", "known", "similar", "none"]

#: Headers that people use for a field although they name something else; offered, never taken without being asked.
_ALSO_CALLED: Final = {
    "统一社会信用代码": "holder_code", "社会信用代码": "holder_code", "信用代码": "holder_code",
    "组织机构代码": "holder_code", "身份证号": "holder_code", "身份证号码": "holder_code",
    "公民身份号码": "holder_code", "护照号": "holder_code", "护照号码": "holder_code", "证件号": "holder_code",
    "idno": "holder_code",
    "企业名称": "holder_name", "单位名称": "holder_name", "公司名称": "holder_name", "主体名称": "holder_name",
    "名称": "holder_name", "姓名": "holder_name", "name": "holder_name", "许可证号": "certificate_number",
    "执照编号": "certificate_number", "证照号": "certificate_number", "证照号码": "certificate_number",
    "发照日期": "issue_date", "签发时间": "issue_date", "发证时间": "issue_date", "有效期": "valid_to",
    "到期日": "valid_to", "到期日期": "valid_to", "有效截止日期": "valid_to", "有效起始日期": "valid_from",
    "开始日期": "valid_from", "区划代码": "area_code",
}  # fmt: skip
#: What a downloaded file of refused rows has as its last column; it is nobody's field.
REASON_HEADER: Final = "未登记原因"
_SIMILAR_FROM: Final = 0.62
_SHORTEST_PART: Final = 2
#: Holders that are offered for a choice; a file may have more under names that say which.
_OFFERED_HOLDERS: Final = 5


@dataclass(frozen=True, slots=True)
class Choice:
    """A column of the file, and the field it is read as or, if `how` is "similar", might be."""

    place: int
    letters: str
    label: str
    field: str
    how: How
    samples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FieldOption:
    """A field that a column can be read as."""

    field: str
    column: Column
    holder: int | None


def job_columns(definition: TypeDefinition) -> tuple[Column, ...]:
    """Every column that the file of an import may have: those of the type, and the names of attached files."""
    return (*columns_of(definition), FILES)


def options_of(definition: TypeDefinition) -> list[FieldOption]:
    """Every field that a column can be read as, in the order of the template."""
    holders = min(definition.holder.maximum, MAX_HOLDERS, _OFFERED_HOLDERS)
    options: list[FieldOption] = []
    for column in job_columns(definition):
        path = first_path(column)
        if path == column.field:
            options.append(FieldOption(path, column, None))
        else:
            options += [
                FieldOption(path.replace(".0.", f".{number}."), column, number + 1) for number in range(holders)
            ]
    return options


def decide(
    header: Sequence[Cell], definition: TypeDefinition, chosen: Mapping[str, str] | None
) -> Mapping[str, str] | None:
    """The mapping to read the file by, or None if a person has to say.

    A person has to say when a required column is missing, or when an unknown header is like a field that no column has:
    unless the mapping was chosen already for these headers.
    """
    try:
        lay_out(header, job_columns(definition), definition.holder.maximum, chosen)
    except SheetError:
        return None
    if chosen is not None:
        return chosen
    return None if any(one.how == "similar" for one in choices(header, definition, None)) else {}


def choices(
    header: Sequence[Cell],
    definition: TypeDefinition,
    chosen: Mapping[str, str] | None,
    samples: Sequence[Sequence[Cell]] = (),
) -> list[Choice]:
    """Every column with the field it is read as by `chosen` or by its name, or might be."""
    columns, labels = job_columns(definition), labels_of(header)
    chosen = chosen or {}
    read = _read_by_name(header, columns, chosen)
    free = {first_path(column): column for column in columns if first_path(column) not in read.values()}
    found: list[Choice] = []
    for place, label in labels.items():
        how: How = "none"
        field = ""
        if label in chosen:
            how, field = "chosen", chosen[label]
        elif place in read:
            how, field = "known", read[place]
        elif label != REASON_HEADER:
            field = _similar(label, free)
            if field:
                how = "similar"
                del free[field]
        shown = tuple(str(row[place])[:40] for row in samples if place < len(row) and row[place] not in (None, ""))
        found.append(Choice(place, column_letters(place), label, field, how, shown[:3]))
    return found


def _read_by_name(header: Sequence[Cell], columns: Sequence[Column], chosen: Mapping[str, str]) -> dict[int, str]:
    loose = [Column(one.field, one.header, one.kind, False, one.expected, one.aliases) for one in columns]
    try:
        return {place: path for place, (path, _) in lay_out(header, loose, MAX_HOLDERS, chosen).places.items()}
    except SheetError:
        # A header stands there twice, or the mapping does not fit: nothing is read until somebody says how.
        return {}


def _similar(label: str, free: Mapping[str, Column]) -> str:
    """The path of the free field that the header is most like, or ""."""
    key = key_of(label)
    also = _ALSO_CALLED.get(key)
    if also is not None:
        return next((path for path, column in free.items() if column.field == also), "")
    if len(key) > LONGEST_KEY:
        return ""
    best, score = "", _SIMILAR_FROM
    for path, column in free.items():
        for name in names_of([column]):
            like = _likeness(key, name)
            if like > score:
                best, score = path, like
    return best


def _likeness(one: str, other: str) -> float:
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) > _SHORTEST_PART and shorter in longer:
        return 0.7 + 0.3 * len(shorter) / len(longer)
    return difflib.SequenceMatcher(None, one, other).ratio()
