"""Rows into PostgreSQL by COPY: half the work of the statements that would insert them, on both sides of the line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, Date, DateTime, Integer, LargeBinary, SmallInteger, String, Table
from sqlalchemy.exc import DBAPIError

from registry.database import Base, UtcDateTime

#: Names of types for the binary form; the narrower class stands before the one it derives from.
_TYPES: tuple[tuple[type, str], ...] = (
    (SmallInteger, "int2"),
    (BigInteger, "int8"),
    (Integer, "int4"),
    (String, "varchar"),
    (LargeBinary, "bytea"),
    (Date, "date"),
    (UtcDateTime, "timestamptz"),
    (DateTime, "timestamptz"),
)


def insert(
    connection: Connection, table: type[Base], columns: Sequence[str], rows: Sequence[tuple[Any, ...]], *, ignore: bool
) -> int | None:
    """Copy rows of ready values; how many went in. Nothing has changed if it is None, or if it raises.

    None where the binary form has no word for a value, and, under `ignore`, where one of the rows stands already: the
    caller then inserts by statements. Raises sqlalchemy's errors like any statement.
    """
    import psycopg
    from psycopg.errors import UniqueViolation

    types = _types_of(table, columns, rows)
    if types is None:
        return None
    # Names of our own tables and columns, nothing from outside.
    statement = f"COPY {table.__tablename__} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)"
    before = connection.begin_nested()
    try:
        with connection.connection.cursor() as cursor, cursor.copy(statement) as copy:  # type: ignore[attr-defined]
            copy.set_types(types)
            write = copy.write_row
            for row in rows:
                write(row)
    except UniqueViolation as taken:
        before.rollback()
        if ignore:
            return None
        raise DBAPIError.instance(statement, None, taken, psycopg.Error) from taken
    except psycopg.Error as failed:
        before.rollback()
        raise DBAPIError.instance(statement, None, failed, psycopg.Error) from failed
    before.commit()
    return len(rows)


def _types_of(table: type[Base], columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> list[str] | None:
    made: Table = table.__table__  # type: ignore[assignment]
    types: list[str] = []
    for place, name in enumerate(columns):
        kind = made.c[name].type
        found = next((word for type_, word in _TYPES if isinstance(kind, type_)), None)
        if found is None:
            # JSON: nothing but absent values can be copied without making the text anew.
            if any(row[place] is not None for row in rows):
                return None
            found = "jsonb"
        types.append(found)
    return types
