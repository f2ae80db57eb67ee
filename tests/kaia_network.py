"""The chain package on a BFT engine: `make test-kaia`. Not collected by default: kcn takes minutes to build."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from chain_world import OTHER, drawing, network_world, uniform_proof, uniform_root

from chain.network import Network
from chain.node import connect


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    network = Network.make(tmp_path_factory.mktemp("kaia"), engine="kaia", draw=drawing("kaia"))
    try:
        network.up()
        yield network
    finally:
        network.down()


def test_contracts_heads_first_uses_and_members_work_without_fees(network: Network, tmp_path: Path) -> None:
    assert connect(network.urls[0]).gas_price() == 0
    world = network_world(network.urls[0], tmp_path / "world")
    first = world.anchors.anchor(5, uniform_root(5), 0, [])
    second = world.anchors.anchor(9, uniform_root(9), 5, uniform_proof(5, 9))
    assert world.anchors.find(5, uniform_root(5)) == first
    assert world.anchors.latest() == (9, uniform_root(9))
    world.members.add(OTHER, 3, world.account(2).address)
    assert world.members.find_active(world.account(2).address) == OTHER
    won = world.uses.consume(b"\x33" * 32, b"\x44" * 32)
    assert world.uses.consume(b"\x33" * 32, b"\x55" * 32) == won
    block = connect(network.urls[3]).block(second.block_number)
    assert block is not None
    assert block.hash == second.block_hash
    world.close()


def test_blocks_go_on_with_three_of_four_validators_and_halt_with_two(network: Network) -> None:
    network.kill(3)
    height = connect(network.urls[0]).height()
    network.wait_for_height(height + 3, nodes=[0, 1, 2])
    network.kill(2)
    # A block that the dead one has sealed, and its vote for the next, may still be on their way to the others.
    last = max(connect(url).height() for url in network.urls[:2]) + 2
    time.sleep(7)
    assert max(connect(url).height() for url in network.urls[:2]) <= last
    network.start(2)
    network.start(3)
    network.wait_for_agreement(last + 3, timeout_seconds=240)


def test_whoever_sealed_is_one_of_the_validators(network: Network) -> None:
    members = {member.address.lower() for member in network.layout.members}
    assert {address.lower() for address in network.validators()} == members
    assert {str(one.sealer).lower() for one in network.status()} <= members
