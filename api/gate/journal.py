"""The journal of a gate: a local file of hash-chained lines, on the disk before anybody sees the decision.

Line 1 names the gate and the venue; every other line is a visit (verifier.visit). A file that a kill or a power cut
left with a torn last line is mended at the next start: the torn bytes go into FILE.torn and are reported.
"""

from __future__ import annotations

import errno
import hashlib
import os
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from api.gate.errors import JournalError, cause_of
from api.gate.files import sync_folder
from verifier import canonical, times
from verifier.admission import Admitted, Decision
from verifier.errors import InclusionError, MalformedError, VerificationError
from verifier.visit import Visit

FORMAT = "suizheng-journal/1"
MAX_REMEMBERED = 200_000
"""Codes in the replay memory: more than one gate admits in the longest anti-passback window, a day at 2 a second."""

_MAX_LINE_BYTES = 2048
_MAX_TORN_BYTES = 1 << 20
_BEGINNING = f'{{"format":"{FORMAT}",'.encode()


@dataclass(frozen=True, slots=True)
class Header:
    """The first line: who writes this journal."""

    gate: str
    venue: str
    opened_at: datetime

    def to_bytes(self) -> bytes:
        """The line without its end."""
        return canonical.canonicalise(
            {"format": FORMAT, "gate": self.gate, "opened_at": times.to_text(self.opened_at), "venue": self.venue}
        )

    @classmethod
    def from_bytes(cls, line: bytes) -> Header:
        """The inverse of `to_bytes`. Raises MalformedError."""
        value: Any = canonical.parse_canonical(line)
        if not isinstance(value, dict) or value.keys() != {"format", "gate", "opened_at", "venue"}:
            raise MalformedError("wrong_fields", "文件不是闸口日志")
        if value["format"] != FORMAT or not all(isinstance(value[name], str) for name in ("gate", "venue")):
            raise MalformedError("unknown_version", "闸口日志的格式版本不受支持")
        return cls(value["gate"], value["venue"], times.from_text(value["opened_at"]))


class Memory(OrderedDict[bytes, Admitted]):
    """Which codes opened this gate, newest last; the oldest are forgotten over MAX_REMEMBERED."""

    def remember(self, code_id: bytes, issued_at: datetime, admitted_at: datetime) -> None:
        """Take note of an admission."""
        self[code_id] = Admitted(issued_at, admitted_at)
        self.move_to_end(code_id)
        if len(self) > MAX_REMEMBERED:
            self.popitem(last=False)


class Journal:
    """The journal of one gate process, which alone writes to the file.

    `memory` is rebuilt from the file. `newest_at` is the latest admission: a refusal proves nothing about the clock,
    which may have been years ahead. `trust_version` is the highest one in the file. `torn` says how many bytes were set
    aside at the opening, into `torn_file`.
    """

    def __init__(self, path: Path, venue: str, at: datetime, draw: Callable[[int], bytes]) -> None:
        """Open the file, or begin it. Raises JournalError if it is another's, in use, or altered."""
        self.path = path
        self.torn_file = path.with_name(path.name + ".torn")
        self.torn = 0
        self.memory = Memory()
        self.newest_at: datetime | None = None
        self.trust_version = 0
        self.sequence = 0
        self._previous = b""
        self._end = 0
        self._is_dirty = False
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
        except OSError as error:
            raise JournalError("unwritable", f"无法打开闸口日志 {path}：{cause_of(error)}") from error
        try:
            _lock(self._file, path)
            self.header = self._replay(venue) or self._begin(Header(draw(8).hex(), venue, at))
        except OSError as error:
            os.close(self._file)
            raise JournalError("unreadable", f"无法读取闸口日志 {path}：{cause_of(error)}") from error
        except JournalError:
            os.close(self._file)
            raise

    def close(self) -> None:
        """Let another process have the file."""
        os.close(self._file)

    def record(self, decision: Decision, trust_version: int, trust_issued_at: datetime) -> Visit:
        """The visit of a decision, once it is on the disk. Raises JournalError; then nothing was recorded."""
        visit = Visit(
            venue=self.header.venue,
            gate=self.header.gate,
            sequence=self.sequence + 1,
            decided_at=decision.at,
            admitted=decision.admit,
            reason=decision.reason,
            code_id=decision.code_id,
            code_issued_at=decision.code_issued_at,
            trust_version=trust_version,
            trust_age_seconds=int((decision.at - trust_issued_at).total_seconds()),
            previous=self._previous,
        )
        line = visit.to_bytes()
        self._append(line)
        self._take(visit, line)
        return visit

    def _begin(self, header: Header) -> Header:
        self._append(header.to_bytes())
        self._previous = _digest(header.to_bytes())
        # The name of a new file is only safe once its folder is.
        sync_folder(self.path.parent)
        return header

    def _append(self, line: bytes) -> None:
        data = line + b"\n"
        try:
            # Half a line from a write that failed must not stand before this one.
            if self._is_dirty:
                os.ftruncate(self._file, self._end)
            self._is_dirty = True
            if os.write(self._file, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file)
        except OSError as error:
            raise JournalError("unwritable", f"无法写入闸口日志 {self.path}：{cause_of(error)}") from error
        self._is_dirty = False
        self._end += len(data)

    def _take(self, visit: Visit, line: bytes) -> None:
        self._previous = _digest(line)
        self.sequence = visit.sequence
        self.trust_version = max(self.trust_version, visit.trust_version)
        if visit.admitted and visit.code_id is not None and visit.code_issued_at is not None:
            self.newest_at = visit.decided_at if self.newest_at is None else max(self.newest_at, visit.decided_at)
            self.memory.remember(visit.code_id, visit.code_issued_at, visit.decided_at)

    def _replay(self, venue: str) -> Header | None:
        """Rebuild what this object knows from the file; None where there is no whole first line."""
        header: Header | None = None
        with self.path.open("rb") as file:
            for number, line in enumerate(_lines(file), 1):
                try:
                    if header is None:
                        header = self._replay_header(line, venue)
                    else:
                        self._replay_visit(line, header.gate)
                except MalformedError as error:
                    self._set_aside(self._torn_end(line + file.read(_MAX_TORN_BYTES), number, error))
                    break
                except InclusionError as error:
                    raise self._altered(number, error) from error
                self._end += len(line)
        return header

    def _replay_header(self, line: bytes, venue: str) -> Header:
        # Never cut a file of somebody else's that was named by mistake.
        if not (line.startswith(_BEGINNING) or _BEGINNING.startswith(line)):
            raise JournalError("not_a_journal", f"{self.path} 不是闸口日志；请用 --journal 指定另一个文件")
        if not line.endswith(b"\n"):
            raise MalformedError("torn", "行不完整")
        header = Header.from_bytes(line[:-1])
        if header.venue != venue:
            raise JournalError(
                "other_venue", f"闸口日志 {self.path} 属于另一场所 {header.venue}；请用 --journal 指定另一个文件"
            )
        self._previous = _digest(line[:-1])
        return header

    def _replay_visit(self, line: bytes, gate: str) -> None:
        if not line.endswith(b"\n"):
            raise MalformedError("torn", "行不完整")
        visit = Visit.from_bytes(line[:-1])
        _check_next(visit, gate, self.sequence, self._previous)
        self._take(visit, line[:-1])

    def _torn_end(self, end: bytes, number: int, error: VerificationError) -> bytes:
        """The end of the file from a line that cannot be read, if that was its last line: only that one can be torn."""
        if b"\n" in end[:-1] or len(end) >= _MAX_TORN_BYTES:
            raise self._altered(number, error) from error
        return end

    def _altered(self, number: int, error: VerificationError) -> JournalError:
        return JournalError(
            "altered",
            f"闸口日志 {self.path} 第 {number} 行被改动：{error.message}。请保留该文件备查，并用 --journal 另起一份",
        )

    def _set_aside(self, torn: bytes) -> None:
        """Keep the torn bytes elsewhere, then cut them off. A kill in between repeats both, and loses nothing."""
        with self.torn_file.open("ab") as keep:
            keep.write(torn + b"\n")
            keep.flush()
            os.fsync(keep.fileno())
        sync_folder(self.path.parent)
        os.ftruncate(self._file, self._end)
        os.fsync(self._file)
        self.torn = len(torn)


def read_visits(path: Path, after: int) -> tuple[Header, Iterator[Visit]]:
    """The header and the complete visits with a sequence above `after`, while the gate may be writing more.

    What is read may not be on the disk yet: `settle` before telling others about it.
    Raises JournalError for a file that is no journal, and where the chain is broken.
    """
    try:
        with path.open("rb") as file:
            header = Header.from_bytes(file.readline(_MAX_LINE_BYTES)[:-1])
    except OSError as error:
        raise JournalError("unreadable", f"无法读取闸口日志 {path}：{cause_of(error)}") from error
    except MalformedError as error:
        raise JournalError("not_a_journal", f"{path} 不是闸口日志：{error.message}") from error
    return header, _visits(path, after)


def settle(path: Path) -> None:
    """Everything that could be read from the file so far is on the disk when this returns."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _visits(path: Path, after: int) -> Iterator[Visit]:
    with path.open("rb") as file:
        line = file.readline(_MAX_LINE_BYTES)
        gate, sequence, previous = Header.from_bytes(line[:-1]).gate, 0, _digest(line[:-1])
        for line in _lines(file):
            # The gate is writing this one.
            if not line.endswith(b"\n"):
                return
            try:
                visit = Visit.from_bytes(line[:-1])
                _check_next(visit, gate, sequence, previous)
            except (MalformedError, InclusionError) as error:
                raise JournalError(
                    "altered", f"闸口日志 {path} 第 {sequence + 2} 行被改动：{error.message}；请保留该文件备查"
                ) from error
            sequence, previous = visit.sequence, _digest(line[:-1])
            if sequence > after:
                yield visit


def _check_next(visit: Visit, gate: str, sequence: int, previous: bytes) -> None:
    if visit.gate != gate or visit.sequence != sequence + 1:
        raise InclusionError("not_consecutive", f"通行记录 {visit.event_id} 之前有缺失")
    if visit.previous != previous:
        raise InclusionError("chain_broken", f"通行记录 {visit.event_id} 与前一条不相连")


def _digest(line: bytes) -> bytes:
    return hashlib.sha256(line).digest()


def _lines(file: Any) -> Iterator[bytes]:
    while line := file.readline(_MAX_LINE_BYTES):
        yield line


def _lock(file: int, path: Path) -> None:
    """One process for each journal: two would fork the chain. On Windows the operator sees to it."""
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise JournalError("in_use", f"闸口日志 {path} 正被另一个闸口进程使用") from error
