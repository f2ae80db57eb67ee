"""Files to fill in: the template of a type."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Final

from openpyxl import Workbook
from openpyxl.comments import Comment
from openpyxl.styles import Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from api.imports.columns import Column
from api.imports.guarded import exact

CSV_TYPE: Final = "text/csv; charset=utf-8"
XLSX_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

_TEXT: Final = "@"
_REQUIRED: Final = PatternFill("solid", fgColor="E2EEF2")
_AUTHOR: Final = "随证"


def template_csv(columns: Sequence[Column]) -> bytes:
    """An empty CSV file with the headers; the mark at its beginning tells spreadsheet programs that it is UTF-8."""
    text = io.StringIO()
    csv.writer(text).writerow([exact(column.header) for column in columns])
    return text.getvalue().encode("utf-8-sig")


def template_xlsx(columns: Sequence[Column]) -> bytes:
    """An empty XLSX file: text cells, so that long numbers keep their ends; a comment says what each column expects."""
    book = Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    for place, column in enumerate(columns, start=1):
        cell = sheet.cell(1, place, column.header)
        cell.font = Font(bold=column.required)
        if column.required:
            cell.fill = _REQUIRED
        mark = "必填" if column.required else "选填"
        cell.comment = Comment(f"{mark}：{column.expected}", _AUTHOR)
        letters = get_column_letter(place)
        sheet.column_dimensions[letters].width = max(14, 2.2 * len(column.header))
        sheet.column_dimensions[letters].number_format = _TEXT
    sheet.freeze_panes = "A2"
    return _saved(book)


def _saved(book: Workbook) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
