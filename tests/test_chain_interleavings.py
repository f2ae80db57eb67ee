"""The sender against a model of a chain, under any order of calls, blocks, losses, reorganisations and restarts."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, cast

from chain_model import ModelNode
from chain_world import account
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chain.errors import ChainUnavailableError, OutcomeUnknownError
from chain.outbox import Outbox
from chain.sender import Patience, Sender

TARGET = "0x" + "5" * 40
CONFIRMATIONS = 3
KEY = account(5)
DEEPEST = CONFIRMATIONS - 1


class Interleavings(RuleBasedStateMachine):
    """A caller that wants numbered things done, each once, and gives up none of them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="suizheng-model-"))
        self.time = 0.0
        self.wanted: list[bytes] = []
        self.acknowledged: dict[bytes, bytes] = {}

    @initialize(base_price=st.sampled_from([0, 1_000]), confirmations=st.just(CONFIRMATIONS))
    def open(self, base_price: int, confirmations: int) -> None:
        self.node = ModelNode(KEY.address, base_price)
        self.patience = Patience(
            confirmations=confirmations, timeout_seconds=0.0, poll_seconds=0.1, stuck_blocks=4, stuck_seconds=30.0,
            give_up_seconds=1e9,
        )  # fmt: skip
        self._start()

    def _start(self) -> None:
        self.outbox = Outbox(self.folder / "outbox.db")
        silent, self.node.is_silent = self.node.is_silent, False
        self.sender = Sender(cast(Any, self.node), KEY, self.outbox, self.patience, self._sleep, lambda: self.time)
        self.node.is_silent = silent

    def _sleep(self, seconds: float) -> None:
        self.time += seconds

    def _send(self, data: bytes) -> None:
        """As every caller does: look for the effect first, then ask for it."""
        try:
            if (place := self.node.place_of(data)) is not None:
                if place[0] <= self.sender.final_height():
                    self.acknowledged.setdefault(data, place[1])
                return
            mined = self.sender.send(TARGET, data, 100_000)
        except (ChainUnavailableError, OutcomeUnknownError):
            return
        self.acknowledged.setdefault(data, mined.transaction_hash)

    @rule()
    def ask_for_something_new(self) -> None:
        self.wanted.append(b"wanted %d" % len(self.wanted))
        self._send(self.wanted[-1])

    @rule(which=st.integers(0, 50))
    def ask_again(self, which: int) -> None:
        if self.wanted and self.wanted[which % len(self.wanted)] not in self.acknowledged:
            self._send(self.wanted[which % len(self.wanted)])

    @rule(seconds=st.sampled_from([0.1, 0.5, 2.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.time += seconds
        self._repair()

    def _repair(self) -> None:
        try:
            self.sender.repair()
        except ChainUnavailableError:
            return

    @rule(most=st.sampled_from([0, 1, 2, 100]))
    def a_block(self, most: int) -> None:
        self.node.mine(most)

    @rule()
    def somebody_else_takes_the_next_nonce(self) -> None:
        self.node.mine_foreign()

    @rule(depth=st.integers(1, DEEPEST), keeps_pool=st.booleans())
    def a_reorganisation(self, depth: int, keeps_pool: bool) -> None:
        self.node.reorganise(depth, keeps_pool)

    @rule(nonce=st.none() | st.integers(0, 10))
    def the_pool_forgets(self, nonce: int | None) -> None:
        self.node.forget(nonce)

    @rule(silent=st.booleans(), lost=st.booleans())
    def the_line_changes(self, silent: bool, lost: bool) -> None:
        self.node.is_silent, self.node.answers_are_lost = silent, lost

    @rule(words=st.sampled_from([None, "txpool is full", "nonce too high", "odd words", "transaction underpriced"]))
    def the_node_refuses(self, words: str | None) -> None:
        self.node.refuses_with = words

    @rule(price=st.sampled_from([0, 1, 1_000, 1_500]))
    def the_price_changes(self, price: int) -> None:
        # A price that falls below what the foreign transactions paid is no matter; it never rises out of reach.
        self.node.base_price = price

    @rule()
    def the_process_starts_anew(self) -> None:
        self.outbox.close()
        self._start()

    @invariant()
    def nothing_takes_effect_twice(self) -> None:
        if hasattr(self, "node"):
            for data in self.wanted:
                assert self.node.effects(data) <= 1, data

    @invariant()
    def what_was_acknowledged_stays(self) -> None:
        if hasattr(self, "node"):
            mined = {one.hash for some in self.node.blocks for one in some}
            assert set(self.acknowledged.values()) <= mined

    def teardown(self) -> None:
        if hasattr(self, "node"):
            self._settle()
            self.outbox.close()
        shutil.rmtree(self.folder)

    def _settle(self) -> None:
        """Once the node behaves, everything settles, and every nonce is somebody's."""
        self.node.is_silent = self.node.answers_are_lost = False
        self.node.refuses_with = None
        self.node.base_price = min(self.node.base_price, 1_000)
        for _ in range(200):
            self.time += 10.0
            self._repair()
            self.node.mine()
            if not self.outbox.count_open() and len(self.acknowledged) == len(self.wanted):
                break
            for data in self.wanted:
                if data not in self.acknowledged:
                    self._send(data)
        assert self.outbox.count_open() == 0
        assert set(self.acknowledged) == set(self.wanted)
        self.nothing_takes_effect_twice()
        self.what_was_acknowledged_stays()
        nonces = [one.nonce for some in self.node.blocks for one in some]
        assert nonces == list(range(len(nonces)))


TestInterleavings = Interleavings.TestCase
TestInterleavings.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
