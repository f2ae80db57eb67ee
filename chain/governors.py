"""Governing together: what k of n governors approve is carried out once, under the governors contract's address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from chain import artifacts
from chain.changes import Change
from chain.errors import AwaitingGovernorsError, TransactionRejectedError
from chain.node import Node
from chain.record import NAMES, Deployment
from chain.sender import Sender

#: The most changes in one proposal, as in the contract.
MAX_CHANGES = 16
#: For how long a proposal can be approved, as in the contract.
LIFETIME = timedelta(days=30)

_BASE_GAS = 300_000
_GAS_PER_CHANGE = 200_000
_GAS_PER_GOVERNOR = 100_000
_CALLS = "(address,bytes)[]"


@dataclass(frozen=True, slots=True)
class Council:
    """Who governs: 0x addresses with checksum as the node gave them, and how many of them must approve."""

    accounts: tuple[str, ...]
    threshold: int

    def includes(self, account: str) -> bool:
        """Whether this account is a governor."""
        return account.lower() in {one.lower() for one in self.accounts}


@dataclass(frozen=True, slots=True)
class Proposal:
    """How a proposal stands. id: 32 bytes; round tells proposals of the same changes apart.

    approvals: of present governors; approved_by: their accounts. executed_at: None while it is not carried out.
    """

    id: bytes
    round: int
    changes: tuple[Change, ...]
    proposed_by: str
    approved_by: tuple[str, ...]
    threshold: int
    expires_at: datetime
    executed_at: datetime | None

    @property
    def approvals(self) -> int:
        """How many present governors approve it."""
        return len(self.approved_by)


@dataclass(frozen=True, slots=True)
class _State:
    approvals: int
    threshold: int
    expires: int
    executed: int


class ChainGovernors:
    """Proposes, approves and reads proposals. Where this account is the only governor, a change is carried out at once.

    Writing raises TransactionRejectedError if this account may not or a contract refuses a change (`reason` is
    the contract's own), and OutcomeUnknownError if it was sent and not confirmed; repeating is harmless.
    """

    def __init__(self, node: Node, sender: Sender, deployment: Deployment) -> None:
        self._node = node
        self._sender = sender
        self._deployment = deployment
        self._governors = artifacts.load("governors")

    def council(self) -> Council:
        """Who governs now."""
        (accounts,) = self._ask("governors")
        (threshold,) = self._ask("threshold")
        return Council(tuple(accounts), threshold)

    def propose(self, changes: Sequence[Change]) -> Proposal:
        """Approve changes (at most MAX_CHANGES), proposing them if nobody did; they are carried out if that suffices.

        An open proposal of the same changes is approved; what was carried out or expired is proposed anew. A member
        that is no governor proposes without approving.
        """
        return self.get(self._propose(changes))

    def carry_out(self, changes: Sequence[Change]) -> None:
        """Like `propose`. Raises AwaitingGovernorsError unless the changes are carried out now."""
        identifier = self._propose(changes)
        state = self._state(identifier)
        if not state.executed:
            raise AwaitingGovernorsError(identifier, state.approvals, state.threshold)

    def approve(self, identifier: bytes) -> Proposal:
        """Approve what somebody proposed. Raises TransactionRejectedError ("governors: unknown") if nobody did."""
        event = self._event(identifier)
        self._approve(event.round, list(event.calls), identifier)
        return self.get(identifier)

    def withdraw(self, identifier: bytes) -> Proposal:
        """Take back one's approval of what is not carried out yet."""
        self._event(identifier)
        self._sender.send(self._deployment.governors, self._governors.call("withdraw", [identifier]), _BASE_GAS)
        return self.get(identifier)

    def get(self, identifier: bytes) -> Proposal:
        """How a proposal stands. Raises TransactionRejectedError ("governors: unknown") if nobody proposed it."""
        return self._proposal(self._event(identifier))

    def proposals(self) -> list[Proposal]:
        """Every proposal there ever was, oldest first."""
        return [self._proposal(event) for event in self._events([])]

    def open_proposals(self) -> list[Proposal]:
        """Proposals that can still be approved, oldest first."""
        now = self._node.newest().at
        # Nothing older can be open; without this every proposal there ever was would be asked for.
        events = self._events([], self._first_block_from(now - LIFETIME))
        waiting = [
            one for one in events if not (state := self._state(one.id)).executed and now.timestamp() < state.expires
        ]
        return [self._proposal(event) for event in waiting]

    def _first_block_from(self, at: datetime) -> int:
        """The first block that is not older, by halving; blocks never get younger."""
        first, last = self._deployment.first_block, self._node.height()
        while first < last:
            middle = (first + last) // 2
            block = self._node.block(middle)
            if block is not None and block.at < at:
                first = middle + 1
            else:
                last = middle
        return first

    def _propose(self, changes: Sequence[Change]) -> bytes:
        calls = [self._encode(change) for change in changes]
        number, identifier = self._open_round(calls)
        if self.council().includes(self._sender.address):
            self._approve(number, calls, identifier)
        elif not self._state(identifier).expires:
            self._send("propose", number, calls)
        return identifier

    def _open_round(self, calls: Sequence[tuple[str, bytes]]) -> tuple[int, bytes]:
        """The first round of these calls that is neither carried out nor expired; its proposal may not exist yet."""
        now = int(self._node.newest().at.timestamp())
        number = 0
        while True:
            identifier = _identify(number, calls)
            state = self._state(identifier)
            if not state.executed and (state.expires == 0 or now < state.expires):
                return number, identifier
            number += 1

    def _approve(self, number: int, calls: Sequence[tuple[str, bytes]], identifier: bytes) -> None:
        state = self._state(identifier)
        enough = state.approvals >= state.threshold
        if state.executed or (self._has_approved(identifier, self._sender.address) and not enough):
            return
        self._send("approve", number, calls)

    def _send(self, function: str, number: int, calls: Sequence[tuple[str, bytes]]) -> None:
        gas = _BASE_GAS + _GAS_PER_CHANGE * len(calls)
        if any(place.lower() == self._deployment.governors.lower() for place, _ in calls):
            gas += _GAS_PER_GOVERNOR * 16
        self._sender.send(self._deployment.governors, self._governors.call(function, [number, calls]), gas)

    def _has_approved(self, identifier: bytes, account: str) -> bool:
        return bool(self._ask("has_approved", identifier, account)[0])

    def _state(self, identifier: bytes) -> _State:
        return _State(*self._ask("proposal", identifier))

    def _proposal(self, event: _Proposed) -> Proposal:
        state = self._state(event.id)
        return Proposal(
            id=event.id,
            round=event.round,
            changes=tuple(self._decode(place, data) for place, data in event.calls),
            proposed_by=event.by,
            approved_by=tuple(one for one in self.council().accounts if self._has_approved(event.id, one)),
            threshold=state.threshold,
            expires_at=datetime.fromtimestamp(state.expires, UTC),
            executed_at=datetime.fromtimestamp(state.executed, UTC) if state.executed else None,
        )

    def _event(self, identifier: bytes) -> _Proposed:
        found = self._events([identifier])
        if not found:
            raise TransactionRejectedError("governors: unknown", "没有这个提案，请用 suizheng governance list 查看编号")
        return found[0]

    def _events(self, topics: list[bytes], first: int | None = None) -> list[_Proposed]:
        events = self._node.events(
            self._deployment.governors,
            [self._governors.topic("Proposed"), *topics],
            self._deployment.first_block if first is None else first,
            self._node.height(),
        )
        found = []
        for event in events:
            number, calls = decode(["uint256", _CALLS], event.data)
            by = "0x" + event.topics[2][-20:].hex()
            found.append(_Proposed(event.topics[1], number, tuple((place, bytes(data)) for place, data in calls), by))
        return found

    def _encode(self, change: Change) -> tuple[str, bytes]:
        place = str(getattr(self._deployment, change.contract))
        return place, artifacts.load(change.contract).call(change.function, change.arguments)

    def _decode(self, place: str, data: bytes) -> Change:
        """The inverse of `_encode`; a call of anything else keeps its address, selector and data."""
        for name in NAMES:
            if str(getattr(self._deployment, name)).lower() == place.lower():
                known = artifacts.load(name).read_call(data)
                if known is not None:
                    return Change(name, *known)
        return Change(place, data[:4].hex(), (data[4:],))

    def _ask(self, function: str, *arguments: object) -> tuple[Any, ...]:
        data = self._node.call(self._deployment.governors, self._governors.call(function, arguments))
        return self._governors.answer(function, data)


@dataclass(frozen=True, slots=True)
class _Proposed:
    id: bytes
    round: int
    calls: tuple[tuple[str, bytes], ...]
    by: str


def _identify(number: int, calls: Sequence[tuple[str, bytes]]) -> bytes:
    """The id of a proposal, as the contract makes it."""
    return keccak(encode(["uint256", _CALLS], [number, calls]))
