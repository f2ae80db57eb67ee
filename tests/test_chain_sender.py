"""The one owner of the nonce: nodes that stay silent, forget or refuse, and what is done twice by none of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from chain_world import OTHER, REGISTRY, World, account, memory_node, new_world, uniform_root

from chain import artifacts, outbox
from chain.anchors import ChainAnchors
from chain.errors import (
    ChainUnavailableError,
    OutcomeUnknownError,
    TransactionRejectedError,
    WrongContractError,
)
from chain.ids import department_id
from chain.node import Mined, Node
from chain.outbox import Outbox
from chain.sender import Patience, Sender

ITEM, OTHER_ITEM, OURS = b"\x33" * 32, b"\x34" * 32, b"\x44" * 32


class FaultyNode(Node):
    """A real node behind a bad line."""

    def __init__(self, node: Node) -> None:
        self.__dict__.update(node.__dict__)
        self.loses_requests = False
        self.loses_answers = False
        self.is_silent = False
        self.hides_blocks = False
        self.skips_dry_runs = False
        self.sent: list[bytes] = []

    def send(self, raw: bytes) -> None:
        if self.loses_requests:
            raise ChainUnavailableError("node_unreachable", "没有应答")
        super().send(raw)
        self.sent.append(raw)
        if self.loses_answers:
            raise ChainUnavailableError("node_unreachable", "没有应答")

    def mined(self, transaction_hash: bytes) -> Mined | None:
        if self.is_silent:
            raise ChainUnavailableError("node_unreachable", "没有应答")
        return None if self.hides_blocks else super().mined(transaction_hash)

    def call(self, address: str, data: bytes, *, caller: str | None = None, **more: int | None) -> bytes:
        if self.skips_dry_runs and caller is not None and more.get("block") is None:
            return b""
        return super().call(address, data, caller=caller, **more)


@pytest.fixture(params=["memory", "file"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    world = new_world(request.param, tmp_path)
    yield world
    world.close()


@pytest.fixture
def line(world: World) -> FaultyNode:
    return FaultyNode(world.node)


@pytest.fixture
def sender(world: World, line: FaultyNode, tmp_path: Path) -> Iterator[Sender]:
    """A member's sender on the bad line; it waits for half a second."""
    world.members.add(OTHER, 3, account(2).address)
    box = Outbox(tmp_path / "faulty.db")
    yield Sender(line, account(2), box, Patience(timeout_seconds=0.5, poll_seconds=0.01))
    box.close()


def consume(world: World, sender: Sender, item: bytes = ITEM) -> Mined:
    data = artifacts.load("uses").call("consume", [item, OURS])
    return sender.send(world.deployment.uses, data, 200_000)


def until_settled(sender: Sender) -> None:
    """Round after round until nothing is open, for at most a minute."""
    deadline = time.monotonic() + 60
    while sender.repair():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def count(world: World) -> int:
    """How many transactions of the member are on the chain."""
    return world.node.next_nonce(account(2).address)


def test_an_answer_that_is_lost_leaves_the_outcome_unknown_and_repeating_sends_nothing(
    world: World, line: FaultyNode, sender: Sender
) -> None:
    line.loses_answers = True
    with pytest.raises(OutcomeUnknownError) as caught:
        consume(world, sender)
    assert world.node.mined(caught.value.transaction_hash) is not None
    line.loses_answers = False
    until_settled(sender)
    assert world.uses.find(ITEM) is not None
    assert count(world) == 1


def test_a_request_that_is_lost_is_sent_again_byte_for_byte(world: World, line: FaultyNode, sender: Sender) -> None:
    line.loses_requests = True
    with pytest.raises(OutcomeUnknownError) as caught:
        consume(world, sender)
    assert world.node.mined(caught.value.transaction_hash) is None
    line.loses_requests = False
    mined = consume(world, sender)
    assert mined.transaction_hash == caught.value.transaction_hash
    assert count(world) == 1


def test_what_was_lost_goes_before_what_comes_next(world: World, line: FaultyNode, sender: Sender) -> None:
    line.loses_requests = True
    with pytest.raises(OutcomeUnknownError):
        consume(world, sender, ITEM)
    line.loses_requests = False
    consume(world, sender, OTHER_ITEM)
    first, second = world.ask("uses", "first_block", ITEM), world.ask("uses", "first_block", OTHER_ITEM)
    assert 0 < first < second
    assert count(world) == 2


def test_a_node_that_falls_silent_while_waiting_leaves_the_outcome_unknown(
    world: World, line: FaultyNode, sender: Sender
) -> None:
    def fall_silent(raw: bytes) -> None:
        Node.send(line, raw)
        line.is_silent = True

    line.send = fall_silent  # type: ignore[method-assign]
    with pytest.raises(OutcomeUnknownError):
        consume(world, sender)
    with pytest.raises(ChainUnavailableError):
        sender.repair()
    line.is_silent = False
    until_settled(sender)
    assert count(world) == 1


def test_while_a_node_is_silent_nothing_new_is_signed(world: World, sender: Sender, line: FaultyNode) -> None:
    consume(world, sender)
    line.loses_requests = True
    with pytest.raises(OutcomeUnknownError):
        consume(world, sender, OTHER_ITEM)
    line.is_silent = True
    with pytest.raises(ChainUnavailableError):
        consume(world, sender, b"\x35" * 32)
    line.is_silent = line.loses_requests = False
    until_settled(sender)
    assert count(world) == 2


def test_a_transaction_that_is_never_seen_in_a_block_is_given_up_in_time_and_settled_later(
    world: World, line: FaultyNode, sender: Sender
) -> None:
    line.hides_blocks = True
    with pytest.raises(OutcomeUnknownError):
        consume(world, sender)
    assert sender.repair() == 1
    line.hides_blocks = False
    until_settled(sender)
    assert len(line.sent) == 1


def test_a_nonce_taken_by_another_process_with_the_same_key_is_noticed_and_another_one_is_used(
    world: World, line: FaultyNode, sender: Sender
) -> None:
    line.loses_requests = True
    with pytest.raises(OutcomeUnknownError):
        consume(world, sender)
    thief = world.sender_of(2)
    thief.send(world.deployment.uses, artifacts.load("uses").call("consume", [OTHER_ITEM, OURS]), 200_000)
    line.loses_requests = False
    until_settled(sender)
    first = world.uses.find(ITEM)
    assert first is not None
    assert first.commitment == OURS
    # Nothing is left of the lost nonce: asking again sends nothing.
    assert world.uses.consume(ITEM, OURS) == first
    assert count(world) == 2


def test_a_transaction_whose_nonce_another_one_used_is_signed_again_while_it_is_waited_for(
    world: World, line: FaultyNode, sender: Sender
) -> None:
    def let_another_go_first(raw: bytes) -> None:
        data = artifacts.load("uses").call("consume", [OTHER_ITEM, OURS])
        world.sender_of(2).send(world.deployment.uses, data, 200_000)
        line.send = lambda raw: Node.send(line, raw)  # type: ignore[method-assign]

    line.send = let_another_go_first  # type: ignore[method-assign]
    assert consume(world, sender).succeeded
    assert world.uses.find(ITEM) is not None
    assert count(world) == 2


def test_what_a_contract_would_refuse_is_never_signed(world: World, line: FaultyNode, sender: Sender) -> None:
    data = artifacts.load("members").call("suspend", [department_id(REGISTRY)])
    with pytest.raises(TransactionRejectedError) as caught:
        sender.send(world.deployment.members, data, 200_000)
    assert caught.value.reason == "members: not the governor"
    assert (line.sent, count(world)) == ([], 0)


def test_a_transaction_that_fails_in_its_block_says_why(world: World, line: FaultyNode, sender: Sender) -> None:
    """The dry run passed and then something else came first."""
    line.skips_dry_runs = True
    data = artifacts.load("members").call("suspend", [department_id(REGISTRY)])
    with pytest.raises(TransactionRejectedError) as caught:
        sender.send(world.deployment.members, data, 200_000)
    assert caught.value.reason == "members: not the governor"
    assert "transaction_hash" in caught.value.evidence
    assert count(world) == 1
    until_settled(sender)


def test_what_happens_once_is_sent_once_whatever_was_lost(world: World, line: FaultyNode, sender: Sender) -> None:
    data = artifacts.load("uses").deployment(world.deployment.members)
    line.loses_answers = True
    with pytest.raises(OutcomeUnknownError):
        sender.send("", data, 3_000_000, once="deploy")
    line.loses_answers = False
    first = sender.send("", data, 3_000_000, once="deploy")
    assert sender.send("", data, 3_000_000, once="deploy") == first
    assert count(world) == 1


def test_a_node_that_refuses_frees_the_nonce(tmp_path: Path) -> None:
    """On a chain with fees an account without funds is refused, and can go on when it has some."""
    world = new_world("memory", tmp_path)
    poor = world.sender_of(77)
    with pytest.raises(TransactionRejectedError):
        poor.send("", artifacts.load("members").deployment(), 3_000_000)
    assert world.outboxes[77].count_open() == 0
    world.close()


def test_a_transaction_counts_only_with_its_confirmations(tmp_path: Path) -> None:
    world = new_world("memory", tmp_path)
    provider = world.node._eth.w3.provider
    tester, turn = provider.ethereum_tester, provider.turn
    box = Outbox(tmp_path / "patient.db")
    sender = Sender(world.node, account(1), box, Patience(confirmations=3, timeout_seconds=120, poll_seconds=0.01))
    anchors = ChainAnchors(world.node, sender, world.deployment, world.anchors._log_id)
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(anchors.anchor(5, uniform_root(5), 0, [])))
    waiting.start()
    while anchors.latest() is None:
        time.sleep(0.01)
    with turn:
        tester.mine_block()
    time.sleep(0.1)
    assert waiting.is_alive()
    assert anchors.find(5, uniform_root(5)) is None
    with turn:
        tester.mine_block()
    waiting.join(120)
    assert [answer.size for answer in answers] == [5]
    assert anchors.find(5, uniform_root(5)) == answers[0]
    box.close()
    world.close()


def test_a_transaction_that_a_reorganisation_threw_out_is_sent_again(tmp_path: Path) -> None:
    world = new_world("memory", tmp_path)
    tester = world.node._eth.w3.provider.ethereum_tester
    box = Outbox(tmp_path / "patient.db")
    sender = Sender(world.node, account(1), box, Patience(confirmations=2, timeout_seconds=0.1, poll_seconds=0.01))
    snapshot = tester.take_snapshot()
    with pytest.raises(OutcomeUnknownError) as caught:
        consume(world, sender)
    tester.revert_to_snapshot(snapshot)
    assert not world.node.knows(caught.value.transaction_hash)
    # One block is not deep enough yet.
    assert sender.repair() == 1
    assert world.node.knows(caught.value.transaction_hash)
    tester.mine_block()
    until_settled(sender)
    assert world.uses.find(ITEM) is not None
    box.close()
    world.close()


def test_an_outbox_belongs_to_one_account_and_one_chain(tmp_path: Path) -> None:
    world = new_world("memory", tmp_path)
    with pytest.raises(WrongContractError, match="account"):
        Sender(world.node, account(3), world.outboxes[1])
    another = memory_node()
    with pytest.raises(WrongContractError, match="genesis"):
        Sender(another, account(1), world.outboxes[1])
    world.close()


def test_an_outbox_is_open_in_one_place_at_a_time(tmp_path: Path) -> None:
    box = Outbox(tmp_path / "outbox.db")
    with pytest.raises(ChainUnavailableError, match="outbox_in_use"):
        Outbox(tmp_path / "outbox.db")
    box.close()
    Outbox(tmp_path / "outbox.db").close()


def test_an_outbox_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "outbox.db").write_bytes(b"noise" * 1000)
    with pytest.raises(ChainUnavailableError, match="outbox_failed"):
        Outbox(tmp_path / "outbox.db")
    (tmp_path / "outbox.db").unlink()
    Outbox(tmp_path / "outbox.db").close()


def test_settled_transactions_are_forgotten_in_time_but_not_what_happened_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_KEPT", 3)
    world = new_world("file", tmp_path)
    for number in range(1, 10):
        world.uses.consume(number.to_bytes(32), OURS)
    kept = world.outboxes[1]._connection.execute("SELECT nonce, once IS NOT NULL FROM requests").fetchall()
    assert sorted(kept)[:3] == [(0, 1), (1, 1), (2, 1)]
    assert sum(1 for _, once in kept if not once) == 4
    left = world.outboxes[1]._connection.execute("SELECT COUNT(*) FROM attempts").fetchone()
    assert left == (len(kept),)
    world.close()
