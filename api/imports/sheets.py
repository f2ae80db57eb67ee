"""A sheet: the rows of a file of certificates, each with the number that a spreadsheet program shows beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Final

from api.errors import FieldProblem, ProblemError

MAX_FILE_BYTES: Final = 16 * 1024 * 1024
MAX_ROWS: Final = 10_000
MAX_COLUMNS: Final = 200
MAX_CELL_CHARS: Final = 8_000
#: How far down the header may stand: registers often begin with a title line.
HEADER_WITHIN_ROWS: Final = 10

#: What stands in a cell whose formula has no value: a program wrote the file and nobody has opened it since.
EMPTY_FORMULA: Final = "=?"

#: What stands in place of a number that a format shows with zeros in front of it.
PADDED_NUMBER: Final = "=0?"

Cell = str | int | float | bool | datetime | date | time | None


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a file may be. `unpacked_bytes` is what the parts of an XLSX may come to, `texts_bytes` what its table
    of shared texts may, which is the one part that has to be in memory as a whole."""

    file_bytes: int
    rows: int
    unpacked_bytes: int
    texts_bytes: int


#: A register of 10,000 rows unpacks to about 20 MiB.
IN_ONE_REQUEST: Final = Limits(MAX_FILE_BYTES, MAX_ROWS, 128 * 1024 * 1024, 128 * 1024 * 1024)
#: An import in the background: 100,000 rows of twelve columns are about 40 MiB of CSV, or unpack to 100 MiB.
IN_THE_BACKGROUND: Final = Limits(256 * 1024 * 1024, 500_000, 1024 * 1024 * 1024, 128 * 1024 * 1024)


class SheetError(ProblemError):
    """The file cannot be read whole, so nothing of it was taken. Do: what `message` says, then send it again."""

    def __init__(self, reason: str, message: str, *, errors: tuple[FieldProblem, ...] = (), status: int = 422) -> None:
        super().__init__(status, reason, message, errors=errors)


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row. `merged` is the merged range it touches, such as "A2:A5"."""

    number: int
    cells: tuple[Cell, ...]
    merged: str | None = None

    @property
    def is_blank(self) -> bool:
        """Whether no cell holds anything but white space."""
        return all(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in self.cells)


@dataclass(frozen=True, slots=True)
class Sheet:
    """What was read: every row down to the last one that is not blank, and notes for the person who sent the file."""

    rows: tuple[SheetRow, ...]
    notes: tuple[str, ...] = field(default=())


def bounded_rows(rows: Iterator[SheetRow], limits: Limits, notes: tuple[str, ...] = ()) -> Iterator[SheetRow]:
    """The rows that are not blank. Raises SheetError over the limits, or when there is no such row."""
    kept = 0
    for row in rows:
        if row.is_blank:
            continue
        kept += 1
        if kept > limits.rows + HEADER_WITHIN_ROWS:
            raise too_many_rows(limits.rows)
        _check_row(row)
        yield row
    if not kept:
        what = "第一个可见的工作表中没有内容。" + "".join(notes) if notes else "文件中没有内容。"
        raise SheetError("empty_file", f"{what}请下载模板，填写后再上传。")


def too_many_rows(limit: int = MAX_ROWS) -> SheetError:
    """The refusal of a file that should be split."""
    return SheetError("too_many_rows", f"一个文件最多 {limit} 行，请拆分为多个文件后分别上传。", status=413)


def _check_row(row: SheetRow) -> None:
    if len(row.cells) > MAX_COLUMNS:
        raise SheetError("too_many_columns", f"第 {row.number} 行有 {len(row.cells)} 列，最多 {MAX_COLUMNS} 列。")
    for place, cell in enumerate(row.cells):
        if isinstance(cell, str) and len(cell) > MAX_CELL_CHARS:
            where = f"{column_letters(place)}{row.number}"
            raise SheetError("cell_too_long", f"单元格 {where} 有 {len(cell)} 个字符，最多 {MAX_CELL_CHARS} 个。")


def column_letters(place: int) -> str:
    """The letters of the column at this place, counted from 0: A … Z, AA …"""
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
