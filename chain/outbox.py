"""The outbox: every transaction signed by the chain account, on the disk before it is sent."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from filelock import FileLock, Timeout

from chain.errors import ChainUnavailableError, WrongContractError
from chain.node import Mined

# Settled transactions kept to look at, besides those that were sent once for all.
_KEPT = 10_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS transactions (
    hash BLOB PRIMARY KEY,
    nonce INTEGER NOT NULL,
    target TEXT NOT NULL,
    data BLOB NOT NULL,
    raw BLOB NOT NULL,
    once TEXT UNIQUE,
    state TEXT NOT NULL,
    block_number INTEGER,
    block_hash BLOB,
    contract TEXT,
    gas_used INTEGER
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS transactions_by_state ON transactions (state, nonce);
"""


class Outcome(StrEnum):
    """OPEN until the chain has answered. LOST: another transaction took the nonce; this one can never be mined."""

    OPEN = "open"
    MINED = "mined"
    REVERTED = "reverted"
    REFUSED = "refused"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Signed:
    """A transaction as signed. target: the contract's 0x address, empty to create one. once: see `Sender.send`."""

    hash: bytes
    nonce: int
    target: str
    data: bytes
    raw: bytes
    once: str | None = None


class Outbox:
    """One file, one process: whoever holds it is the only one to give out nonces of the account.

    Raises ChainUnavailableError while another process holds it.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._held = FileLock(f"{path}.lock", timeout=0, thread_local=False)
        try:
            self._held.acquire()
        except Timeout as error:
            message = "上链发件箱正由另一个进程使用，请先停止它"
            raise ChainUnavailableError("outbox_in_use", message) from error
        self._turn = threading.Lock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            with self._working() as connection:
                connection.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; {_SCHEMA}")
        except ChainUnavailableError:
            self.close()
            raise

    def bind(self, **facts: str) -> None:
        """Tie the outbox to one chain and account. Raises WrongContractError if it belongs to another."""
        with self._working() as connection:
            for name, value in facts.items():
                connection.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (name, value))
                kept = connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()[0]
                if kept != value:
                    raise WrongContractError(f"上链发件箱的 {name}", kept, value)

    def add(self, signed: Signed) -> None:
        """Keep a transaction before it is sent."""
        row = (signed.hash, signed.nonce, signed.target, signed.data, signed.raw, signed.once, Outcome.OPEN)
        with self._working() as connection:
            connection.execute(
                "INSERT INTO transactions (hash, nonce, target, data, raw, once, state) VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )

    def open(self) -> list[Signed]:
        """The transactions without an outcome, by nonce."""
        with self._working() as connection:
            rows = connection.execute(
                "SELECT hash, nonce, target, data, raw, once FROM transactions WHERE state = ? ORDER BY nonce",
                (Outcome.OPEN,),
            ).fetchall()
        return [Signed(*row) for row in rows]

    def count_open(self) -> int:
        """How many transactions have no outcome yet."""
        with self._working() as connection:
            query = "SELECT COUNT(*) FROM transactions WHERE state = ?"
            return int(connection.execute(query, (Outcome.OPEN,)).fetchone()[0])

    def mined_once(self, once: str) -> Mined | None:
        """The transaction that was sent under this name and succeeded."""
        with self._working() as connection:
            row = connection.execute(
                "SELECT hash, block_number, block_hash, contract, gas_used FROM transactions"
                " WHERE once = ? AND state = ?",
                (once, Outcome.MINED),
            ).fetchone()
        return None if row is None else Mined(row[0], True, *row[1:])

    def settle(self, signed: Signed, outcome: Outcome, mined: Mined | None = None) -> None:
        """Record how a transaction ended; a name is free again unless it succeeded."""
        place = (mined.block_number, mined.block_hash, mined.contract, mined.gas_used) if mined else (None,) * 4
        once = signed.once if outcome is Outcome.MINED else None
        with self._working() as connection:
            connection.execute(
                "UPDATE transactions SET state = ?, once = ?,"
                " block_number = ?, block_hash = ?, contract = ?, gas_used = ? WHERE hash = ?",
                (outcome, once, *place, signed.hash),
            )
            connection.execute(
                "DELETE FROM transactions WHERE state != ? AND once IS NULL AND nonce < ?",
                (Outcome.OPEN, signed.nonce - _KEPT),
            )

    @contextmanager
    def _working(self) -> Iterator[sqlite3.Connection]:
        with self._turn:
            try:
                yield self._connection
            except sqlite3.Error as error:
                message = "上链发件箱的文件无法读写，请检查磁盘后重试"
                raise ChainUnavailableError("outbox_failed", message) from error

    def close(self) -> None:
        """Let go of the file."""
        with self._turn:
            self._connection.close()
        self._held.release()
