"""Which reader a file is for: decided by its bytes, never by its name."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final, Literal

from api.imports.csv_sheet import csv_rows
from api.imports.other_forms import refuse_other_forms
from api.imports.sheets import IN_ONE_REQUEST, Limits, Sheet, SheetError, SheetRow, bounded_rows
from api.imports.xlsx_sheet import open_xlsx

Form = Literal["csv", "xlsx"]
_ZIP: Final = b"PK\x03\x04"


@dataclass(frozen=True, slots=True)
class OpenSheet:
    """A file being read: its rows one after another, and notes for the person who sent it."""

    form: Form
    rows: Iterator[SheetRow]
    notes: tuple[str, ...] = ()


@contextmanager
def open_sheet(file: BinaryIO, limits: Limits) -> Iterator[OpenSheet]:
    """The sheet of a CSV or XLSX file that can be read at any place; rows are read as they are asked for.

    Raises SheetError with what to do about it, here or from the rows.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size > limits.file_bytes:
        raise SheetError("too_large", f"文件超过上限 {limits.file_bytes // 1024**2} MB，请拆分后重试。", status=413)
    beginning = file.read(4096)
    if size <= len(beginning) and not beginning.strip():
        raise SheetError("empty_file", "文件是空的。请下载模板，填写后再上传。")
    if beginning.startswith(_ZIP):
        with open_xlsx(file, limits) as (rows, notes):
            yield OpenSheet("xlsx", bounded_rows(rows, limits, notes), notes)
    else:
        refuse_other_forms(beginning)
        yield OpenSheet("csv", bounded_rows(csv_rows(file), limits))


def read_sheet(data: bytes, limits: Limits = IN_ONE_REQUEST) -> Sheet:
    """The whole sheet in a small CSV or XLSX file. Raises SheetError."""
    with open_sheet(io.BytesIO(data), limits) as sheet:
        return Sheet(tuple(sheet.rows), sheet.notes)
