"""The governors contract on an in-process EVM: k of n, exactly once, and every forbidden neighbour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from chain_world import OTHER, World, account, new_world
from governors_world import LIFETIME, Counter, approve, forward, refused

from chain import artifacts, changes
from chain.errors import AwaitingGovernorsError, TransactionRejectedError
from chain.governors import MAX_CHANGES, Proposal
from chain.ids import department_id

STRANGER = 9
NOBODY = "0x" + "0" * 40


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A fresh deployment whose only governor is account 1."""
    world = new_world("memory", tmp_path)
    yield world
    world.close()


def govern_by(world: World, numbers: list[int], threshold: int) -> None:
    """Let these accounts govern from now on; until now it was account 1 alone."""
    world.governors.carry_out([changes.change_governors([account(number).address for number in numbers], threshold)])


# one of one


def test_the_only_governor_decides_alone_and_at_once(world: World) -> None:
    assert world.governors.council().accounts == (account(1).address.lower(),)
    assert world.governors.council().threshold == 1
    proposal = world.governors.propose([changes.add_member(OTHER, 2)])
    assert proposal.executed_at is not None
    assert world.members.find(OTHER) is not None


def test_a_stranger_proposes_nothing(world: World) -> None:
    with refused("governors: not an active member"):
        world.governors_of(STRANGER).propose([changes.add_member(OTHER, 2)])
    with refused("governors: not a governor"):
        approve(world, [(world.deployment.members, b"")], by=STRANGER)
    with refused("governors: not a governor"):
        world.call("governors", "withdraw", bytes(32), by=STRANGER)
    with refused("governors: not by themselves"):
        world.call("governors", "change", [account(STRANGER).address], 1, by=STRANGER)
    # Not even the governor goes past the contract that he governs by.
    with refused("governors: not by themselves"):
        world.call("governors", "change", [account(1).address], 1)
    with refused("members: not the governor"):
        world.call("members", "add", department_id(OTHER), 2, NOBODY)


def test_several_changes_happen_together_or_not_at_all(world: World) -> None:
    world.governors.carry_out([changes.add_member(OTHER, 2), changes.suspend(OTHER)])
    assert [one.state for one in world.members.history(OTHER)] == [1, 2]
    with refused("members: unknown department"):
        world.governors.carry_out([changes.reinstate(OTHER), changes.suspend("nobody")])
    assert len(world.members.history(OTHER)) == 2


def test_the_same_change_can_be_decided_again_later(world: World) -> None:
    world.members.add(OTHER, 2)
    for _ in range(2):
        world.members.suspend(OTHER)
        world.members.reinstate(OTHER)
    assert [one.state for one in world.members.history(OTHER)] == [1, 2, 1, 2, 1]


def test_a_proposal_has_one_to_sixteen_calls_of_contracts(world: World) -> None:
    with refused("governors: no call"):
        world.call("governors", "approve", 0, [])
    with refused("governors: no contract"):
        world.call("governors", "approve", 0, [(account(STRANGER).address, b"")])
    many = [changes.publish(changes.EntryKind.DATA, f"D{number}", 1, b"\1" * 32) for number in range(MAX_CHANGES + 1)]
    with pytest.raises(TransactionRejectedError):
        world.governors.propose(many)
    world.governors.carry_out(many[:MAX_CHANGES])


# k of n


def test_a_change_waits_for_the_kth_governor_and_happens_once(world: World) -> None:
    govern_by(world, [1, 2, 3, 4], 3)
    counter = Counter(world)
    calls = [counter.call(7)]
    identifier, approvals, done = approve(world, calls, by=1)
    assert (approvals, done, counter.hits(7)) == (1, False, 0)
    assert approve(world, calls, by=1) == (identifier, 1, False)
    assert approve(world, calls, by=3) == (identifier, 2, False)
    assert approve(world, calls, by=3) == (identifier, 2, False)
    assert counter.hits(7) == 0
    assert approve(world, calls, by=2) == (identifier, 3, True)
    assert counter.hits(7) == 1
    # Late and repeated approvals get the same answer and change nothing.
    for late in (1, 2, 3, 4):
        assert approve(world, calls, by=late) == (identifier, 3, True)
    assert counter.hits(7) == 1


def test_other_calls_and_another_round_are_another_proposal(world: World) -> None:
    govern_by(world, [1, 2], 2)
    counter = Counter(world)
    approve(world, [counter.call(1)], by=1)
    approve(world, [counter.call(2)], by=2)
    approve(world, [counter.call(1)], by=2, number=1)
    approve(world, [counter.call(1), counter.call(1)], by=2)
    assert (counter.hits(1), counter.hits(2)) == (0, 0)
    approve(world, [counter.call(1)], by=2)
    assert counter.hits(1) == 1


def test_what_waits_can_be_read_and_approved_by_its_id(world: World) -> None:
    govern_by(world, [1, 2], 2)
    with pytest.raises(AwaitingGovernorsError, match="待其他治理成员批准（1/2）") as waiting:
        world.members.add(OTHER, 2)
    (seen,) = world.governors_of(2).open_proposals()
    assert (seen.id, seen.round, seen.approvals, seen.threshold) == (waiting.value.proposal, 0, 1, 2)
    assert seen.changes == (changes.add_member(OTHER, 2),)
    assert seen.approved_by == (account(1).address.lower(),)
    assert seen.expires_at - world.node.newest().at <= LIFETIME
    # Asking again is no second proposal.
    with pytest.raises(AwaitingGovernorsError):
        world.members.add(OTHER, 2)
    assert world.governors.open_proposals() == [seen]
    done = world.governors_of(2).approve(seen.id)
    assert done.executed_at == world.node.newest().at
    assert world.members.find(OTHER) is not None
    assert world.governors.open_proposals() == []
    with refused("governors: unknown"):
        world.governors_of(2).approve(b"\0" * 32)


def test_an_approval_can_be_withdrawn_until_the_change_happened(world: World) -> None:
    govern_by(world, [1, 2, 3], 2)
    counter = Counter(world)
    identifier, _, _ = approve(world, [counter.call(1)], by=1)
    assert world.governors.withdraw(identifier).approvals == 0
    assert world.governors.withdraw(identifier).approvals == 0
    assert approve(world, [counter.call(1)], by=2)[1:] == (1, False)
    assert approve(world, [counter.call(1)], by=3)[1:] == (2, True)
    with refused("governors: carried out"):
        world.governors_of(3).withdraw(identifier)


def test_a_proposal_expires_and_may_be_made_anew(world: World) -> None:
    govern_by(world, [1, 2], 2)
    old = _propose(world, by=1)
    forward(world, LIFETIME)
    world.call("governors", "withdraw", bytes(32))
    assert world.governors.open_proposals() == []
    with refused("governors: expired"):
        world.governors_of(2).approve(old.id)
    fresh = _propose(world, by=2)
    assert (fresh.round, fresh.approvals) == (1, 1)
    assert _propose(world, by=1).executed_at is not None


def test_the_approval_of_a_removed_governor_counts_no_more_not_even_when_he_is_back(world: World) -> None:
    govern_by(world, [1, 2, 3], 2)
    counter = Counter(world)
    approve(world, [counter.call(1)], by=3)
    without, back = ([account(number).address for number in some] for some in ([1, 2], [1, 2, 3]))
    for council in (without, back):
        for by in (1, 2):
            world.governors_of(by).propose([changes.change_governors(council, 2)])
    identifier, approvals, done = approve(world, [counter.call(1)], by=1)
    assert (approvals, done, world.ask("governors", "has_approved", identifier, account(3).address)) == (
        1,
        False,
        False,
    )
    assert approve(world, [counter.call(1)], by=3)[1:] == (2, True)
    assert counter.hits(1) == 1


def test_a_removed_governor_approves_nothing(world: World) -> None:
    govern_by(world, [1, 2], 1)
    world.governors.carry_out([changes.change_governors([account(2).address], 1)])
    with refused("governors: not a governor"):
        approve(world, [(world.deployment.members, b"")], by=1)
    world.governors_of(2).carry_out([changes.add_member(OTHER, 2)])


def test_a_member_that_does_not_govern_proposes_and_approves_nothing(world: World) -> None:
    world.members.add(OTHER, 2, account(5).address)
    theirs = world.governors_of(5)
    proposal = theirs.propose([changes.suspend(OTHER)])
    assert (proposal.approvals, proposal.executed_at, proposal.proposed_by) == (0, None, account(5).address.lower())
    assert theirs.propose([changes.suspend(OTHER)]) == proposal
    with refused("governors: not a governor"):
        theirs.approve(proposal.id)
    world.governors.approve(proposal.id)
    assert theirs.get(proposal.id).executed_at is not None
    # A suspended member proposes nothing any more.
    with refused("governors: not an active member"):
        theirs.propose([changes.reinstate(OTHER)])


def test_when_k_sinks_whoever_approved_already_carries_out_by_approving_again(world: World) -> None:
    govern_by(world, [1, 2, 3], 3)
    open_one = _propose(world, by=1)
    _propose(world, by=2)
    for by in (1, 2, 3):
        world.governors_of(by).propose([changes.change_governors([account(number).address for number in (1, 2, 3)], 2)])
    assert world.governors.get(open_one.id).executed_at is None
    assert _propose(world, by=1).executed_at is not None


@pytest.mark.parametrize(
    ("numbers", "threshold", "reason"),
    [
        ([1, 2], 0, "governors: threshold"),
        ([1, 2], 3, "governors: threshold"),
        ([], 0, "governors: threshold"),
        ([1, 2, 1], 2, "governors: named twice"),
        ([1, 0], 1, "governors: no account"),
    ],
)
def test_a_council_that_could_not_decide_is_refused(
    world: World, numbers: list[int], threshold: int, reason: str
) -> None:
    accounts = [account(number).address if number else NOBODY for number in numbers]
    with refused(reason):
        world.governors.carry_out([changes.change_governors(accounts, threshold)])
    with pytest.raises(TransactionRejectedError):
        world.sender.send(
            "", artifacts.load("governors").deployment(world.deployment.members, accounts, threshold), 3_000_000
        )
    assert world.governors.council().threshold == 1


def test_the_contract_cannot_govern_itself(world: World) -> None:
    with refused("governors: no account"):
        world.governors.carry_out([changes.change_governors([account(1).address, world.deployment.governors], 1)])


def test_a_change_of_the_council_needs_the_old_council(world: World) -> None:
    govern_by(world, [1, 2, 3], 2)
    takeover = [changes.change_governors([account(3).address], 1)]
    assert world.governors_of(3).propose(takeover).executed_at is None
    assert len(world.governors.council().accounts) == 3
    world.governors_of(2).propose(takeover)
    assert world.governors.council().accounts == (account(3).address.lower(),)


def test_a_members_contract_that_is_none_is_refused(world: World) -> None:
    data = artifacts.load("governors").deployment(account(STRANGER).address, [account(1).address], 1)
    with pytest.raises(TransactionRejectedError):
        world.sender.send("", data, 3_000_000)


def test_an_unchanged_council_leaves_no_event(world: World) -> None:
    topic = artifacts.load("governors").topic("GovernorsChanged")

    def count() -> int:
        return len(world.node.events(world.deployment.governors, [topic], 0, world.node.height()))

    govern_by(world, [1, 2], 1)
    assert count() == 2
    govern_by(world, [1, 2], 1)
    assert count() == 2


def test_a_change_that_fails_is_told_with_its_reason_and_stays_open(world: World) -> None:
    govern_by(world, [1, 2], 2)
    counter = Counter(world)
    identifier, _, _ = approve(world, [counter.call(13)], by=1)
    with refused("counter: thirteen"):
        approve(world, [counter.call(13)], by=2)
    assert world.governors.get(identifier).approvals == 1


def test_a_called_contract_cannot_make_its_own_call_happen_again(world: World) -> None:
    counter = Counter(world)
    calls = [counter.call(1)]
    again = artifacts.load("governors").call("approve", [0, calls])
    counter.call_back(world.deployment.governors, again)
    # As a stranger it is refused; as a governor it gets the answer that all is done.
    approve(world, calls, by=1)
    assert (counter.hits(1), counter.was_refused()) == (1, True)
    world.governors.carry_out([changes.change_governors([account(1).address, counter.place], 1)])
    counter.call_back(world.deployment.governors, artifacts.load("governors").call("approve", [1, calls]))
    approve(world, calls, by=1, number=1)
    assert (counter.hits(1), counter.was_refused()) == (2, False)


def test_approvals_given_to_one_contract_count_on_no_other(world: World) -> None:
    """The id of a proposal is kept by the contract that it is for: approvals do not carry over."""
    data = artifacts.load("governors").deployment(world.deployment.members, [account(1).address, account(2).address], 2)
    second = world.sender.send("", data, 3_000_000)
    counter = Counter(world)
    govern_by(world, [1, 2], 2)
    approve(world, [counter.call(1)], by=1)
    world.deployment = replace(world.deployment, governors=second.contract or "")
    assert approve(world, [counter.call(1)], by=2)[1:] == (1, False)


def _propose(world: World, by: int) -> Proposal:
    return world.governors_of(by).propose([changes.add_member(OTHER, 2)])
