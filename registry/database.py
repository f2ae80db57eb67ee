"""One database, two engines: SQLite by default, PostgreSQL by URL; the same tables and guarantees on both."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
from sqlalchemy import JSON, DateTime, Dialect, Engine, LargeBinary, MetaData, String, create_engine, event
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection, ExceptionContext, make_url
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator, TypeEngine

if TYPE_CHECKING:
    from alembic.config import Config

#: Milliseconds a writer waits for another writer before the database reports that it is busy.
BUSY_TIMEOUT_MS = 30_000

#: Execution option of a transaction that only reads. Without it a transaction may write and, on SQLite, takes the write
#: lock when it begins, so that what it reads cannot change before it writes.
READ_ONLY = "suizheng_read_only"

_FILE_MODE = 0o600
_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC datetime; a naive one is refused. SQLite keeps UTC text, PostgreSQL `timestamptz`."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime was given where an aware UTC one is needed")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


#: JSON as text on SQLite and as `jsonb` on PostgreSQL. Never used for anything that gets hashed: that is kept as bytes.
Json: TypeEngine[Any] = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
#: The 26-character text of an id (registry.ids).
IdText = String(26)
#: 18 characters of GB 32100-2015.
UsccText = String(18)
#: 21 characters: code of the defining authority + serial.
TypeCodeText = String(21)
Digest = LargeBinary(32)


class Base(DeclarativeBase):
    """Every table of the registry; migrations compare themselves with its metadata."""

    metadata = MetaData(naming_convention=_NAMING)


def _dumps(value: object) -> str:
    return orjson.dumps(value).decode()


def _loads(value: Any) -> Any:
    # SQLite gives JSON columns numeric affinity: a bare number comes back as a number, not as text.
    return orjson.loads(value) if isinstance(value, str | bytes) else value


def open_engine(url: str, *, pool_size: int = 10) -> Engine:
    """An engine for the database at `url`; the schema is not touched, see `migrate`.

    On SQLite every transaction that may write begins IMMEDIATE, in WAL mode, with foreign keys checked and with an
    fsync of the log at every commit: a returned commit survives the loss of power as far as the disk keeps its word.
    Errors do not repeat the values of their statement, nor those of rows: they go into ordinary logs.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        engine = create_engine(
            parsed, pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True, json_serializer=_dumps,
            json_deserializer=_loads, hide_parameters=True,
        )  # fmt: skip
        event.listen(engine, "begin", _begin_postgres)
        event.listen(engine, "handle_error", _leave_values_out)
        return engine
    if parsed.database and parsed.database != ":memory:":
        _make_private(Path(parsed.database))
    engine = create_engine(
        parsed, pool_size=pool_size, max_overflow=pool_size, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000},
        json_serializer=_dumps, json_deserializer=_loads, hide_parameters=True,
    )  # fmt: skip
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_private(path: Path) -> None:
    """A new database is its owner's alone, whatever the umask; SQLite makes its log and its index like it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, _FILE_MODE))


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver must not begin transactions itself: it would begin DEFERRED ones.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}").fetchall()
    _enter_wal(connection)
    for pragma in (
        "synchronous=FULL",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        # Pages (32 MiB): fewer, larger checkpoints; what is committed is on disk either way.
        "wal_autocheckpoint=8192",
        "cache_size=-65536",  # 64 MiB
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _enter_wal(connection: Any) -> None:
    # The one statement that SQLite refuses at once, whatever the timeout, while another process opens a new file too.
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").fetchall()
        except sqlite3.OperationalError as refused:
            if refused.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    reads = bool(connection.get_execution_options().get(READ_ONLY))
    connection.exec_driver_sql(f"PRAGMA query_only={'ON' if reads else 'OFF'}")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _leave_values_out(context: ExceptionContext) -> None:
    """PostgreSQL tells the row that it refuses ("Failing row contains …"), the key that is taken, the text that is no
    number: what is left says which rule of which table refused, by the names that the schema has."""
    told = getattr(context.original_exception, "diag", None)
    if told is None or told.sqlstate is None:
        # Not told by the server: the connection is gone or never was, and no row was looked at.
        return
    names = (told.table_name, told.column_name, told.constraint_name)
    text = " ".join(filter(None, (f"SQLSTATE {told.sqlstate}", *names)))
    context.original_exception.args = (text,)
    if context.sqlalchemy_exception is not None:
        context.sqlalchemy_exception.args = (f"({type(context.original_exception).__name__}) {text}",)


def _begin_postgres(connection: Connection) -> None:
    if connection.get_execution_options().get(READ_ONLY):
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")


def migrate(engine: Engine) -> None:
    """Bring the schema of this database to the newest revision; safe to repeat, and to run by two processes at once.

    Raises IntegrityError, and changes nothing, if a row refers to one that is not there."""
    from alembic import command

    config = _migrations()
    with engine.connect() as connection, _altering(connection), connection.begin():
        if connection.dialect.name == "postgresql":
            # Any fixed number: two servers that start together migrate one after the other.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(726173)")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        _check_references(connection)


@contextmanager
def _altering(connection: Connection) -> Iterator[None]:
    """SQLite alters a table by dropping it for another of its name, which the rows that refer to it would forbid: the
    references are checked at the end instead (sqlite.org/lang_altertable.html, section 7). The pragma does nothing
    inside a transaction."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver = connection.connection.cursor()
    driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys=ON")


def _check_references(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if broken is not None:
        raise IntegrityError(
            "PRAGMA foreign_key_check", None, ValueError(f"{broken[0]} refers to a missing {broken[2]}")
        )


def schema_revisions(connection: Connection) -> tuple[str | None, str | None]:
    """The revision of this database's schema, None where there is none, and the one that this code is written for."""
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    current = MigrationContext.configure(connection).get_current_revision()
    return current, ScriptDirectory.from_config(_migrations()).get_current_head()


def _migrations() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
