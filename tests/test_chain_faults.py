"""A node behind a bad line: whatever is lost, late, doubled or garbled, requests settle and nothing happens twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import rpc_faults as faults
from chain_world import LOG, account, new_world, uniform_proof, uniform_root
from json_rpc import JsonRpc
from rpc_faults import Fault, FaultyLine

from chain.anchors import ChainAnchors
from chain.errors import ChainError, ChainUnavailableError, OutcomeUnknownError, TransactionRejectedError
from chain.node import Node, connect
from chain.outbox import Outbox
from chain.refusals import Refusal, read_refusal
from chain.sender import Patience, Sender
from chain.uses import ChainFirstUses

OURS = b"\x44" * 32
SEND = "eth_sendRawTransaction"
TIMEOUT = 1.0


class Office:
    """One account's sender, its contracts, and the line between them and the node."""

    def __init__(self, folder: Path) -> None:
        world = new_world("memory", folder)
        world.outboxes[1].close()
        self.evm, self.deployment = world.node, world.deployment
        self.server = JsonRpc(self.evm)
        self.line = FaultyLine(self.server.url)
        self.folder = folder
        self.node: Node = connect(self.line.url, TIMEOUT)
        # Gives up waiting soon, and a request only after long.
        self.patience = Patience(timeout_seconds=1.0, poll_seconds=0.02, give_up_seconds=1.0, stuck_seconds=0.5)
        self.begun = self.evm.next_nonce(account(1).address)
        self.open()

    def open(self) -> None:
        """A process on the files of this office."""
        self.outbox = Outbox(self.folder / "outbox-1.db")
        self.sender = Sender(self.node, account(1), self.outbox, self.patience)
        self.uses = ChainFirstUses(self.node, self.sender, self.deployment)
        self.anchors = ChainAnchors(self.node, self.sender, self.deployment, LOG)

    def restart(self) -> None:
        """A fresh process on the same files."""
        self.outbox.close()
        self.open()

    def sent(self) -> int:
        """How many transactions of the account are on the chain since the contracts were."""
        return self.evm.next_nonce(account(1).address) - self.begun

    def close(self) -> None:
        self.line.close()
        self.server.close()
        self.outbox.close()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    yield office
    office.close()


def insist(act: Callable[[], object], seconds: float = 30.0) -> object:
    """What comes of it when it is repeated as the worker does."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return act()
        except (ChainUnavailableError, OutcomeUnknownError):
            assert time.monotonic() < deadline, "the sender is wedged"
            time.sleep(0.02)


FAULTS: dict[str, Fault] = {
    "the question is lost": faults.lose_question,
    "the answer is lost": faults.lose_answer,
    "the node is asked twice": faults.ask_twice,
    "the node answers twice": faults.answer_twice,
    "the answer is garbage": faults.garble,
    "the answer is 500": faults.fail,
    "half an answer": faults.break_off,
    "the answer is null": faults.answer_null,
    "the answer is late": faults.answer_late(TIMEOUT * 1.2),
    "the question arrives late": faults.arrive_late(TIMEOUT * 1.2),
    "taken, and called known": faults.take_and_refuse("already known"),
    "taken, and called too low": faults.take_and_refuse("nonce too low: next nonce 9, tx nonce 8"),
    "taken, and called underpriced": faults.take_and_refuse("replacement transaction underpriced"),
    "taken, and called what nobody knows": faults.take_and_refuse("gremlins in the pool"),
    "a full pool (geth)": faults.refuse("txpool is full"),
    "a full pool (Besu)": faults.refuse("Transaction pool full"),
    "already known (geth), though it is not": faults.refuse("already known"),
    "known (Besu), though it is not": faults.refuse("Known transaction"),
    "underpriced (geth)": faults.refuse("transaction underpriced: gas tip cap 0, minimum needed 1"),
    "underpriced (Besu)": faults.refuse("Gas price below configured minimum gas price"),
    "a replacement underpriced (geth)": faults.refuse("replacement transaction underpriced"),
    "the same nonce (Kaia)": faults.refuse("there is another tx which has the same nonce in the tx pool"),
    "a nonce too low, though it is not": faults.refuse("nonce too low"),
    "a gap that is none (Besu)": faults.refuse("Transaction nonce is too distant from current sender nonce"),
    "words that nobody knows": faults.refuse("the moon is in the wrong house"),
    "an internal error": faults.refuse("Internal error", -32603),
    "a rate limit": faults.refuse("rate limit exceeded", -32005),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_whatever_happens_to_the_first_transaction_it_settles_once(office: Office, fault: Fault) -> None:
    office.line.next(SEND, fault)
    first = insist(lambda: office.uses.consume(b"\x01" * 32, OURS))
    assert first.commitment == OURS
    anchor = insist(lambda: office.anchors.anchor(5, uniform_root(5), 0, []))
    assert anchor == office.anchors.find(5, uniform_root(5))
    insist(lambda: office.sender.repair())
    assert office.outbox.count_open() == 0
    assert office.sent() == 2


def test_a_question_of_any_kind_may_fail_in_any_way(office: Office) -> None:
    """Each kind of question that one anchor asks fails once, one after the other, each time in another way."""
    office.line.asked.clear()
    insist(lambda: office.anchors.anchor(5, uniform_root(5), 0, []))
    kinds = sorted(office.line.asked)
    assert {"eth_call", "eth_getLogs", "eth_getTransactionReceipt", SEND} <= set(kinds)
    ways = [faults.lose_question, faults.lose_answer, faults.answer_twice, faults.garble, faults.break_off,
            faults.refuse("header not found"), faults.refuse("missing trie node abc"), faults.answer_null]  # fmt: skip
    size = 5
    for number, kind in enumerate(kinds * 2):
        office.line.next(kind, ways[number % len(ways)])
        old, size = size, size + 4
        anchor = insist(lambda old=old, size=size: office.anchors.anchor(*_step(office, old, size)))
        assert anchor.root == uniform_root(size)
    insist(lambda: office.sender.repair())
    assert office.outbox.count_open() == 0
    assert office.sent() == 1 + 2 * len(kinds)


def _step(office: Office, old: int, size: int) -> tuple[int, bytes, int, list[bytes]]:
    present = office.anchors.latest()
    if present is not None and present[0] == size:
        return size, uniform_root(size), size, []
    return size, uniform_root(size), old, uniform_proof(old, size)


def test_an_answer_to_another_question_is_never_taken_for_ours(office: Office) -> None:
    """The second answer stays in the connection, where the next question would find it."""
    for _ in range(20):
        office.line.next("eth_getTransactionCount", faults.answer_twice)
        try:
            assert office.node.next_nonce(account(9).address) == 0
            assert office.node.chain_id() == office.evm.chain_id()
        except ChainUnavailableError as error:
            assert error.reason == "node_unreachable"
        assert insist(office.node.height) == office.evm.height()


def test_several_transactions_under_a_line_that_loses_every_other_answer(office: Office) -> None:
    claims = [(number.to_bytes(32), OURS) for number in range(1, 9)]
    office.line.next(SEND, *[faults.lose_answer, faults.pass_on, faults.lose_question, faults.pass_on] * 4)

    def all_of_them() -> list[object]:
        answers = office.uses.consume_many(claims)
        for answer in answers:
            if isinstance(answer, ChainError):
                raise answer
        return list(answers)

    answers = insist(all_of_them)
    assert [answer.commitment for answer in answers] == [OURS] * 8
    insist(lambda: office.sender.repair())
    assert (office.outbox.count_open(), office.sent()) == (0, 8)


def test_an_account_without_funds_is_told_at_once_and_its_nonce_is_free(office: Office) -> None:
    for words in (
        "insufficient funds for gas * price + value: address 0x0 have 0 want 1",
        "Upfront cost exceeds account balance",
    ):
        office.line.next(SEND, faults.refuse(words))
        with pytest.raises(TransactionRejectedError) as caught:
            office.uses.consume(b"\x01" * 32, OURS)
        assert caught.value.reason == words
        assert office.outbox.count_open() == 0
    assert office.uses.consume(b"\x01" * 32, OURS).commitment == OURS
    assert office.sent() == 1


def test_what_a_node_refuses_for_ever_is_given_up_and_what_waits_behind_it_goes_on(office: Office) -> None:
    office.line.next(SEND, *[faults.refuse("the moon is in the wrong house")] * 1000)
    with pytest.raises(TransactionRejectedError) as caught:
        insist(lambda: office.uses.consume(b"\x01" * 32, OURS))
    assert caught.value.reason == "the moon is in the wrong house"
    assert office.sender.backlog().open == 0
    office.line.clear()
    assert office.uses.consume(b"\x02" * 32, OURS).commitment == OURS
    assert office.uses.find(b"\x01" * 32) is None
    assert office.sent() == 1


def test_an_owed_answer_is_a_state_of_its_own(office: Office) -> None:
    office.line.next(SEND, faults.lose_question)
    with pytest.raises(OutcomeUnknownError):
        office.uses.consume(b"\x01" * 32, OURS)
    assert (office.sender.backlog().open, office.sender.backlog().unknown) == (1, 1)
    office.restart()
    assert office.sender.backlog().unknown == 1
    insist(lambda: office.uses.consume(b"\x01" * 32, OURS))
    assert (office.sender.backlog().open, office.sent()) == (0, 1)


def test_a_silent_node_does_not_keep_a_caller_longer_than_it_said(office: Office) -> None:
    office.line.always(faults.answer_late(3))
    begun = time.monotonic()
    with pytest.raises(ChainUnavailableError):
        office.uses.consume(b"\x01" * 32, OURS)
    assert time.monotonic() - begun < TIMEOUT * 3


@pytest.mark.parametrize(
    ("words", "meaning"),
    [
        ("already known", Refusal.KNOWN),
        ("Known transaction", Refusal.KNOWN),
        ("known transaction: 0xabc", Refusal.KNOWN),
        ("nonce too low: next nonce 5, tx nonce 3", Refusal.USED),
        ("Nonce too low", Refusal.USED),
        ("Transaction nonce 3 below sender account nonce 5", Refusal.USED),
        ("nonce too high", Refusal.EARLY),
        ("replacement transaction underpriced", Refusal.OCCUPIED),
        ("Replacement transaction underpriced", Refusal.OCCUPIED),
        ("there is another tx which has the same nonce in the tx pool", Refusal.OCCUPIED),
        ("transaction underpriced", Refusal.CHEAP),
        ("max fee per gas less than block base fee: address 0x0", Refusal.CHEAP),
        ("Gas price below configured minimum gas price", Refusal.CHEAP),
        ("invalid unit price", Refusal.CHEAP),
        ("txpool is full", Refusal.BUSY),
        ("Transaction pool full", Refusal.BUSY),
        ("insufficient funds for gas * price + value", Refusal.POOR),
        ("Upfront cost exceeds account balance", Refusal.POOR),
        ("intrinsic gas too low", Refusal.NEVER),
        ("exceeds block gas limit", Refusal.NEVER),
        ("Sender account not authorized to send transactions", Refusal.NEVER),
        ("Wrong chainId", Refusal.NEVER),
        ("", Refusal.UNCLEAR),
        ("天有不测风云", Refusal.UNCLEAR),
    ],
)
def test_the_words_of_three_clients_are_understood(words: str, meaning: Refusal) -> None:
    assert read_refusal(words) is meaning
