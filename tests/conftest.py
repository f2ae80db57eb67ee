"""Shared fixtures: real databases, no sockets but loopback, and missing services that fail where they are required."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from postgres_cluster import is_installed, make_postgres_database, running_cluster

# A law is not broken by a slow machine.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

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
