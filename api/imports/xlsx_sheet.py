"""XLSX as strangers make it: sizes are looked at before anything is unpacked, entities are never expanded, formulas are
never run (their last values are read), merged cells are found and named."""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Final
from xml.etree.ElementTree import ParseError

import openpyxl
from defusedxml.common import DefusedXmlException
from openpyxl.utils.cell import range_boundaries
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.workbook import Workbook
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from api.imports.sheets import (
    HEADER_WITHIN_ROWS,
    MAX_COLUMNS,
    MAX_ROWS,
    Cell,
    Sheet,
    SheetError,
    SheetRow,
    bounded_rows,
    too_many_rows,
)

#: A register of 10,000 rows unpacks to about 20 MiB.
MAX_UNPACKED_BYTES: Final = 128 * 1024 * 1024
MAX_PARTS: Final = 500
#: Rows looked at; blank ones between the others are allowed up to here.
_LAST_ROW: Final = 2 * MAX_ROWS + HEADER_WITHIN_ROWS
_CHUNK_BYTES: Final = 256 * 1024
#: The longest element that is looked for may be cut by the border between two chunks.
_OVERLAP_BYTES: Final = 256
_MERGED: Final = re.compile(rb'<(?:\w+:)?mergeCell\s[^<>]{0,200}?ref="([A-Z]{1,3}\d{1,7}:[A-Z]{1,3}\d{1,7})"')
MAX_MERGED_RANGES: Final = 2_000

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


def read_xlsx(data: bytes) -> Sheet:
    """The first visible sheet with any content. Raises SheetError."""
    try:
        return _read(data)
    except SheetError:
        raise
    except _BROKEN as error:
        raise SheetError("broken_xlsx", "XLSX 文件已损坏或不完整；请用表格软件打开、另存后重试。") from error


def _read(data: bytes) -> Sheet:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        _check_sizes(archive)
    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
    try:
        sheet, path = _first_sheet(book)
        merged = _merged_ranges(data, path)
        rows = bounded_rows(_rows(sheet, merged))
    finally:
        book.close()
    notes = tuple(
        f"工作表“{name}”未读取：只读取第一个可见的工作表。" for name in book.sheetnames if name != sheet.title
    )
    return Sheet(rows, notes[:5])


def _check_sizes(archive: zipfile.ZipFile) -> None:
    """Refuse a zip bomb by its directory. The reader never gives more of a part than the directory says."""
    parts = archive.infolist()
    if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
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


def _rows(sheet: ReadOnlyWorksheet, merged: list[tuple[int, int, str]]) -> Iterator[SheetRow]:
    # The file's own statement of its size is not believed: some programs write a wrong one.
    sheet.reset_dimensions()
    by_row = _by_row(merged)
    cells = sheet.iter_rows(max_row=_LAST_ROW + 1, max_col=MAX_COLUMNS + 1, values_only=True)  # type: ignore[misc]
    for number, values in enumerate(cells, start=1):
        row = SheetRow(number, _trimmed(values), by_row.get(number))
        if number > _LAST_ROW and not row.is_blank:
            raise too_many_rows()
        yield row


def _by_row(merged: list[tuple[int, int, str]]) -> dict[int, str]:
    """Which merged range a row touches; each row is visited once, however many ranges lie over it."""
    found: dict[int, str] = {}
    done = 0
    for first, last, text in sorted(merged):
        for row in range(max(first, done + 1), min(last, _LAST_ROW) + 1):
            found[row] = text
        done = max(done, min(last, _LAST_ROW))
    return found


def _trimmed(values: tuple[object, ...]) -> tuple[Cell, ...]:
    cells = [value if isinstance(value, Cell) else str(value) for value in values]
    while cells and cells[-1] is None:
        cells.pop()
    return tuple(cells)


def _merged_ranges(data: bytes, path: str) -> list[tuple[int, int, str]]:
    """First row, last row and text of each merged range; the reader in use does not tell them."""
    found: list[tuple[int, int, str]] = []
    tail = b""
    with zipfile.ZipFile(io.BytesIO(data)) as archive, archive.open(path) as part:
        while chunk := part.read(_CHUNK_BYTES):
            window = tail + chunk
            consumed = 0
            for match in _MERGED.finditer(window):
                text = match[1].decode()
                _, first, _, last = range_boundaries(text)
                found.append((int(first or 1), int(last or 1), text))
                consumed = match.end()
            if len(found) > MAX_MERGED_RANGES:
                raise SheetError("merged_cells", "合并单元格过多；请取消全部合并，逐行填写后重试。")
            tail = window[max(consumed, len(window) - _OVERLAP_BYTES) :]
    return found
