"""The file of the embedded chain: py-evm's key/value store on SQLite, written one mined block at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from eth.db.backends.base import BaseDB

_SCHEMA = """
CREATE TABLE IF NOT EXISTS pairs (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS topics (topic BLOB, block INTEGER, PRIMARY KEY (topic, block)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""

# State below the head is shared between blocks and never changes, since keys are hashes: worth remembering. Entries.
_REMEMBERED = 20_000


class BlockStore(BaseDB):  # type: ignore[misc]
    """Pairs of bytes. What is set stays in memory until `commit`, which writes all of it in one transaction.

    A process killed at any moment leaves the file at the end of some mined block. Callers hold the chain's lock.
    `topics` lists, for each event topic, the blocks that have it, so that finding an event does not read every block.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # FULL: a commit returns when the write-ahead log is on the disk, so a mined block survives power loss.
        self._connection.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; {_SCHEMA}")
        self._unwritten: dict[bytes, bytes | None] = {}
        self._topics: list[tuple[bytes, int]] = []
        self._read: dict[bytes, bytes] = {}

    def __getitem__(self, key: bytes) -> bytes:
        value = self._unwritten[key] if key in self._unwritten else self._read.get(key) or self._fetch(key)
        if value is None:
            raise KeyError(key)
        return value

    def _fetch(self, key: bytes) -> bytes | None:
        row = self._connection.execute("SELECT value FROM pairs WHERE key = ?", (key,)).fetchone()
        if row is None:
            return None
        if len(key) == 32:
            if len(self._read) >= _REMEMBERED:
                self._read.clear()
            self._read[key] = row[0]
        return bytes(row[0])

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._unwritten[bytes(key)] = bytes(value)
        self._read.pop(key, None)

    def __delitem__(self, key: bytes) -> None:
        if not self._exists(key):
            raise KeyError(key)
        self._unwritten[bytes(key)] = None
        self._read.pop(key, None)

    def _exists(self, key: bytes) -> bool:
        try:
            self[key]
        except KeyError:
            return False
        return True

    def add_topics(self, topics: Iterable[bytes], block: int) -> None:
        """Remember that a block has events with these topics; written by the next `commit`."""
        self._topics.extend((bytes(topic), block) for topic in topics)

    def blocks_with(self, topics: Sequence[bytes], first: int, last: int) -> list[int]:
        """The blocks in first … last that have all these topics, ascending; not necessarily in one event.

        The search starts from the last topic: indexed arguments come after the event's own hash and are rarer.
        """
        rarest, *others = reversed(topics)
        query = "SELECT block FROM topics AS found WHERE topic = ? AND block BETWEEN ? AND ?"
        query += " AND EXISTS (SELECT 1 FROM topics WHERE topic = ? AND block = found.block)" * len(others)
        rows = self._connection.execute(f"{query} ORDER BY block", (rarest, first, last, *others))
        return [row[0] for row in rows]

    def commit(self) -> None:
        """Write everything set since the last commit, all or nothing."""
        present = [(key, value) for key, value in self._unwritten.items() if value is not None]
        absent = [(key,) for key, value in self._unwritten.items() if value is None]
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany("INSERT OR REPLACE INTO pairs VALUES (?, ?)", present)
            self._connection.executemany("DELETE FROM pairs WHERE key = ?", absent)
            self._connection.executemany("INSERT OR IGNORE INTO topics VALUES (?, ?)", self._topics)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self.discard()

    def discard(self) -> None:
        """Forget everything set since the last commit."""
        self._unwritten.clear()
        self._topics.clear()

    def fact(self, name: str) -> bytes | None:
        """A value kept beside the chain, such as its id."""
        row = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

    def state_fact(self, name: str, value: bytes) -> bytes:
        """Keep a value beside the chain unless one is kept already; returns the one that is kept."""
        self._connection.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (name, value))
        return self.fact(name) or value

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
