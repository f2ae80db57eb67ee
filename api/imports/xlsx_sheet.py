"""XLSX as strangers make it: sizes are looked at before anything is unpacked, entities are never expanded, formulas are
never run (their last values are read; one without a value is named), merged cells are found and named."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final
from xml.etree.ElementTree import ParseError

import openpyxl
from defusedxml.common import DefusedXmlException
from openpyxl.utils.cell import range_boundaries
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.workbook import Workbook
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from api.imports.cells import LAST_SERIAL
from api.imports.other_forms import refuse_other_packages
from api.imports.sheets import (
    EMPTY_FORMULA,
    HEADER_WITHIN_ROWS,
    MAX_COLUMNS,
    PADDED_NUMBER,
    Cell,
    Limits,
    SheetError,
    SheetRow,
    too_many_rows,
)

MAX_PARTS: Final = 500
_CHUNK_BYTES: Final = 256 * 1024
#: The longest element that is looked for may be cut by the border between two chunks: a formula has 8,192 characters.
_OVERLAP_BYTES: Final = 32 * 1024
_LOOKED_FOR: Final = re.compile(
    rb'<(?:\w+:)?mergeCell\s[^<>]{0,200}?ref="(?P<merged>[A-Z]{1,3}\d{1,7}:[A-Z]{1,3}\d{1,7})"'
    rb'|<(?:\w+:)?c\s[^<>]{0,200}?r="(?P<empty>[A-Z]{1,3}\d{1,7})"[^<>]{0,200}>\s*'
    rb"<(?:\w+:)?f(?:\s[^<>]{0,400})?(?:/>|>[^<]{0,17000}</(?:\w+:)?f>)\s*(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v></(?:\w+:)?v>)?"
    rb"\s*</(?:\w+:)?c>"
    rb"|<(?:\w+:)?row\s[^<>]{0,400}?\bhidden=\"(?:1|true)\""
)
#: A cell with one of these styles.
_STYLED: Final = (
    rb'|<(?:\w+:)?c\s(?=[^<>]{0,200}?\bs="(?:%b)")[^<>]{0,200}?\br="(?P<padded>[A-Z]{1,3}\d{1,7})"'
    rb"[^<>]{0,200}>(?!\s*<(?:\w+:)?f)"
)
_PADDING: Final = re.compile(r"0{2,}(?![.%0])")
#: A row with its number, or something that a cell holds.
_ROW_OR_VALUE: Final = re.compile(rb'<(?:\w+:)?row\s[^<>]{0,400}?\br="(?P<row>\d{1,7})"|<(?:\w+:)?(?:v|is)[\s>]')
#: Control characters, which XML cannot hold, such as the ends of lines from databases (ECMA-376 part 1, 22.9.2.19);
#: the library leaves them so.
_ESCAPED: Final = re.compile(r"_x(00[01][0-9A-Fa-f])_")
MAX_MERGED_RANGES: Final = 2_000
#: Formulas without a value and padded numbers that are named one by one; who has them has a column of them.
MAX_SPOILED: Final = 200_000

#: What openpyxl and the libraries under it raise on damaged or hostile files.
_BROKEN: Final = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    InvalidFileException,
    DefusedXmlException,
    ParseError,
    zlib.error,
    struct.error,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    EOFError,
    OSError,
    RuntimeError,
    AssertionError,
    RecursionError,
)


@dataclass(frozen=True, slots=True)
class _Marks:
    """What the reader in use does not tell of a sheet: merged ranges by row, formulas that have no value, how many rows
    are hidden, and cells whose format shows zeros in front of a number."""

    merged: dict[int, str]
    empty: dict[int, set[int]]
    hidden: int
    padded: dict[int, set[int]]


@contextmanager
def open_xlsx(file: BinaryIO, limits: Limits) -> Iterator[tuple[Iterator[SheetRow], tuple[str, ...]]]:
    """The rows of the first visible sheet, and notes. Raises SheetError, here or from the rows."""
    with _broken_is_told():
        with zipfile.ZipFile(file) as archive:
            _check_sizes(archive, limits)
            refuse_other_packages(archive)
        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
    try:
        with _broken_is_told():
            sheet, path = _first_sheet(book)
            marks = _marks_of(file, path, limits, _padding_styles(book))
        unread = (name for name in book.sheetnames if name != sheet.title)
        notes = [f"工作表“{name}”未读取：只读取第一个可见的工作表。" for name in unread][:5]
        if marks.hidden:
            notes.append(f"有 {marks.hidden} 行在表格中被隐藏或筛选掉，同样会读取；不想登记的请删除后重新上传。")
        rows = _rows(sheet, marks, limits, lambda row: _holds_below(file, path, row))
        yield _told_rows(_undated(rows) if book.epoch == CALENDAR_MAC_1904 else rows), tuple(notes)
    finally:
        book.close()


@contextmanager
def _broken_is_told() -> Iterator[None]:
    try:
        yield
    except SheetError:
        raise
    except _BROKEN as error:
        raise SheetError("broken_xlsx", "XLSX 文件已损坏或不完整；请用表格软件打开、另存后重试。") from error


def _undated(rows: Iterator[SheetRow]) -> Iterator[SheetRow]:
    """Rows of a book that counts days from 1904: what might be the number of a day is another day there, so that it
    becomes text, which is never taken for a day."""
    for row in rows:
        yield SheetRow(row.number, tuple(map(_no_day_number, row.cells)), row.merged)


def _no_day_number(cell: Cell) -> Cell:
    is_number = isinstance(cell, int | float) and not isinstance(cell, bool)
    return str(cell) if is_number and abs(cell) <= LAST_SERIAL else cell  # type: ignore[arg-type]


def _told_rows(rows: Iterator[SheetRow]) -> Iterator[SheetRow]:
    while True:
        with _broken_is_told():
            row = next(rows, None)
        if row is None:
            return
        yield row


def _check_sizes(archive: zipfile.ZipFile, limits: Limits) -> None:
    """Refuse a zip bomb by its directory. The reader never gives more of a part than the directory says."""
    parts = archive.infolist()
    texts = sum(part.file_size for part in parts if part.filename.lower().endswith("sharedstrings.xml"))
    unpacked = sum(part.file_size for part in parts)
    if len(parts) > MAX_PARTS or unpacked > limits.unpacked_bytes or texts > limits.texts_bytes:
        raise SheetError("unpacks_too_large", "XLSX 文件展开后过大；请只保留一个工作表，另存后重试。", status=413)
    if any(part.flag_bits & 0x1 for part in parts):
        raise SheetError("encrypted", "XLSX 文件已加密；请取消密码保护后重试。")


def _first_sheet(book: Workbook) -> tuple[ReadOnlyWorksheet, str]:
    for sheet in book.worksheets:
        # Chart sheets have no cells, and what is hidden was not meant to be handed in.
        if isinstance(sheet, ReadOnlyWorksheet) and sheet.sheet_state == "visible":
            # The library keeps the part's name nowhere else.
            path: str = vars(sheet)["_worksheet_path"]
            return sheet, path
    raise SheetError("no_sheet", "文件中没有可读取的工作表。")


def _rows(
    sheet: ReadOnlyWorksheet, marks: _Marks, limits: Limits, holds_below: Callable[[int], bool]
) -> Iterator[SheetRow]:
    # The file's own statement of its size is not believed: some programs write a wrong one.
    sheet.reset_dimensions()
    last = _last_row(limits)
    cells = sheet.iter_rows(max_row=last + 1, max_col=MAX_COLUMNS + 1, values_only=True)  # type: ignore[misc]
    for number, values in enumerate(cells, start=1):
        row = SheetRow(
            number, _trimmed(values, marks.empty.get(number), marks.padded.get(number)), marks.merged.get(number)
        )
        if number > last and not row.is_blank:
            raise too_many_rows(limits.rows)
        if number > last and holds_below(number):
            message = f"第 {last} 行以下还有内容，与上面的行隔着大片空行；请删除空行与多余内容后重试。"
            raise SheetError("rows_far_below", message, status=413)
        yield row


def _last_row(limits: Limits) -> int:
    """Rows looked at; blank ones between the others are allowed up to here."""
    return 2 * limits.rows + HEADER_WITHIN_ROWS


def _holds_below(file: BinaryIO, path: str, row: int) -> bool:
    """Whether any cell below that row holds something. Rows that were only formatted hold nothing."""
    below, tail = False, b""
    with zipfile.ZipFile(file) as archive, archive.open(path) as part:
        while chunk := part.read(_CHUNK_BYTES):
            window = tail + chunk
            # What the border cuts is looked at with the next chunk.
            whole = max(window.rfind(b"<"), len(window) - _OVERLAP_BYTES)
            for match in _ROW_OR_VALUE.finditer(window, 0, whole):
                if match["row"]:
                    below = int(match["row"]) > row
                elif below:
                    return True
            tail = window[whole:]
    return False


def _trimmed(values: tuple[object, ...], empty: set[int] | None, padded: set[int] | None) -> tuple[Cell, ...]:
    if not empty and values.count(None) == len(values):
        return ()
    cells = [_cell(value) for value in values]
    for place in empty or ():
        cells += [None] * (place + 1 - len(cells))
        cells[place] = EMPTY_FORMULA
    for place in padded or ():
        if place < len(cells) and type(cells[place]) in (int, float):
            cells[place] = PADDED_NUMBER
    while cells and cells[-1] is None:
        cells.pop()
    return tuple(cells)


def _cell(value: object) -> Cell:
    if isinstance(value, str):
        return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), value) if "_x00" in value else value
    return value if isinstance(value, Cell) else str(value)


def _padding_styles(book: Workbook) -> set[int]:
    """The styles of cells that show zeros in front of a number, such as 000000."""
    codes = {164 + place: code for place, code in enumerate(vars(book)["_number_formats"])}
    styles = enumerate(vars(book)["_cell_styles"])
    return {place for place, style in styles if _PADDING.match(codes.get(style.numFmtId, ""))}


def _marks_of(file: BinaryIO, path: str, limits: Limits, padding: set[int]) -> _Marks:
    merged: list[tuple[int, int, str]] = []
    empty: dict[int, set[int]] = {}
    padded: dict[int, set[int]] = {}
    looked_for = _looked_for(padding)
    count, hidden, tail = 0, 0, b""
    with zipfile.ZipFile(file) as archive, archive.open(path) as part:
        while chunk := part.read(_CHUNK_BYTES):
            window = tail + chunk
            consumed = 0
            for match in looked_for.finditer(window):
                consumed = match.end()
                found = match["merged"] or match["empty"] or match["padded"]
                if not found:
                    hidden += 1
                    continue
                text = found.decode()
                column, first, _, last = range_boundaries(text)
                if match["merged"]:
                    merged.append((int(first or 1), int(last or 1), text))
                else:
                    count += 1
                    (empty if match["empty"] else padded).setdefault(int(first or 1), set()).add(int(column or 1) - 1)
            if len(merged) > MAX_MERGED_RANGES:
                raise SheetError("merged_cells", "合并单元格过多；请取消全部合并，逐行填写后重试。")
            if count > MAX_SPOILED:
                raise SheetError("too_many_spoiled", "公式没有结果、或数值靠格式补零的单元格过多；请设为文本后重试。")
            tail = window[max(consumed, len(window) - _OVERLAP_BYTES) :]
    return _Marks(_by_row(merged, _last_row(limits)), empty, hidden, padded)


def _looked_for(padding: set[int]) -> re.Pattern[bytes]:
    styles = b"|".join(b"%d" % style for style in sorted(padding)) or b"-"
    return re.compile(_LOOKED_FOR.pattern + _STYLED % styles)


def _by_row(merged: list[tuple[int, int, str]], last_row: int) -> dict[int, str]:
    """Which merged range a row touches; each row is visited once, however many ranges lie over it."""
    found: dict[int, str] = {}
    done = 0
    for first, last, text in sorted(merged):
        for row in range(max(first, done + 1), min(last, last_row) + 1):
            found[row] = text
        done = max(done, min(last, last_row))
    return found
