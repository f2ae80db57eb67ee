"""Inserts that meet an existing row without failing, and statements for thousands of rows, once for both databases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session

from registry import copying
from registry.database import Base

#: Fewer rows are inserted by statements: a copy costs two round trips more.
_COPIED_FROM_ROWS = 100

Insert: TypeAlias = sqlite.Insert | postgresql.Insert


def _insert(session: Session, table: type[Base]) -> Insert:
    if session.get_bind().dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def insert_or_ignore(session: Session, table: type[Base]) -> Insert:
    """INSERT … ON CONFLICT DO NOTHING. On PostgreSQL it waits for a rival that has not committed yet."""
    return _insert(session, table).on_conflict_do_nothing()


def insert_or_update(session: Session, table: type[Base], key: Sequence[str], columns: Sequence[str]) -> Insert:
    """INSERT … ON CONFLICT (key) DO UPDATE of these columns."""
    statement = _insert(session, table)
    return statement.on_conflict_do_update(
        index_elements=list(key), set_={column: statement.excluded[column] for column in columns}
    )


def insert_many(
    session: Session,
    table: type[Base],
    columns: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    *,
    ignore: bool = False,
) -> int:
    """Insert rows of ready values straight through the driver; how many went in. For thousands of rows.

    The statement is fixed and values that need converting (`Converter`) are converted by the caller, once for each
    different value: binding every row through the compiler would cost more than the insert itself.
    """
    connection = session.connection()
    if connection.dialect.name == "postgresql" and len(rows) >= _COPIED_FROM_ROWS:
        copied = copying.insert(connection, table, columns, rows, ignore=ignore)
        if copied is not None:
            return copied
    marks = ", ".join("?" * len(columns))
    # Names of our own tables and columns, nothing from outside.
    statement = f"INSERT INTO {table.__tablename__} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608
    if ignore:
        statement += " ON CONFLICT DO NOTHING"
    return execute_many(connection, statement, rows)


def execute_many(connection: Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """A statement with `?` for each raw value, for every row straight through the driver; how many rows it changed."""
    options = {"preserve_rowcount": True}
    return connection.exec_driver_sql(_marked(connection, statement), list(rows), execution_options=options).rowcount


def fetch_many(connection: Connection, statement: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Rows of raw values straight from the driver, of a statement with `?` for each parameter."""
    result = connection.exec_driver_sql(_marked(connection, statement), parameters)
    rows = [] if result.cursor is None else list(result.cursor.fetchall())
    result.close()
    return rows


def _marked(connection: Connection, statement: str) -> str:
    return statement.replace("?", "%s") if connection.dialect.name == "postgresql" else statement


class Converter(dict[Any, Any]):
    """Values in the form the driver wants, remembered: in a bulk most dates and times are the same."""

    def __init__(self, session: Session, column: InstrumentedAttribute[Any]) -> None:
        super().__init__()
        dialect = session.get_bind().dialect
        self._bind = column.type.dialect_impl(dialect).bind_processor(dialect)

    def convert(self, value: Any) -> Any:
        """The value as the driver wants it; not remembered."""
        return self._bind(value) if self._bind else value

    def __missing__(self, value: Any) -> Any:
        bound = self[value] = self.convert(value)
        return bound
