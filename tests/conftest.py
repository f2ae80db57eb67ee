"""Shared fixtures: real databases, no sockets but loopback, and missing services that fail where they are required."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

REQUIRED = os.environ.get("SUIZHENG_REQUIRE_SERVICES") == "1"


def missing(service: str) -> None:
    """Skip the test that needs `service`; where services are required, fail it."""
    if REQUIRED:
        pytest.fail(f"{service} is required here and was not found")
    pytest.skip(f"{service} is not installed on this machine")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one file run in one process, and so do all that share the four validators.

    Two such networks at once starve each other on two processors: validators that come late seal rival blocks.
    """
    for item in items:
        module = getattr(item, "module", None)
        shares_the_network = "network_stage" in getattr(module, "pytest_plugins", ())
        item.add_marker(pytest.mark.xdist_group("network" if shares_the_network else item.path.name))


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forgotten call to the outside world fails instead of hanging."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "localhost", "::1"):
            raise AssertionError(f"a test tried to reach {address[0]}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


def _postgres_binary(name: str) -> str | None:
    found = shutil.which(name)
    if found:
        return found
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(versions[-1]) if versions else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL prefix of a real PostgreSQL cluster, made for this run on loopback and removed after it."""
    initdb, pg_ctl = _postgres_binary("initdb"), _postgres_binary("pg_ctl")
    if not initdb or not pg_ctl:
        missing("PostgreSQL")
    assert initdb and pg_ctl
    folder = Path(tempfile.mkdtemp(prefix="suizheng-pg-"))
    owner = "postgres" if os.geteuid() == 0 else None
    if owner:
        shutil.chown(folder, owner)
    port = _free_port()

    def run(*command: str) -> None:
        subprocess.run(command, check=True, user=owner, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    data, log = str(folder / "data"), str(folder / "log")
    run(initdb, "-D", data, "-U", "suizheng", "-A", "trust", "-E", "UTF8", "--no-locale")
    options = f"-p {port} -h 127.0.0.1 -k {folder} -c max_connections=60"
    run(pg_ctl, "-D", data, "-o", options, "-l", log, "-w", "start")
    try:
        yield f"postgresql+psycopg://suizheng@127.0.0.1:{port}"
    finally:
        run(pg_ctl, "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def make_postgres_database(server: str) -> str:
    """Create an empty database in the cluster and return its URL."""
    import psycopg

    name = f"t_{uuid.uuid4().hex}"
    with psycopg.connect(server.replace("+psycopg", "") + "/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{server}/{name}"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'registry.db'}"
    return make_postgres_database(request.getfixturevalue("postgres_server"))


def chromium_path() -> str:
    """The path of Debian's Chromium, or a skip."""
    found = shutil.which("chromium")
    if not found:
        missing("Chromium")
    assert found
    return found
