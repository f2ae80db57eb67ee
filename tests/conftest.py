"""Shared fixtures: real databases, no sockets but loopback, and missing services that fail where they are required."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from postgres_cluster import is_installed, make_postgres_database, running_cluster

pytest_plugins = ["kill_tally"]

# A law is not broken by a slow machine.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

REQUIRED = os.environ.get("SUIZHENG_REQUIRE_SERVICES") == "1"


def missing(service: str) -> None:
    """Skip the test that needs `service`; where services are required, fail it."""
    if REQUIRED:
        pytest.fail(f"{service} is required here and was not found")
    pytest.skip(f"{service} is not installed on this machine")


@cache
def _shares_the_network(file: str) -> bool:
    return "network_stage" in (Path(__file__).parent / file).read_text()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of the four validators take longest, so that they begin first."""
    items.sort(key=lambda item: not _shares_the_network(item.path.name))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests of one file run in one process, and so do all that share the four validators.

    Two such networks at once starve each other on two processors: validators that come late seal rival blocks.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            name = Path(nodeid.partition("::")[0]).name
            return "network" if _shares_the_network(name) else name

    return ByFile(config, log)


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A forgotten call to the outside world fails instead of hanging."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "localhost", "::1"):
            raise AssertionError(f"a test tried to reach {address[0]}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL prefix of a real PostgreSQL cluster, made for this run on loopback and removed after it."""
    if not is_installed():
        missing("PostgreSQL")
    with running_cluster() as url:
        yield url


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
