"""What a witness must never forget: the newest head of each log that it cosigned, in one SQLite file.

A head is written in the transaction that read its predecessor, and is on the disk when that ends (synchronous EXTRA:
the folder too). So neither two requests nor two processes on one file ever cosign heads that contradict each other.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from api.witness.errors import WitnessFolderError
from verifier.note import Checkpoint
from verifier.suites import PublicKey, Suite

_BUSY_SECONDS = 10
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS identity (id INTEGER PRIMARY KEY CHECK (id = 1), name TEXT NOT NULL,"
    " public BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS heads (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL,"
    " note TEXT NOT NULL, cosigned_at INTEGER NOT NULL) WITHOUT ROWID",
)


@dataclass(frozen=True, slots=True)
class Remembered:
    """The newest cosigned head of a log, and when it was last cosigned."""

    head: Checkpoint
    cosigned_at: datetime


class Memory:
    """The file. Safe to share between threads and processes. Raises WitnessFolderError where the file is unusable."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it."""
        self._path = path
        with self._writing() as connection:
            for statement in _SCHEMA:
                connection.execute(statement)

    def identity(self) -> tuple[str, PublicKey] | None:
        """Whose memory this is; None before the first start was completed."""
        with self._writing() as connection:
            row = connection.execute("SELECT name, public FROM identity").fetchone()
        return None if row is None else (row[0], PublicKey(Suite.ED25519, row[1]))

    def name(self, name: str, public: PublicKey) -> None:
        """Say whose memory this is, once and for all."""
        with self._writing() as connection:
            connection.execute("INSERT INTO identity (id, name, public) VALUES (1, ?, ?)", (name, public.raw))

    def advance(self, head: Checkpoint, note: str, at: datetime, check: Callable[[Checkpoint | None], None]) -> None:
        """Remember `head` as the newest of its log. `check` is told the present newest, and raises to keep it."""
        with self._writing() as connection:
            row = connection.execute("SELECT size, root FROM heads WHERE origin = ?", (head.origin,)).fetchone()
            check(None if row is None else Checkpoint(head.origin, row[0], row[1]))
            connection.execute(
                "INSERT OR REPLACE INTO heads (origin, size, root, note, cosigned_at) VALUES (?, ?, ?, ?, ?)",
                (head.origin, head.size, head.root, note, int(at.timestamp())),
            )

    def remembered(self) -> list[Remembered]:
        """The newest head of every log, by name."""
        with self._writing() as connection:
            rows = connection.execute("SELECT origin, size, root, cosigned_at FROM heads ORDER BY origin").fetchall()
        return [Remembered(Checkpoint(*row[:3]), datetime.fromtimestamp(row[3], UTC)) for row in rows]

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that holds the file from its beginning; durable when this ends, undone when it raises."""
        try:
            connection = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
            try:
                connection.execute("PRAGMA synchronous = EXTRA")
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            finally:
                # What was not committed is rolled back.
                connection.close()
        except sqlite3.Error as error:
            message = f"无法使用见证记录 {self._path}（{error}）；请检查磁盘与权限，不要删除或用旧备份覆盖它"
            raise WitnessFolderError("memory_failed", message) from error
