"""First uses of one-time items on the chain, across all registries of the network."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from chain import artifacts
from chain.errors import ChainUnavailableError
from chain.ids import department_code
from chain.node import Node
from chain.record import Deployment
from chain.sender import Sender

_CONSUME_GAS = 200_000


@dataclass(frozen=True, slots=True)
class FirstUse:
    """by: the code of the member that used the item first; commitment: of that use, 32 bytes; at: its block's time."""

    by: str
    commitment: bytes
    at: datetime


class ChainFirstUses:
    """Decides between registries which use of a one-time item was the first."""

    def __init__(self, node: Node, sender: Sender, deployment: Deployment) -> None:
        self._node = node
        self._sender = sender
        self._deployment = deployment
        self._uses = artifacts.load("uses")

    def consume(self, nullifier: bytes, commitment: bytes) -> FirstUse:
        """Use a one-time item unless it was used before; returns the first use, be it this one or another.

        The caller won exactly if the commitment returned is its own. Repeating changes nothing.
        Raises TransactionRejectedError if this account is no active member, OutcomeUnknownError if it was sent and not
        confirmed.
        """
        first = self.find(nullifier)
        if first is None:
            self._sender.send(self._deployment.uses, self._uses.call("consume", [nullifier, commitment]), _CONSUME_GAS)
            first = self.find(nullifier)
        if first is None:
            raise ChainUnavailableError("chain_moved", "区块链正在重组，请稍后重试")
        return first

    def find(self, nullifier: bytes) -> FirstUse | None:
        """The first use of an item, or None if there was none."""
        data = self._node.call(self._deployment.uses, self._uses.call("first_use", [nullifier]))
        department, commitment, seconds = self._uses.answer("first_use", data)
        if not seconds:
            return None
        return FirstUse(department_code(department), bytes(commitment), datetime.fromtimestamp(seconds, UTC))
