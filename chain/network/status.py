"""How the nodes of a network are doing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from chain.network.layout import Member
from chain.network.processes import State


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
