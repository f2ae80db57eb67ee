"""Whether a database has changed since somebody last looked, told without reading what is in it."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Engine, text
from sqlalchemy.pool import PoolProxiedConnection

from registry.database import READ_ONLY

_SNAPSHOT: Final = text("SELECT pg_current_snapshot()::text")


class ChangeMark:
    """Equal marks: nothing was committed between them, by any process. Unequal ones: something may have been.

    PostgreSQL: the snapshot (xmin, xmax and what is under way between them), which alone decides what a transaction
    sees; it moves with every database of the server. SQLite: PRAGMA data_version, which counts the commits of all other
    connections as one connection sees them; so a connection is kept for it, and never writes. Not safe to call from two
    threads at once.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kept: PoolProxiedConnection | None = None

    def read(self) -> object:
        """The mark now. What is read after it is at least as new."""
        if self._engine.dialect.name == "postgresql":
            with self._engine.execution_options(**{READ_ONLY: True}).connect() as connection:
                return connection.scalar(_SNAPSHOT)
        if self._kept is None:
            self._kept = self._engine.raw_connection()
        cursor = self._kept.cursor()
        try:
            cursor.execute("PRAGMA data_version")
            return cursor.fetchone()
        finally:
            cursor.close()

    def close(self) -> None:
        """Let go of the connection; harmless twice."""
        kept, self._kept = self._kept, None
        if kept is not None:
            kept.close()
