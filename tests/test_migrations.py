"""Migrations of a registry in use: whatever refers to what, nothing is lost and nothing keeps it from starting."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, inspect, text
from sqlalchemy.exc import IntegrityError

import registry.database
from registry.database import migrate, open_engine

ACCOUNT, AT = "01k0000000000000000000000a", "2026-01-05 08:00:00+00:00"


def migrate_to(engine: Engine, revision: str) -> None:
    """The schema as it was; a database of that time had no rows yet when it came to it."""
    config = Config()
    config.set_main_option("script_location", str(Path(registry.database.__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def put(engine: Engine, table: str, **values: object) -> None:
    names = ", ".join(values)
    marks = ", ".join(f":{name}" for name in values)
    with engine.begin() as connection:
        connection.execute(text(f"INSERT INTO {table} ({names}) VALUES ({marks})"), values)


def with_a_session(engine: Engine) -> None:
    put(
        engine, "staff", id=ACCOUNT, username="wang", name="王其昌", department=None, roles='["window"]',
        password_hash="x", must_change_password=False, failures=0, created_at=AT,
    )  # fmt: skip
    put(engine, "staff_sessions", secret_sha256=b"s" * 32, staff_id=ACCOUNT, created_at=AT, expires_at=AT)


def test_a_database_with_rows_that_refer_to_an_altered_table_comes_to_the_newest_schema(database_url: str) -> None:
    engine = open_engine(database_url)
    migrate_to(engine, "0028")
    with_a_session(engine)
    migrate(engine)
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT username FROM staff JOIN staff_sessions ON staff_id = staff.id")).all()
        columns = {column["name"] for column in inspect(connection).get_columns("staff")}
    assert [tuple(row) for row in kept] == [("wang",)]
    assert "failures" not in columns
    with pytest.raises(IntegrityError):
        put(engine, "staff_sessions", secret_sha256=b"t" * 32, staff_id="nobody", created_at=AT, expires_at=AT)
    engine.dispose()


def test_a_row_that_refers_to_nothing_stops_the_migration_and_nothing_is_changed(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'registry.db'}")
    migrate_to(engine, "0028")
    with_a_session(engine)
    with engine.connect() as connection:
        driver = connection.connection.cursor()
        driver.execute("PRAGMA foreign_keys=OFF")
        driver.execute("DELETE FROM staff")
        driver.execute("PRAGMA foreign_keys=ON")
    with pytest.raises(IntegrityError, match="staff_sessions refers to a missing staff"):
        migrate(engine)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "0028"
    engine.dispose()
