"""Anchors, first uses and members: the same stories on eth-tester, the embedded chain and go-ethereum.

What happens at the same moment is told on four validators too, where a block is not final at once.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from chain_world import (
    LOG,
    NOON,
    OTHER,
    REGISTRY,
    World,
    account,
    former_deployment,
    memory_node,
    new_world,
    uniform_proof,
    uniform_root,
)

from chain import artifacts, changes
from chain.anchors import ChainAnchors
from chain.changes import Action, MemberState, Scope, Window
from chain.deployment import deploy_or_check
from chain.errors import (
    AwaitingGovernorsError,
    ChainUnavailableError,
    TransactionRejectedError,
    WrongContractError,
)
from chain.ids import department_code, department_id, log_id
from chain.members import ChainMembers
from chain.outbox import Outbox
from chain.record import Deployment, check
from chain.sender import Patience, Sender
from chain.uses import ChainFirstUses

pytest_plugins = ["network_stage"]

ITEM, OURS, THEIRS = b"\x33" * 32, b"\x44" * 32, b"\x55" * 32


_ON_GETH = {"geth": "lone_world", "network": "network_world_on_four"}


@pytest.fixture(params=["memory", "file", "geth"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    on_geth = _ON_GETH.get(request.param)
    world = request.getfixturevalue(on_geth) if on_geth else new_world(request.param, tmp_path)
    yield world
    world.close()


also_on_four_validators = pytest.mark.parametrize("world", ["memory", "file", "geth", "network"], indirect=True)


def refused(reason: str) -> pytest.RaisesExc[TransactionRejectedError]:
    return pytest.RaisesExc(TransactionRejectedError, check=lambda error: error.reason == reason)


# anchors


def test_a_head_is_anchored_and_found_again(world: World) -> None:
    assert world.anchors.latest() is None
    assert world.anchors.find(5, uniform_root(5)) is None
    anchor = world.anchors.anchor(5, uniform_root(5), 0, [])
    assert (anchor.size, anchor.root, anchor.log_id) == (5, uniform_root(5), LOG)
    assert (anchor.chain_id, anchor.contract) == (world.node.chain_id(), world.deployment.heads)
    block = world.node.block(anchor.block_number)
    assert block is not None
    assert (anchor.block_hash, anchor.block_at) == (block.hash, block.at)
    assert anchor.block_at.tzinfo is UTC
    mined = world.node.mined(anchor.transaction_hash)
    assert mined is not None
    assert mined.block_hash == anchor.block_hash
    assert world.anchors.find(5, uniform_root(5)) == anchor
    assert world.anchors.latest() == (5, uniform_root(5))


@also_on_four_validators
def test_anchoring_a_head_again_sends_nothing_and_gives_the_same_anchor(world: World) -> None:
    anchor = world.anchors.anchor(5, uniform_root(5), 0, [])
    sent = world.sent()
    assert world.anchors.anchor(5, uniform_root(5), 0, []) == anchor
    world.anchors.anchor(9, uniform_root(9), 5, uniform_proof(5, 9))
    assert world.anchors.anchor(5, uniform_root(5), 0, []) == anchor
    assert world.sent() == sent + 1


def test_every_head_ever_anchored_is_found(world: World) -> None:
    sizes = [1, 2, 7, 8, 9, 1000]
    anchors = []
    for old_size, size in zip([0, *sizes], sizes, strict=False):
        proof = uniform_proof(old_size, size) if old_size else []
        anchors.append(world.anchors.anchor(size, uniform_root(size), old_size, proof))
    assert [world.anchors.find(size, uniform_root(size)) for size in sizes] == anchors
    assert world.anchors.find(50, uniform_root(50)) is None
    assert world.anchors.find(8, uniform_root(9)) is None
    assert world.anchors.find(1001, uniform_root(1001)) is None
    assert world.anchors.find(0, bytes(32)) is None


def test_a_head_that_contradicts_the_chain_is_refused(world: World) -> None:
    world.anchors.anchor(5, uniform_root(5), 0, [])
    with refused("heads: contradicts"):
        world.anchors.anchor(5, uniform_root(4), 0, [])


def test_a_head_that_was_passed_by_is_refused(world: World) -> None:
    world.anchors.anchor(9, uniform_root(9), 0, [])
    with refused("heads: passed by") as caught:
        world.anchors.anchor(7, uniform_root(7), 5, uniform_proof(5, 7))
    assert caught.value.evidence["size"] == 9


def test_a_proof_from_another_head_or_with_a_wrong_bit_is_refused(world: World) -> None:
    world.anchors.anchor(5, uniform_root(5), 0, [])
    with refused("heads: proof from another head"):
        world.anchors.anchor(9, uniform_root(9), 4, uniform_proof(4, 9))
    proof = uniform_proof(5, 9)
    proof[0] = bytes([proof[0][0] ^ 1]) + proof[0][1:]
    sent = world.sent()
    with refused("heads: inconsistent"):
        world.anchors.anchor(9, uniform_root(9), 5, proof)
    # The dry run told; nothing was signed.
    assert world.sent() == sent
    assert world.anchors.anchor(9, uniform_root(9), 5, uniform_proof(5, 9)).size == 9


def test_logs_of_one_contract_do_not_see_each_other(world: World) -> None:
    world.govern("heads", "open_log", log_id("another"), world.sender.address)
    other = ChainAnchors(world.node, world.sender, world.deployment, log_id("another"))
    world.anchors.anchor(5, uniform_root(5), 0, [])
    assert other.latest() is None
    assert other.find(5, uniform_root(5)) is None
    assert other.anchor(3, uniform_root(3), 0, []).log_id == log_id("another")
    assert world.anchors.latest() == (5, uniform_root(5))


# first uses


def test_the_first_use_wins_and_the_loser_learns_who_was_first(world: World) -> None:
    world.members.add(OTHER, 3, world.account(2).address)
    theirs = ChainFirstUses(world.node, world.sender_of(2), world.deployment)
    assert world.uses.find(ITEM) is None
    won = world.uses.consume(ITEM, OURS)
    assert (won.by, won.commitment) == (REGISTRY, OURS)
    assert abs(won.at - world.node.newest().at) < timedelta(seconds=10)
    sent = world.sent()
    assert theirs.consume(ITEM, THEIRS) == won
    assert world.uses.consume(ITEM, OURS) == won
    assert world.sent() == sent


@also_on_four_validators
def test_of_two_registries_at_the_same_moment_exactly_one_wins(world: World) -> None:
    world.members.add(OTHER, 3, world.account(2).address)
    theirs = ChainFirstUses(world.node, world.sender_of(2), world.deployment)
    answers = _together(
        *(lambda item=item: world.uses.consume(item, OURS) for item in _items(6)),
        *(lambda item=item: theirs.consume(item, THEIRS) for item in _items(6)),
    )
    ours, others = answers[:6], answers[6:]
    assert ours == others
    assert [world.uses.find(item) for item in _items(6)] == ours


def test_an_account_that_is_no_member_cannot_use(world: World) -> None:
    stranger = ChainFirstUses(world.node, world.sender_of(9), world.deployment)
    with refused("uses: not an active member"):
        stranger.consume(ITEM, THEIRS)
    world.members.add(OTHER, 3, world.account(9).address)
    assert stranger.consume(ITEM, THEIRS).by == OTHER


@also_on_four_validators
def test_concurrent_senders_of_one_account_each_get_a_nonce_of_their_own(world: World) -> None:
    before = world.node.next_nonce(world.sender.address)
    answers = _together(*(lambda item=item: world.uses.consume(item, OURS) for item in _items(20)))
    assert all(answer.commitment == OURS for answer in answers)
    assert world.node.next_nonce(world.sender.address) == before + 20
    assert world.outboxes[1].count_open() == 0


# members


def test_members_are_read_back_with_their_whole_history(world: World) -> None:
    assert world.members.find(OTHER) is None
    world.members.add(OTHER, 3, world.account(2).address)
    world.members.suspend(OTHER)
    world.members.reinstate(OTHER)
    world.members.rotate(OTHER, None)
    history = world.members.history(OTHER)
    assert [(one.level, one.state) for one in history] == [
        (3, MemberState.ACTIVE),
        (3, MemberState.SUSPENDED),
        (3, MemberState.ACTIVE),
        (3, MemberState.ACTIVE),
    ]
    assert history[-1].account is None
    assert world.members.find(OTHER) == history[-1]
    assert world.members.find_active(world.account(2).address) is None
    assert world.members.find_active(world.sender.address) == REGISTRY


def test_keys_and_scopes_are_read_back(world: World) -> None:
    world.members.add(OTHER, 3)
    year = Window(NOON, NOON + timedelta(days=365))
    world.members.add_key(OTHER, b"\x01" * 32, year)
    world.members.rotate_key(OTHER, b"\x01" * 32, b"\x02" * 32, Window(NOON + timedelta(days=10), None))
    assert world.members.keys(OTHER) == {
        b"\x01" * 32: Window(NOON, NOON + timedelta(days=10)),
        b"\x02" * 32: Window(NOON + timedelta(days=10), None),
    }
    world.members.end_key(OTHER, b"\x02" * 32, NOON + timedelta(days=20))
    assert world.members.keys(OTHER)[b"\x02" * 32].not_after_at == NOON + timedelta(days=20)
    world.members.grant_scope(OTHER, "type", Scope(Action.ISSUE | Action.USE, year))
    assert world.members.is_in_scope(OTHER, "type", Action.USE, NOON)
    assert not world.members.is_in_scope(OTHER, "type", Action.USE, NOON - timedelta(seconds=1))
    world.members.end_scope(OTHER, "type", 0, NOON + timedelta(days=1))
    assert world.members.scopes(OTHER, "type") == [
        Scope(Action.ISSUE | Action.USE, Window(NOON, NOON + timedelta(days=1)))
    ]


def test_a_signature_is_judged_by_the_keys_and_the_standing_of_its_time(world: World) -> None:
    key, later = b"\x01" * 32, NOON + timedelta(days=400)
    world.members.add(OTHER, 3)
    since = world.members.history(OTHER)[0].since_at
    world.members.add_key(OTHER, key, Window(since - timedelta(days=1), None))
    assert world.members.signer_at(key, since) == OTHER
    # Before the department was added it had no say, whatever the window of its key.
    assert world.members.signer_at(key, since - timedelta(seconds=1)) is None
    world.members.end_key(OTHER, key, since + timedelta(days=2))
    assert world.members.signer_at(key, since + timedelta(days=1)) == OTHER
    assert world.members.signer_at(key, since + timedelta(days=2)) is None
    # What a department signed stays signed after it was suspended; what it signs then does not count.
    world.members.end_key(OTHER, key, since + timedelta(seconds=1))
    world.members.suspend(OTHER)
    assert world.members.state_at(OTHER, later) is MemberState.SUSPENDED
    assert world.members.signer_at(key, later) is None
    assert world.members.signer_at(b"\x09" * 32, since) is None
    # Stolen already before: the window is ended backwards, and what the thief signed falls.
    world.members.end_key(OTHER, key, since - timedelta(hours=1))
    assert world.members.signer_at(key, since) is None


def test_scopes_as_they_were_granted_are_found_after_they_were_ended(world: World) -> None:
    world.members.add(OTHER, 3)
    year = Scope(Action.ISSUE, Window(NOON, NOON + timedelta(days=365)))
    world.members.grant_scope(OTHER, "type", year)
    world.members.end_scope(OTHER, "type", 0, NOON + timedelta(days=1))
    assert world.members.granted(OTHER, "type") == [year]
    assert world.members.granted(OTHER, "another") == []


def test_only_the_governor_changes_members(world: World) -> None:
    theirs = ChainMembers(world.node, world.sender_of(2), world.deployment)
    with refused("governors: not an active member"):
        theirs.add(OTHER, 3)
    world.members.add(OTHER, 3)


@pytest.mark.parametrize("code", [REGISTRY, OTHER, "x", "a" * 32])
def test_a_department_code_reads_the_same_from_the_chain(code: str) -> None:
    assert department_code(department_id(code)) == code


@pytest.mark.parametrize("code", ["", "a" * 33, "长宁", "a\n"])
def test_a_code_that_does_not_fit_is_refused(code: str) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        department_id(code)


# deployment


def test_a_second_start_deploys_nothing(world: World) -> None:
    sent = world.sent()
    file = world.folder / "deployment.json"
    again = deploy_or_check(world.node, world.sender, file, LOG, REGISTRY)
    assert again == world.deployment
    assert world.sent() == sent


def test_contracts_are_deployed_once_even_if_the_record_was_lost(world: World) -> None:
    file = world.folder / "deployment.json"
    file.unlink()
    sent = world.sent()
    again = deploy_or_check(world.node, world.sender, file, LOG, REGISTRY)
    assert replace(again, first_block=world.deployment.first_block) == world.deployment
    assert world.sent() == sent


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("chain_id", 1),
        ("genesis", "ab" * 32),
        ("members_code", "cd" * 32),
        ("heads_code", "cd" * 32),
        ("uses", "0x" + "5" * 40),
    ],
)
def test_another_chain_or_code_than_recorded_is_named_with_both_values(world: World, field: str, value: object) -> None:
    check(world.node, world.deployment)
    with pytest.raises(WrongContractError) as caught:
        check(world.node, replace(world.deployment, **{field: value}))
    assert caught.value.expected in str(caught.value)
    assert caught.value.found in str(caught.value)
    assert caught.value.expected != caught.value.found


def test_another_contract_in_the_place_of_ours_is_recognised_even_if_the_record_agrees(world: World) -> None:
    """Someone who can write the record cannot pass off other code: it is compared with what was compiled."""
    impostor = world.sender.send("", artifacts.load("uses").deployment(world.deployment.members), 3_000_000)
    forged = replace(world.deployment, heads=impostor.contract, heads_code=world.deployment.uses_code)
    with pytest.raises(WrongContractError):
        check(world.node, forged)


def test_a_folder_of_the_first_version_gets_what_it_lacks_and_keeps_what_it_has(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """There the account that deployed the contracts governed them itself; now it is one governor of one."""
    node = memory_node()
    sender = Sender(node, account(1), Outbox(tmp_path / "outbox.db"), Patience(timeout_seconds=5, poll_seconds=0.01))
    request.addfinalizer(node.close)
    recorded = former_deployment(node, sender, tmp_path / "deployment.json")
    with pytest.raises(WrongContractError, match="启动一次登记系统"):
        Deployment.read(tmp_path / "deployment.json")
    deployment = deploy_or_check(node, sender, tmp_path / "deployment.json", LOG, REGISTRY)
    assert {name: getattr(deployment, name) for name in recorded} == recorded
    members = ChainMembers(node, sender, deployment)
    assert members.find_active(sender.address) == REGISTRY
    members.add(OTHER, 3)
    with refused("members: not the governor"):
        call = artifacts.load("members").call("suspend", [department_id(OTHER)])
        sender.send(deployment.members, call, 500_000)
    height = node.height()
    assert deploy_or_check(node, sender, tmp_path / "deployment.json", LOG, REGISTRY) == deployment
    assert node.height() == height


def test_a_registry_that_does_not_govern_waits_until_it_is_let_in(world: World) -> None:
    file = world.folder / "theirs.json"
    world.deployment.write(file)
    with pytest.raises(ChainUnavailableError, match="suizheng governance propose join") as waiting:
        deploy_or_check(world.node, world.sender_of(2), file, log_id("theirs"), OTHER)
    assert waiting.value.reason == "not_joined"
    address = world.sender_of(2).address
    world.governors.carry_out([changes.open_log(log_id("theirs"), address), changes.add_member(OTHER, 2, address)])
    deploy_or_check(world.node, world.sender_of(2), file, log_id("theirs"), OTHER)
    assert world.members.find_active(address) == OTHER


def test_a_registry_that_governs_with_others_waits_for_them(world: World) -> None:
    file = world.folder / "theirs.json"
    world.deployment.write(file)
    council = [world.account(1).address, world.account(2).address]
    world.governors.carry_out([changes.change_governors(council, 2)])
    with pytest.raises(AwaitingGovernorsError, match="1/2"):
        deploy_or_check(world.node, world.sender_of(2), file, log_id("theirs"), OTHER)
    (proposal,) = world.governors.open_proposals()
    world.governors.approve(proposal.id)
    deploy_or_check(world.node, world.sender_of(2), file, log_id("theirs"), OTHER)
    assert ChainAnchors(world.node, world.sender_of(2), world.deployment, log_id("theirs")).latest() is None


def test_a_record_that_cannot_be_read_stops_the_start(world: World) -> None:
    file = world.folder / "deployment.json"
    file.write_text("{", encoding="utf-8")
    with pytest.raises(WrongContractError):
        Deployment.read(file)
    file.write_text("{}", encoding="utf-8")
    with pytest.raises(WrongContractError):
        deploy_or_check(world.node, world.sender, file, LOG, REGISTRY)


def _items(count: int) -> list[bytes]:
    return [number.to_bytes(32) for number in range(1, count + 1)]


def _together(*acts: object) -> list[object]:
    """What each act returned, all started at the same moment."""
    gate, answers = threading.Barrier(len(acts)), [None] * len(acts)

    def run(place: int) -> None:
        gate.wait()
        answers[place] = acts[place]()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
