"""The one-row state of the log: its name, and the turn-taking of everyone who writes to it."""

from __future__ import annotations

from sqlalchemy import Connection, Table, select, update

from registry.log.tables import CheckpointRow, LogState
from verifier.merkle import EMPTY_ROOT, Frontier
from verifier.note import Checkpoint

_STATE: Table = LogState.__table__  # type: ignore[assignment]
_CHECKPOINTS: Table = CheckpointRow.__table__  # type: ignore[assignment]


def take_turn(connection: Connection) -> str:
    """Wait until nobody else writes to the log, and hold it until the transaction ends; the log's name.

    The update locks the row on PostgreSQL; on SQLite the transaction began IMMEDIATE and holds the whole database.
    """
    origin: str = connection.execute(
        update(_STATE).where(_STATE.c.id == 1).values(turns=_STATE.c.turns + 1).returning(_STATE.c.origin)
    ).scalar_one()
    return origin


def origin_of(connection: Connection) -> str:
    """The log's name, without the lock."""
    origin: str = connection.execute(select(_STATE.c.origin).where(_STATE.c.id == 1)).scalar_one()
    return origin


def newest_head(connection: Connection, origin: str) -> tuple[Checkpoint, Frontier]:
    """The newest stored head with its frontier; the empty head before the first one."""
    row = connection.execute(select(_CHECKPOINTS).order_by(_CHECKPOINTS.c.size.desc()).limit(1)).one_or_none()
    if row is None:
        return Checkpoint(origin, 0, EMPTY_ROOT), Frontier()
    return Checkpoint(origin, row.size, row.root), Frontier.from_bytes(row.size, row.frontier)
