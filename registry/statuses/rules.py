"""The status machine of certificates and materials, and the permutation that scatters status slots.

States and operations follow the 证照状态 (01 有效 … 07 吊销) and 操作代码 (01 新发 … 10 取消转出) practised with
GB/T 36903.
撤销 (wrongly granted), 注销 (given up or ended) and 吊销 (penalty) stay apart because their legal effect differs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import lru_cache
from typing import Protocol, TypeVar

from registry.errors import TransitionError
from verifier.status import CAPACITY, CHINESE, Status


class Operation(Enum):
    """What an authority does to an item: (name, 操作代码, Chinese)."""

    RENEW = ("renew", "02", "延续")
    SUSPEND = ("suspend", "03", "暂扣")
    LAPSE = ("lapse", "04", "过期失效")
    REVOKE = ("revoke", "05", "撤销")
    CANCEL = ("cancel", "05", "注销")
    PENALISE = ("penalise", "05", "吊销")
    TRANSFER_OUT = ("transfer_out", "05", "办理转出")
    RETURN = ("return", "06", "暂扣发还")
    REPORT_LOSS = ("report_loss", "07", "挂失")
    RECOVER = ("recover", "07", "解除挂失")
    TRANSFER_IN = ("transfer_in", "08", "转入")
    CHANGE = ("change", "09", "变更")
    CANCEL_TRANSFER = ("cancel_transfer", "10", "取消转出")

    def __init__(self, label: str, code: str, chinese: str) -> None:
        self.label = label
        self.code = code
        self.chinese = chinese

    @classmethod
    def of(cls, label: str) -> Operation:
        """The operation of this name. Raises TransitionError for a name there is none of."""
        for operation in cls:
            if operation.label == label:
                return operation
        raise TransitionError("", label, f"没有名为“{label}”的操作。", reason="unknown_operation")


#: The state each operation leads to, by the state it starts from. What is not here is not lawful.
TRANSITIONS: dict[Operation, dict[Status, Status]] = {
    Operation.RENEW: dict.fromkeys((Status.VALID, Status.LAPSED), Status.SUPERSEDED),
    Operation.CHANGE: dict.fromkeys((Status.VALID, Status.LOST), Status.SUPERSEDED),
    Operation.SUSPEND: {Status.VALID: Status.SUSPENDED},
    Operation.RETURN: {Status.SUSPENDED: Status.VALID},
    Operation.LAPSE: dict.fromkeys((Status.VALID, Status.SUSPENDED, Status.LOST), Status.LAPSED),
    Operation.CANCEL: dict.fromkeys((Status.VALID, Status.SUSPENDED, Status.LAPSED, Status.LOST), Status.CANCELLED),
    Operation.REVOKE: dict.fromkeys(
        (Status.VALID, Status.SUSPENDED, Status.LAPSED, Status.LOST, Status.SUPERSEDED, Status.TRANSFERRED),
        Status.REVOKED,
    ),
    Operation.PENALISE: dict.fromkeys((Status.VALID, Status.SUSPENDED, Status.LOST), Status.PENALTY),
    Operation.TRANSFER_OUT: {Status.VALID: Status.TRANSFERRED},
    Operation.CANCEL_TRANSFER: {Status.TRANSFERRED: Status.VALID},
    Operation.TRANSFER_IN: {Status.TRANSFERRED: Status.SUPERSEDED},
    Operation.REPORT_LOSS: {Status.VALID: Status.LOST},
    Operation.RECOVER: {Status.LOST: Status.VALID},
}

#: Operations that put a successor in the item's place and therefore name it (延续, 变更, 转入).
WITH_SUCCESSOR = frozenset((Operation.RENEW, Operation.CHANGE, Operation.TRANSFER_IN))
#: 撤销 undoes a grant that should not have been made: it may take effect back to the day of issue.
REACHING_BACK = frozenset((Operation.REVOKE,))
#: 发还, 解除挂失 and 取消转出 take a state back.
UNDOING = frozenset((Operation.RETURN, Operation.RECOVER, Operation.CANCEL_TRANSFER))
#: No operation leaves these.
TERMINAL = frozenset(Status) - {start for starts in TRANSITIONS.values() for start in starts}


def next_status(present: Status, operation: Operation) -> Status:
    """The state after a lawful operation. Raises TransitionError for any other."""
    after = TRANSITIONS[operation].get(present)
    if after is None:
        raise TransitionError(
            present.name.lower(), operation.label, f"当前状态为“{CHINESE[present]}”，不能办理“{operation.chinese}”。"
        )
    return after


def allowed(present: Status) -> tuple[Operation, ...]:
    """The operations that are lawful now."""
    return tuple(operation for operation, starts in TRANSITIONS.items() if present in starts)


def way_back(operation: Operation) -> Operation | None:
    """What takes the state that the operation leads to back; None where the law gives no way back."""
    after = set(TRANSITIONS[operation].values())
    return next((undoing for undoing in UNDOING if after & TRANSITIONS[undoing].keys()), None)


class Event(Protocol):
    """What `status_at` needs to know of an event."""

    to_status: int
    effective_at: datetime
    recorded_at: datetime


def status_at(events: Iterable[Event], at: datetime, known_at: datetime | None = None) -> Status:
    """The state at a moment, by all events or by those recorded until `known_at`; `events` in the order of recording.

    A later recorded event decides from its effective time on, so a revocation that reaches back also changes the past.
    """
    decisive = event_at(events, at, known_at)
    return Status.VALID if decisive is None else Status(decisive.to_status)


AnEvent = TypeVar("AnEvent", bound=Event)


def event_at(events: Iterable[AnEvent], at: datetime, known_at: datetime | None = None) -> AnEvent | None:
    """The event that decides the state at a moment, None while there is none; arguments as of `status_at`."""
    decisive = None
    for event in events:
        if event.effective_at <= at and (known_at is None or event.recorded_at <= known_at):
            decisive = event
    return decisive


@dataclass(frozen=True, slots=True)
class Timeline:
    """When a new event may take effect: not before `earliest`, not in the future of `now`."""

    earliest: datetime
    last_effective_at: datetime | None
    now: datetime

    def check(self, operation: Operation, effective_at: datetime) -> None:
        """Raises TransitionError when the effective time is not lawful for the operation."""
        if effective_at > self.now:
            raise TransitionError("", operation.label, "生效时间不能晚于当前时间。", reason="effective_in_the_future")
        if effective_at < self.earliest:
            raise TransitionError("", operation.label, "生效时间不能早于颁发日期。", reason="effective_before_issue")
        before_last = self.last_effective_at is not None and effective_at < self.last_effective_at
        if before_last and operation not in REACHING_BACK:
            raise TransitionError(
                "", operation.label, "生效时间不能早于上一次状态变更的生效时间。", reason="effective_before_last_event"
            )


_HALF_BITS = 10
_HALF_MASK = (1 << _HALF_BITS) - 1
_ROUNDS = 6
assert 1 << 2 * _HALF_BITS == CAPACITY


def scatter(key: bytes, counters: Sequence[int] | range) -> list[int]:
    """The slots of these counters: a keyed permutation of 0 … 2^20 - 1 (balanced Feistel network, 6 rounds).

    Different counters have different slots, and without the key slots tell neither order nor neighbourhood.
    """
    first, second, third, fourth, fifth, sixth = _rounds(key)
    slots = []
    for counter in counters:
        left, right = counter >> _HALF_BITS, counter & _HALF_MASK
        left ^= first[right]
        right ^= second[left]
        left ^= third[right]
        right ^= fourth[left]
        left ^= fifth[right]
        right ^= sixth[left]
        slots.append(left << _HALF_BITS | right)
    return slots


@lru_cache(maxsize=64)
def _rounds(key: bytes) -> tuple[tuple[int, ...], ...]:
    # A round function on 10 bits is a table of 1024 entries: drawn once per key, looked up afterwards.
    tables = []
    for number in range(_ROUNDS):
        stream = hashlib.shake_256(b"suizheng/slots/1" + bytes((number,)) + key).digest(2 << _HALF_BITS)
        tables.append(tuple(int.from_bytes(stream[at : at + 2]) & _HALF_MASK for at in range(0, len(stream), 2)))
    return tuple(tables)
