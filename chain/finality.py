"""When a block cannot go away any more, each kind of network in its own way.

Byzantine-tolerant engines (QBFT, Istanbul, Kaia's) seal a block once for all, and the embedded chain has one writer:
there a block is final as soon as it is there, or with as many blocks as the operator asks for.

Clique (EIP-225) never says so. Nodes follow the heaviest branch, a block in its sealer's turn weighing 2 and any other
1, so a long branch may lose against a short one; of two equal ones a signer may build on either, and having sealed one
branch keeps nobody from sealing the other. What is asked for here has the form of a two-phase commit: a first round of
more than half of the validators that sealed on the block, and a second round of more than half that sealed on all of
that first round, so that each of them knew of it. What this does and does not guarantee: docs/decisions/0041.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
# Below this many blocks in a row in which too few validators took part nothing is looked for.
_LONGEST_WALK: Final = 200
#: How often more than half of the validators must have sealed, one round upon the other.
ROUNDS: Final = 2


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


def blocks_of_rounds(sealers: Iterable[bytes], validators: int, rounds: int = ROUNDS) -> int | None:
    """How many of a branch's newest blocks make up its last rounds; the block before them is final.

    sealers: of each block, the newest first. A round is as few blocks in a row as were sealed by floor(N/2)+1 different
    ones of N validators. None: the sealers do not make up so many rounds.
    """
    found: set[bytes] = set()
    for count, sealer in enumerate(sealers, 1):
        found.add(sealer)
        if len(found) > validators // 2:
            rounds -= 1
            if rounds == 0:
                return count
            found.clear()
    return None


class BySealers:
    """A block is final with `ROUNDS` rounds of sealers behind it, and not before `confirmations`.

    first_validators: their number in the genesis block, which counts where the node does not say the present one.
    """

    def __init__(self, node: Node, confirmations: int, first_validators: int) -> None:
        self._node = node
        self._confirmations = confirmations
        self._validators = first_validators
        self._known: dict[bytes, tuple[int, bytes, bytes]] = {}
        self._answer: tuple[bytes, int] = (b"", -1)

    def final_height(self) -> int:
        """See `Finality`."""
        newest = self._block("eth_getBlockByNumber", "latest")
        if newest is None:
            return -1
        if self._answer[0] != newest[0]:
            self._answer = newest[0], self._final_below(newest)
        return self._answer[1]

    def _final_below(self, newest: tuple[bytes, int, bytes, bytes]) -> int:
        height = newest[1]
        count = blocks_of_rounds(self._sealers(newest), self._count(height))
        return -1 if count is None else min(height - count, height - self._confirmations + 1)

    def _sealers(self, newest: tuple[bytes, int, bytes, bytes]) -> Iterator[bytes]:
        """Back from the newest block, by the parents' hashes, so that no reorganisation can come in between."""
        _, number, parent, sealer = newest
        last = max(1, number - _LONGEST_WALK)
        yield sealer
        while number > last:
            number, parent, sealer = self._parent(parent)
            yield sealer

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
        # A node may keep this question to itself: it need not be open to its users.
        with suppress(TransactionRejectedError):
            signers = self._node.ask("clique_getSigners", hex(height))
            self._validators = len(signers) if isinstance(signers, list) and signers else self._validators
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
