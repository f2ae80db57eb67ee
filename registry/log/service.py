"""Into the log: its name, and the outbox where entries wait in the transaction that they belong to."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, Table, func, literal, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from registry import upserts
from registry.errors import DuplicateError
from registry.ids import id_text
from registry.log.tables import LogEntry, LogState
from registry.work import Work
from verifier.entry import Entry

_ENTRIES: Table = LogEntry.__table__  # type: ignore[assignment]
_SUBMITTED = ("id", "item", "kind", "department", "recorded_at", "payload_digest", "payload")


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
    not know what came before. Raises DuplicateError if this very payload was submitted before.
    """
    return submit_many(work, [entry])[0]


def submit_many(work: Work, entries: Sequence[Entry]) -> list[int]:
    """Put entries into the outbox in their order, in the caller's transaction; the ids of their rows, ascending.

    Raises DuplicateError if a payload was submitted before; the caller's transaction is then beyond use.
    """
    if not entries:
        return []
    ids = _draw_row_ids(work.session, len(entries))
    recorded = _RecordedAt(work.session)
    rows: list[tuple[Any, ...]] = []
    for row_id, entry in zip(ids, entries, strict=True):
        payload = entry.to_bytes()
        digest = hashlib.sha256(payload).digest()
        moment = recorded[entry.recorded_at]
        rows.append((row_id, id_text(entry.item), int(entry.kind), entry.department, moment, digest, payload))
    mark = "%s" if work.session.get_bind().dialect.name == "postgresql" else "?"
    marks = ", ".join([mark] * len(_SUBMITTED))
    # Straight to the driver: the statement is fixed, and binding through the compiler would cost more than the insert.
    statement = f"INSERT INTO log_entries ({', '.join(_SUBMITTED)}) VALUES ({marks})"  # noqa: S608 (constants only)
    try:
        work.session.connection().exec_driver_sql(statement, rows)
    except IntegrityError as repeated:
        # Which one it was cannot be asked any more on PostgreSQL; with a single entry it is its item.
        item = id_text(entries[0].item) if len(entries) == 1 else ""
        raise DuplicateError("entry_submitted_before", "同一存证条目已经提交过，请勿重复提交。", item) from repeated
    return ids


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
