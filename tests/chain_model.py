"""A chain in a few lines, for arbitrary interleavings: a pool that forgets, blocks that are thrown out, other senders.

It keeps the rules a real node keeps for one account: nonces in order, one transaction each, replacement for a tenth
more and something more than nothing. `effects` counts the transactions that took effect for each call.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

from eth_utils.crypto import keccak
from rlp import decode

from chain.errors import ChainUnavailableError, TransactionRejectedError
from chain.node import Block, Mined

CHAIN_ID = 77


@dataclass(frozen=True)
class Sent:
    """A transaction as the chain reads it."""

    hash: bytes
    nonce: int
    price: int
    data: bytes


@dataclass
class ModelNode:
    """The questions that the sender asks of a node, answered by a model. height 0 is the first block."""

    address: str
    base_price: int = 0
    blocks: list[tuple[Sent, ...]] = field(default_factory=lambda: [()])
    salt: int = 0
    hashes: list[bytes] = field(default_factory=lambda: [bytes(32)])
    pool: dict[int, Sent] = field(default_factory=dict)
    is_silent: bool = False
    answers_are_lost: bool = False
    refuses_with: str | None = None

    def _ask(self) -> None:
        if self.is_silent:
            raise ChainUnavailableError("node_unreachable", "没有应答")

    def chain_id(self) -> int:
        self._ask()
        return CHAIN_ID

    def gas_price(self) -> int:
        self._ask()
        return self.base_price

    def height(self) -> int:
        self._ask()
        return len(self.blocks) - 1

    def block(self, number: int) -> Block | None:
        self._ask()
        if number >= len(self.blocks):
            return None
        return Block(number, self.hashes[number], datetime.fromtimestamp(number, UTC))

    def next_nonce(self, address: str, block: int | None = None) -> int:
        self._ask()
        assert address == self.address
        last = len(self.blocks) - 1 if block is None else block
        return sum(len(some) for some in self.blocks[: last + 1])

    def call(self, address: str, data: bytes, **_: object) -> bytes:
        self._ask()
        return b""

    def knows(self, transaction_hash: bytes) -> bool:
        self._ask()
        waiting = any(one.hash == transaction_hash for one in self.pool.values())
        return waiting or self._place(transaction_hash) is not None

    def mined(self, transaction_hash: bytes) -> Mined | None:
        self._ask()
        place = self._place(transaction_hash)
        if place is None:
            return None
        return Mined(transaction_hash, True, place, self.hashes[place], None, 21_000)

    def send(self, raw: bytes) -> None:
        self._ask()
        if self.refuses_with is not None:
            raise TransactionRejectedError(self.refuses_with, "拒绝")
        self._accept(read(raw))
        if self.answers_are_lost:
            raise ChainUnavailableError("node_unreachable", "没有应答")

    def _accept(self, sent: Sent) -> None:
        if self._place(sent.hash) is not None or sent in self.pool.values():
            raise TransactionRejectedError("already known", "拒绝")
        if sent.nonce < self.next_nonce(self.address):
            raise TransactionRejectedError("nonce too low", "拒绝")
        if sent.price < self.base_price:
            raise TransactionRejectedError("transaction underpriced", "拒绝")
        before = self.pool.get(sent.nonce)
        if before is not None and not (sent.price > before.price and sent.price * 10 >= before.price * 11):
            raise TransactionRejectedError("replacement transaction underpriced", "拒绝")
        self.pool[sent.nonce] = sent

    # what happens to the chain

    def mine(self, most: int = 100) -> None:
        """One block with what is next in line and pays enough."""
        self._mine(most)

    def _mine(self, most: int, also: Sent | None = None) -> None:
        taken: list[Sent] = [also] if also else []
        nonce = sum(map(len, self.blocks)) + len(taken)
        while len(taken) < most and nonce in self.pool and self.pool[nonce].price >= self.base_price:
            taken.append(self.pool[nonce])
            nonce += 1
        self.salt += 1
        self.blocks.append(tuple(taken))
        self.hashes.append(hashlib.sha256(b"block %d" % self.salt).digest())
        self.pool = {place: one for place, one in self.pool.items() if place >= nonce}

    def mine_foreign(self) -> None:
        """Somebody else with our key was faster: their transaction takes the next nonce in this block."""
        nonce = sum(map(len, self.blocks))
        self.salt += 1
        self._mine(1, Sent(hashlib.sha256(b"foreign %d" % self.salt).digest(), nonce, self.base_price, b"foreign"))

    def reorganise(self, depth: int, keeps_pool: bool) -> None:
        """The newest blocks give way to as many empty ones and one more."""
        depth = min(depth, len(self.blocks) - 1)
        thrown_out = [one for some in self.blocks[len(self.blocks) - depth :] for one in some]
        del self.blocks[len(self.blocks) - depth :], self.hashes[len(self.hashes) - depth :]
        if keeps_pool:
            self.pool = {**{one.nonce: one for one in thrown_out}, **self.pool}
        for _ in range(depth + 1):
            self._mine(0)

    def forget(self, nonce: int | None = None) -> None:
        """The pool loses one transaction, or all of them."""
        if nonce is None:
            self.pool.clear()
        else:
            self.pool.pop(nonce, None)

    def effects(self, data: bytes) -> int:
        """How many different transactions with this call are in blocks."""
        return sum(one.data == data for some in self.blocks for one in some)

    def place_of(self, data: bytes) -> tuple[int, bytes] | None:
        """Block and transaction of a call's effect."""
        self._ask()
        return next(
            ((number, one.hash) for number, some in enumerate(self.blocks) for one in some if one.data == data), None
        )

    def _place(self, transaction_hash: bytes) -> int | None:
        return next(
            (number for number, some in enumerate(self.blocks) for one in some if one.hash == transaction_hash), None
        )


def read(raw: bytes) -> Sent:
    """A legacy transaction (EIP-155)."""
    nonce, price, _, _, _, data, v, _, _ = decode(raw)
    assert (int.from_bytes(v) - 35) // 2 == CHAIN_ID
    return Sent(keccak(raw), int.from_bytes(nonce), int.from_bytes(price), data)
