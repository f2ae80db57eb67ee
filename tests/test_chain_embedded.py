"""The embedded chain as a file: one owner, the clock's time, no way back, and a full disk."""

from __future__ import annotations

import os
import signal
from datetime import timedelta
from pathlib import Path

import pytest
from chain_world import NOON, MovingClock, World, account, drawing, file_node, memory_node, new_world, uniform_root
from eth_tester.exceptions import ValidationError

from chain import artifacts
from chain.embedded import open_embedded
from chain.errors import ChainUnavailableError, OutcomeUnknownError, TransactionRejectedError
from chain.node import Node

ITEM, OURS = b"\x33" * 32, b"\x44" * 32


def _backend(node: Node) -> object:
    return node._eth.w3.provider.ethereum_tester.backend


def _consume(world: World, number: int) -> None:
    world.uses.consume(number.to_bytes(32), OURS)


def test_the_file_is_open_in_one_place_at_a_time(tmp_path: Path) -> None:
    node = file_node(tmp_path)
    with pytest.raises(ChainUnavailableError, match="chain_in_use"):
        file_node(tmp_path)
    node.close()
    node.close()
    file_node(tmp_path).close()


def test_the_system_frees_the_file_of_a_killed_process(tmp_path: Path) -> None:
    opened, told = os.pipe()
    child = os.fork()
    if child == 0:
        held = file_node(tmp_path)
        os.write(told, b"!")
        signal.pause()
        held.close()
        os._exit(0)
    try:
        os.read(opened, 1)
        with pytest.raises(ChainUnavailableError, match="chain_in_use"):
            file_node(tmp_path)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    file_node(tmp_path).close()


def test_a_chain_opened_again_is_the_same_and_another_file_is_another(tmp_path: Path) -> None:
    node = file_node(tmp_path)
    chain_id, genesis = node.chain_id(), node.block(0)
    node.close()
    later = MovingClock(NOON + timedelta(days=400))
    again = open_embedded(tmp_path / "chain.db", later, drawing("something else"))
    assert (again.chain_id(), again.block(0)) == (chain_id, genesis)
    again.close()
    other = open_embedded(tmp_path / "other.db", MovingClock(), drawing("something else"))
    assert other.chain_id() != chain_id
    assert other.chain_id() < 2**53
    other.close()


def test_a_block_carries_the_clock_even_after_days_of_silence(tmp_path: Path) -> None:
    clock = MovingClock()
    world = World(file_node(tmp_path, clock), tmp_path)
    clock.forward(days=3)
    assert world.anchors.anchor(5, uniform_root(5), 0, []).block_at == NOON + timedelta(days=3)
    assert world.uses.consume(ITEM, OURS).at == NOON + timedelta(days=3)
    world.close()


def test_many_blocks_of_one_second_never_run_ahead_of_the_clock_nor_back_with_it(tmp_path: Path) -> None:
    clock = MovingClock()
    world = World(file_node(tmp_path, clock), tmp_path)
    for number in range(1, 4):
        _consume(world, number)
    assert world.node.newest().at == NOON
    clock.forward(seconds=-3600)
    _consume(world, 4)
    assert world.node.newest().at == NOON
    clock.forward(seconds=3601)
    _consume(world, 5)
    assert world.node.newest().at == NOON + timedelta(seconds=1)
    world.close()


def test_accounts_need_no_funds(tmp_path: Path) -> None:
    node = file_node(tmp_path)
    assert node.gas_price() == 0
    assert node._eth.get_balance(account(7).address) == 0
    data = artifacts.load("members").deployment()
    transaction_hash, raw = account(7).sign(
        chain_id=node.chain_id(), nonce=0, target="", data=data, gas=3_000_000, gas_price=0
    )
    node.send(raw)
    mined = node.mined(transaction_hash)
    assert mined is not None
    assert mined.succeeded
    node.close()


def test_a_transaction_for_another_chain_or_with_a_used_nonce_is_refused(tmp_path: Path) -> None:
    world = new_world("file", tmp_path)
    data = artifacts.load("members").deployment()
    height = world.node.height()
    for chain_id, nonce in ((1, 5), (world.node.chain_id(), 0), (world.node.chain_id(), 99)):
        _, raw = account(1).sign(chain_id=chain_id, nonce=nonce, target="", data=data, gas=3_000_000, gas_price=0)
        with pytest.raises(TransactionRejectedError):
            world.node.send(raw)
    for noise in (b"\x00noise", b"\xf8noise", b"\xff" * 40, b"\xc0"):
        with pytest.raises(TransactionRejectedError):
            world.node.send(noise)
    assert world.node.height() == height
    _consume(world, 1)
    assert world.node.height() == height + 1
    world.close()


def test_events_found_by_index_are_those_found_by_reading_every_block(tmp_path: Path) -> None:
    world = new_world("file", tmp_path)
    for number in range(1, 6):
        _consume(world, number)
    world.anchors.anchor(5, uniform_root(5), 0, [])
    tester = world.node._eth.w3.provider.ethereum_tester
    used = artifacts.load("uses").topic("FirstUsed")
    for topics in (
        [used],
        [used, (3).to_bytes(32)],
        [used, (99).to_bytes(32)],
        [artifacts.load("heads").topic("Advanced")],
    ):
        found = world.node.events(world.deployment.uses, topics, 0, world.node.height())
        texts = ["0x" + topic.hex() for topic in topics]
        read = super(type(tester), tester).get_logs(0, world.node.height(), world.deployment.uses, texts)
        assert tester.get_logs("earliest", "latest", world.deployment.uses, texts) == read
        assert [event.transaction_hash.hex() for event in found] == [event["transaction_hash"][2:] for event in read]
    assert len(world.node.events(world.deployment.uses, [used], 0, world.node.height())) == 5
    assert len(world.node.events(world.deployment.uses, [], 0, world.node.height())) == 5
    world.close()


def test_a_transaction_is_found_without_reading_the_blocks_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = new_world("file", tmp_path)
    anchor = world.anchors.anchor(5, uniform_root(5), 0, [])
    store = type(_backend(world.node).store)
    reads: list[bytes] = []
    monkeypatch.setattr(store, "__getitem__", _counting(store.__getitem__, reads))

    def cost() -> int:
        reads.clear()
        assert world.node.mined(anchor.transaction_hash) is not None
        return len(reads)

    before = cost()
    for number in range(1, 20):
        _consume(world, number)
    assert cost() <= before + 2
    world.close()


def _counting(act: object, reads: list[bytes]) -> object:
    def read(self: object, key: bytes) -> bytes:
        reads.append(key)
        return act(self, key)

    return read


def test_a_full_disk_refuses_the_block_and_the_chain_goes_on_when_there_is_room(tmp_path: Path) -> None:
    world = new_world("file", tmp_path)
    _consume(world, 1)
    newest = world.node.newest()
    connection = _backend(world.node).store._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(OutcomeUnknownError):
        for number in range(2, 20):
            _consume(world, number)
    assert world.outboxes[1].count_open() == 1
    assert newest.number <= world.node.height() < newest.number + 18
    connection.execute("PRAGMA max_page_count = 1000000")
    for number in range(2, 20):
        _consume(world, number)
    assert world.node.height() == newest.number + 18
    assert world.node.next_nonce(world.sender.address) == world.node.height()
    world.close()


def test_a_kept_chain_is_never_rewound(tmp_path: Path) -> None:
    world = new_world("file", tmp_path)
    _consume(world, 1)
    provider = world.node._eth.w3.provider
    for method, parameters in (("evm_snapshot", []), ("testing_timeTravel", [2_000_000_000])):
        assert "error" in provider.make_request(method, parameters)
    for forbidden in (
        lambda: _backend(world.node).revert_to_snapshot("0x0"),
        provider.ethereum_tester.reset_to_genesis,
    ):
        with pytest.raises(ValidationError):
            forbidden()
    assert world.uses.find((1).to_bytes(32)) is not None
    world.close()


def test_a_file_that_is_no_chain_is_named_and_let_go(tmp_path: Path) -> None:
    (tmp_path / "chain.db").write_bytes(b"noise" * 1000)
    with pytest.raises(ChainUnavailableError, match="chain_file_failed"):
        file_node(tmp_path)
    (tmp_path / "chain.db").unlink()
    file_node(tmp_path).close()


def test_a_file_of_other_rules_is_refused(tmp_path: Path) -> None:
    node = file_node(tmp_path)
    _backend(node).store._connection.execute("UPDATE facts SET value = ? WHERE name = 'fork'", (b"osaka",))
    node.close()
    with pytest.raises(ChainUnavailableError, match="wrong_fork"):
        file_node(tmp_path)


def test_a_fresh_chain_in_memory_and_in_a_file_start_empty(tmp_path: Path) -> None:
    for node in (memory_node(), file_node(tmp_path)):
        assert node.height() == 0
        assert node.block(1) is None
        assert node.mined(b"\x01" * 32) is None
        assert not node.knows(b"\x01" * 32)
        node.close()
