"""Into the log: its name, and the outbox where entries wait in the transaction that they belong to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Table, func, literal, select
from sqlalchemy.orm import Session

from registry import upserts
from registry.ids import id_text
from registry.log import rules
from registry.log.tables import LogEntry, LogState
from registry.work import Work
from verifier.entry import Entry, encode_many

_ENTRIES: Table = LogEntry.__table__  # type: ignore[assignment]
_SUBMITTED = ("id", "item", "kind", "department", "recorded_at", "payload_digest", "payload")
_ITEMS_PER_QUERY = 400


def open_log(engine: Engine, draw: Callable[[int], bytes]) -> str:
    """The log's name (origin), given at the first start and never changed; two processes that start together agree."""
    with Session(engine) as session, session.begin():
        session.execute(
            upserts.insert_or_ignore(session, LogState),
            [{"id": 1, "origin": f"suizheng/log/{draw(8).hex()}", "turns": 0}],
        )
        return session.scalars(select(LogState.origin)).one()


def submit(work: Work, entry: Entry) -> int:
    """Put one entry into the outbox, in the caller's transaction; the id of its row.

    If `entry.previous` is None the log itself links the entry to the item's earlier one when it is sealed: callers need
    not know what came before. An entry that was submitted before, at whatever time, has the id it got then.
    """
    return submit_many(work, [entry])[0]


def submit_many(work: Work, entries: Sequence[Entry]) -> list[int]:
    """Put entries into the outbox in their order, in the caller's transaction; the ids of their rows.

    The ids ascend but for entries that were submitted before: those have the ids they got then, and with them the
    receipts. A rival transaction that submits the same is waited for.
    """
    if not entries:
        return []
    ids = _draw_row_ids(work.session, len(entries))
    recorded, sha256 = _RecordedAt(work.session), hashlib.sha256
    rows: list[tuple[Any, ...]] = [
        (
            row_id,
            id_text(entry.item),
            int(entry.kind),
            entry.department,
            recorded[entry.recorded_at],
            sha256(payload).digest(),
            payload,
        )
        for row_id, entry, payload in zip(ids, entries, encode_many(entries), strict=True)
    ]
    if upserts.insert_many(work.session, LogEntry, _SUBMITTED, rows, ignore=True) == len(rows):
        return ids
    return _first_ids(work.session, [(row[1], row[5]) for row in rows])


def _first_ids(session: Session, submitted: list[tuple[str, bytes]]) -> list[int]:
    """The ids of the rows that hold these payloads, of now or of before."""
    found: dict[tuple[str, bytes], int] = {}
    for some in rules.chunks(submitted, _ITEMS_PER_QUERY):
        rows = session.execute(
            select(_ENTRIES.c.item, _ENTRIES.c.payload_digest, _ENTRIES.c.id).where(
                _ENTRIES.c.item.in_({item for item, _ in some}),
                _ENTRIES.c.payload_digest.in_({digest for _, digest in some}),
            )
        )
        found.update({(item, digest): row_id for item, digest, row_id in rows.tuples()})
    return [found[key] for key in submitted]


class _RecordedAt(dict[datetime, Any]):
    """Times in the form the driver wants; in a bulk nearly all are the same."""

    def __init__(self, session: Session) -> None:
        super().__init__()
        dialect = session.get_bind().dialect
        self._convert = _ENTRIES.c.recorded_at.type.dialect_impl(dialect).bind_processor(dialect)

    def __missing__(self, at: datetime) -> Any:
        value = self[at] = self._convert(at) if self._convert else at
        return value


def _draw_row_ids(session: Session, count: int) -> list[int]:
    if session.get_bind().dialect.name == "postgresql":
        sequence = func.pg_get_serial_sequence(literal("log_entries"), literal("id"))
        drawn = select(func.nextval(sequence)).select_from(func.generate_series(1, count))
        return sorted(session.scalars(drawn))
    # Alone in a BEGIN IMMEDIATE transaction, and rows are never deleted.
    last = session.scalar(select(func.max(_ENTRIES.c.id))) or 0
    return list(range(last + 1, last + count + 1))
