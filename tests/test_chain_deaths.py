"""A hundred and more random kills of the embedded chain and of the sender: nothing acknowledged is lost or doubled."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chain_crashes import COMMITMENT, open_chain
from chain_deaths import Say, die_inside_commits, end, fork, kill_after, lines_of, wait_for_a_line
from chain_world import LOG, World, account, file_node, new_world, uniform_proof, uniform_root
from json_rpc import JsonRpc
from kill_tally import chance

from chain.anchors import ChainAnchors
from chain.node import Node, connect
from chain.outbox import Outbox
from chain.reading import ChainReader
from chain.sender import Patience, Sender
from chain.uses import ChainFirstUses

DEPLOYING = 8
OF_THE_CHAIN, OF_THE_SENDER = 50, 72


class Spoken:
    """What killed processes acknowledged, and whether all of it is still true."""

    def __init__(self, path: Path) -> None:
        self.lines = lines_of(path)
        assert len(self.lines) == len(set(self.lines))

    def check(self, heads: Any, uses: Any) -> None:
        for kind, what, seen in (line.split() for line in self.lines):
            if kind == "anchored":
                found = heads(int(what), uniform_root(int(what)))
                assert found is not None
                assert found.transaction_hash.hex() == seen
            else:
                first = uses(bytes.fromhex(what))
                assert first is not None
                assert (first.commitment, first.at.isoformat()) == (COMMITMENT, seen)


def work(anchors: Any, uses: Any, say: Say) -> None:
    """Heads and uses without end, each said when it was acknowledged."""
    while True:
        old = (anchors.latest() or (0,))[0]
        anchor = anchors.anchor(old + 3, uniform_root(old + 3), old, uniform_proof(old, old + 3) if old else [])
        say(f"anchored {anchor.size} {anchor.transaction_hash.hex()}")
        item = anchor.size.to_bytes(32)
        say(f"used {item.hex()} {uses.consume(item, COMMITMENT).at.isoformat()}")


def test_the_embedded_chain_is_killed_again_and_again_also_inside_its_commits(tmp_path: Path) -> None:
    """One long life on one folder: every other process dies in a commit, the others wherever they are."""
    folder, spoken = tmp_path / "chain", tmp_path / "said"
    chain = open_chain(folder)
    deployment = chain.open()
    chain.close()
    moments = chance("chain")

    def life(say: Say, number: int) -> None:
        if number % 2:
            die_inside_commits(0.2, chance(f"inside commits of the chain {number}"))
        chain = open_chain(folder)
        work(chain, chain, say)

    for number in range(OF_THE_CHAIN):
        child = fork(lambda say, number=number: life(say, number), spoken)  # type: ignore[misc]
        inside = number % 2 == 1
        signalled = (
            end(child, "chain", writing=True) if inside else kill_after(child, moments.uniform(0.02, 0.5), "chain")
        )
        assert signalled == signal.SIGKILL
    chain = open_chain(folder)
    assert chain.open() == deployment
    said = Spoken(spoken)
    assert len(said.lines) > OF_THE_CHAIN / 5
    said.check(chain.find, chain.find_first_use)
    assert chain.status().unconfirmed == 0
    heads = (chain.latest() or (0,))[0] // 3
    used = sum(chain.find_first_use((3 * number).to_bytes(32)) is not None for number in range(1, heads + 1))
    chain.close()
    node = file_node(folder)
    # One block for each transaction, and every transaction did something that nothing else did.
    assert node.height() == node.next_nonce(account(1).address) == DEPLOYING + heads + used
    node.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[JsonRpc]:
    world = new_world("memory", tmp_path / "world")
    world.outboxes[1].close()
    server = JsonRpc(world.node)
    server.world = world  # type: ignore[attr-defined]
    yield server
    server.close()


def test_the_sender_is_killed_again_and_again_while_its_node_lives_on(server: JsonRpc, tmp_path: Path) -> None:
    """One long life on one outbox: each process goes on where the killed one before it was."""
    world = server.world  # type: ignore[attr-defined]
    folder = tmp_path / "world"
    begun = world.node.next_nonce(account(1).address)
    moments = chance("sender")
    spoken = tmp_path / "said"

    def life(say: Say, number: int) -> None:
        if number % 2:
            die_inside_commits(0.15, chance(f"inside commits of the sender {number}"))
        node = connect(server.url, 120.0)
        outbox = Outbox(folder / "outbox-1.db")
        sender = Sender(node, account(1), outbox, Patience(timeout_seconds=120, poll_seconds=0.01))
        sender.repair()
        work(*_ways(node, sender, world), say)

    for number in range(OF_THE_SENDER):
        child = fork(lambda say, number=number: life(say, number), spoken)  # type: ignore[misc]
        assert kill_after(child, moments.uniform(0.1, 0.7), "sender") == signal.SIGKILL
    # On a machine that is busy with other things all of those may end before they did anything.
    for _ in range(OF_THE_SENDER):
        if len(lines_of(spoken)) > OF_THE_SENDER / 10:
            break
        child = fork(lambda say: life(say, 0), spoken)
        wait_for_a_line(spoken)
        assert kill_after(child, moments.uniform(0, 0.1), "sender") == signal.SIGKILL
    node = connect(server.url)
    outbox = Outbox(folder / "outbox-1.db")
    sender = Sender(node, account(1), outbox, Patience(timeout_seconds=120, poll_seconds=0.01))
    while sender.repair():
        pass
    anchors, uses = _ways(node, sender, world)
    said = Spoken(spoken)
    assert len(said.lines) > OF_THE_SENDER / 10
    # Read once: to look for each head by itself takes this node a second.
    reader = ChainReader(node)
    events = {event.size: event for event in reader.head_events(world.deployment.heads, LOG, 0, reader.height())}
    said.check(lambda size, root: events[size] if events[size].root == root else None, uses.find)
    # Every transaction did something: heads and uses on the chain are as many as nonces were used.
    heads = (anchors.latest() or (0,))[0] // 3
    used = sum(uses.find((3 * number).to_bytes(32)) is not None for number in range(1, heads + 1))
    assert world.node.next_nonce(account(1).address) - begun == heads + used
    outbox.close()


def _ways(node: Node, sender: Sender, world: World) -> tuple[ChainAnchors, ChainFirstUses]:
    anchors = ChainAnchors(node, sender, world.deployment, LOG)
    return anchors, ChainFirstUses(node, sender, world.deployment)
