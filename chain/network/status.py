"""How the nodes of a network are doing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from chain.network.layout import Member
from chain.network.processes import State

# No block for so many periods is a halt.
_HALT_PERIODS = 6


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """What one node says. Everything but name, url and state is None while it does not answer.

    height, head, block_at: of its newest block; sealer: the address that sealed it; peers: how many nodes it talks to.
    """

    name: str
    url: str
    state: State
    height: int | None = None
    head: bytes | None = None
    block_at: datetime | None = None
    sealer: str | None = None
    peers: int | None = None

    @classmethod
    def silent(cls, member: Member, state: State) -> NodeStatus:
        """A node that does not answer."""
        return cls(member.name, member.url, state)


def block_time(timestamp: str) -> datetime:
    """The time of a block from its hexadecimal seconds."""
    return datetime.fromtimestamp(int(timestamp, 16), UTC)


def in_touch(nodes: Sequence[NodeStatus]) -> dict[int, NodeStatus]:
    """Those that answer and are not cut off from all others, by their number: the ones that others may wait for."""
    return {number: one for number, one in enumerate(nodes) if one.head is not None and one.peers != 0}


def is_tie(alive: Sequence[NodeStatus], period_seconds: int, now: datetime) -> bool:
    """Whether nodes that all talk to each other have different newest blocks, and none is added."""
    newest = max((one.block_at for one in alive if one.block_at is not None), default=None)
    return (
        newest is not None
        and len({one.head for one in alive}) > 1
        and all((one.peers or 0) >= len(alive) - 1 for one in alive)
        and now - newest >= timedelta(seconds=_HALT_PERIODS * period_seconds)
    )
