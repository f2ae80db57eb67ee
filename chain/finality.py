"""When a block cannot go away any more, each kind of network in its own way.

Byzantine-tolerant engines (QBFT, Istanbul, Kaia's) seal a block once for all, and the embedded chain has one writer:
there a block is final as soon as it is there, or with as many blocks as the operator asks for. Under Clique any block
may still lose against another one until more than half of the validators have built upon it, so distinct sealers are
counted: three blocks of one validator say no more than one.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final, Protocol

from chain.errors import ChainUnavailableError, TransactionRejectedError
from chain.headers import header_of
from chain.node import Node
from verifier import seals
from verifier.errors import VerificationError

_CLIQUE: Final = "clique"
_VANITY_BYTES: Final = 32
# Sealers are remembered for so many blocks, by the blocks' hashes, which never change their meaning.
_REMEMBERED: Final = 1_000
# The number of validators is asked for again after so many blocks.
_ASKED_EVERY: Final = 50
# Below this many blocks in a row in which too few validators took part nothing is looked for.
_LONGEST_WALK: Final = 200


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


class BySealers:
    """A block is final when floor(N/2)+1 of N validators have each sealed a later one, and not before `confirmations`.

    first_validators: their number in the genesis block, which counts where the node does not say the present one.
    """

    def __init__(self, node: Node, confirmations: int, first_validators: int) -> None:
        self._node = node
        self._confirmations = confirmations
        self._validators = first_validators
        self._ask_at = 0
        self._known: dict[bytes, tuple[int, bytes, bytes]] = {}
        self._answer: tuple[bytes, int] = (b"", -1)

    def final_height(self) -> int:
        """See `Finality`."""
        newest = self._block("eth_getBlockByNumber", "latest")
        if newest is None:
            return -1
        if self._answer[0] != newest[0]:
            self._answer = newest[0], self._walk(newest)
        return self._answer[1]

    def _walk(self, newest: tuple[bytes, int, bytes, bytes]) -> int:
        """Back from the newest block, by the parents' hashes, so that no reorganisation can come in between."""
        _, height, parent, sealer = newest
        needed = self._count(height) // 2 + 1
        number, found = height, {sealer}
        while len(found) < needed and number > 1 and height - number < _LONGEST_WALK:
            number, parent, sealer = self._parent(parent)
            found.add(sealer)
        by_sealers = number - 1 if len(found) >= needed else -1
        return min(by_sealers, height - self._confirmations + 1)

    def _parent(self, block_hash: bytes) -> tuple[int, bytes, bytes]:
        if block_hash not in self._known:
            found = self._block("eth_getBlockByHash", "0x" + block_hash.hex())
            if found is None:
                raise ChainUnavailableError("chain_moved", "区块链正在重组，请稍后重试")
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[block_hash] = found[1:]
        return self._known[block_hash]

    def _block(self, question: str, which: str) -> tuple[bytes, int, bytes, bytes] | None:
        """Hash, number, parent and sealer of a block; None if there is none but the first, which nobody seals."""
        answer = _ask(self._node, question, which, False)
        try:
            if answer is None or int(answer["number"], 16) == 0:
                return None
            header = seals.read_header(_CLIQUE, header_of(_CLIQUE, answer))
            (sealer,) = seals.sealers(_CLIQUE, header)
        except (VerificationError, KeyError, TypeError, ValueError) as error:
            raise ChainUnavailableError("node_garbled", "区块链节点给出的区块头无法读懂，请检查节点") from error
        return header.hash, header.number, header.parent, sealer

    def _count(self, height: int) -> int:
        """How many validators there are, as the node has it; as the first block has it, where the node does not say."""
        if height >= self._ask_at:
            self._ask_at = height + _ASKED_EVERY
            # A node may keep this question to itself: it need not be open to its users.
            with suppress(TransactionRejectedError):
                self._validators = len(self._node.ask("clique_getSigners", hex(height))) or self._validators
        return self._validators


def finality_of(node: Node, confirmations: int) -> Finality:
    """How blocks of this node's network become final, told by the form of its first block."""
    first = _ask(node, "eth_getBlockByNumber", "0x0", False)
    extra = bytes.fromhex(str((first or {}).get("extraData", "")).removeprefix("0x"))
    listed = len(extra) - _VANITY_BYTES - seals.SEAL_BYTES
    # Clique: vanity, the validators' addresses, and a place for a seal that is empty in the first block.
    if listed > 0 and listed % seals.ADDRESS_BYTES == 0 and not any(extra[-seals.SEAL_BYTES :]):
        return BySealers(node, confirmations, listed // seals.ADDRESS_BYTES)
    return ByCount(node, confirmations)


def _ask(node: Node, question: str, *about: Any) -> Any:
    try:
        return node.ask(question, *about)
    except TransactionRejectedError as error:
        message = f"区块链节点暂不能回答：{error.reason}。请稍后重试"
        raise ChainUnavailableError("node_cannot_answer", message) from error
