"""Reading a gate's journal, also while the gate writes more or has it replaced."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from api.gate.errors import JournalError, cause_of
from api.gate.header import MAX_LINE_BYTES, Header, read_memory
from verifier.errors import InclusionError, MalformedError, VerificationError
from verifier.visit import Visit


def read_visits(path: Path, after: int) -> tuple[Header, Iterator[Visit]]:
    """The header and the complete visits with a sequence above `after`, while the gate may be writing more.

    What is read may not be on the disk yet: `settle` before telling others about it.
    Raises JournalError for a file that is no journal, and where the chain is broken.
    """
    try:
        with path.open("rb") as file:
            header = Header.from_bytes(file.readline(MAX_LINE_BYTES)[:-1])
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
        header = Header.from_bytes(file.readline(MAX_LINE_BYTES)[:-1])
        gate, sequence, previous = header.gate, header.sequence, header.digest
        try:
            before = 1 + len(read_memory(file, header))
        except InclusionError as error:
            raise altered(path, 1, error) from error
        for number, line in enumerate(lines_of(file), before + 1):
            # The gate is writing this one.
            if not line.endswith(b"\n"):
                return
            try:
                visit = Visit.from_bytes(line[:-1])
                check_next(visit, gate, sequence, previous)
            except (MalformedError, InclusionError) as error:
                raise altered(path, number, error) from error
            sequence, previous = visit.sequence, digest_of(line[:-1])
            if sequence > after:
                yield visit


def check_next(visit: Visit, gate: str, sequence: int, previous: bytes) -> None:
    """Raises InclusionError unless the visit follows the line with this sequence and digest."""
    if visit.gate != gate or visit.sequence != sequence + 1:
        raise InclusionError("not_consecutive", f"通行记录 {visit.event_id} 之前有缺失")
    if visit.previous != previous:
        raise InclusionError("chain_broken", f"通行记录 {visit.event_id} 与前一条不相连")


def digest_of(line: bytes) -> bytes:
    """What the next line carries."""
    return hashlib.sha256(line).digest()


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """The lines with their ends, each cut where no line of ours could go on."""
    while line := file.readline(MAX_LINE_BYTES):
        yield line


def altered(path: Path, number: int, error: VerificationError) -> JournalError:
    """The error about a line of the file."""
    message = f"闸口日志 {path} 第 {number} 行被改动：{error.message}。请保留该文件备查，并用 --journal 另起一份"
    return JournalError("altered", message)
