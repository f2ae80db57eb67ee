"""A pytest plugin for tests that need a network: one for the whole run, since starting takes seconds."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from chain_world import HANGS_AFTER_SECONDS, World, drawing, network_world
from conftest import missing

from chain.errors import NetworkError
from chain.network import Network
from chain.network.processes import Process
from chain.network.programs import GETH, look_for

#: Worlds that are deployed side by side, on one validator and on four.
_ON_ONE, _ON_FOUR = 15, 4
#: Validators have machines of their own in the field; where the tests may, they let them run first.
_NICENESS = -10


@pytest.fixture(scope="session")
def _session_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    if look_for(GETH) is None:
        missing("geth (make tools)")
    network = Network.make(tmp_path_factory.mktemp("network"), draw=drawing("four validators"))
    try:
        network.up(HANGS_AFTER_SECONDS)
        yield network
    finally:
        network.down()


@pytest.fixture
def four_validators(_session_network: Network) -> Iterator[Network]:
    """Four validators on loopback with blocks every second, all running and connected; whole again after each test.

    What earlier tests put on the chain is still there: use accounts and logs of your own.
    """
    _make_whole(_session_network)
    with _an_operator_at_hand(_session_network):
        yield _session_network
    _make_whole(_session_network)


@contextmanager
def _an_operator_at_hand(network: Network) -> Iterator[None]:
    """Ties among Clique's signers, which come now and then where one of four is missing, are broken within seconds."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(1.0):
            # Nodes die in the midst of an answer here.
            with suppress(NetworkError):
                network.break_tie()

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield
    finally:
        done.set()
        watching.join()


def _make_whole(network: Network) -> None:
    states = network.status()
    if any((one.state, one.peers) != ("running", network.size - 1) for one in states):
        network.up(HANGS_AFTER_SECONDS)
        network.heal()
        highest = max(one.height or 0 for one in network.status())
        network.wait_for_agreement(highest, timeout_seconds=HANGS_AFTER_SECONDS)
    _let_run_first(network)


def _let_run_first(network: Network) -> None:
    for member in network.layout.members:
        pid = Process(network.layout.folder_of(member)).pid()
        with suppress(OSError):
            if pid is not None:
                os.setpriority(os.PRIO_PGRP, pid, _NICENESS)
                # Where the system shares by session, the session's own niceness is what counts.
                Path(f"/proc/{pid}/autogroup").write_text(str(_NICENESS), encoding="ascii")


@pytest.fixture(scope="session")
def _lone_validator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    if look_for(GETH) is None:
        missing("geth (make tools)")
    network = Network.make(tmp_path_factory.mktemp("lone"), validators=1, draw=drawing("lone"))
    try:
        network.up(HANGS_AFTER_SECONDS)
        yield network
    finally:
        network.down()


@pytest.fixture(scope="session")
def _pools() -> dict[str, list[World]]:
    return {}


@pytest.fixture
def lone_world(
    _lone_validator: Network, _pools: dict[str, list[World]], tmp_path_factory: pytest.TempPathFactory
) -> World:
    """A fresh world on a validator that is alone, so that its blocks are there to stay at once."""
    return _take(_pools, "lone", _ON_ONE, _lone_validator, tmp_path_factory)


@pytest.fixture
def network_world_on_four(
    four_validators: Network, _pools: dict[str, list[World]], tmp_path_factory: pytest.TempPathFactory
) -> World:
    """A fresh world on the four validators."""
    return _take(_pools, "four", _ON_FOUR, four_validators, tmp_path_factory)


def _take(
    pools: dict[str, list[World]], name: str, count: int, network: Network, folders: pytest.TempPathFactory
) -> World:
    """A world of a pool; many are deployed side by side in the same blocks."""
    pool = pools.setdefault(name, [])
    if not pool:
        folder, urls = folders.mktemp("worlds"), network.urls
        with ThreadPoolExecutor(count) as threads:
            made = threads.map(
                lambda number: network_world(
                    urls[number % len(urls)], folder / str(number), has_rivals=network.size > 1
                ),
                range(count),
            )
            pool += made
    return pool.pop()
