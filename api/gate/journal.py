"""The journal of a gate: a local file of hash-chained lines, on the disk before anybody sees the decision.

Line 1 names the gate and the venue (api.gate.header); every other line is a visit (verifier.visit), after the replay
memory where visits were dropped. A file that a kill or a power cut left with a torn last line is mended at the next
start: the torn bytes go into FILE.torn and are reported.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from api.gate.errors import JournalError, cause_of
from api.gate.files import sync_folder
from api.gate.header import BEGINNING, Header, Past, read_memory
from api.gate.memory import Memory
from api.gate.reading import altered, check_next, digest_of, lines_of
from verifier.admission import Decision
from verifier.errors import InclusionError, MalformedError, VerificationError
from verifier.visit import Visit

_MAX_TORN_BYTES = 1 << 20
_FLAGS = os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0)


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
        self._is_name_safe = True
        try:
            self._file = os.open(path, os.O_CREAT | _FLAGS, 0o600)
        except OSError as error:
            raise JournalError("unwritable", f"无法打开闸口日志 {path}：{cause_of(error)}") from error
        try:
            _lock(self._file, path)
            _part_of(path).unlink(missing_ok=True)
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
        self._previous = header.digest
        # The name of a new file is only safe once its folder is.
        sync_folder(self.path.parent)
        return header

    def _append(self, line: bytes) -> None:
        data = line + b"\n"
        try:
            self._make_name_safe()
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

    def drop(self, through: int) -> None:
        """Forget the visits up to this one, which the registry has, and nothing that decides about the next.

        The file is replaced in one step by one that is on the disk already and locked: whatever is killed when, the
        journal is the one from before or the one from after. Raises JournalError; then it is as it was.
        """
        part = _part_of(self.path)
        try:
            digest, rest = self._after(through)
            memory = self.memory.to_lines()
            past = Past(through, digest, self.newest_at, self.trust_version, len(self.memory), digest_of(memory))
            header = replace(self.header, past=past)
            data = b"\n".join((header.to_bytes(), memory + rest))
            fresh = os.open(part, os.O_CREAT | os.O_TRUNC | _FLAGS, 0o600)
            try:
                _lock(fresh, part)
                _write_all(fresh, data)
                os.fsync(fresh)
                part.replace(self.path)
            except BaseException:
                os.close(fresh)
                part.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise JournalError("unwritable", f"无法整理闸口日志 {self.path}：{cause_of(error)}") from error
        os.close(self._file)
        self._file, self._end, self._is_dirty, self._is_name_safe = fresh, len(data), False, False
        self.header = header
        try:
            self._make_name_safe()
        except OSError as error:
            raise JournalError("unwritable", f"无法整理闸口日志 {self.path}：{cause_of(error)}") from error

    def _after(self, through: int) -> tuple[bytes, bytes]:
        """The digest of that visit's line, and all whole lines after it."""
        with self.path.open("rb") as file:
            first = 1 + (self.header.past.remembered if self.header.past else 0)
            place = 0
            for line in islice(file, first + through - self.header.sequence):
                place += len(line)
            return digest_of(line[:-1]), file.read(self._end - place)

    def _make_name_safe(self) -> None:
        """What is written under a name that the disk does not know yet would be lost with it."""
        if not self._is_name_safe:
            sync_folder(self.path.parent)
            self._is_name_safe = True

    def _take(self, visit: Visit, line: bytes) -> None:
        self._previous = digest_of(line)
        self.sequence = visit.sequence
        self.trust_version = max(self.trust_version, visit.trust_version)
        if visit.admitted and visit.code_id is not None and visit.code_issued_at is not None:
            self.newest_at = visit.decided_at if self.newest_at is None else max(self.newest_at, visit.decided_at)
            self.memory.remember(visit.code_id, visit.code_issued_at, visit.decided_at)

    def _replay(self, venue: str) -> Header | None:
        """Rebuild what this object knows from the file; None where there is no whole first line."""
        header: Header | None = None
        number = 0
        with self.path.open("rb") as file:
            for line in lines_of(file):
                number += 1
                try:
                    if header is None:
                        header = self._replay_header(line, venue)
                        number += self._recall(file, header)
                    else:
                        self._replay_visit(line, header.gate)
                except MalformedError as error:
                    self._set_aside(self._torn_end(line + file.read(_MAX_TORN_BYTES), number, error))
                    break
                except InclusionError as error:
                    raise altered(self.path, number, error) from error
                self._end += len(line)
        return header

    def _recall(self, file: BinaryIO, header: Header) -> int:
        """What is known from visits that are not in the file any more; the number of lines it takes."""
        lines = read_memory(file, header)
        if header.past is not None:
            self.memory.recall(lines)
            self.newest_at, self.trust_version = header.past.newest_at, header.past.trust_version
            self._end += sum(map(len, lines))
        return len(lines)

    def _replay_header(self, line: bytes, venue: str) -> Header:
        # Never cut a file of somebody else's that was named by mistake.
        if not (line.startswith(BEGINNING) or BEGINNING.startswith(line)):
            raise JournalError("not_a_journal", f"{self.path} 不是闸口日志；请用 --journal 指定另一个文件")
        if not line.endswith(b"\n"):
            raise MalformedError("torn", "行不完整")
        header = Header.from_bytes(line[:-1])
        if header.venue != venue:
            raise JournalError(
                "other_venue", f"闸口日志 {self.path} 属于另一场所 {header.venue}；请用 --journal 指定另一个文件"
            )
        self.sequence, self._previous = header.sequence, header.digest
        return header

    def _replay_visit(self, line: bytes, gate: str) -> None:
        if not line.endswith(b"\n"):
            raise MalformedError("torn", "行不完整")
        visit = Visit.from_bytes(line[:-1])
        check_next(visit, gate, self.sequence, self._previous)
        self._take(visit, line[:-1])

    def _torn_end(self, end: bytes, number: int, error: VerificationError) -> bytes:
        """The end of the file from a line that cannot be read, if that was its last line: only that one can be torn."""
        if b"\n" in end[:-1] or len(end) >= _MAX_TORN_BYTES:
            raise altered(self.path, number, error) from error
        return end

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


def _lock(file: int, path: Path) -> None:
    """One process for each journal: two would fork the chain. On Windows the operator sees to it."""
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _in_use(path) from error
        # Between its opening and this lock the file may have been replaced by a shorter one.
        if not os.path.samestat(os.fstat(file), path.stat()):
            raise _in_use(path)


def _in_use(path: Path) -> JournalError:
    return JournalError("in_use", f"闸口日志 {path} 正被另一个闸口进程使用")


def _part_of(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _write_all(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(file, rest) :]
