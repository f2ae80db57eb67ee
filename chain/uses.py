"""First uses of one-time items on the chain, across all registries of the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from chain import artifacts
from chain.errors import ChainError
from chain.ids import department_code
from chain.node import Node
from chain.outbox import Call
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
        (answer,) = self.consume_many([(nullifier, commitment)])
        if isinstance(answer, ChainError):
            raise answer
        return answer

    def consume_many(self, claims: Sequence[tuple[bytes, bytes]]) -> list[FirstUse | ChainError]:
        """Use several items, each a nullifier and a commitment, with transactions that wait side by side.

        What became of each: its first use, or why there is none yet. Raises ChainUnavailableError: nothing was sent.
        """
        # Sent unless anybody's use is there, in whatever block; believed when it is in a final one.
        new = [claim for claim in claims if self._first_use(claim[0]) is None]
        calls = [Call(self._deployment.uses, self._uses.call("consume", list(claim)), _CONSUME_GAS) for claim in new]
        sent = dict(zip(new, self._sender.send_many(calls), strict=True)) if new else {}
        failed = {claim: outcome for claim, outcome in sent.items() if isinstance(outcome, ChainError)}
        others = [claim for claim in claims if claim not in failed]
        found = self._await(others) if others else {}
        return [failed.get(claim) or found[claim] for claim in claims]

    def find(self, nullifier: bytes) -> FirstUse | None:
        """The first use of an item, if the chain has it in a final block."""
        return self._first_use(nullifier, self._sender.final_height())

    def _await(self, claims: Sequence[tuple[bytes, bytes]]) -> dict[tuple[bytes, bytes], FirstUse | ChainError]:
        """The first use of each when it is final; all of them are waited for together."""
        found: dict[tuple[bytes, bytes], FirstUse | ChainError] = {}

        def look(final: int) -> bool | None:
            for claim in claims:
                if claim not in found and (first := self._first_use(claim[0], final)) is not None:
                    found[claim] = first
            return len(found) == len(set(claims)) or None

        try:
            self._sender.wait(look)
        except ChainError as error:
            for claim in claims:
                found.setdefault(claim, error)
        return found

    def _first_use(self, nullifier: bytes, block: int | None = None) -> FirstUse | None:
        if block is not None and block < self._deployment.first_block:
            return None
        data = self._node.call(self._deployment.uses, self._uses.call("first_use", [nullifier]), block=block)
        if not data:
            # A block of before the contract was there.
            return None
        department, commitment, seconds = self._uses.answer("first_use", data)
        if not seconds:
            return None
        return FirstUse(department_code(department), bytes(commitment), datetime.fromtimestamp(seconds, UTC))
