"""The one owner of the chain account's nonce.

The life of a call:
(1) Whatever an earlier process or call left open is settled first, as far as it goes; see `chain.settling`.
(2) A dry run: what a contract would refuse is never signed.
(3) Signed with the next nonce and kept in the outbox. A kill after this is case (1) of the next process.
(4) Sent.
(5) Settled, round after round, until it is in a final block. The caller stops waiting in time; the request stays.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from chain.account import ChainAccount
from chain.errors import ChainError, ChainUnavailableError, OutcomeUnknownError, TransactionRejectedError
from chain.finality import ByCount, Finality
from chain.node import Mined, Node
from chain.outbox import Backlog, Call, Outbox, Request, State
from chain.settling import Patience, Settler

__all__ = ["Backlog", "Call", "Patience", "Sender"]

_T = TypeVar("_T")


class Sender:
    """Sends for one account on one node. Safe to call from several threads; their transactions wait side by side.

    finality: when a block is final; without one, after `patience.confirmations`.
    Raises WrongContractError when the outbox belongs to another chain or account.
    """

    def __init__(
        self,
        node: Node,
        account: ChainAccount,
        outbox: Outbox,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        finality: Finality | None = None,
    ) -> None:
        self._account = account
        self._outbox = outbox
        self._patience = patience or Patience()
        self._sleep = sleep
        self._monotonic = monotonic
        self._finality = finality or ByCount(node, self._patience.confirmations)
        self._turn = threading.Lock()
        self._settler = Settler(node, account, outbox, self._patience, self._finality, monotonic)
        self._ran_at = float("-inf")

    @property
    def address(self) -> str:
        """The 0x address that signs."""
        return self._account.address

    @property
    def chain_id(self) -> int:
        """The chain that is signed for."""
        return self._settler.chain_id

    def final_height(self) -> int:
        """The number of the newest block that cannot go away any more. Ask before looking at what is in blocks."""
        return self._finality.final_height()

    def check_chain(self) -> None:
        """See `Settler.check_chain`."""
        self._settler.check_chain()

    def backlog(self) -> Backlog:
        """How much has no outcome yet."""
        return self._outbox.backlog()

    def send(self, target: str, data: bytes, gas: int, once: str | None = None) -> Mined:
        """Send a call and wait until it is in a final block; target empty creates a contract.

        once: a name for what must happen a single time, such as a deployment: under a name that already succeeded
        nothing is sent and the first outcome is returned.
        Raises TransactionRejectedError when refused, ChainUnavailableError when nothing was sent, and
        OutcomeUnknownError when something may have been.
        """
        (outcome,) = self.send_many([Call(target, data, gas, once)])
        if isinstance(outcome, ChainError):
            raise outcome
        return outcome

    def send_many(self, calls: Sequence[Call]) -> list[Mined | ChainError]:
        """Send calls with nonces one after the other and wait for all of them together; what became of each.

        Raises ChainUnavailableError, WrongContractError, ChainRewrittenError when nothing at all was sent.
        """
        with self._turn:
            before = self._outbox.open()
            self._run()
            handed = [self._hand_over(call, before) for call in calls]
            # What was handed over is looked at without a pause: the embedded chain has it in a block already.
            self._ran_at = float("-inf")
        return self._wait_for(handed)

    def repair(self) -> int:
        """One round over what is open; how many requests still are. Raises what `send_many` does."""
        with self._turn:
            self._run()
            return self._outbox.count_open()

    def wait(self, look: Callable[[int], _T | None]) -> _T:
        """What `look` finds, given the number of the newest final block, as soon as it finds it.

        Open requests are settled meanwhile. Raises OutcomeUnknownError if that takes too long.
        """
        deadline = self._monotonic() + self._patience.timeout_seconds
        while True:
            self._run_in_turn()
            if (found := look(self.final_height())) is not None:
                return found
            if self._monotonic() >= deadline:
                raise OutcomeUnknownError(b"", "已上链，尚未达到确认要求；请稍后查询")
            self._sleep(self._patience.poll_seconds)

    def _hand_over(self, call: Call, before: Sequence[Request]) -> Request | Mined | ChainError:
        """Steps (2) to (4), unless the call is under way already or was until this moment. before: what was open."""
        try:
            if call.once is not None and (earlier := self._outbox.mined_once(call.once)):
                return earlier
            for request in (*before, *self._outbox.open()):
                if _is_same(request.call, call) and self._may_succeed(request):
                    return request
            return self._settler.hand_over(call)
        except ChainUnavailableError as error:
            kept = next((request for request in self._outbox.open() if _is_same(request.call, call)), None)
            return error if kept is None else _unknown(kept, error)
        except TransactionRejectedError as error:
            return error

    def _may_succeed(self, request: Request) -> bool:
        found = self._outbox.find(request.id)
        return found is not None and found.state not in (State.REVERTED, State.REFUSED)

    def _wait_for(self, handed: Sequence[Request | Mined | ChainError]) -> list[Mined | ChainError]:
        """Step (5)."""
        deadline = self._monotonic() + self._patience.timeout_seconds
        outcomes: dict[int, Mined | ChainError] = {
            place: one for place, one in enumerate(handed) if not isinstance(one, Request)
        }
        waiting = {place: one for place, one in enumerate(handed) if isinstance(one, Request)}
        while waiting:
            failure: ChainError | None = None
            try:
                self._run_in_turn()
            except ChainError as error:
                failure = error
            for place, request in list(waiting.items()):
                if (outcome := self._outcome(request)) is not None:
                    outcomes[place] = outcome
                    del waiting[place]
            if waiting and (failure is not None or self._monotonic() >= deadline):
                outcomes.update((place, _unknown(request, failure)) for place, request in waiting.items())
                break
            if waiting:
                self._sleep(self._patience.poll_seconds)
        return [outcomes[place] for place in range(len(handed))]

    def _run(self) -> None:
        self._ran_at = float("-inf")
        self._settler.run()
        self._ran_at = self._monotonic()

    def _run_in_turn(self) -> None:
        """A round, unless another thread has just made one."""
        with self._turn:
            if self._monotonic() - self._ran_at >= self._patience.poll_seconds / 2:
                self._run()

    def _outcome(self, request: Request) -> Mined | ChainError | None:
        found = self._outbox.find(request.id)
        if found is None or not found.state.is_end:
            return None
        if found.state is State.MINED:
            return found.mined
        reason = found.reason or "execution reverted"
        evidence: dict[str, object] = {"nonce": found.nonce}
        if found.mined is None:
            return TransactionRejectedError(reason, f"这一操作被拒绝，未上链：{reason}", evidence)
        evidence |= {"transaction_hash": found.mined.transaction_hash.hex(), "block_number": found.mined.block_number}
        return TransactionRejectedError(reason, f"合约拒绝了这一操作：{reason}", evidence)


def _is_same(present: Call, call: Call) -> bool:
    """Whether an open request does what is asked: every call here has the same effect once and twice."""
    return (present.target, present.data) == (call.target, call.data) or (
        call.once is not None and present.once == call.once
    )


def _unknown(request: Request, error: ChainError | None) -> OutcomeUnknownError:
    if error is None:
        message = "交易已发出，尚未确认；请先查询结果再决定是否重试"
    else:
        message = f"交易可能已发出，结果未知（{error.message}）；请先查询结果再决定是否重试"
    return OutcomeUnknownError(request.newest.hash, message)
