"""One round over everything that the chain account was asked to send and that has no outcome yet.

For each request, lowest nonce first:
(1) A transaction of it that is in a final block is its outcome. One in a younger block is waited for; if a
    reorganisation throws that block out, the request is as good as never sent, and the other steps apply again.
(2) Its nonce was used by somebody else, in a final block: it is signed again with the next nonce.
(3) It waits for longer than it should: it is signed again with the same nonce and a higher price.
(4) The node has none of its transactions (it was restarted, its pool was full, the answer was lost on the way): they
    are sent again, byte for byte.
(5) A nonce that nobody has, below one that is waiting, is filled with an empty transaction to ourselves.

Every transaction is in the outbox before it is sent, and none is ever taken out: whichever is mined is recognised.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from chain.account import ChainAccount
from chain.errors import ChainRewrittenError, ChainUnavailableError, TransactionRejectedError, WrongContractError
from chain.finality import Finality
from chain.node import Mined, Node
from chain.outbox import Call, Outbox, Request, Signed, State
from chain.refusals import Refusal, read_refusal

_log = logging.getLogger(__name__)

# An empty transaction to ourselves takes exactly this.
_FILLER_GAS = 21_000
_LONGEST_PUSH_PAUSE_SECONDS = 5.0
# For so long a node that was found to serve our chain is taken to do so still.
_CHECKED_FOR_SECONDS = 1.0
# For so many looks at the chain a used nonce must belong to none of our transactions.
_TAKEN_POLLS = 5
# What the first node asked refuses for good; its nonce is free again, since no node ever had the transaction.
_AT_ONCE = frozenset((Refusal.POOR, Refusal.NEVER))


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is long. Times in seconds, by the monotonic clock.

    confirmations: blocks, its own included, before a transaction counts, on networks whose engine needs them.
    timeout_seconds: how long one call of the sender waits. poll_seconds: between two looks at the chain.
    stuck_blocks, stuck_seconds: a transaction next in line that is in no block after so many blocks, or so long, is
    replaced by one with a higher price, the next time after twice as long; at most `most_replacements` times.
    give_up_seconds: for so long must a node refuse, without ever having had it, what it cannot give a known reason for.
    """

    confirmations: int = 1
    timeout_seconds: float = 60.0
    poll_seconds: float = 0.2
    stuck_blocks: int = 20
    stuck_seconds: float = 60.0
    most_replacements: int = 8
    give_up_seconds: float = 60.0


@dataclass(slots=True)
class _Effort:
    """What this process did for one request; a new process begins anew, and only waits a little longer for it."""

    began: float
    began_height: int
    pushes: int = 0
    push_at: float = 0.0
    refused_since: float | None = None
    taken_since: float | None = None
    words: str = ""
    is_cheap: bool = False
    may_cost_more: bool = True


class Settler:
    """Brings requests to their outcomes. Not safe to call from two threads: the sender takes turns."""

    def __init__(
        self,
        node: Node,
        account: ChainAccount,
        outbox: Outbox,
        patience: Patience,
        finality: Finality,
        monotonic: Callable[[], float],
    ) -> None:
        self._node = node
        self._account = account
        self._outbox = outbox
        self._patience = patience
        self._finality = finality
        self._monotonic = monotonic
        self._efforts: dict[int, _Effort] = {}
        self._checked_at = float("-inf")
        self.chain_id = node.chain_id()
        self._genesis = _genesis(node)
        outbox.bind(chain_id=str(self.chain_id), genesis=self._genesis, account=account.address)

    def check_chain(self) -> None:
        """Raise unless the node still serves the chain that was worked with, at least as far as it went.

        WrongContractError: another chain. ChainUnavailableError: the same one, but the node is behind.
        ChainRewrittenError: the same one, but a final block was replaced.
        """
        found = self._node.chain_id()
        if found != self.chain_id:
            raise WrongContractError("链标识（chain id）", str(self.chain_id), str(found))
        genesis = _genesis(self._node)
        if genesis != self._genesis:
            raise WrongContractError("创世区块", self._genesis, genesis)
        known = self._outbox.newest_block()
        if known is not None:
            block = self._node.block(known[0])
            if block is None:
                message = "区块链节点落后于已知的区块，正在同步；请稍后重试"
                raise ChainUnavailableError("node_behind", message, {"block_number": known[0]})
            if block.hash != known[1]:
                raise ChainRewrittenError(known[0], known[1], block.hash)
        self._checked_at = self._monotonic()

    def run(self) -> None:
        """One round. Raises what `check_chain` does, and ChainUnavailableError when the node stops answering."""
        if self._monotonic() - self._checked_at >= _CHECKED_FOR_SECONDS:
            self.check_chain()
        requests = self._outbox.open()
        if not requests:
            return
        # Asked before anything else: what is found afterwards in a block up to this one is there to stay.
        final = self._finality.final_height()
        for request in requests:
            self._advance(request, final)
        self._fill_gaps()

    def hand_over(self, call: Call) -> Request:
        """Sign a call with the next nonce, keep it, and send it. A kill anywhere here is a matter for the next `run`.

        Raises TransactionRejectedError if it is refused for good, by the contract in a dry run or by the node; nothing
        is left of it then. A node that does not answer leaves the request in the state UNKNOWN.
        """
        if call.target:
            self._node.call(call.target, call.data, caller=self._account.address, gas=call.gas)
        request = self._outbox.add(call, self._sign(call, self._next_nonce(), self._asked_price()))
        self._begin(request)
        refusal, words = self._send(request, request.newest)
        if refusal in _AT_ONCE and not self._node.knows(request.newest.hash):
            self._outbox.settle(request, State.REFUSED, reason=words)
            raise TransactionRejectedError(words, f"节点拒绝了这一请求：{words}")
        return request

    def _advance(self, request: Request, final: int) -> None:
        used = self._node.next_nonce(self._account.address)
        if self._settle_if_mined(request, used, final):
            return
        effort = self._efforts.get(request.id) or self._begin(request)
        if used > request.nonce:
            self._sign_anew_if_taken(request, effort, final)
            return
        if request.nonce == used and self._is_stuck(request, effort):
            request = self._replace(request, effort)
        if self._push(request, effort):
            # The embedded chain mines what it is handed at once.
            final = self._finality.final_height()
            self._settle_if_mined(request, self._node.next_nonce(self._account.address), final)

    def _settle_if_mined(self, request: Request, used: int, final: int) -> bool:
        """(1) Whether a transaction of it is in a block; the outcome is recorded if that block is final."""
        mined = self._mined(request, used)
        if mined is not None and mined.block_number <= final:
            self._settle(request, mined)
        return mined is not None

    def _mined(self, request: Request, used: int) -> Mined | None:
        """The transaction of this request that is in a block. None can be whose nonce is not used yet."""
        for attempt in reversed(request.attempts):
            if attempt.nonce < used and (mined := self._node.mined(attempt.hash)):
                return mined
        return None

    def _settle(self, request: Request, mined: Mined) -> None:
        if mined.succeeded:
            self._outbox.settle(request, State.MINED, mined)
        else:
            self._outbox.settle(request, State.REVERTED, mined, self._reason(request, mined))
        self._efforts.pop(request.id, None)

    def _reason(self, request: Request, mined: Mined) -> str:
        """Why a mined transaction failed: the same call is asked of the block before its own."""
        call = request.call
        try:
            if call.target:
                self._node.call(call.target, call.data, caller=self._account.address, block=mined.block_number - 1)
        except TransactionRejectedError as error:
            return error.reason
        except ChainUnavailableError:
            # A node need not keep the state of old blocks.
            pass
        return "execution reverted"

    def _sign_anew_if_taken(self, request: Request, effort: _Effort, final: int) -> None:
        """(2) Only a final block tells: after a reorganisation our own transaction may be mined all the same."""
        if final < 0 or self._node.next_nonce(self._account.address, final) <= request.nonce:
            return
        # Asked again after that: the block may have come between the two questions. And not believed at once: a node
        # can count a transaction before it finds it.
        if any(self._node.mined(one.hash) or self._node.knows(one.hash) for one in request.attempts):
            effort.taken_since = None
            return
        now = self._monotonic()
        effort.taken_since = now if effort.taken_since is None else effort.taken_since
        if now - effort.taken_since < _TAKEN_POLLS * self._patience.poll_seconds:
            return
        _log.warning("nonce %d was used by another sender; its request is signed again", request.nonce)
        call = request.call
        try:
            if call.target:
                self._node.call(call.target, call.data, caller=self._account.address, gas=call.gas)
        except TransactionRejectedError as error:
            self._give_up(request, error.reason)
            return
        if call == self._filler():
            self._give_up(request, "the gap was filled")
            return
        request = self._outbox.add_attempt(request, self._sign(call, self._next_nonce(), self._asked_price()))
        self._push(request, self._begin(request))

    def _is_stuck(self, request: Request, effort: _Effort) -> bool:
        done = request.replacements
        if done >= self._patience.most_replacements or not effort.may_cost_more:
            return False
        waited = self._monotonic() - effort.began
        longer = 2**done
        return (
            effort.is_cheap
            or waited >= self._patience.stuck_seconds * longer
            or self._node.height() - effort.began_height >= self._patience.stuck_blocks * longer
        )

    def _replace(self, request: Request, effort: _Effort) -> Request:
        """(3) An eighth more and one: nodes ask for a tenth more, and for something where it was nothing."""
        highest = max(attempt.gas_price for attempt in request.attempts)
        price = max(self._asked_price(), highest + highest // 8 + 1)
        _log.warning("nonce %d is stuck; replaced at a price of %d wei", request.nonce, price)
        effort.is_cheap = False
        effort.push_at = 0.0
        replaced = self._outbox.add_attempt(request, self._sign(request.call, request.nonce, price))
        # Sent at once, though the node knows the one before.
        self._send(replaced, replaced.newest)
        return replaced

    def _push(self, request: Request, effort: _Effort) -> bool:
        """(4) Send again what the node has forgotten, or never had: the newest first, until it takes one."""
        now = self._monotonic()
        current = [attempt for attempt in reversed(request.attempts) if attempt.nonce == request.nonce]
        if any(self._node.knows(attempt.hash) for attempt in current):
            effort.pushes, effort.refused_since = 0, None
            if request.state is not State.OPEN:
                self._outbox.mark(request, State.OPEN)
            return False
        if now < effort.push_at:
            return False
        effort.pushes += 1
        pause = self._patience.poll_seconds * 2.0 ** min(effort.pushes - 1, 10)
        effort.push_at = now + min(pause, _LONGEST_PUSH_PAUSE_SECONDS)
        for attempt in current:
            refusal, _ = self._send(request, attempt)
            if refusal is None or refusal is Refusal.KNOWN:
                return True
        if effort.refused_since is not None and now - effort.refused_since >= self._patience.give_up_seconds:
            self._give_up(request, effort.words)
        return False

    def _give_up(self, request: Request, words: str) -> None:
        _log.error("request %d with nonce %d is given up: %s", request.id, request.nonce, words)
        self._outbox.settle(request, State.REFUSED, reason=words)
        self._efforts.pop(request.id, None)

    def _fill_gaps(self) -> None:
        """(5) A gap comes of giving up a request while later ones wait, or of an outbox that was lost."""
        waiting = {request.nonce for request in self._outbox.open()}
        if not waiting:
            return
        used = self._node.next_nonce(self._account.address)
        for nonce in range(used, max(waiting)):
            if nonce not in waiting:
                _log.warning("nonce %d is missing; filled", nonce)
                filler = self._filler()
                request = self._outbox.add(filler, self._sign(filler, nonce, self._asked_price()))
                self._begin(request)
                self._send(request, request.newest)

    def _filler(self) -> Call:
        return Call(self._account.address, b"", _FILLER_GAS)

    def _send(self, request: Request, attempt: Signed) -> tuple[Refusal | None, str]:
        """Send one transaction; how the node refused it, and its words. Silence leaves the outcome unknown."""
        effort = self._efforts[request.id]
        try:
            self._node.send(attempt.raw)
        except ChainUnavailableError:
            if request.state is not State.UNKNOWN:
                self._outbox.mark(request, State.UNKNOWN)
            raise
        except TransactionRejectedError as error:
            refusal = read_refusal(error.reason)
            self._note(effort, refusal, error.reason)
            if refusal is not Refusal.KNOWN:
                _log.info("nonce %d not taken: %s", attempt.nonce, error.reason)
            return refusal, error.reason
        effort.refused_since = None
        return None, ""

    def _note(self, effort: _Effort, refusal: Refusal, words: str) -> None:
        """What a refusal means for the next rounds."""
        effort.words = words
        effort.is_cheap |= refusal is Refusal.CHEAP
        if refusal is Refusal.POOR:
            # The price is as high as it can be.
            effort.may_cost_more, effort.is_cheap = False, False
        if refusal in (Refusal.UNCLEAR, Refusal.NEVER, Refusal.POOR, Refusal.CHEAP):
            effort.refused_since = self._monotonic() if effort.refused_since is None else effort.refused_since
        else:
            effort.refused_since = None

    def _begin(self, request: Request) -> _Effort:
        effort = _Effort(self._monotonic(), self._node.height())
        self._efforts[request.id] = effort
        return effort

    def _next_nonce(self) -> int:
        """The lowest nonce that neither a block nor a waiting request has."""
        waiting = {request.nonce for request in self._outbox.open()}
        nonce = self._node.next_nonce(self._account.address)
        while nonce in waiting:
            nonce += 1
        return nonce

    def _asked_price(self) -> int:
        # A quarter more than asked outlives two full blocks of rising base fee; without fees it stays 0.
        return self._node.gas_price() * 5 // 4

    def _sign(self, call: Call, nonce: int, price: int) -> Signed:
        transaction_hash, raw = self._account.sign(
            chain_id=self.chain_id, nonce=nonce, target=call.target, data=call.data, gas=call.gas, gas_price=price
        )
        return Signed(transaction_hash, nonce, price, raw)


def _genesis(node: Node) -> str:
    first = node.block(0)
    return first.hash.hex() if first else ""
