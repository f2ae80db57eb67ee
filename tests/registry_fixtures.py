"""Furnished houses: the first one of a run is built, the others are copies of its database."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from registry_house import House
from sqlalchemy.engine import make_url

from registry.database import migrate, open_engine


def _build(url: str) -> str:
    engine = open_engine(url)
    migrate(engine)
    House(engine).furnish()
    engine.dispose()
    return url


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("registry") / "template.db"
    _build(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def _postgres_template(postgres_server: str) -> str:
    from conftest import make_postgres_database

    return _build(make_postgres_database(postgres_server))


def _copy_sqlite(template: Path, folder: Path) -> str:
    copied = folder / "registry.db"
    shutil.copyfile(template, copied)
    return f"sqlite:///{copied}"


def _copy_postgres(template: str) -> str:
    parsed, name = make_url(template), f"t_{uuid.uuid4().hex}"
    server = parsed.set(drivername="postgresql", database="postgres").render_as_string()
    with psycopg.connect(server, autocommit=True) as connection:
        # Several times faster than logging every block, and known since version 15.
        strategy = "STRATEGY FILE_COPY" if connection.info.server_version >= 150000 else ""
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {parsed.database} {strategy}")
    return parsed.set(database=name).render_as_string()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """A furnished registry, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        url = _copy_sqlite(request.getfixturevalue("_sqlite_template"), tmp_path)
    else:
        url = _copy_postgres(request.getfixturevalue("_postgres_template"))
    engine = open_engine(url)
    yield House(engine)
    engine.dispose()


@pytest.fixture
def sqlite_house(_sqlite_template: Path, tmp_path: Path) -> Iterator[House]:
    """A furnished registry on SQLite only, for what does not depend on the database."""
    engine = open_engine(_copy_sqlite(_sqlite_template, tmp_path))
    yield House(engine)
    engine.dispose()
