"""Reports of uploads: what became of every row, kept for a day so that the address of a report can be opened again.

A report holds the refused rows as they were sent, so that they can be corrected and sent again. It lies in a
folder that only the server's account may read, is shown to the one who uploaded, and is deleted after a day.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import orjson

from registry.errors import NotFoundError

KEPT_FOR: Final = timedelta(days=1)
MAX_OF_ONE_OWNER: Final = 10
_NAME: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of one row; `field` is the header as the file has it."""

    row: int
    field: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A refused row as it was sent."""

    row: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Report:
    """What became of an upload. `header` are the headers of the file; `owner` the actor who uploaded it."""

    id: str
    owner: str
    at: datetime
    file_name: str
    type_code: str
    type_name: str
    accepted: int
    duplicate: int
    refused: int
    notes: list[str]
    faults: list[Fault]
    header: list[str]
    rows: list[RefusedRow]


class ReportStore:
    """A folder of reports. Writers need no lock: every report has a name of its own."""

    def __init__(self, folder: Path, draw: Callable[[int], bytes]) -> None:
        self._folder = folder
        self._draw = draw

    def new_id(self) -> str:
        """A name that nobody can guess."""
        return self._draw(16).hex()

    def keep(self, report: Report) -> None:
        """Store the report; old ones, and the oldest of an owner who has many, are deleted."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(report.id)
        aside = path.with_suffix(".new")
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(orjson.dumps(asdict(report)))
        aside.replace(path)
        self._forget(report.at, report.owner)

    def get(self, report_id: str, owner: str, at: datetime) -> Report:
        """The report, for the one who uploaded. Raises NotFoundError: unknown, another's, or too old."""
        try:
            report = _parse(self._path(report_id).read_bytes()) if _NAME.fullmatch(report_id) else None
        except FileNotFoundError:
            report = None
        if report is None or report.owner != owner or at - report.at > KEPT_FOR:
            raise NotFoundError(
                "report_unknown", "这份登记结果不存在或已过期（保留一天）；重新上传同一文件即可再看，不会重复登记。"
            )
        return report

    def list_of(self, owner: str, at: datetime) -> list[Report]:
        """The owner's reports, newest first."""
        mine = [report for report in self._all() if report.owner == owner and at - report.at <= KEPT_FOR]
        return sorted(mine, key=lambda report: report.at, reverse=True)

    def _forget(self, at: datetime, owner: str) -> None:
        for path in self._folder.iterdir():
            if at - datetime.fromtimestamp(path.stat().st_mtime, UTC) > KEPT_FOR:
                path.unlink(missing_ok=True)
        for report in self.list_of(owner, at)[MAX_OF_ONE_OWNER:]:
            self._path(report.id).unlink(missing_ok=True)

    def _all(self) -> Iterator[Report]:
        if not self._folder.is_dir():
            return
        for path in self._folder.glob("*.json"):
            try:
                yield _parse(path.read_bytes())
            except FileNotFoundError:
                # Another request has just deleted it.
                continue

    def _path(self, report_id: str) -> Path:
        return self._folder / f"{report_id}.json"


def _parse(data: bytes) -> Report:
    value: dict[str, Any] = orjson.loads(data)
    value["at"] = datetime.fromisoformat(value["at"])
    value["faults"] = [Fault(**fault) for fault in value["faults"]]
    value["rows"] = [RefusedRow(**row) for row in value["rows"]]
    return Report(**value)
