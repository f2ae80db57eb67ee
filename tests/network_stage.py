"""A pytest plugin for tests that need a network: one for the whole run, since starting takes seconds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from chain_world import drawing
from conftest import missing

from chain.network import Network
from chain.network.programs import GETH, look_for


@pytest.fixture(scope="session")
def _session_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    if look_for(GETH) is None:
        missing("geth (make tools)")
    network = Network.make(tmp_path_factory.mktemp("network"), draw=drawing("four validators"))
    try:
        network.up()
        yield network
    finally:
        network.down()


@pytest.fixture
def four_validators(_session_network: Network) -> Iterator[Network]:
    """Four validators on loopback with blocks every second, all running and connected; whole again after each test.

    What earlier tests put on the chain is still there: use accounts and logs of your own.
    """
    _session_network.up()
    yield _session_network
    _session_network.up()
    _session_network.heal()


_accounts = itertools.count(1_000_000)


@pytest.fixture
def fresh_account_number() -> int:
    """A number for chain_world.account that no other test of this run uses."""
    return next(_accounts)
