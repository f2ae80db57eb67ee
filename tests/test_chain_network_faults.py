"""The sender on four real validators: dead ones, split ones, a stranger with our key, another chain at the address."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import rpc_faults as faults
from chain_world import HANGS_AFTER_SECONDS, account, fresh_accounts, memory_node
from json_rpc import JsonRpc
from rpc_faults import FaultyLine

from chain.account import ChainAccount
from chain.errors import ChainError, ChainUnavailableError, OutcomeUnknownError, WrongContractError
from chain.finality import BySealers, finality_of
from chain.network import Network
from chain.node import Mined, Node, connect
from chain.outbox import Call, Outbox
from chain.sender import Patience, Sender

pytest_plugins = ["network_stage"]

TARGET = "0x" + "6" * 40
SEND = "eth_sendRawTransaction"


class Post:
    """A fresh account's sender on a line to the first validator."""

    def __init__(self, network: Network, folder: Path, number: int) -> None:
        self.network = network
        self.account: ChainAccount = account(number)
        self.line = FaultyLine(network.urls[0])
        self.node: Node = connect(self.line.url, 30.0)
        self.outbox = Outbox(folder / "outbox.db")
        patience = Patience(timeout_seconds=120, poll_seconds=0.1, stuck_seconds=1.0, stuck_blocks=1_000)
        self.sender = Sender(
            self.node, self.account, self.outbox, patience, finality=finality_of(self.node, patience.confirmations)
        )

    def calls(self, count: int) -> list[Call]:
        return [Call(TARGET, b"%d" % number, 50_000) for number in range(count)]

    def sent(self, node: int = 1) -> int:
        """How many transactions of the account another validator has in blocks, once it has all that ours has."""
        self.network.wait_for_agreement(self.node.height(), [0, node], HANGS_AFTER_SECONDS)
        return connect(self.network.urls[node]).next_nonce(self.account.address)

    def send_all(self, calls: Sequence[Call]) -> list[Mined | ChainError]:
        """What became of each of these calls, for a caller that does again what nothing was sent of."""
        outcomes: dict[int, Mined | ChainError] = {}
        deadline = time.monotonic() + HANGS_AFTER_SECONDS
        while len(outcomes) < len(calls):
            assert time.monotonic() < deadline, "nothing is ever sent"
            left = [place for place in range(len(calls)) if place not in outcomes]
            with suppress(ChainUnavailableError):
                answers = self.sender.send_many([calls[place] for place in left])
                outcomes |= {
                    place: answer
                    for place, answer in zip(left, answers, strict=True)
                    if not isinstance(answer, ChainUnavailableError)
                }
        return [outcomes[place] for place in range(len(calls))]

    @contextmanager
    def sending(self, count: int) -> Iterator[Future[list[Mined | ChainError]]]:
        """So many calls sent by another thread, which has ended in the end."""
        with ThreadPoolExecutor(1) as thread:
            yield thread.submit(self.send_all, self.calls(count))

    def until_settled(self) -> None:
        deadline = time.monotonic() + HANGS_AFTER_SECONDS
        while True:
            try:
                if not self.sender.repair():
                    return
            except ChainUnavailableError:
                pass
            assert time.monotonic() < deadline, "the sender is wedged"
            time.sleep(0.1)

    def close(self) -> None:
        self.line.close()
        self.outbox.close()


@pytest.fixture
def post(four_validators: Network, tmp_path: Path) -> Iterator[Post]:
    # An account that nothing else on the network uses: each test has its own nonces.
    post = Post(four_validators, tmp_path, fresh_accounts())
    yield post
    post.close()


def test_a_block_counts_when_more_than_half_of_the_validators_built_upon_it_twice(post: Post) -> None:
    finality = finality_of(post.node, 1)
    assert isinstance(finality, BySealers)
    # Whoever comes first to the network finds a chain on which nothing can be final yet.
    deadline = time.monotonic() + HANGS_AFTER_SECONDS
    while finality.final_height() < 0:
        assert time.monotonic() < deadline, "no block becomes final"
        time.sleep(0.2)
    newest, final = _at_one_moment(post.node, finality)
    assert final <= newest - 6
    mined = post.sender.send(TARGET, b"one", 50_000)
    assert mined.succeeded
    newest, final = _at_one_moment(post.node, finality)
    assert mined.block_number <= final <= newest - 6


def _at_one_moment(node: Node, finality: BySealers) -> tuple[int, int]:
    """The heights of the newest block and of the newest final one, asked while no block came."""
    while True:
        before = node.newest()
        final = finality.final_height()
        if node.newest() == before:
            return before.number, final


def test_many_side_by_side_over_a_line_that_loses_doubles_and_refuses(post: Post) -> None:
    bad = [faults.lose_question, faults.pass_on, faults.lose_answer, faults.ask_twice, faults.answer_twice,
           faults.take_and_refuse("already known"), faults.refuse("txpool is full"), faults.garble]  # fmt: skip
    post.line.next(SEND, *bad * 2)
    outcomes = post.send_all(post.calls(20))
    # An answer left in the connection is taken for the answer to the next question, unless it came in time to be seen:
    # then nothing was sent, which the caller was told. Everything else is known or looked for, and done once.
    assert [one for one in outcomes if not isinstance(one, Mined | OutcomeUnknownError)] == []
    post.until_settled()
    assert post.sent() == 20
    assert post.sender.send_many([]) == []


def test_a_stranger_with_our_key_takes_the_nonce_and_ours_gets_the_next(
    post: Post, four_validators: Network, tmp_path: Path
) -> None:
    post.line.always(faults.lose_question, SEND)
    with pytest.raises(OutcomeUnknownError):
        post.sender.send(TARGET, b"ours", 50_000)
    other = connect(four_validators.urls[2])
    theirs, raw = post.account.sign(
        chain_id=other.chain_id(), nonce=0, target=TARGET, data=b"theirs", gas=50_000, gas_price=0
    )
    other.send(raw)
    # Before that either of the two may still win.
    finality, deadline = finality_of(post.node, 1), time.monotonic() + HANGS_AFTER_SECONDS
    while (mined := post.node.mined(theirs)) is None or mined.block_number > finality.final_height():
        assert time.monotonic() < deadline, "the stranger's is in no final block"
        time.sleep(0.1)
    post.line.clear()
    post.until_settled()
    assert post.sent() == 2
    request = post.outbox.find(1)
    assert request is not None and request.mined is not None
    assert {attempt.nonce for attempt in request.attempts} == {0, 1}
    assert request.mined.transaction_hash in {one.hash for one in request.attempts if one.nonce == 1}


def test_two_dead_validators_are_waited_for_and_a_higher_price_that_cannot_be_paid_does_no_harm(
    post: Post, four_validators: Network
) -> None:
    four_validators.kill(2)
    four_validators.kill(3)
    with post.sending(3) as answers:
        time.sleep(5)
        assert _believed(answers) == []
        four_validators.up(HANGS_AFTER_SECONDS)
    post.until_settled()
    assert post.sent() == 3
    assert post.outbox.backlog().open == 0


def _believed(answers: Future[list[Mined | ChainError]]) -> list[Mined]:
    """What the sender has said to be mined by now. It may have said that it does not know."""
    return [one for one in answers.result() if isinstance(one, Mined)] if answers.done() else []


def test_a_transaction_on_the_losing_side_of_a_split_is_not_believed_and_is_mined_once_in_the_end(
    post: Post, four_validators: Network
) -> None:
    four_validators.partition([0, 1], [2, 3])
    with post.sending(2) as answers:
        # Two of four make two blocks at most, and then wait for a third.
        time.sleep(6)
        assert _believed(answers) == []
        four_validators.heal()
    post.until_settled()
    assert {post.sent(node) for node in range(4)} == {2}
    for number in (1, 2):
        request = post.outbox.find(number)
        assert request is not None and request.mined is not None
        block = connect(four_validators.urls[3]).block(request.mined.block_number)
        assert block is not None and block.hash == request.mined.block_hash


def test_another_chain_behind_the_address_stops_the_sender_and_ours_again_lets_it_go_on(post: Post) -> None:
    post.send_all(post.calls(1))
    post.until_settled()
    impostor = JsonRpc(memory_node())
    try:
        post.line.leads_to(impostor.url)
        time.sleep(1.1)
        with pytest.raises(WrongContractError):
            post.sender.send(TARGET, b"more", 50_000)
        assert post.outbox.backlog().open == 0
        post.line.leads_to(post.network.urls[0])
        assert post.sender.send(TARGET, b"more", 50_000).succeeded
    finally:
        impostor.close()
    assert post.sent() == 2
