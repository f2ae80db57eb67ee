"""A sheet of components (部件清单): one row a component, by the titles of its columns."""

from __future__ import annotations

from typing import Final, NamedTuple

from api.imports.sheets import HEADER_WITHIN_ROWS, Cell, Sheet, SheetError, SheetRow
from registry.components.rules import ComponentDraft
from registry.errors import FieldError

MAX_COMPONENTS: Final = 2_000
#: Field -> titles that people write, the first one in the template.
COLUMNS: Final = {
    "code": ("部件标识码", "标识码"),
    "name": ("部件名称", "名称"),
    "place": ("位置", "位置描述"),
    "unit": ("权属单位代码", "权属单位统一社会信用代码"),
    "unit_name": ("权属单位", "权属单位名称"),
}
_OPTIONAL: Final = frozenset({"name"})


class ReadComponents(NamedTuple):
    """The rows that could be read, each with its number, and the faults of the others."""

    drafts: list[tuple[int, ComponentDraft]]
    errors: list[FieldError]


def template() -> bytes:
    """The head of a sheet, to be filled in."""
    return ("\ufeff" + ",".join(titles[0] for titles in COLUMNS.values()) + "\r\n").encode()


def read_components(sheet: Sheet) -> ReadComponents:
    """The components of a sheet. Raises SheetError where nothing of it can be used."""
    head, places = _head(sheet)
    rows = sheet.rows[head + 1 :]
    if not rows:
        raise SheetError("no_rows", "表中没有部件。请在标题行下面逐行填写。")
    if len(rows) > MAX_COMPONENTS:
        raise SheetError("too_many_rows", f"一次最多导入 {MAX_COMPONENTS} 个部件，请拆分。", status=413)
    read = ReadComponents([], [])
    for row in rows:
        texts = {field: _text(row, place) for field, place in places.items()}
        spoiled = [field for field, text in texts.items() if text is None]
        if spoiled:
            title = COLUMNS[spoiled[0]][0]
            message = f"“{title}”被表格软件当成数字，末尾几位可能已经丢失；请把该列设为文本后重新填写。"
            read.errors.append(FieldError(spoiled[0], "spoiled_number", message, row.number))
            continue
        facts = {field: text or "" for field, text in texts.items()}
        name = facts.pop("name", "") or None
        facts["unit"] = facts["unit"].upper()
        read.drafts.append((row.number, ComponentDraft(**facts, name=name)))
    return read


def _head(sheet: Sheet) -> tuple[int, dict[str, int]]:
    for index, row in enumerate(sheet.rows[:HEADER_WITHIN_ROWS]):
        titles = [str(cell).strip() if isinstance(cell, str) else "" for cell in row.cells]
        found = {
            field: next(titles.index(title) for title in known if title in titles)
            for field, known in COLUMNS.items()
            if any(title in titles for title in known)
        }
        if "code" in found:
            missing = [COLUMNS[field][0] for field in COLUMNS.keys() - found.keys() - _OPTIONAL]
            if missing:
                raise SheetError("missing_column", f"缺少列：{'、'.join(sorted(missing))}。请下载模板对照。")
            return index, found
    raise SheetError("no_header", f"没有找到标题行（应有“{COLUMNS['code'][0]}”一列）。请下载模板对照。")


def _text(row: SheetRow, place: int) -> str | None:
    """The text of a cell; None for a number so long that its end is lost."""
    cell: Cell = row.cells[place] if place < len(row.cells) else None
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        return str(int(cell)) if abs(cell) < 10**15 and float(cell).is_integer() else None
    return "" if cell is None else str(cell).strip()
