"""Step 1 of the pipeline: every waiting entry gets its department's signature.

Keys are used outside of any transaction, because a key in hardware is slow; what they made is then written in one short
transaction, usually the one that also gives the indices. A crash before it costs the signatures, which nobody has seen;
a crash after it, nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count, repeat
from typing import Any, NamedTuple

from sqlalchemy import Connection, Dialect, Engine, Table, select

from registry.database import READ_ONLY
from registry.errors import KeyUnavailableError
from registry.keys import rules as key_rules
from registry.keys.rules import Period
from registry.keys.service import KeyService
from registry.log import rules
from registry.log.state import take_turn
from registry.log.tables import LogEntry
from registry.upserts import execute_many, fetch_many
from verifier import cose

_ENTRIES: Table = LogEntry.__table__  # type: ignore[assignment]
_IDS_PER_QUERY = 500
#: Rows without a signature, each with the row that its item's earlier entry has, if there is one. The sums leave only
#: the index of items to look in: PostgreSQL would go through all earlier ids in a table that it has not analysed yet.
_WAITING = """
    SELECT id, department, recorded_at, payload,
        (SELECT max(before.id + 0) FROM log_entries AS before
            WHERE before.item = waiting.item AND before.id + 0 < waiting.id)
    FROM log_entries AS waiting WHERE log_index IS NULL AND signed IS NULL AND id > ? ORDER BY id LIMIT ?
"""
_SEALED = """
    UPDATE log_entries SET signed = ?, leaf_hash = ?, payload = NULL, log_index = ? WHERE id = ? AND signed IS NULL
"""

_Sign = Callable[[bytes], bytes]


class Seal(NamedTuple):
    """A signature that was made for a row of the outbox, and is not stored yet."""

    row_id: int
    signed: bytes
    leaf_hash: bytes


@dataclass(slots=True)
class Sealing:
    """What one pass made: seals by ascending row, the last row looked at, and what kept others waiting."""

    seals: list[Seal] = field(default_factory=list)
    last_id: int = 0
    more: bool = False
    problems: list[KeyUnavailableError] = field(default_factory=list)


def seal(engine: Engine, keys: KeyService, after_id: int, limit: int) -> Sealing:
    """Sign up to `limit` waiting entries with ids above `after_id`; nothing is written.

    Entries of a department whose key is unavailable stay in the outbox, and so do later entries about the same items;
    the others go on.
    """
    reader = engine.execution_options(**{READ_ONLY: True})
    with reader.connect() as connection:
        waiting = fetch_many(connection, _WAITING, (after_id, limit))
        leaves = _leaves_of(connection, sorted({earlier for *_, earlier in waiting if earlier is not None}))
    outcome = Sealing(more=len(waiting) == limit)
    if not waiting:
        return outcome
    outcome.last_id = waiting[-1][0]
    rings = _Rings(keys, {(row[1], row[2]) for row in waiting}, _as_datetime(engine.dialect), outcome.problems)
    sealed, sha256 = outcome.seals, hashlib.sha256
    for row_id, department, recorded_at, payload, earlier_id in waiting:
        if earlier_id is not None:
            previous = leaves[earlier_id]
            if previous is None:
                # It waits itself, so this one does.
                continue
            payload = rules.link(payload, previous)
        sign = rings.signer(department, recorded_at)
        if sign is None:
            continue
        try:
            signed = sign(payload)
        except KeyUnavailableError as problem:
            rings.lose(department, problem)
            continue
        # verifier.merkle.leaf_hash, without its call.
        leaf_hash = sha256(b"\x00" + signed).digest()
        sealed.append(Seal(row_id, signed, leaf_hash))
        if row_id in leaves:
            leaves[row_id] = leaf_hash
    return outcome


def store(connection: Connection, seals: Sequence[Seal], first_index: int | None) -> bool:
    """Write seals, with ascending indices from `first_index` on if given. Only for whoever has the turn.

    False if one of the entries was sealed by somebody else meanwhile: our links to earlier entries may then name leaf
    hashes that the other pass made differently, and the transaction must be given up.
    """
    indices = repeat(None) if first_index is None else count(first_index)
    rows = [(signed, leaf_hash, index, row_id) for (row_id, signed, leaf_hash), index in zip(seals, indices)]  # noqa: B905 (endless)
    return not rows or execute_many(connection, _SEALED, rows) == len(rows)


def store_seals(engine: Engine, seals: Sequence[Seal]) -> bool:
    """Write seals without indices, for when the log itself cannot sign; whether it was done, as in `store`."""
    if not seals:
        return True
    with engine.connect() as connection, connection.begin() as transaction:
        take_turn(connection)
        if not store(connection, seals, None):
            transaction.rollback()
            return False
    return True


class _Rings:
    """The keys of the departments that have something to sign in this pass. Times are as the database has them."""

    def __init__(
        self,
        keys: KeyService,
        needed: set[tuple[str, Any]],
        as_datetime: Callable[[Any], datetime],
        problems: list[KeyUnavailableError],
    ) -> None:
        self._keys = keys
        self._problems = problems
        self._as_datetime = as_datetime
        self._periods = {
            department: self._periods_of(department, needed) for department in {department for department, _ in needed}
        }
        self._signers: dict[tuple[str, Any], _Sign | None] = {}

    def signer(self, department: str, recorded_at: Any) -> _Sign | None:
        """What signs entries of this department and time, or None if it has no usable key for that time."""
        try:
            return self._signers[department, recorded_at]
        except KeyError:
            found = self._signers[department, recorded_at] = self._find(department, recorded_at)
            return found

    def lose(self, department: str, problem: KeyUnavailableError) -> None:
        """Sign nothing more for this department in this pass: its key went away while it was in use."""
        self._problems.append(problem)
        self._periods[department] = []
        for known in self._signers:
            if known[0] == department:
                self._signers[known] = None

    def _periods_of(self, department: str, needed: set[tuple[str, Any]]) -> list[Period]:
        purpose = key_rules.department_purpose(department)
        held = self._keys.periods(purpose)
        if any(period.own for period in held):
            # It signs itself, or did: nothing is made for it, and what it left is dated anew (registry.signing).
            return held
        try:
            # Its first key has to be good for the earliest of its entries.
            self._keys.ensure(purpose, self._as_datetime(min(at for other, at in needed if other == department)))
        except KeyUnavailableError as problem:
            self._problems.append(problem)
            return []
        return self._keys.periods(purpose)

    def _find(self, department: str, recorded_at: Any) -> _Sign | None:
        period = key_rules.in_force(self._periods[department], self._as_datetime(recorded_at))
        if period is None or period.own:
            return None
        try:
            return cose.signer(self._keys.load(period.kid), cose.Type.ENTRY)
        except KeyUnavailableError as problem:
            self._problems.append(problem)
            self._periods[department] = []
            return None


def _as_datetime(dialect: Dialect) -> Callable[[Any], Any]:
    convert = _ENTRIES.c.recorded_at.type.dialect_impl(dialect).result_processor(dialect, None)
    return convert or (lambda value: value)


def _leaves_of(connection: Connection, ids: list[int]) -> dict[int, bytes | None]:
    """The leaf hashes of rows, None for those that are not sealed yet."""
    leaves: dict[int, bytes | None] = {}
    for some in rules.chunks(ids, _IDS_PER_QUERY):
        chosen = select(_ENTRIES.c.id, _ENTRIES.c.leaf_hash).where(_ENTRIES.c.id.in_(some))
        leaves.update(connection.execute(chosen).tuples().all())
    return leaves
