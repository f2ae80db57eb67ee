"""The refused rows of a job as they were sent, with a last column that says why: to correct and to send again."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, Final, NamedTuple

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import column_index_from_string

from api.imports.guarded import exact
from api.imports.mapping import REASON_HEADER
from api.imports.spool import read_rows
from api.imports.texts import text_of
from registry.imports.folder import ImportFolder
from registry.imports.rules import Fault, RowResult, unpack
from registry.imports.tables import ImportChunk, ImportJob

_TEXT: Final = "@"
_FAULTY: Final = PatternFill("solid", fgColor="FBE8E5")


class RefusedRow(NamedTuple):
    """A refused row: its cells as text, under the job's header, and what is wrong with them."""

    cells: list[str]
    faults: tuple[Fault, ...]


def refused_rows(
    folder: ImportFolder, job: ImportJob, next_chunk: Callable[[int], ImportChunk | None]
) -> Iterator[RefusedRow]:
    """Every refused row of a job. `next_chunk(n)` is the first chunk above n that has any."""
    number, width = -1, len(job.header)
    while (chunk := next_chunk(number)) is not None:
        number = chunk.number
        results = unpack(chunk.results)
        rows, _ = read_rows(folder, job.id, chunk.position, len(results))
        for row, result in zip(rows, results, strict=True):
            if result.outcome == "refused":
                cells = [text_of(cell) for cell in row.cells[:width]]
                yield RefusedRow(cells + [""] * (width - len(cells)), result.faults)


def why(result: RowResult | RefusedRow) -> str:
    """All that is wrong with a row, in one line."""
    return "；".join(
        f"{one.header}：{one.message.rstrip('。')}" if one.header else one.message for one in result.faults
    )


def refused_csv(header: Sequence[str], rows: Iterable[RefusedRow]) -> Iterator[bytes]:
    """A CSV file in pieces; the mark at its beginning tells spreadsheet programs that it is UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([*map(exact, _without_reason(header)), REASON_HEADER])
    yield text.getvalue().encode("utf-8-sig")
    keep = _kept_places(header)
    for row in rows:
        text.seek(0)
        text.truncate()
        writer.writerow([*(exact(row.cells[place]) for place in keep), exact(why(row))])
        yield text.getvalue().encode()


def refused_xlsx(header: Sequence[str], rows: Iterable[RefusedRow], file: BinaryIO) -> None:
    """Write an XLSX file of text cells, the faulty ones marked; row by row, never wholly in memory."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.freeze_panes = "A2"
    keep = _kept_places(header)
    names = [_text_cell(sheet, name) for name in (*_without_reason(header), REASON_HEADER)]
    for cell in names:
        cell.font = Font(bold=True)
    sheet.append(names)
    for row in rows:
        faulty = {column_index_from_string(one.letters) - 1 for one in row.faults if one.letters}
        cells = []
        for place in keep:
            cell = _text_cell(sheet, row.cells[place])
            if place in faulty:
                cell.fill = _FAULTY
            cells.append(cell)
        # It begins with the name of a column, which the file said.
        reason = _text_cell(sheet, why(row))
        reason.alignment = Alignment(wrap_text=True)
        sheet.append([*cells, reason])
    book.save(file)


def _text_cell(sheet: Any, text: str) -> Any:
    """A cell of text: a formula in what was sent stays what it was, letters."""
    cell = WriteOnlyCell(sheet, text)
    cell.data_type, cell.number_format = "s", _TEXT
    return cell


def _kept_places(header: Sequence[str]) -> list[int]:
    return [place for place, name in enumerate(header) if name != REASON_HEADER]


def _without_reason(header: Sequence[str]) -> list[str]:
    """The header without the reasons of an earlier round."""
    return [name for name in header if name != REASON_HEADER]
