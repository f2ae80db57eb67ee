"""Files to fill in: the template of a type, and the refused rows of an upload with their reasons."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Final

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from api.imports.columns import Column
from api.pages.reports import Report

CSV_TYPE: Final = "text/csv; charset=utf-8"
XLSX_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
#: The header under which a refused row says why; an upload that still has it is read without it.
REASON_HEADER: Final = "未登记原因"

_TEXT: Final = "@"
_REQUIRED: Final = PatternFill("solid", fgColor="E2EEF2")
_FAULTY: Final = PatternFill("solid", fgColor="FBE8E5")
_AUTHOR: Final = "随证"


def template_csv(columns: Sequence[Column]) -> bytes:
    """An empty CSV file with the headers; the mark at its beginning tells spreadsheet programs that it is UTF-8."""
    text = io.StringIO()
    csv.writer(text).writerow([column.header for column in columns])
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


def refused_xlsx(report: Report) -> bytes:
    """The refused rows as they were sent, faulty cells marked, with a last column that says why."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.freeze_panes = "A2"
    header = [WriteOnlyCell(sheet, name) for name in (*report.header, REASON_HEADER)]
    for cell in header:
        cell.font = Font(bold=True)
    sheet.append(header)
    for row in report.rows:
        faults = [fault for fault in report.faults if fault.row == row.row]
        faulty = {fault.field for fault in faults}
        cells = []
        for place, text in enumerate(row.cells[: len(report.header)] + [""] * (len(report.header) - len(row.cells))):
            # Written as text: a formula in what was sent stays what it was, letters.
            cell = WriteOnlyCell(sheet, text)
            cell.data_type, cell.number_format = "s", _TEXT
            if report.header[place] in faulty:
                cell.fill = _FAULTY
            cells.append(cell)
        why = WriteOnlyCell(sheet, "；".join(f"{fault.field}：{fault.message}" for fault in faults))
        why.alignment = Alignment(wrap_text=True)
        sheet.append([*cells, why])
    return _saved(book)


def _saved(book: Workbook) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
