"""The rows of a job on disk: one JSON line each, so that any chunk can be read again without the file it came from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, time
from typing import Any, Final

import orjson

from api.imports.sheets import Cell, SheetRow
from registry.imports.folder import ROWS, ImportFolder

_INT64: Final = 1 << 63


def write_rows(folder: ImportFolder, job_id: str, rows: Iterable[SheetRow]) -> int:
    """Write the rows anew; how many. When this returns they are on disk, and none of them if it raises."""
    count = 0

    def lines() -> Iterator[bytes]:
        nonlocal count
        for row in rows:
            yield _line(row)
            count += 1

    folder.write_for(job_id, ROWS, lines())
    return count


def read_rows(folder: ImportFolder, job_id: str, position: int, limit: int) -> tuple[list[SheetRow], int]:
    """At most `limit` rows from this byte on, and the byte after them."""
    rows: list[SheetRow] = []
    with folder.open_for(job_id, ROWS) as file:
        file.seek(position)
        for line in file:
            rows.append(_row(line))
            position += len(line)
            if len(rows) == limit:
                break
    return rows, position


def all_rows(folder: ImportFolder, job_id: str) -> Iterator[SheetRow]:
    """Every row, one after another."""
    with folder.open_for(job_id, ROWS) as file:
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
