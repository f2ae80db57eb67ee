"""Anchors: heads of the log on the chain."""

from __future__ import annotations

from collections.abc import Sequence

from chain import artifacts
from chain.errors import ChainUnavailableError, TransactionRejectedError
from chain.node import Node
from chain.record import Deployment
from chain.sender import Sender
from verifier.anchor import Anchor

# The longest possible proof (63 levels and one more) takes less; see tests/gas.json for what calls really take.
_ADVANCE_GAS = 300_000


class ChainAnchors:
    """Puts heads of one log on the chain and reads them back. Safe to repeat at any time, after any crash."""

    def __init__(self, node: Node, sender: Sender, deployment: Deployment, log_id: bytes) -> None:
        self._node = node
        self._sender = sender
        self._deployment = deployment
        self._log_id = log_id
        self._heads = artifacts.load("heads")

    def anchor(self, size: int, root: bytes, old_size: int, proof: Sequence[bytes]) -> Anchor:
        """Put a head on the chain and return it as read back, once its block is final.

        proof: the consistency proof from the head of `old_size` that the chain has now; empty if it has none (0).
        A head that is there already is returned as it stands, and nothing is sent.
        Raises TransactionRejectedError if the chain has another root at this size or a larger head that passed this
        one by, or if the proof does not hold: ask `latest` and prove from there. Raises OutcomeUnknownError if it was
        sent and not confirmed: call `find` before anything else.
        """
        if self._locate(size, root) is None:
            self._refuse_unless_next(size, root, old_size)
            call = self._heads.call("advance", [self._log_id, size, root, list(proof)])
            self._sender.send(self._deployment.heads, call, _ADVANCE_GAS)
            if self._locate(size, root) is None:
                message = "链上已有更大的日志头，请以链上最新日志头为准重新锚定"
                raise TransactionRejectedError("heads: passed by", message)
        # Looked for again at every turn: until its block is final it may move to another one.
        return self._sender.wait(lambda final: self._find(size, root, final))

    def find(self, size: int, root: bytes) -> Anchor | None:
        """The anchor of this head, if the chain has it in a final block."""
        return self._find(size, root, self._sender.final_height())

    def _find(self, size: int, root: bytes, final: int) -> Anchor | None:
        place = self._locate(size, root)
        return place if place is not None and place.block_number <= final else None

    def latest(self) -> tuple[int, bytes] | None:
        """Size and root of the newest head on the chain, confirmed or not; None before the first."""
        size, root, _, _ = self._head()
        return (size, root) if size else None

    def _head(self) -> tuple[int, bytes, int, int]:
        data = self._node.call(self._deployment.heads, self._heads.call("head", [self._log_id]))
        size, root, block_number, seconds = self._heads.answer("head", data)
        return int(size), bytes(root), int(block_number), int(seconds)

    def _refuse_unless_next(self, size: int, root: bytes, old_size: int) -> None:
        """What the contract would answer with silence or with a reason of its own is said plainly here."""
        present, present_root, _, _ = self._head()
        evidence: dict[str, object] = {"size": present, "root": present_root.hex()}
        if present == size and present_root != root:
            message = "链上同一大小的日志头与本地不同，日志可能被改写，请立即停止锚定并核查"
            raise TransactionRejectedError("heads: contradicts", message, evidence)
        if present > size:
            message = "链上已有更大的日志头，请以链上最新日志头为准重新锚定"
            raise TransactionRejectedError("heads: passed by", message, evidence)
        if present != old_size:
            message = "一致性证明的起点不是链上最新日志头，请以链上最新日志头为起点重新证明"
            raise TransactionRejectedError("heads: proof from another head", message, evidence)

    def _locate(self, size: int, root: bytes) -> Anchor | None:
        """The anchor of this head, found by its event: log id and size are indexed."""
        present, _, block_number, _ = self._head()
        if size < 1 or present < size:
            return None
        # The newest head says where it stands; older ones are searched for from the first block of the contract.
        first, last = (block_number, block_number) if present == size else (self._deployment.first_block, block_number)
        topics = [self._heads.topic("Advanced"), self._log_id, size.to_bytes(32)]
        for event in self._node.events(self._deployment.heads, topics, first, last):
            if event.data != root:
                continue
            block = self._node.block(event.block_number)
            if block is None or block.hash != event.block_hash:
                raise ChainUnavailableError("chain_moved", "区块链正在重组，请稍后重试")
            return Anchor(
                chain_id=self._deployment.chain_id,
                contract=self._deployment.heads,
                log_id=self._log_id,
                size=size,
                root=root,
                block_number=block.number,
                block_hash=block.hash,
                block_at=block.at,
                transaction_hash=event.transaction_hash,
            )
        return None
