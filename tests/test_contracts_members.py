"""The members contract on an in-process EVM: every allowed call beside its forbidden neighbour."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chain_world import OTHER, REGISTRY, World, account, new_world

from chain.errors import TransactionRejectedError
from chain.ids import department_id, log_id, type_hash

GOVERNOR, SECOND, THIRD, STRANGER = 1, 2, 3, 9
DEPARTMENT = department_id(OTHER)
TYPE = type_hash("11100000000013338W001")
KEY, NEXT_KEY = b"\x11" * 32, b"\x22" * 32


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A fresh deployment."""
    world = new_world("memory", tmp_path)
    yield world
    world.close()


def refused(reason: str) -> pytest.RaisesExc[TransactionRejectedError]:
    return pytest.RaisesExc(TransactionRejectedError, check=lambda error: error.reason == reason)


def test_the_governor_adds_a_department_and_a_stranger_cannot(world: World) -> None:
    with refused("members: not the governor"):
        world.call("members", "add", DEPARTMENT, 3, account(SECOND).address, by=STRANGER)
    world.govern("members", "add", DEPARTMENT, 3, account(SECOND).address)
    level, state, acts_with, since = world.ask("members", "standing", DEPARTMENT)
    assert (level, state, acts_with) == (3, 1, account(SECOND).address.lower())
    assert since > 0
    assert world.ask("members", "active_department", account(SECOND).address) == DEPARTMENT


def test_adding_twice_is_a_no_op_and_adding_otherwise_is_refused(world: World) -> None:
    world.govern("members", "add", DEPARTMENT, 3, account(SECOND).address)
    world.govern("members", "add", DEPARTMENT, 3, account(SECOND).address)
    assert world.ask("members", "standing_count", DEPARTMENT) == 1
    with refused("members: differs"):
        world.govern("members", "add", DEPARTMENT, 4, account(SECOND).address)
    with refused("members: differs"):
        world.govern("members", "add", DEPARTMENT, 3, account(THIRD).address)


def test_a_level_has_eight_bits_and_a_department_has_a_name(world: World) -> None:
    world.govern("members", "add", DEPARTMENT, 255, account(SECOND).address)
    with refused("members: level"):
        world.govern("members", "add", department_id("x"), 256, account(THIRD).address)
    with refused("members: no department"):
        world.govern("members", "add", bytes(32), 1, account(THIRD).address)


def test_a_department_without_an_account_is_a_member_that_does_not_act(world: World) -> None:
    nobody = "0x" + "0" * 40
    world.govern("members", "add", DEPARTMENT, 3, nobody)
    world.govern("members", "add", department_id("x"), 3, nobody)
    assert world.ask("members", "standing", DEPARTMENT)[1] == 1
    assert world.ask("members", "active_department", nobody) == bytes(32)


def test_a_suspended_department_does_not_act_until_it_is_reinstated(world: World) -> None:
    world.govern("members", "add", DEPARTMENT, 3, account(SECOND).address)
    for forbidden in ("suspend", "reinstate"):
        with refused("members: not the governor"):
            world.call("members", forbidden, DEPARTMENT, by=SECOND)
        with refused("members: unknown department"):
            world.govern("members", forbidden, department_id("x"))
    world.govern("members", "suspend", DEPARTMENT)
    world.govern("members", "suspend", DEPARTMENT)
    assert world.ask("members", "active_department", account(SECOND).address) == bytes(32)
    world.govern("members", "reinstate", DEPARTMENT)
    assert world.ask("members", "active_department", account(SECOND).address) == DEPARTMENT
    history = [world.ask("members", "past_standing", DEPARTMENT, step)[1] for step in range(3)]
    assert history == [1, 2, 1]
    with refused("members: no such step"):
        world.ask("members", "past_standing", DEPARTMENT, 3)


def test_a_rotated_account_acts_no_more_and_can_never_act_for_another(world: World) -> None:
    world.govern("members", "add", DEPARTMENT, 3, account(SECOND).address)
    with refused("members: not the governor"):
        world.call("members", "rotate", DEPARTMENT, account(THIRD).address, by=SECOND)
    with refused("members: account taken"):
        world.govern("members", "rotate", DEPARTMENT, account(GOVERNOR).address)
    world.govern("members", "rotate", DEPARTMENT, account(THIRD).address)
    assert world.ask("members", "active_department", account(SECOND).address) == bytes(32)
    assert world.ask("members", "active_department", account(THIRD).address) == DEPARTMENT
    assert world.ask("members", "department_of", account(SECOND).address) == DEPARTMENT
    with refused("members: account taken"):
        world.govern("members", "add", department_id("x"), 1, account(SECOND).address)
    world.govern("members", "rotate", DEPARTMENT, account(SECOND).address)
    assert world.ask("members", "active_department", account(SECOND).address) == DEPARTMENT


def test_a_suspended_department_stays_suspended_when_its_account_is_rotated(world: World) -> None:
    world.govern("members", "add", DEPARTMENT, 3, account(SECOND).address)
    world.govern("members", "suspend", DEPARTMENT)
    world.govern("members", "rotate", DEPARTMENT, account(THIRD).address)
    assert world.ask("members", "active_department", account(THIRD).address) == bytes(32)


def test_the_governor_hands_over_only_to_one_that_accepts(world: World) -> None:
    with refused("members: not the governor"):
        world.call("members", "propose_governor", account(SECOND).address, by=SECOND)
    world.govern("members", "propose_governor", account(SECOND).address)
    with refused("members: not the proposed governor"):
        world.call("members", "accept_governor", by=STRANGER)
    world.govern("members", "add", DEPARTMENT, 3, account(SECOND).address)
    world.call("members", "accept_governor", by=SECOND)
    world.call("members", "suspend", DEPARTMENT, by=SECOND)
    with refused("members: not the governor"):
        world.govern("members", "reinstate", DEPARTMENT)
    # The other contracts follow at once: they ask members who governs.
    world.call("heads", "open_log", log_id("another"), account(THIRD).address, by=SECOND)
    with refused("heads: not the governor"):
        world.govern("heads", "open_log", log_id("a third"), account(THIRD).address)


def test_a_key_has_one_window_that_only_shrinks(world: World) -> None:
    with refused("members: unknown department"):
        world.govern("members", "add_key", DEPARTMENT, KEY, 100, 200)
    world.govern("members", "add", DEPARTMENT, 3, account(SECOND).address)
    with refused("members: not the governor"):
        world.call("members", "add_key", DEPARTMENT, KEY, 100, 200, by=SECOND)
    world.govern("members", "add_key", DEPARTMENT, KEY, 100, 200)
    world.govern("members", "add_key", DEPARTMENT, KEY, 100, 200)
    assert world.ask("members", "key_window", KEY) == (100, 200)
    assert world.ask("members", "key_count", DEPARTMENT) == 1
    with refused("members: key differs"):
        world.govern("members", "add_key", DEPARTMENT, KEY, 100, 201)
    with refused("members: key differs"):
        world.govern("members", "add_key", department_id(REGISTRY), KEY, 100, 200)
    with refused("members: extends"):
        world.govern("members", "end_key", DEPARTMENT, KEY, 201)
    world.govern("members", "end_key", DEPARTMENT, KEY, 50)
    assert world.ask("members", "key_window", KEY) == (100, 50)
    with refused("members: unknown key"):
        world.govern("members", "end_key", DEPARTMENT, NEXT_KEY, 50)
    with refused("members: unknown key"):
        world.govern("members", "end_key", bytes(32), NEXT_KEY, 0)


def test_a_rotated_key_ends_where_the_next_begins(world: World) -> None:
    world.govern("members", "add", DEPARTMENT, 3, account(SECOND).address)
    world.govern("members", "add_key", DEPARTMENT, KEY, 100, 500)
    with refused("members: not the governor"):
        world.call("members", "rotate_key", DEPARTMENT, KEY, NEXT_KEY, 300, 900, by=SECOND)
    world.govern("members", "rotate_key", DEPARTMENT, KEY, NEXT_KEY, 300, 900)
    world.govern("members", "rotate_key", DEPARTMENT, KEY, NEXT_KEY, 300, 900)
    assert world.ask("members", "key_window", KEY) == (100, 300)
    assert world.ask("members", "key_window", NEXT_KEY) == (300, 900)
    assert [world.ask("members", "key_at", DEPARTMENT, place) for place in range(2)] == [KEY, NEXT_KEY]


@pytest.mark.parametrize("window", [(200, 200), (200, 100), (0, 2**64)])
def test_a_window_that_is_empty_or_too_long_is_refused(world: World, window: tuple[int, int]) -> None:
    world.govern("members", "add", DEPARTMENT, 3, account(SECOND).address)
    for function, arguments in (("add_key", (KEY, *window)), ("grant_scope", (TYPE, 1, *window))):
        with refused("members: window"):
            world.govern("members", function, DEPARTMENT, *arguments)


def test_a_scope_allows_its_actions_in_its_window_and_nothing_else(world: World) -> None:
    with refused("members: unknown department"):
        world.govern("members", "grant_scope", DEPARTMENT, TYPE, 1, 100, 200)
    world.govern("members", "add", DEPARTMENT, 3, account(SECOND).address)
    with refused("members: not the governor"):
        world.call("members", "grant_scope", DEPARTMENT, TYPE, 1, 100, 200, by=SECOND)
    world.govern("members", "grant_scope", DEPARTMENT, TYPE, 1, 100, 200)
    world.govern("members", "grant_scope", DEPARTMENT, TYPE, 1, 100, 200)
    world.govern("members", "grant_scope", DEPARTMENT, TYPE, 3, 300, 400)
    assert world.ask("members", "scope_count", DEPARTMENT, TYPE) == 2
    allowed = {(1, 100), (1, 199), (1, 300), (1, 399), (2, 300), (2, 399)}
    for action in (1, 2):
        for at in (99, 100, 199, 200, 299, 300, 399, 400):
            assert world.ask("members", "in_scope", DEPARTMENT, TYPE, action, at) == ((action, at) in allowed)
    assert not world.ask("members", "in_scope", DEPARTMENT, type_hash("another"), 1, 100)
    for actions in (0, 4, 2**128):
        with refused("members: actions"):
            world.govern("members", "grant_scope", DEPARTMENT, TYPE, actions, 100, 200)


def test_a_scope_is_shortened_and_never_extended(world: World) -> None:
    world.govern("members", "add", DEPARTMENT, 3, account(SECOND).address)
    world.govern("members", "grant_scope", DEPARTMENT, TYPE, 1, 100, 200)
    with refused("members: not the governor"):
        world.call("members", "end_scope", DEPARTMENT, TYPE, 0, 150, by=SECOND)
    with refused("members: extends"):
        world.govern("members", "end_scope", DEPARTMENT, TYPE, 0, 201)
    with refused("members: unknown scope"):
        world.govern("members", "end_scope", DEPARTMENT, TYPE, 1, 150)
    world.govern("members", "end_scope", DEPARTMENT, TYPE, 0, 150)
    assert world.ask("members", "scope", DEPARTMENT, TYPE, 0) == (1, 100, 150)
    assert world.ask("members", "in_scope", DEPARTMENT, TYPE, 1, 149)
    assert not world.ask("members", "in_scope", DEPARTMENT, TYPE, 1, 150)
