"""A cell as text, for people: what is handed back of a file, and the names of its columns."""

from __future__ import annotations

from datetime import date, datetime, time

from api.imports.sheets import Cell


def text_of(cell: Cell) -> str:
    """The cell as a spreadsheet program would show it."""
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%d}" if cell.time() == time.min else cell.isoformat(" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, bool):
        return "是" if cell else "否"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
