"""When signers block one another, told from a network that is slow, split or only being asked in between."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chain.network.status import NodeStatus, in_touch, is_tie

NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)
STILL = NOW - timedelta(seconds=30)


def node(number: int, head: bytes, height: int = 32) -> NodeStatus:
    return NodeStatus(f"node{number}", "http://127.0.0.1:1", "running", height, head, STILL, "0x0", 2)


TIED = [node(1, b"a"), node(2, b"b"), node(3, b"a")]


def test_rival_blocks_that_nobody_builds_upon_are_a_tie_whatever_their_heights() -> None:
    assert is_tie(TIED, 1, NOW)
    assert is_tie([node(1, b"a"), node(2, b"b", height=33), node(3, b"a")], 1, NOW)


@pytest.mark.parametrize(
    ("nodes", "why"),
    [
        ([node(number, b"a") for number in (1, 2, 3)], "they agree"),
        ([*TIED[:2], replace(TIED[2], block_at=NOW)], "a block came a moment ago"),
        ([*TIED[:2], replace(TIED[2], peers=1)], "one is cut off from another"),
        ([*TIED[:2], replace(TIED[2], peers=None)], "one does not say whom it talks to"),
        (TIED[:1], "one alone"),
        ([], "nobody answers"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_anything_else_is_none(nodes: list[NodeStatus], why: str) -> None:
    assert not is_tie(nodes, 1, NOW), why


def test_a_node_that_is_cut_off_from_all_others_does_not_hide_a_tie_among_them() -> None:
    lonely, silent = replace(node(4, b"c"), peers=0), replace(node(5, b"c"), head=None)
    assert not is_tie([*TIED, lonely], 1, NOW)
    found = in_touch([TIED[0], lonely, *TIED[1:], silent])
    assert found == {0: TIED[0], 2: TIED[1], 3: TIED[2]}
    assert is_tie(list(found.values()), 1, NOW)


def test_a_slow_network_is_given_its_time() -> None:
    assert not is_tie(TIED, 15, NOW)
