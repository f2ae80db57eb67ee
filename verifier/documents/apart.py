"""Inspecting in a process of its own, with bounds on its time and memory (codes.apart).

OFD and PDF are nested formats with references: a file of a kilobyte can be made to keep any reader busy for days, or to
fill the memory. `python -P -m verifier.documents.apart SECONDS MEMORY` is the process: the question comes by standard
input, the answer goes by standard output.
"""

from __future__ import annotations

import copyreg
import os
import pickle
import sys
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from codes.apart import Room, TooManyError, bound
from verifier.digests import double_digest
from verifier.documents.certificates import Certificate
from verifier.documents.findings import Format, Inspection, Roots
from verifier.documents.inspecting import MAX_FILE_BYTES, inspect
from verifier.documents.sniffing import sniff
from verifier.verdict import State

PROCESSOR_SECONDS: Final = 20
"""A sound file of 100 MB takes a few."""
MEMORY_BYTES: Final = 2 << 30

_MODULE: Final = "verifier.documents.apart"
#: Those who hand in files have a desk: each gets a turn.
_room = Room(os.cpu_count() or 1, 24, 30.0)
_NO_MEMORY: Final = 70
_BUSY: Final = "reader_busy", "同时核验的文件太多，没有核验；请过一会儿再试"
_TOO_LABORIOUS: Final = (
    "too_laborious",
    "文件的结构异常复杂，核验超出了时间或内存的上限，已停止；真伪无法判定，请向出具方重新索取文件",
)
NOT_READ: Final = frozenset((_BUSY[0], _TOO_LABORIOUS[0]))
_NESTED = frozenset((Format.OFD, Format.PDF))


def inspect_apart(
    data: bytes, name: str, roots: Roots, at: datetime, *, seconds: int = PROCESSOR_SECONDS, memory: int = MEMORY_BYTES
) -> Inspection:
    """What `inspect` answers, or that the file takes too much: undecided, `too_laborious`. Raises for no bytes."""
    kind = sniff(data)
    if kind not in _NESTED or len(data) > MAX_FILE_BYTES:
        return inspect(data, name, roots, at)
    trusted = [certificate.data for certificate in roots.certificates]
    try:
        done = _room.ask(_MODULE, [str(seconds), str(memory)], pickle.dumps((data, name, trusted, at)))
    except TooManyError:
        return _undecided(data, kind, at, *_BUSY)
    if done.status is None or done.status < 0 or done.status == _NO_MEMORY:
        return _undecided(data, kind, at, *_TOO_LABORIOUS)
    if done.status:
        raise RuntimeError(f"the process that inspects ended with status {done.status}")
    answer: Inspection = pickle.loads(done.written)  # noqa: S301 what our own process wrote
    return answer


def _undecided(data: bytes, kind: Format, at: datetime, reason: str, message: str) -> Inspection:
    digests = double_digest(data)
    return Inspection(
        format=kind,
        state=State.UNDECIDED,
        reason=reason,
        message=message,
        at=at,
        size=len(data),
        sha256=digests.sha256.hex(),
        sm3=digests.sm3.hex(),
    )


def _as_dict(proxy: Any) -> Any:
    return dict, (dict(proxy),)


def main() -> None:
    """Answer one question; ended by the system where that takes too much."""
    copyreg.pickle(MappingProxyType, _as_dict)
    bound(int(sys.argv[1]), int(sys.argv[2]))
    try:
        data, name, trusted, at = pickle.load(sys.stdin.buffer)  # noqa: S301 from who started this process
        answer = pickle.dumps(inspect(data, name, Roots(tuple(Certificate.load(der) for der in trusted)), at))
    except MemoryError:
        sys.exit(_NO_MEMORY)
    sys.stdout.buffer.write(answer)


if __name__ == "__main__":
    main()
