"""The rows of a job on disk: one JSON line each, so that any chunk can be read again without the file it came from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final

import orjson

from api.imports.sheets import Cell, SheetRow

_NAME: Final = "rows.jsonl"
_INT64: Final = 1 << 63


def rows_path(folder: Path) -> Path:
    """Where the rows of a job stand."""
    return folder / _NAME


def write_rows(folder: Path, rows: Iterable[SheetRow]) -> int:
    """Write the rows anew; how many. When this returns they are on disk, and none of them if it raises."""
    path = rows_path(folder)
    aside = path.with_suffix(".new")
    count = 0
    with aside.open("wb") as file:
        for row in rows:
            file.write(_line(row))
            count += 1
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
    return count


def read_rows(folder: Path, position: int, limit: int) -> tuple[list[SheetRow], int]:
    """At most `limit` rows from this byte on, and the byte after them."""
    rows: list[SheetRow] = []
    with rows_path(folder).open("rb") as file:
        file.seek(position)
        for line in file:
            rows.append(_row(line))
            position += len(line)
            if len(rows) == limit:
                break
    return rows, position


def all_rows(folder: Path) -> Iterator[SheetRow]:
    """Every row, one after another."""
    with rows_path(folder).open("rb") as file:
        for line in file:
            yield _row(line)


def _line(row: SheetRow) -> bytes:
    value = [row.number, row.cells, row.merged]
    try:
        return orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_PASSTHROUGH_DATETIME)
    except TypeError:
        cells = [_plain(cell) for cell in row.cells]
        return orjson.dumps([row.number, cells, row.merged], option=orjson.OPT_APPEND_NEWLINE)


def _plain(cell: Cell) -> Any:
    if isinstance(cell, datetime):
        return {"datetime": cell.isoformat()}
    if isinstance(cell, date):
        return {"date": cell.isoformat()}
    if isinstance(cell, time):
        return {"time": cell.isoformat()}
    if isinstance(cell, int) and not -_INT64 <= cell < _INT64:
        return {"int": str(cell)}
    return cell.encode("utf-8", "replace").decode() if isinstance(cell, str) else cell


def _row(line: bytes) -> SheetRow:
    number, cells, merged = orjson.loads(line)
    return SheetRow(number, tuple(_cell(cell) if type(cell) is dict else cell for cell in cells), merged)


def _cell(value: dict[str, str]) -> Cell:
    ((kind, text),) = value.items()
    if kind == "datetime":
        return datetime.fromisoformat(text)
    if kind == "date":
        return date.fromisoformat(text)
    return time.fromisoformat(text) if kind == "time" else int(text)
