"""When a block cannot go away any more, each kind of network in its own way."""

from __future__ import annotations

from typing import Protocol

from chain.node import Node


class Finality(Protocol):
    """What the sender asks before it believes a block."""

    def final_height(self) -> int:
        """The number of the newest block that cannot go away any more; below 0 if there is none."""
        ...


class ByCount:
    """A block is final with so many blocks on the chain, its own included: 1 where blocks are final at once."""

    def __init__(self, node: Node, confirmations: int) -> None:
        self._node = node
        self._confirmations = confirmations

    def final_height(self) -> int:
        """See `Finality`."""
        return self._node.height() - self._confirmations + 1
