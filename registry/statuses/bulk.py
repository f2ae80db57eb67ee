"""One decision about many items: lawful for each by itself, recorded with a handful of statements for all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update

from registry import upserts
from registry.batches import pool_of
from registry.errors import TransitionError
from registry.ids import new_ids
from registry.log import service as log
from registry.notices import service as notices
from registry.statuses import rules
from registry.statuses.service import Change, Subject, check_texts, entry_of, facts_in_clear
from registry.statuses.tables import StatusEvent, StatusListRow, StatusValue
from registry.work import Work
from verifier.commitment import SALT_BYTES, seal
from verifier.entry import Entry
from verifier.status import Status

_CHUNK = 5_000
_SET = (
    "INSERT INTO status_values (list_id, slot, value, changed_at) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (list_id, slot) DO UPDATE SET value = excluded.value, changed_at = excluded.changed_at"
)
_EVENT = (
    "id", "item_kind", "item_id", "sequence", "operation", "operation_code", "from_status", "to_status", "reason",
    "authority", "document", "successor", "effective_at", "recorded_at", "recorded_by", "content", "salts", "entry_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Decided:
    """An item's new state and the id of the event; `duplicate` when the same decision stood already."""

    id: str
    status: Status
    event_id: str
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Undecided:
    """Why an item stayed as it was."""

    id: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class _Last:
    id: str
    sequence: int
    decision: tuple[str, str, str, str | None]
    effective_at: datetime


def record_many(work: Work, decisions: Sequence[tuple[Subject, Change]]) -> list[Decided | Undecided]:
    """Record a change of each subject; the outcomes in their order. The caller updates the items' own rows.

    The caller holds the locks of those rows, and every subject is there once. An item whose newest event is the same
    decision (operation, reason, authority, document) is answered with it. Raises InvalidDraftError for texts that no
    decision may have: then nothing is written.
    """
    for change in {id(change): change for _, change in decisions}.values():
        check_texts(change)
    outcomes: list[Decided | Undecided] = []
    for start in range(0, len(decisions), _CHUNK):
        outcomes += _record(work, decisions[start : start + _CHUNK])
    return outcomes


@dataclass(frozen=True, slots=True)
class _Lawful:
    subject: Subject
    change: Change
    after: Status
    sequence: int


def _record(work: Work, decisions: Sequence[tuple[Subject, Change]]) -> list[Decided | Undecided]:
    last = _last_events(work, [subject.id for subject, _ in decisions])
    outcomes: dict[str, Decided | Undecided] = {}
    lawful: list[_Lawful] = []
    for subject, change in decisions:
        judged = _judge(work.at, subject, change, last.get(subject.id))
        if isinstance(judged, _Lawful):
            lawful.append(judged)
        else:
            outcomes[subject.id] = judged
    for one, event_id in zip(lawful, _write(work, lawful), strict=True):
        outcomes[one.subject.id] = Decided(one.subject.id, one.after, event_id)
    return [outcomes[subject.id] for subject, _ in decisions]


def _judge(now: datetime, subject: Subject, change: Change, last: _Last | None) -> _Lawful | Decided | Undecided:
    wanted = (change.operation.label, change.reason.strip(), change.authority, change.document)
    if last is not None and last.decision == wanted:
        return Decided(subject.id, subject.status, last.id, duplicate=True)
    try:
        after = rules.next_status(subject.status, change.operation)
        timeline = rules.Timeline(subject.earliest, last.effective_at if last else None, now)
        timeline.check(change.operation, change.effective_at)
    except TransitionError as unlawful:
        return Undecided(subject.id, unlawful.reason, unlawful.message)
    return _Lawful(subject, change, after, last.sequence + 1 if last else 1)


def _last_events(work: Work, items: Sequence[str]) -> dict[str, _Last]:
    newest = (
        select(StatusEvent.item_id, func.max(StatusEvent.sequence), func.max(StatusEvent.effective_at))
        .where(StatusEvent.item_id.in_(items))
        .group_by(StatusEvent.item_id)
        .subquery()
    )
    item, sequence, effective_at = newest.c
    query = select(
        StatusEvent.id, StatusEvent.item_id, StatusEvent.sequence, StatusEvent.operation, StatusEvent.reason,
        StatusEvent.authority, StatusEvent.document, effective_at,
    ).join(newest, (StatusEvent.item_id == item) & (StatusEvent.sequence == sequence))  # fmt: skip
    return {
        row[1]: _Last(row[0], row[2], (row[3], row[4], row[5], row[6]), row[7]) for row in work.session.execute(query)
    }


def _write(work: Work, lawful: Sequence[_Lawful]) -> list[str]:
    if not lawful:
        return []
    ids = [text for _, text in new_ids(len(lawful), work.at, work.draw)]
    at, by = upserts.Converter(work.session, StatusEvent.effective_at), work.actor.id
    in_clear = {id(one.change): facts_in_clear(one.change) for one in lawful}
    draw = pool_of(work.draw, sum(len(in_clear[id(one.change)]) for one in lawful) * SALT_BYTES)
    entries: list[Entry] = []
    rows: list[tuple[object, ...]] = []
    for event_id, one in zip(ids, lawful, strict=True):
        subject, change = one.subject, one.change
        sealed = seal(in_clear[id(change)], draw)
        entries.append(entry_of(work, subject, change, one.after, sealed.digest))
        rows.append(
            (
                event_id, subject.kind, subject.id, one.sequence, change.operation.label, change.operation.code,
                int(subject.status), int(one.after), change.reason.strip(), change.authority, change.document,
                change.successor, at[change.effective_at], at[work.at], by, sealed.canonical, sealed.salts,
            )
        )  # fmt: skip
    entry_ids = log.submit_many(work, entries)
    upserts.insert_many(
        work.session, StatusEvent, _EVENT, [(*row, entry) for row, entry in zip(rows, entry_ids, strict=True)]
    )
    _set_statuses(work, ((*one.subject.slot, one.after) for one in lawful))
    _tell_relying(work, lawful)
    return ids


def _tell_relying(work: Work, lawful: Sequence[_Lawful]) -> None:
    """Tell every department that relied on one of the items; not of a lapse, whose day stood on the face."""
    by_kind: dict[str, dict[str, Status]] = {}
    for one in lawful:
        if one.change.operation is not rules.Operation.LAPSE:
            by_kind.setdefault(one.subject.kind, {})[one.subject.id] = one.after
    for kind, statuses in by_kind.items():
        notices.tell_relying_on_many(work, "status_changed", kind, statuses)


def _set_statuses(work: Work, slots: Iterable[tuple[int, int, Status]]) -> None:
    at = upserts.Converter(work.session, StatusValue.changed_at)[work.at]
    # In the order of the table: neighbours are written together, and rivals wait for each other in one order.
    rows = [(number, slot, int(status), at) for number, slot, status in sorted(slots)]
    upserts.execute_many(work.session.connection(), _SET, rows)
    lists = {row[0] for row in rows}
    work.session.execute(update(StatusListRow).where(StatusListRow.id.in_(lists)).values(changed_at=work.at))
