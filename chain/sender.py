"""The one owner of the chain account's nonce.

The life of a transaction:
(1) Whatever an earlier process left open is looked up; what the chain does not know is sent again, byte for byte.
(2) A dry run: what a contract would refuse is never signed.
(3) Signed with the next nonce and kept in the outbox. A kill after this is case (1) of the next process.
(4) Sent.
(5) Waited for until it is deep enough, then settled in the outbox.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from chain.account import ChainAccount
from chain.errors import ChainUnavailableError, OutcomeUnknownError, TransactionRejectedError
from chain.node import Mined, Node
from chain.outbox import Outbox, Outcome, Signed

_log = logging.getLogger(__name__)

# What a node says to a transaction that it has already; compared in lower case.
_KNOWN = ("already known", "known transaction", "already imported", "nonce too low", "already exists")


@dataclass(frozen=True, slots=True)
class Patience:
    """confirmations: blocks including its own before a transaction counts. The rest in seconds."""

    confirmations: int = 1
    timeout_seconds: float = 60.0
    poll_seconds: float = 0.2


class Sender:
    """Sends for one account on one node. Safe to call from several threads; their transactions wait side by side.

    Raises WrongContractError when the outbox belongs to another chain or account.
    """

    def __init__(
        self,
        node: Node,
        account: ChainAccount,
        outbox: Outbox,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._node = node
        self._account = account
        self._outbox = outbox
        self._patience = patience or Patience()
        self._sleep = sleep
        self._turn = threading.Lock()
        self._chain_id = node.chain_id()
        first = node.block(0)
        outbox.bind(chain_id=str(self._chain_id), genesis=first.hash.hex() if first else "", account=account.address)

    @property
    def address(self) -> str:
        """The 0x address that signs."""
        return self._account.address

    @property
    def chain_id(self) -> int:
        """The chain that is signed for."""
        return self._chain_id

    def is_deep(self, block_number: int) -> bool:
        """Whether a block has as many confirmations as a transaction here must have."""
        return self._node.height() - block_number + 1 >= self._patience.confirmations

    def wait_until_deep(self, block_number: int, transaction_hash: bytes) -> None:
        """Return when a block has its confirmations. Raises OutcomeUnknownError if that takes too long."""
        deadline = time.monotonic() + self._patience.timeout_seconds
        while not self.is_deep(block_number):
            self._pause(deadline, transaction_hash)

    def send(self, target: str, data: bytes, gas: int, once: str | None = None) -> Mined:
        """Send a call and wait until it is in the chain; target empty creates a contract.

        once: a name for what must happen a single time, such as a deployment: under a name that already succeeded
        nothing is sent and the first outcome is returned.
        Raises TransactionRejectedError when refused, ChainUnavailableError when nothing was sent, and
        OutcomeUnknownError when something may have been.
        """
        with self._turn:
            unsettled = self._repair()
            if once is not None and (earlier := self._outbox.mined_once(once)):
                return earlier
            for signed, mined in unsettled:
                if _is_same(signed, target, data, once) and (mined is None or mined.succeeded):
                    break
            else:
                signed, mined = self._sign(target, data, gas, once, unsettled), None
                self._broadcast(signed)
        return mined or self._wait(signed)

    def repair(self) -> int:
        """Look up what is open and send again what the chain does not know; returns how many are still open."""
        with self._turn:
            return sum(1 for _, mined in self._repair() if mined is None)

    def _repair(self) -> list[tuple[Signed, Mined | None]]:
        """Step (1). Returns what was open, with how it ended if that is known now; not what can have no effect."""
        found = []
        for signed in self._outbox.open():
            mined = self._settle(signed)
            if mined is None:
                if not self._push(signed):
                    continue
                # Asked again, since the embedded chain mines at once.
                mined = self._settle(signed)
            found.append((signed, mined))
        return found

    def _settle(self, signed: Signed) -> Mined | None:
        """Record the outcome if the transaction is mined and deep."""
        mined = self._node.mined(signed.hash)
        if mined is None or not self.is_deep(mined.block_number):
            return None
        self._outbox.settle(signed, Outcome.MINED if mined.succeeded else Outcome.REVERTED, mined)
        return mined

    def _push(self, signed: Signed) -> bool:
        """Send an open transaction again if the chain forgot it; False if that can have no effect any more."""
        if self._node.knows(signed.hash):
            return True
        if self._node.next_nonce(self.address) > signed.nonce and not self._node.knows(signed.hash):
            _log.error("transaction %s lost its nonce %d to another sender", signed.hash.hex(), signed.nonce)
            self._outbox.settle(signed, Outcome.LOST)
            return False
        try:
            self._node.send(signed.raw)
        except TransactionRejectedError as error:
            if any(known in error.reason.lower() for known in _KNOWN):
                return True
            _log.warning("transaction %s refused when sent again: %s", signed.hash.hex(), error.reason)
            self._outbox.settle(signed, Outcome.REFUSED)
            return False
        return True

    def _sign(
        self, target: str, data: bytes, gas: int, once: str | None, unsettled: list[tuple[Signed, Mined | None]]
    ) -> Signed:
        """Steps (2) and (3)."""
        if target:
            self._node.call(target, data, caller=self.address, gas=gas)
        nonce = max([self._node.next_nonce(self.address), *(one.nonce + 1 for one, _ in unsettled)])
        transaction_hash, raw = self._account.sign(
            chain_id=self._chain_id,
            nonce=nonce,
            target=target,
            data=data,
            gas=gas,
            # A quarter more than asked outlives two full blocks of rising base fee; without fees it stays 0.
            gas_price=self._node.gas_price() * 5 // 4,
        )
        signed = Signed(transaction_hash, nonce, target, data, raw, once)
        self._outbox.add(signed)
        return signed

    def _broadcast(self, signed: Signed) -> None:
        """Step (4). A refusal frees the nonce; silence leaves the outcome unknown."""
        try:
            self._node.send(signed.raw)
        except TransactionRejectedError:
            if self._node.knows(signed.hash):
                return
            self._outbox.settle(signed, Outcome.REFUSED)
            raise
        except ChainUnavailableError as error:
            raise _unknown(signed) from error

    def _wait(self, signed: Signed) -> Mined:
        """Step (5)."""
        deadline = time.monotonic() + self._patience.timeout_seconds
        try:
            while (mined := self._settle(signed)) is None:
                if not self._push(signed):
                    break
                self._pause(deadline, signed.hash)
        except ChainUnavailableError as error:
            raise _unknown(signed) from error
        if mined is None:
            evidence = {"transaction_hash": signed.hash.hex(), "nonce": signed.nonce}
            raise ChainUnavailableError("transaction_dropped", "这笔交易未被执行，也不会再执行，请重试", evidence)
        if not mined.succeeded:
            raise self._rejection(signed, mined)
        return mined

    def _pause(self, deadline: float, transaction_hash: bytes) -> None:
        if time.monotonic() >= deadline:
            raise OutcomeUnknownError(transaction_hash, "交易已发出，尚未确认；请先查询结果再决定是否重试")
        self._sleep(self._patience.poll_seconds)

    def _rejection(self, signed: Signed, mined: Mined) -> TransactionRejectedError:
        """Why a mined transaction failed: the same call is asked of the block before its own."""
        reason = "execution reverted"
        if signed.target:
            try:
                self._node.call(signed.target, signed.data, caller=self.address, block=mined.block_number - 1)
            except TransactionRejectedError as error:
                reason = error.reason
        evidence = {"transaction_hash": signed.hash.hex(), "block_number": mined.block_number}
        return TransactionRejectedError(reason, f"合约拒绝了这一操作：{reason}", evidence)


def _is_same(signed: Signed, target: str, data: bytes, once: str | None) -> bool:
    """Whether an open transaction does what is asked: every call here has the same effect once and twice."""
    return (signed.target, signed.data) == (target, data) or (once is not None and signed.once == once)


def _unknown(signed: Signed) -> OutcomeUnknownError:
    return OutcomeUnknownError(signed.hash, "交易可能已发出，节点没有应答；请先查询结果再决定是否重试")
