"""Checkpoints as they are published: the log's own signature, then the lines of its witnesses."""

from __future__ import annotations

from sqlalchemy import Connection, Table, select

from registry.log.tables import CheckpointRow
from registry.witnesses.tables import CosignatureRow

_CHECKPOINTS: Table = CheckpointRow.__table__  # type: ignore[assignment]
_COSIGNATURES: Table = CosignatureRow.__table__  # type: ignore[assignment]


def lines_of(connection: Connection, size: int) -> str:
    """The lines under the head of that size, in the order of their times; empty if nobody cosigned it."""
    lines = connection.execute(
        select(_COSIGNATURES.c.line)
        .where(_COSIGNATURES.c.size == size)
        .order_by(_COSIGNATURES.c.cosigned_at, _COSIGNATURES.c.kid)
    )
    return "".join(f"{line}\n" for line in lines.scalars())


def note_of(connection: Connection, size: int) -> str:
    """The note of the stored head of that size with every line there is; empty if there is no such head."""
    note = connection.execute(select(_CHECKPOINTS.c.note).where(_CHECKPOINTS.c.size == size)).scalar_one_or_none()
    return note + lines_of(connection, size) if note else ""
