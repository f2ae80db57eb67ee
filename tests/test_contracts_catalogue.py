"""The catalogue contract on an in-process EVM: who publishes what, and that no version is replaced or left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chain_world import OTHER, REGISTRY, World, account, new_world

from chain import artifacts, changes
from chain.catalogue import ChainCatalogue
from chain.changes import EntryKind
from chain.errors import TransactionRejectedError

SECOND, STRANGER = 2, 9
FOOD = "11100000MB0341032Y001"
OURS, THEIRS = f"{REGISTRY}001", f"{OTHER}001"
ONE, TWO = b"\x11" * 32, b"\x22" * 32


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A fresh deployment; account 2 acts for another department."""
    world = new_world("memory", tmp_path)
    world.members.add(OTHER, 2, account(SECOND).address)
    yield world
    world.close()


def refused(reason: str) -> pytest.RaisesExc[TransactionRejectedError]:
    return pytest.RaisesExc(TransactionRejectedError, check=lambda error: error.reason == reason)


def test_a_version_is_published_once_with_the_time_of_its_block(world: World) -> None:
    assert world.catalogue.find(EntryKind.TYPE, FOOD, 1) is None
    world.catalogue.publish(EntryKind.TYPE, FOOD, 1, ONE)
    found = world.catalogue.find(EntryKind.TYPE, FOOD, 1)
    assert found is not None
    block = world.node.block(found.block_number)
    assert block is not None
    assert (found.digest, found.at, found.account) == (ONE, block.at, world.deployment.governors.lower())
    assert world.catalogue.newest(EntryKind.TYPE, FOOD) == 1
    world.catalogue.publish(EntryKind.TYPE, FOOD, 1, ONE)
    assert world.catalogue.find(EntryKind.TYPE, FOOD, 1) == found


def test_another_content_of_a_published_version_is_refused(world: World) -> None:
    world.catalogue.publish(EntryKind.TYPE, FOOD, 1, ONE)
    world.catalogue.publish(EntryKind.TYPE, FOOD, 2, TWO)
    for version, digest in ((1, TWO), (2, ONE)):
        with refused("catalogue: differs"):
            world.catalogue.publish(EntryKind.TYPE, FOOD, version, digest)
    assert [one.digest for one in world.catalogue.history(EntryKind.TYPE, FOOD)] == [ONE, TWO]


@pytest.mark.parametrize("version", [0, 2, 3, 2**256 - 1])
def test_no_version_is_left_out(world: World, version: int) -> None:
    with refused("catalogue: leaves versions out"):
        world.catalogue.publish(EntryKind.TYPE, FOOD, version, ONE)
    world.catalogue.publish(EntryKind.TYPE, FOOD, 1, ONE)
    world.catalogue.publish(EntryKind.TYPE, FOOD, 2, TWO)


def test_the_same_code_of_another_kind_is_another_entry(world: World) -> None:
    for kind in EntryKind:
        world.catalogue.publish(kind, FOOD, 1, bytes([kind]) * 32)
    found = [world.catalogue.find(kind, FOOD, 1) for kind in EntryKind]
    assert [one and one.digest for one in found] == [bytes([kind]) * 32 for kind in EntryKind]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((0, FOOD, 1, ONE), "catalogue: kind"),
        ((6, FOOD, 1, ONE), "catalogue: kind"),
        ((1, FOOD, 1, bytes(32)), "catalogue: no code or digest"),
    ],
)
def test_what_is_no_entry_is_refused(world: World, arguments: tuple[int, str, int, bytes], reason: str) -> None:
    kind, code, version, digest = arguments
    with refused(reason):
        world.govern("catalogue", "publish", kind, code.encode().ljust(32, b"\0"), version, digest)
    with refused("catalogue: no code or digest"):
        world.govern("catalogue", "publish", 1, bytes(32), 1, ONE)


def test_a_department_publishes_its_own_entries_and_no_others(world: World) -> None:
    theirs = ChainCatalogue(world.node, world.sender_of(SECOND), world.deployment)
    theirs.publish_own(EntryKind.DUTIES, THEIRS, 1, ONE)
    theirs.publish_own(EntryKind.DUTIES, THEIRS, 1, ONE)
    theirs.publish_own(EntryKind.DUTIES, OTHER, 1, ONE)
    for code in (OURS, FOOD, OTHER[:-1], "X"):
        with refused("catalogue: not its department"):
            theirs.publish_own(EntryKind.DUTIES, code, 1, ONE)
    found = theirs.find(EntryKind.DUTIES, THEIRS, 1)
    assert found is not None
    assert found.account == account(SECOND).address.lower()
    # The governors publish any entry, also the next version of one that a department began.
    world.catalogue.publish(EntryKind.DUTIES, THEIRS, 2, TWO)
    assert theirs.newest(EntryKind.DUTIES, THEIRS) == 2


def test_who_is_no_active_member_publishes_nothing(world: World) -> None:
    theirs = ChainCatalogue(world.node, world.sender_of(SECOND), world.deployment)
    stranger = ChainCatalogue(world.node, world.sender_of(STRANGER), world.deployment)
    with refused("catalogue: not an active member"):
        stranger.publish_own(EntryKind.DATA, THEIRS, 1, ONE)
    world.members.suspend(OTHER)
    with refused("catalogue: not an active member"):
        theirs.publish_own(EntryKind.DATA, THEIRS, 1, ONE)
    world.members.reinstate(OTHER)
    theirs.publish_own(EntryKind.DATA, THEIRS, 1, ONE)


def test_a_department_whose_code_has_another_length_owns_nothing_by_it(world: World) -> None:
    """Else a department with a longer code could publish for the one whose code its own begins with."""
    world.members.add(f"{REGISTRY}001", 3, account(3).address)
    sly = ChainCatalogue(world.node, world.sender_of(3), world.deployment)
    with refused("catalogue: not its department"):
        sly.publish_own(EntryKind.DATA, OURS, 1, ONE)


def test_a_members_contract_that_is_none_is_refused(world: World) -> None:
    with pytest.raises(TransactionRejectedError):
        world.sender.send("", artifacts.load("catalogue").deployment(account(STRANGER).address), 3_000_000)


def test_types_of_a_first_start_go_out_in_one_proposal(world: World) -> None:
    height = world.node.height()
    world.governors.carry_out([changes.publish(EntryKind.TYPE, f"T{number}", 1, ONE) for number in range(16)])
    assert world.node.height() == height + 1
