"""Decisions about imports that need no I/O: what may follow what, whose turn it is, how results are packed."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal, Protocol, TypeVar

import orjson

from registry.errors import TransitionError

#: Rows of one chunk: about 150 ms of one transaction, which is what other writers may have to wait.
CHUNK_ROWS: Final = 2_000
#: Certificates whose status one transaction changes.
UNDO_ROWS: Final = 200
#: A registration by mistake is noticed soon, or it is a case for each certificate of its own.
UNDO_WITHIN: Final = timedelta(hours=72)
#: How long the results of single rows are kept after the end, and the file with its rows where some were refused.
KEPT_FOR: Final = timedelta(days=7)
#: A step that began this often without an end is given up: it kills its process.
MAX_ATTEMPTS: Final = 4
#: Jobs of one department that are not at an end.
MAX_OPEN_JOBS: Final = 20


class State(StrEnum):
    """Where a job stands."""

    READING = "reading"
    MAPPING = "mapping"
    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"


CHINESE: Final[Mapping[State, str]] = {
    State.READING: "正在读取",
    State.MAPPING: "待确认列对应",
    State.WAITING: "排队中",
    State.RUNNING: "进行中",
    State.PAUSED: "已暂停",
    State.DONE: "已完成",
    State.CANCELLED: "已取消",
    State.FAILED: "已中止",
    State.UNDOING: "正在撤回",
    State.UNDONE: "已撤回",
}
#: The worker has something to do.
DUE: Final = frozenset((State.READING, State.WAITING, State.RUNNING, State.UNDOING))
#: Nothing changes any more, unless somebody asks for it.
ENDED: Final = frozenset((State.DONE, State.CANCELLED, State.FAILED, State.UNDONE))

Wish = Literal["map", "pause", "resume", "cancel", "register", "undo"]
_WISHES: Final[Mapping[Wish, str]] = {
    "map": "确认列对应",
    "pause": "暂停",
    "resume": "继续",
    "cancel": "取消",
    "register": "正式登记",
    "undo": "撤回",
}
_LAWFUL: Final[Mapping[Wish, Mapping[State, State]]] = {
    "map": {State.MAPPING: State.WAITING},
    "pause": dict.fromkeys((State.WAITING, State.RUNNING), State.PAUSED),
    "resume": dict.fromkeys((State.PAUSED, State.FAILED), State.WAITING),
    "cancel": dict.fromkeys(
        (State.READING, State.MAPPING, State.WAITING, State.RUNNING, State.PAUSED, State.FAILED), State.CANCELLED
    ),
    "register": {State.DONE: State.WAITING},
    "undo": dict.fromkeys((State.DONE, State.CANCELLED, State.FAILED), State.UNDOING),
}


def after(state: State, wish: Wish) -> State:
    """The state after a lawful wish. Raises TransitionError for any other."""
    following = _LAWFUL[wish].get(state)
    if following is None:
        raise TransitionError(state, wish, f"导入任务{CHINESE[state]}，不能{_WISHES[wish]}。")
    return following


def is_settled(state: State, dry_run: bool, refused: int) -> bool:
    """Whether nobody needs the file and its rows any more: every row stands, or all was taken back."""
    return state in (State.DONE, State.UNDONE) and not dry_run and not refused


def wishes(state: State) -> frozenset[Wish]:
    """What may be asked of a job in this state, as far as the state alone decides."""
    return frozenset(wish for wish, starts in _LAWFUL.items() if state in starts)


class Queued(Protocol):
    """What `next_due` needs to know of a job."""

    id: str
    department: str
    served_at: datetime | None


_Job = TypeVar("_Job", bound=Queued)


def next_due(jobs: Sequence[_Job]) -> _Job | None:
    """Whose turn it is: the department that has waited longest since its last turn, and of its jobs likewise.

    So a department that hands in ten files does not go ahead of one that hands in one.
    """
    last: dict[str, str] = {}
    for job in jobs:
        last[job.department] = max(last.get(job.department, ""), _turn(job))
    return min(jobs, key=lambda job: (last[job.department], _turn(job), job.id), default=None)


def _turn(job: Queued) -> str:
    return job.served_at.isoformat(timespec="microseconds") if job.served_at else ""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a cell: `header` and `letters` (A, B …) of its column as the file has them, `letters` empty if
    the file has no such column; `field` the draft's field, in which the catalogue says what was expected."""

    header: str
    letters: str
    field: str
    reason: str
    message: str


Outcome = Literal["accepted", "duplicate", "refused"]
OUTCOMES: Final[tuple[Outcome, ...]] = ("accepted", "duplicate", "refused")


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of a row: `id` is the certificate it became, was before, or stands in its way."""

    row: int
    outcome: Outcome
    id: str | None = None
    faults: tuple[Fault, ...] = ()


def pack(results: Iterable[RowResult]) -> bytes:
    """The results of a chunk in a few bytes a row."""
    rows: list[Any] = []
    for result in results:
        short: list[Any] = [result.row, OUTCOMES.index(result.outcome), result.id]
        if result.faults:
            short.append([[one.header, one.letters, one.field, one.reason, one.message] for one in result.faults])
        rows.append(short)
    return zlib.compress(orjson.dumps(rows), 6)


def unpack(packed: bytes) -> list[RowResult]:
    """The results that `pack` packed."""
    return [
        RowResult(row, OUTCOMES[outcome], found, tuple(Fault(*fault) for fault in (faults[0] if faults else ())))
        for row, outcome, found, *faults in orjson.loads(zlib.decompress(packed))
    ]


def headers_digest(labels: Iterable[str]) -> bytes:
    """SHA-256 of a set of header labels, whatever their order."""
    return hashlib.sha256("\x1f".join(sorted(labels)).encode()).digest()
