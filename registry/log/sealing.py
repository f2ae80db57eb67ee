"""Step 1 of the pipeline: every waiting entry gets its department's signature.

Keys are used outside of any transaction, because a key in hardware is slow; the signatures are then written in one
short transaction. A crash before it costs the signatures, which nobody has seen; a crash after it, nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Integer, Row, Table, bindparam, func, select

from registry.database import READ_ONLY
from registry.errors import KeyUnavailableError
from registry.keys import rules as key_rules
from registry.keys.rules import Period
from registry.keys.service import KeyService
from registry.log import rules
from registry.log.state import take_turn
from registry.log.tables import LogEntry
from verifier import cose
from verifier.merkle import leaf_hash
from verifier.suites import SigningKey

_ENTRIES: Table = LogEntry.__table__  # type: ignore[assignment]
_IDS_PER_QUERY = 500
_BEFORE = _ENTRIES.alias("before")
#: Rows without a signature, each with the row that its item's earlier entry has, if there is one.
_WAITING = (
    select(
        _ENTRIES.c.id,
        _ENTRIES.c.department,
        _ENTRIES.c.recorded_at,
        _ENTRIES.c.payload,
        select(func.max(_BEFORE.c.id))
        .where(_BEFORE.c.item == _ENTRIES.c.item, _BEFORE.c.id < _ENTRIES.c.id)
        .scalar_subquery()
        .label("earlier_id"),
    )
    .where(_ENTRIES.c.log_index.is_(None), _ENTRIES.c.signed.is_(None), _ENTRIES.c.id > bindparam("after_id"))
    .order_by(_ENTRIES.c.id)
    .limit(bindparam("most", type_=Integer))
)


@dataclass(slots=True)
class Sealing:
    """What one pass did: entries sealed, the last row looked at, and what kept others waiting."""

    sealed: int = 0
    last_id: int = 0
    more: bool = False
    problems: list[KeyUnavailableError] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Seal:
    signed: bytes
    leaf_hash: bytes


def seal(engine: Engine, keys: KeyService, after_id: int, limit: int) -> Sealing:
    """Seal up to `limit` waiting entries with ids above `after_id`.

    Entries of a department whose key is unavailable stay in the outbox, and so do later entries about the same
    items; the others go on. If another process seals the same entries meanwhile, one of the two passes writes nothing.
    """
    reader = engine.execution_options(**{READ_ONLY: True})
    with reader.connect() as connection:
        waiting = connection.execute(_WAITING, {"after_id": after_id, "most": limit}).all()
        leaves = _leaves_of(connection, sorted({row.earlier_id for row in waiting if row.earlier_id is not None}))
    outcome = Sealing(more=len(waiting) == limit)
    if not waiting:
        return outcome
    outcome.last_id = waiting[-1].id
    rings = _Rings(keys, waiting, outcome.problems)
    seals: dict[int, _Seal] = {}
    for row in waiting:
        made = _seal_one(row, rings, leaves, seals)
        if made is not None:
            seals[row.id] = made
    if _store(engine, seals):
        outcome.sealed = len(seals)
    return outcome


class _Rings:
    """The keys of the departments that have something to sign in this pass."""

    def __init__(self, keys: KeyService, waiting: Sequence[Row[Any]], problems: list[KeyUnavailableError]) -> None:
        self._keys = keys
        self._problems = problems
        self._periods: dict[str, list[Period]] = {}
        self._known: dict[tuple[str, datetime], SigningKey | None] = {}
        first: dict[str, datetime] = {}
        for row in waiting:
            first[row.department] = min(row.recorded_at, first.get(row.department, row.recorded_at))
        for department, at in first.items():
            purpose = key_rules.department_purpose(department)
            try:
                keys.ensure(purpose, at)
            except KeyUnavailableError as problem:
                problems.append(problem)
            else:
                self._periods[department] = keys.periods(purpose)

    def sign(self, department: str, at: datetime, payload: bytes) -> bytes | None:
        """The signed entry, or None if the department has no usable key for that time."""
        if (department, at) not in self._known:
            self._known[department, at] = self._key_for(department, at)
        key = self._known[department, at]
        return None if key is None else cose.sign1(payload, key, cose.Type.ENTRY)

    def _key_for(self, department: str, at: datetime) -> SigningKey | None:
        period = key_rules.in_force(self._periods.get(department, ()), at)
        if period is None:
            return None
        try:
            return self._keys.load(period.kid)
        except KeyUnavailableError as problem:
            self._problems.append(problem)
            del self._periods[department]
            return None


def _seal_one(row: Row[Any], rings: _Rings, leaves: dict[int, bytes | None], seals: dict[int, _Seal]) -> _Seal | None:
    payload = row.payload
    if row.earlier_id is not None:
        previous = leaves[row.earlier_id]
        if previous is None:
            if row.earlier_id not in seals:
                return None
            previous = seals[row.earlier_id].leaf_hash
        payload = rules.link(payload, previous)
    signed = rings.sign(row.department, row.recorded_at, payload)
    return None if signed is None else _Seal(signed, leaf_hash(signed))


def _leaves_of(connection: Connection, ids: list[int]) -> dict[int, bytes | None]:
    """The leaf hashes of rows, None for those that are not sealed yet."""
    leaves: dict[int, bytes | None] = {}
    for some in rules.chunks(ids, _IDS_PER_QUERY):
        chosen = select(_ENTRIES.c.id, _ENTRIES.c.leaf_hash).where(_ENTRIES.c.id.in_(some))
        leaves.update(connection.execute(chosen).tuples().all())
    return leaves


def _store(engine: Engine, seals: dict[int, _Seal]) -> bool:
    """Write the signatures; False, and nothing written, if one of the entries was sealed by somebody else meanwhile."""
    if not seals:
        return True
    mark = "%s" if engine.dialect.name == "postgresql" else "?"
    # Straight to the driver, as in `upserts.insert_many`: a fixed statement, thousands of times.
    statement = f"UPDATE log_entries SET signed = {mark}, leaf_hash = {mark}, payload = NULL WHERE id = {mark}"  # noqa: S608
    rows = [(made.signed, made.leaf_hash, row_id) for row_id, made in seals.items()]
    with engine.connect() as connection, connection.begin() as transaction:
        take_turn(connection)
        done = connection.exec_driver_sql(
            f"{statement} AND signed IS NULL", rows, execution_options={"preserve_rowcount": True}
        )
        if done.rowcount != len(rows):
            # Our links to earlier entries may name leaf hashes that the other pass made differently.
            transaction.rollback()
            return False
    return True
