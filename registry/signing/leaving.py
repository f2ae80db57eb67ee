"""What a department left unsigned when it let the key service sign for it again: dated at that moment.

Before it only the department could sign, and its key has ended; from it on the key service does. An entry that came in
while the change was made is found by the next tick of the pipeline, whenever its transaction ends.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Engine, Table, select, update

from registry.database import READ_ONLY
from registry.keys import rules as key_rules
from registry.keys.service import periods_in
from registry.keys.tables import KeyRow
from registry.log.state import take_turn
from registry.log.tables import LogEntry
from registry.signing.rules import redate

_ENTRIES: Table = LogEntry.__table__  # type: ignore[assignment]
_KEYS: Table = KeyRow.__table__  # type: ignore[assignment]
_ROWS_AT_ONCE = 1000


def redate_left(engine: Engine) -> int:
    """Date what was left unsigned, a thousand entries at a time; how many."""
    with engine.execution_options(**{READ_ONLY: True}).connect() as connection:
        left = [(row_id, at) for code in _returned(connection) for row_id, at in _left(connection, code)]
    if not left:
        return 0
    with engine.begin() as connection:
        take_turn(connection)
        for row_id, at in left[:_ROWS_AT_ONCE]:
            waits = (_ENTRIES.c.id == row_id) & _ENTRIES.c.signed.is_(None)
            payload = connection.scalar(select(_ENTRIES.c.payload).where(waits))
            if payload is not None:
                again = redate(payload, at)
                values = {"payload": again.payload, "payload_digest": again.digest, "recorded_at": at}
                connection.execute(update(_ENTRIES).where(waits).values(values))
    return min(len(left), _ROWS_AT_ONCE)


def _returned(connection: Connection) -> list[str]:
    """Departments that once held keys themselves and whose newest key is the key service's; usually none."""
    purposes = connection.scalars(select(_KEYS.c.purpose).where(_KEYS.c.vault == key_rules.OWN_VAULT).distinct())
    return [key_rules.department_of(one) or "" for one in purposes if not _newest_is_own(connection, one)]


def _newest_is_own(connection: Connection, purpose: str) -> bool:
    known = [period for period in periods_in(connection, purpose) if not period.is_empty]
    return bool(known) and known[-1].own


def _left(connection: Connection, department: str) -> list[tuple[int, datetime]]:
    periods = periods_in(connection, key_rules.department_purpose(department))
    rows = connection.execute(
        select(_ENTRIES.c.id, _ENTRIES.c.recorded_at).where(
            _ENTRIES.c.log_index.is_(None), _ENTRIES.c.signed.is_(None), _ENTRIES.c.department == department
        )
    ).tuples()
    dated = [(row_id, key_rules.left_until(periods, at)) for row_id, at in rows]
    return [(row_id, at) for row_id, at in dated if at is not None]
