"""The contracts on an in-process EVM: every allowed call beside its forbidden neighbour."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from chain_world import LOG, OTHER, REGISTRY, World, account, new_world, uniform_proof, uniform_root
from hypothesis import given, settings
from hypothesis import strategies as st

from chain import artifacts
from chain.errors import TransactionRejectedError
from chain.ids import department_id, log_id
from contracts import compile as compiling
from verifier.merkle import Frontier, consistency_path, leaf_hash

GOVERNOR, SECOND, THIRD, STRANGER = 1, 2, 3, 9
DEPARTMENT = department_id(OTHER)
KEY = b"\x11" * 32


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One deployment for tests that only ask."""
    world = new_world("memory", tmp_path_factory.mktemp("chain"))
    yield world
    world.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A fresh deployment."""
    world = new_world("memory", tmp_path)
    yield world
    world.close()


def refused(reason: str) -> pytest.RaisesExc[TransactionRejectedError]:
    return pytest.RaisesExc(TransactionRejectedError, check=lambda error: error.reason == reason)


@pytest.mark.parametrize("name", compiling.NAMES)
def test_the_artifact_is_what_the_source_compiles_to(name: str) -> None:
    assert (compiling.ARTIFACTS / f"{name}.json").read_text(encoding="utf-8") == compiling.artifact_text(name)


def test_the_artifact_says_how_it_was_compiled() -> None:
    made = json.loads((compiling.ARTIFACTS / "heads.json").read_text(encoding="utf-8"))
    assert made["compiler"]["version"] == "0.4.3"
    assert made["compiler"]["evm_version"] == "paris"
    assert made["compiler"]["experimental_codegen"] is False


@pytest.mark.parametrize("name", ["heads", "uses"])
def test_the_code_on_the_chain_is_the_artifact_and_its_members_contract(shared: World, name: str) -> None:
    code = shared.node.code(getattr(shared.deployment, name))
    assert code == artifacts.load(name).code(shared.deployment.members)
    assert shared.ask(name, "MEMBERS").lower() == shared.deployment.members.lower()


@pytest.mark.parametrize("name", ["heads", "uses"])
def test_a_members_contract_that_is_none_is_refused(shared: World, name: str) -> None:
    data = artifacts.load(name).deployment(account(STRANGER).address)
    with pytest.raises(TransactionRejectedError):
        shared.sender.send("", data, 3_000_000)


# heads


def test_the_governor_opens_a_log_and_a_stranger_cannot(world: World) -> None:
    another = log_id("another")
    with refused("heads: not the governor"):
        world.call("heads", "open_log", another, account(STRANGER).address, by=STRANGER)
    world.govern("heads", "open_log", another, account(SECOND).address)
    world.govern("heads", "open_log", another, account(SECOND).address)
    with refused("heads: log is open"):
        world.govern("heads", "open_log", another, account(THIRD).address)
    with refused("heads: no log or writer"):
        world.govern("heads", "open_log", log_id("x"), "0x" + "0" * 40)
    assert world.ask("heads", "writer", another) == account(SECOND).address.lower()
    assert world.ask("heads", "head", another) == (0, bytes(32), 0, 0)


def test_only_the_writer_advances_its_log(world: World) -> None:
    with refused("heads: not the writer"):
        world.call("heads", "advance", LOG, 5, uniform_root(5), [], by=SECOND)
    with refused("heads: not the writer"):
        world.call("heads", "advance", log_id("nobody opened"), 5, uniform_root(5), [])
    mined = world.call("heads", "advance", LOG, 5, uniform_root(5), [])
    size, root, block_number, block_time = world.ask("heads", "head", LOG)
    block = world.node.block(mined.block_number)
    assert block is not None
    assert (size, root, block_number, block_time) == (5, uniform_root(5), block.number, int(block.at.timestamp()))


def test_a_replaced_writer_advances_no_more_and_the_head_stays(world: World) -> None:
    world.call("heads", "advance", LOG, 5, uniform_root(5), [])
    with refused("heads: not the governor"):
        world.call("heads", "replace_writer", LOG, account(SECOND).address, by=SECOND)
    with refused("heads: unknown log"):
        world.govern("heads", "replace_writer", log_id("x"), account(SECOND).address)
    with refused("heads: no log or writer"):
        world.govern("heads", "replace_writer", LOG, "0x" + "0" * 40)
    world.govern("heads", "replace_writer", LOG, account(SECOND).address)
    with refused("heads: not the writer"):
        world.call("heads", "advance", LOG, 9, uniform_root(9), uniform_proof(5, 9))
    with refused("heads: contradicts"):
        world.call("heads", "advance", LOG, 5, uniform_root(4), [], by=SECOND)
    world.call("heads", "advance", LOG, 9, uniform_root(9), uniform_proof(5, 9), by=SECOND)
    assert world.ask("heads", "head", LOG)[0] == 9


def test_the_first_head_is_not_empty_and_has_no_proof(world: World) -> None:
    with refused("heads: size"):
        world.call("heads", "advance", LOG, 0, bytes(32), [])
    with refused("heads: size"):
        world.call("heads", "advance", LOG, 2**63, uniform_root(2), [])
    with refused("heads: first head has no proof"):
        world.call("heads", "advance", LOG, 5, uniform_root(5), [uniform_root(1)])
    world.call("heads", "advance", LOG, 2**63 - 1, uniform_root(2**63 - 1), [])


def test_a_repeated_or_late_head_changes_nothing_and_gets_the_present_size(world: World) -> None:
    world.call("heads", "advance", LOG, 5, uniform_root(5), [])
    world.call("heads", "advance", LOG, 9, uniform_root(9), uniform_proof(5, 9))
    before = world.ask("heads", "head", LOG)
    for size, root, proof in ((9, uniform_root(9), []), (5, uniform_root(5), []), (1, b"\xff" * 32, []), (0, KEY, [])):
        assert world.ask("heads", "advance", LOG, size, root, proof, by=GOVERNOR) == 9
        world.call("heads", "advance", LOG, size, root, proof)
    assert world.ask("heads", "head", LOG) == before
    with refused("heads: contradicts"):
        world.call("heads", "advance", LOG, 9, uniform_root(8), [])


def test_a_head_that_does_not_contain_the_old_one_is_refused(world: World) -> None:
    world.call("heads", "advance", LOG, 5, uniform_root(5), [])
    forged = Frontier().append_many([leaf_hash(b"another past")] * 9).root()
    with refused("heads: inconsistent"):
        world.call("heads", "advance", LOG, 9, forged, uniform_proof(5, 9))
    with refused("heads: inconsistent"):
        world.call("heads", "advance", LOG, 9, uniform_root(9), [])
    with refused("heads: inconsistent"):
        world.call("heads", "advance", LOG, 9, uniform_root(9), uniform_proof(4, 9))
    world.call("heads", "advance", LOG, 9, uniform_root(9), uniform_proof(5, 9))


LEAVES = [leaf_hash(number.to_bytes(4)) for number in range(40)]
ROOTS = [Frontier().append_many(LEAVES[:size]).root() for size in range(41)]


def _node_at(level: int, index: int) -> bytes:
    return Frontier().append_many(LEAVES[index << level : (index + 1) << level]).root()


def test_the_contract_accepts_the_proof_of_every_pair_of_sizes(shared: World) -> None:
    for size in range(2, 41):
        for old_size in range(1, size):
            proof = consistency_path(old_size, size, _node_at)
            shared.ask("heads", "check_consistency", old_size, size, ROOTS[old_size], ROOTS[size], proof)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_one_wrong_bit_or_hash_is_refused(shared: World, data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 40))
    old_size = data.draw(st.integers(1, size - 1))
    hashes = [ROOTS[old_size], ROOTS[size], *consistency_path(old_size, size, _node_at)]
    place = data.draw(st.integers(0, len(hashes) - 1))
    match data.draw(st.sampled_from(["flip", "drop", "insert", "swap"])):
        case "flip":
            bit = data.draw(st.integers(0, 255))
            hashes[place] = (int.from_bytes(hashes[place]) ^ (1 << bit)).to_bytes(32)
        case "drop" if place >= 2:
            del hashes[place]
        case "insert":
            hashes.insert(max(place, 2), hashes[place])
        case _:
            hashes[0], hashes[1] = hashes[1], hashes[0]
    with refused("heads: inconsistent"):
        shared.ask("heads", "check_consistency", old_size, size, hashes[0], hashes[1], hashes[2:])


@settings(max_examples=80, deadline=None)
@given(old_size=st.integers(1, 2**63 - 2), growth=st.integers(1, 2**63))
def test_the_contract_accepts_proofs_of_any_size(shared: World, old_size: int, growth: int) -> None:
    size = min(old_size + growth, 2**63 - 1)
    proof = uniform_proof(old_size, size)
    shared.ask("heads", "check_consistency", old_size, size, uniform_root(old_size), uniform_root(size), proof)


@pytest.mark.parametrize("sizes", [(0, 5), (5, 5), (6, 5), (1, 2**63)])
def test_sizes_out_of_order_are_refused(shared: World, sizes: tuple[int, int]) -> None:
    with refused("heads: size"):
        shared.ask("heads", "check_consistency", *sizes, uniform_root(5), uniform_root(5), [])


# uses

ITEM, FIRST, LATER = b"\x33" * 32, b"\x44" * 32, b"\x55" * 32


def test_the_first_use_wins_and_every_later_one_gets_its_record(world: World) -> None:
    world.govern("members", "add", DEPARTMENT, 3, account(SECOND).address)
    assert world.ask("uses", "first_use", ITEM) == (bytes(32), bytes(32), 0)
    mined = world.call("uses", "consume", ITEM, FIRST)
    block = world.node.block(mined.block_number)
    assert block is not None
    record = (department_id(REGISTRY), FIRST, int(block.at.timestamp()))
    assert world.ask("uses", "consume", ITEM, LATER, by=SECOND) == record
    world.call("uses", "consume", ITEM, LATER, by=SECOND)
    world.call("uses", "consume", ITEM, FIRST)
    assert world.ask("uses", "first_use", ITEM) == record
    assert world.ask("uses", "first_block", ITEM) == mined.block_number


def test_only_an_active_member_uses(world: World) -> None:
    with refused("uses: not an active member"):
        world.call("uses", "consume", ITEM, FIRST, by=SECOND)
    world.govern("members", "add", DEPARTMENT, 3, account(SECOND).address)
    world.call("uses", "consume", ITEM, FIRST, by=SECOND)
    world.govern("members", "suspend", DEPARTMENT)
    with refused("uses: not an active member"):
        world.call("uses", "consume", LATER, FIRST, by=SECOND)
    with refused("uses: not an active member"):
        world.call("uses", "consume", ITEM, FIRST, by=SECOND)
    assert world.ask("uses", "first_use", ITEM)[0] == DEPARTMENT


def test_a_first_use_stays_that_of_the_department_whose_account_was_rotated(world: World) -> None:
    world.govern("members", "add", DEPARTMENT, 3, account(SECOND).address)
    world.call("uses", "consume", ITEM, FIRST, by=SECOND)
    world.govern("members", "rotate", DEPARTMENT, account(THIRD).address)
    assert world.ask("uses", "first_use", ITEM)[:2] == (DEPARTMENT, FIRST)
    with refused("uses: not an active member"):
        world.call("uses", "consume", LATER, FIRST, by=SECOND)
    world.call("uses", "consume", LATER, FIRST, by=THIRD)
