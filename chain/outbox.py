"""The outbox: everything that the chain account was asked to send, on the disk before a node hears of it.

A request is what shall happen; its attempts are the transactions signed for it. There is more than one when a price was
raised or when somebody else used up the nonce, and every one of them is remembered: any may be the one that is mined.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import rlp
from filelock import FileLock, Timeout

from chain.errors import ChainUnavailableError, WrongContractError
from chain.node import Mined

# Settled requests kept to look at, besides those that were sent once for all.
_KEPT = 10_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    target TEXT NOT NULL,
    data BLOB NOT NULL,
    gas INTEGER NOT NULL,
    once TEXT UNIQUE,
    state TEXT NOT NULL,
    nonce INTEGER NOT NULL,
    reason TEXT,
    mined_hash BLOB,
    block_number INTEGER,
    block_hash BLOB,
    contract TEXT,
    gas_used INTEGER
);
CREATE INDEX IF NOT EXISTS requests_by_state ON requests (state, nonce);
CREATE INDEX IF NOT EXISTS requests_by_block ON requests (block_number);
CREATE TABLE IF NOT EXISTS attempts (
    request INTEGER NOT NULL REFERENCES requests (id) ON DELETE CASCADE,
    place INTEGER NOT NULL,
    hash BLOB NOT NULL,
    nonce INTEGER NOT NULL,
    gas_price INTEGER NOT NULL,
    raw BLOB NOT NULL,
    PRIMARY KEY (request, place)
) WITHOUT ROWID;
"""


class State(StrEnum):
    """OPEN: kept and handed over, or about to be. UNKNOWN: handed over, and the node did not say whether it took it.

    Both are looked up on the chain until they are one of the ends: MINED, REVERTED (by the contract), REFUSED (by every
    node asked; it is in no block, and its nonce is free again).
    """

    OPEN = "open"
    UNKNOWN = "unknown"
    MINED = "mined"
    REVERTED = "reverted"
    REFUSED = "refused"

    @property
    def is_end(self) -> bool:
        """Whether the chain has answered."""
        return self not in _UNSETTLED


_UNSETTLED: Final = (State.OPEN, State.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Call:
    """What shall happen. target: a contract's 0x address, empty to create one; once: see `Sender.send`."""

    target: str
    data: bytes
    gas: int
    once: str | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """One transaction as signed; gas_price in wei."""

    hash: bytes
    nonce: int
    gas_price: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """A call with every transaction signed for it, oldest first. nonce: of the newest; reason: of its end."""

    id: int
    call: Call
    state: State
    nonce: int
    attempts: tuple[Signed, ...]
    mined: Mined | None = None
    reason: str | None = None

    @property
    def newest(self) -> Signed:
        """The transaction signed last."""
        return self.attempts[-1]

    @property
    def replacements(self) -> int:
        """How often the price was raised under the present nonce."""
        return sum(attempt.nonce == self.nonce for attempt in self.attempts) - 1


@dataclass(frozen=True, slots=True)
class Backlog:
    """open: requests without an outcome; unknown: those among them for which a node owes the answer."""

    open: int
    unknown: int


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
            message = "上链发件箱（同一链账户）正由另一个进程使用；同一账户只能由一个进程发送，请先停止它"
            raise ChainUnavailableError("outbox_in_use", message, {"path": path.name}) from error
        self._turn = threading.Lock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            with self._working() as connection:
                connection.executescript(f"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; {_SCHEMA}")
                connection.execute("PRAGMA foreign_keys=ON")
                with _together(connection):
                    _take_over(connection)
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

    def add(self, call: Call, signed: Signed) -> Request:
        """Keep a request with its first transaction before that is sent."""
        with self._working() as connection, _together(connection):
            cursor = connection.execute(
                "INSERT INTO requests (target, data, gas, once, state, nonce) VALUES (?, ?, ?, ?, ?, ?)",
                (call.target, call.data, call.gas, call.once, State.OPEN, signed.nonce),
            )
            number = int(cursor.lastrowid or 0)
            _insert_attempt(connection, number, 0, signed)
        return Request(number, call, State.OPEN, signed.nonce, (signed,))

    def add_attempt(self, request: Request, signed: Signed) -> Request:
        """Keep one more transaction for a request before that is sent."""
        with self._working() as connection, _together(connection):
            connection.execute("UPDATE requests SET nonce = ? WHERE id = ?", (signed.nonce, request.id))
            _insert_attempt(connection, request.id, len(request.attempts), signed)
        return Request(request.id, request.call, request.state, signed.nonce, (*request.attempts, signed))

    def open(self) -> list[Request]:
        """The requests without an outcome, by nonce."""
        with self._working() as connection:
            rows = connection.execute(
                "SELECT * FROM requests WHERE state IN (?, ?) ORDER BY nonce", _UNSETTLED
            ).fetchall()
            return [_read(connection, row) for row in rows]

    def find(self, number: int) -> Request | None:
        """A request by its number, with its outcome if it has one; None when it was forgotten."""
        with self._working() as connection:
            row = connection.execute("SELECT * FROM requests WHERE id = ?", (number,)).fetchone()
            return None if row is None else _read(connection, row)

    def backlog(self) -> Backlog:
        """How much has no outcome yet."""
        with self._working() as connection:
            query = "SELECT COUNT(*), COUNT(*) FILTER (WHERE state = ?) FROM requests WHERE state IN (?, ?)"
            return Backlog(*connection.execute(query, (State.UNKNOWN, *_UNSETTLED)).fetchone())

    def count_open(self) -> int:
        """How many requests have no outcome yet."""
        return self.backlog().open

    def mined_once(self, once: str) -> Mined | None:
        """The transaction that was sent under this name and succeeded."""
        with self._working() as connection:
            row = connection.execute(
                "SELECT * FROM requests WHERE once = ? AND state = ?", (once, State.MINED)
            ).fetchone()
            return None if row is None else _read(connection, row).mined

    def newest_block(self) -> tuple[int, bytes] | None:
        """Number and hash of the newest block that gave a request its outcome: this block can never go away again."""
        with self._working() as connection:
            row = connection.execute(
                "SELECT block_number, block_hash FROM requests WHERE block_number IS NOT NULL"
                " ORDER BY block_number DESC LIMIT 1"
            ).fetchone()
            return None if row is None else (int(row[0]), bytes(row[1]))

    def mark(self, request: Request, state: State) -> None:
        """Record that the node owes the answer, or that it gave it."""
        with self._working() as connection:
            connection.execute("UPDATE requests SET state = ? WHERE id = ?", (state, request.id))

    def settle(self, request: Request, state: State, mined: Mined | None = None, reason: str | None = None) -> None:
        """Record how a request ended; a name is free again unless it succeeded."""
        place: tuple[Any, ...] = (None,) * 5
        if mined:
            place = (mined.transaction_hash, mined.block_number, mined.block_hash, mined.contract, mined.gas_used)
        once = request.call.once if state is State.MINED else None
        with self._working() as connection, _together(connection):
            connection.execute(
                "UPDATE requests SET state = ?, once = ?, reason = ?,"
                " mined_hash = ?, block_number = ?, block_hash = ?, contract = ?, gas_used = ? WHERE id = ?",
                (state, once, reason, *place, request.id),
            )
            connection.execute(
                "DELETE FROM requests WHERE state NOT IN (?, ?) AND once IS NULL AND id < ?",
                (*_UNSETTLED, request.id - _KEPT),
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


@contextmanager
def _together(connection: sqlite3.Connection) -> Iterator[None]:
    """All statements of the block, or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _insert_attempt(connection: sqlite3.Connection, request: int, place: int, signed: Signed) -> None:
    row = (request, place, signed.hash, signed.nonce, signed.gas_price, signed.raw)
    connection.execute("INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?)", row)


def _read(connection: sqlite3.Connection, row: tuple[Any, ...]) -> Request:
    number, target, data, gas, once, state, nonce, reason, mined_hash, *place = row
    attempts = connection.execute(
        "SELECT hash, nonce, gas_price, raw FROM attempts WHERE request = ? ORDER BY place", (number,)
    ).fetchall()
    mined = None if mined_hash is None else Mined(mined_hash, state == State.MINED, *place)
    signed = tuple(Signed(*attempt) for attempt in attempts)
    return Request(number, Call(target, data, gas, once), State(state), nonce, signed, mined, reason)


def _take_over(connection: sqlite3.Connection) -> None:
    """What an outbox of the first version holds, whose rows were transactions; nothing in any other file."""
    old = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'transactions'").fetchone()
    if old is None:
        return
    columns = "hash, nonce, target, data, raw, once, state, block_number, block_hash, contract, gas_used"
    for row in connection.execute(f"SELECT {columns} FROM transactions ORDER BY nonce").fetchall():  # noqa: S608
        transaction_hash, nonce, target, data, raw, once, state, *place = row
        # A legacy transaction: nonce, gas price, gas, …
        _, gas_price, gas, *_ = rlp.decode(raw)
        now = State.REFUSED if state == "lost" else State(state)
        mined_hash = transaction_hash if place[0] is not None else None
        cursor = connection.execute(
            "INSERT INTO requests (target, data, gas, once, state, nonce, mined_hash, block_number, block_hash,"
            " contract, gas_used) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (target, data, int.from_bytes(gas), once, now, nonce, mined_hash, *place),
        )
        signed = Signed(transaction_hash, nonce, int.from_bytes(gas_price), raw)
        _insert_attempt(connection, int(cursor.lastrowid or 0), 0, signed)
    connection.execute("DROP TABLE transactions")
