"""The governors contract under any order of events, as a state machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from chain_world import World, account, new_world
from eth_abi import encode
from eth_utils import keccak
from governors_world import LIFETIME, Counter, approve, forward, refused
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from chain import artifacts


class Governing(RuleBasedStateMachine):
    """Any order of approvals, withdrawals, changes of the council and waiting: never fewer than k, never twice."""

    world: World
    counter: Counter
    rounds = 0

    @initialize()
    def begin(self) -> None:
        """A governors contract of its own for each run; its first governor is account 1."""
        data = artifacts.load("governors").deployment(self.world.deployment.members, [account(1).address], 1)
        place = self.world.sender.send("", data, 3_000_000).contract or ""
        self.world.deployment = replace(self.world.deployment, governors=place)
        self.council, self.threshold = {1: 1}, 1
        self.last_term = 1
        #: By proposal: term of each account that approved; when it expires; whether it happened.
        self.approvals: dict[int, dict[int, int]] = {}
        self.expires: dict[int, int] = {}
        self.done: set[int] = set()
        self.before = {number: self.counter.hits(number) for number in range(3)}

    @rule(number=st.integers(0, 2), by=st.integers(1, 4))
    def approve(self, number: int, by: int) -> None:
        calls = [self.counter.call(number)]
        now = self._now()
        expired = number in self.expires and now >= self.expires[number] and number not in self.done
        if by not in self.council or expired:
            with refused("governors: expired" if by in self.council else "governors: not a governor"):
                approve(self.world, calls, by)
            return
        if number not in self.done:
            self.expires.setdefault(number, now + int(LIFETIME.total_seconds()))
            self.approvals.setdefault(number, {})[by] = self.council[by]
        _, approvals, happened = approve(self.world, calls, by)
        standing = [one for one, term in self.approvals[number].items() if self.council.get(one) == term]
        assert approvals == len(standing)
        if happened and number not in self.done:
            assert len(set(standing)) >= self.threshold
            self.done.add(number)
        assert happened == (number in self.done)
        assert happened or len(standing) < self.threshold

    @precondition(lambda self: bool(self.approvals))
    @rule(data=st.data(), by=st.integers(1, 4))
    def withdraw(self, data: st.DataObject, by: int) -> None:
        number = data.draw(st.sampled_from(sorted(self.approvals)))
        identifier = keccak(encode(["uint256", "(address,bytes)[]"], [0, [self.counter.call(number)]]))
        if by not in self.council or number in self.done:
            with refused("governors: carried out" if by in self.council else "governors: not a governor"):
                self.world.call("governors", "withdraw", identifier, by=by)
            return
        self.world.call("governors", "withdraw", identifier, by=by)
        self.approvals[number].pop(by, None)

    @rule(numbers=st.lists(st.integers(1, 4), min_size=1, max_size=4, unique=True), data=st.data())
    def change_council(self, numbers: list[int], data: st.DataObject) -> None:
        threshold = data.draw(st.integers(1, len(numbers)))
        Governing.rounds += 1
        change = artifacts.load("governors").call("change", [[account(one).address for one in numbers], threshold])
        calls = [(self.world.deployment.governors, change)]
        deciding = sorted(self.council)[: self.threshold]
        for by in deciding[:-1]:
            assert not approve(self.world, calls, by, Governing.rounds)[2]
        assert approve(self.world, calls, deciding[-1], Governing.rounds)[2]
        terms = {one: self.council[one] for one in numbers if one in self.council}
        for one in numbers:
            if one not in terms:
                self.last_term += 1
                terms[one] = self.last_term
        self.council, self.threshold = terms, threshold

    @rule()
    def wait(self) -> None:
        forward(self.world, LIFETIME / 2)

    @invariant()
    def each_happened_as_often_as_it_was_decided(self) -> None:
        if hasattr(self, "before"):
            for number, before in self.before.items():
                assert self.counter.hits(number) == before + (number in self.done)

    def _now(self) -> int:
        """The time that the next block will have, as far as expiry goes: blocks here are seconds apart, not days."""
        backend = self.world.node._eth.w3.provider.ethereum_tester.backend
        return int(backend.chain.get_block().header.timestamp)


def test_no_order_of_events_lets_fewer_than_k_decide_or_anything_happen_twice(tmp_path: Path) -> None:
    world = new_world("memory", tmp_path)
    Governing.world, Governing.counter = world, Counter(world)
    run_state_machine_as_test(
        Governing,
        settings=settings(
            max_examples=8, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
    world.close()
