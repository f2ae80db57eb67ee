"""Step 2 of the pipeline: sealed entries get their index and the log its next signed head, in one transaction.

It is also the transaction that the seals themselves are written in: each row is touched once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, Table, bindparam, func, insert, select, update

from registry.database import READ_ONLY
from registry.keys import rules as key_rules
from registry.keys.service import KeyService
from registry.log import rules
from registry.log.errors import LogContradictionError
from registry.log.nodes import grow
from registry.log.sealing import Seal, store
from registry.log.state import newest_head, origin_of, take_turn
from registry.log.tables import CheckpointRow, LogEntry
from verifier.merkle import Frontier
from verifier.note import Checkpoint, sign_checkpoint
from verifier.receipt import sign_root
from verifier.suites import SigningKey

_ENTRIES: Table = LogEntry.__table__  # type: ignore[assignment]
_CHECKPOINTS: Table = CheckpointRow.__table__  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Sequencing:
    """What one pass did: entries sealed and entries that got an index, the log's size now, and whether it was full."""

    sealed: int
    sequenced: int
    size: int
    more: bool


def sequence(engine: Engine, keys: KeyService, at: datetime, limit: int, seals: Sequence[Seal] = ()) -> Sequencing:
    """Store seals, give them and up to `limit` entries sealed before the next indices, and store the signed head.

    Signatures, indices, frontier and head are one commit: after a crash either all of them stand or none. If another
    process sealed one of the entries meanwhile, nothing is written. Raises LogContradictionError if what is stored does
    not add up; nothing is signed on top of it. Raises KeyUnavailableError; nothing is written then either.
    """
    if not seals:
        idle_size = _size_if_idle(engine)
        if idle_size is not None:
            return Sequencing(0, 0, idle_size, more=False)
    key = keys.key_for(key_rules.LOG, at)
    with engine.connect() as connection, connection.begin() as transaction:
        # From here on we are alone: two processes never give two indices.
        origin = take_turn(connection)
        head, frontier = newest_head(connection, origin)
        _check_stored(connection, head, frontier)
        rows = connection.execute(
            select(_ENTRIES.c.id, _ENTRIES.c.leaf_hash)
            .where(_ENTRIES.c.log_index.is_(None), _ENTRIES.c.signed.is_not(None))
            .order_by(_ENTRIES.c.id)
            .limit(limit)
        ).all()
        if len(rows) == limit:
            # Those sealed before go first, all of them: an item's later entry never gets the lower index.
            seals = ()
        count = len(rows) + len(seals)
        if not count:
            return Sequencing(0, 0, head.size, more=False)
        if rows:
            _give_indices(connection, [row.id for row in rows], head.size)
        if not store(connection, seals, head.size + len(rows)):
            transaction.rollback()
            return Sequencing(0, 0, head.size, more=True)
        grown = grow(frontier, [row.leaf_hash for row in rows] + [seal.leaf_hash for seal in seals])
        connection.execute(
            insert(_CHECKPOINTS).values(_sign(Checkpoint(origin, grown.size, grown.root()), grown, key, at))
        )
    return Sequencing(len(seals), count, grown.size, more=len(rows) == limit)


def _size_if_idle(engine: Engine) -> int | None:
    """The log's size if nothing waits for an index: an idle registry takes no lock and writes nothing."""
    with engine.execution_options(**{READ_ONLY: True}).connect() as connection:
        sealed = select(_ENTRIES.c.id).where(_ENTRIES.c.log_index.is_(None), _ENTRIES.c.signed.is_not(None)).limit(1)
        if connection.execute(sealed).first() is not None:
            return None
        return newest_head(connection, origin_of(connection))[0].size


def _give_indices(connection: Connection, ids: list[int], size: int) -> None:
    moves = []
    for first, last in rules.runs(ids):
        moves.append({"first": first, "last": last, "shift": size - first})
        size += last - first + 1
    # One statement for every run of consecutive ids; in the usual case that is one for the whole batch.
    updated = connection.execute(
        update(_ENTRIES)
        .where(_ENTRIES.c.id >= bindparam("first"), _ENTRIES.c.id <= bindparam("last"))
        .values(log_index=_ENTRIES.c.id + bindparam("shift")),
        moves,
    )
    if updated.rowcount != len(ids):
        raise RuntimeError(f"{updated.rowcount} of {len(ids)} entries got an index: a row changed under the lock")


def _check_stored(connection: Connection, head: Checkpoint, frontier: Frontier) -> None:
    """Raises LogContradictionError unless the newest head, its frontier and the entries agree in size and root."""
    last = connection.execute(select(func.max(_ENTRIES.c.log_index))).scalar_one()
    entries = 0 if last is None else last + 1
    found = Checkpoint(head.origin, entries, frontier.root())
    if found != head:
        raise LogContradictionError("stored_head_differs", "存证日志的检查点与条目不一致。", head, found)


def _sign(head: Checkpoint, frontier: Frontier, key: SigningKey, at: datetime) -> dict[str, object]:
    return {
        "size": head.size,
        "root": head.root,
        "frontier": frontier.to_bytes(),
        "note": sign_checkpoint(head, key),
        "root_signature": sign_root(head.root, head.origin, key),
        "kid": key.public.kid,
        "signed_at": at,
    }
