"""From a sheet to drafts: one for each row, or the faults of that row by the header of the column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from api.imports.cells import CellError, value_of
from api.imports.columns import Column, Layout, Target, columns_of, key_of, lay_out, recognised
from api.imports.sheets import (
    HEADER_WITHIN_ROWS,
    MAX_ROWS,
    Sheet,
    SheetError,
    SheetRow,
    column_letters,
    too_many_rows,
)
from registry.catalogue.rules import TypeDefinition
from registry.errors import FieldError


@dataclass(frozen=True, slots=True)
class RowDraft:
    """The facts of one row as the JSON of a draft, or what is wrong with the row (then `facts` is None).

    `errors` name fields by their path in the draft, merged cells by their range. `files` are the names it attaches.
    """

    row: int
    facts: dict[str, Any] | None
    errors: tuple[FieldError, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """What a file holds: one draft for each of its rows, and how to name a draft's field to the person who sent it."""

    rows: tuple[RowDraft, ...]
    layout: Layout
    notes: tuple[str, ...]


def read_drafts(sheet: Sheet, definition: TypeDefinition) -> Imported:
    """The drafts of a sheet of certificates of this type. Raises SheetError."""
    columns = columns_of(definition)
    start = _find_header(sheet, columns)
    layout = lay_out(sheet.rows[start].cells, columns, definition.holder.maximum)
    data = sheet.rows[start + 1 :]
    if not data:
        raise no_rows()
    if len(data) > MAX_ROWS:
        raise too_many_rows()
    default = default_code_type(definition)
    plan = layout.plan()
    rows = tuple(row_draft(row, plan, layout, default) for row in data)
    return Imported(rows, layout, (*sheet.notes, *layout.notes))


def no_rows() -> SheetError:
    """The refusal of a file without certificates."""
    return SheetError("no_rows", "文件只有标题行，没有数据行。")


def default_code_type(definition: TypeDefinition) -> str | None:
    """The holder code type that a file need not name: the only one that the type knows."""
    codes = definition.holder.code_types
    return next(iter(codes)) if len(codes) == 1 else None


def _find_header(sheet: Sheet, columns: tuple[Column, ...]) -> int:
    place = header_place(sheet.rows[:HEADER_WITHIN_ROWS], columns)
    if place is None:
        wanted = "、".join(column.header for column in columns if column.required)
        unread = "".join(sheet.notes)
        raise SheetError("no_header", f"前 {HEADER_WITHIN_ROWS} 行中没有找到标题行；标题行应含：{wanted}。{unread}")
    return place


def header_place(rows: Sequence[SheetRow], columns: Sequence[Column]) -> int | None:
    """The place of the header: the first row, near the top, with at least two headers of this type."""
    for place, row in enumerate(rows):
        if row.number > HEADER_WITHIN_ROWS:
            break
        if recognised(row.cells, columns) >= 2:
            return place
    return None


def row_draft(row: SheetRow, plan: Sequence[Target], layout: Layout, code_type: str | None) -> RowDraft:
    """The draft of one row by the layout and its plan; holders without a code type get `code_type`."""
    errors = _faults_of(row, layout)
    facts: dict[str, Any] = {}
    holders: dict[int, dict[str, Any]] = {}
    own: dict[str, Any] = {}
    cells, count = row.cells, len(row.cells)
    for place, path, column, name, is_own, holder in plan:
        try:
            value = value_of(cells[place], column) if place < count else None
        except CellError as wrong:
            errors.append(FieldError(path, wrong.reason, wrong.message))
            continue
        if value is None:
            continue
        if is_own:
            own[name] = value
        elif holder is None:
            facts[name] = value
        else:
            holders.setdefault(holder, {})[name] = value
    if errors and _is_header(row, layout):
        message = "本行是重复的标题行，请删除"
        errors = [FieldError(f"A{row.number}", "repeated_header", message)]
    if errors:
        return RowDraft(row.number, None, tuple(errors))
    files = tuple(facts.pop("files", ()))
    facts["holders"] = [_holder(holders[number], code_type) for number in sorted(holders)]
    facts["extend_info"] = own
    return RowDraft(row.number, facts, files=files)


def _faults_of(row: SheetRow, layout: Layout) -> list[FieldError]:
    """What is wrong with a row as such."""
    errors: list[FieldError] = []
    if row.merged is not None:
        message = f"本行含合并单元格 {row.merged}，请取消合并后逐行填写"
        errors.append(FieldError(row.merged, "merged_cells", message))
    # A comma within a text that nobody put in quotation marks moves what follows it out of the columns.
    for place, cell in enumerate(row.cells[layout.width :], start=layout.width):
        if cell is not None and str(cell).strip():
            where = f"{column_letters(place)}{row.number}"
            message = (
                f"{where} 的“{str(cell).strip()[:20]}”上面没有标题，不知道属于哪一列；"
                "如果前面的内容中有分隔符，请给该内容加上引号，否则请删除或补上标题"
            )
            errors.append(FieldError(where, "no_header_above", message))
            break
    return errors


def _is_header(row: SheetRow, layout: Layout) -> bool:
    found = [(row.cells[place], header) for place, header in layout.headers.items() if place < len(row.cells)]
    return len(found) > 1 and all(key_of(cell) == key_of(header) for cell, header in found)


def _holder(facts: dict[str, Any], code_type: str | None) -> dict[str, Any]:
    if code_type is not None:
        facts.setdefault("holder_code_type_code", code_type)
    return facts
