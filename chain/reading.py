"""What an auditor reads from the chain: every head of a log and every first use, with no account and nothing sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from chain import artifacts
from chain.errors import ChainUnavailableError, TransactionRejectedError
from chain.ids import department_code, department_id
from chain.node import Event, Node
from chain.uses import FirstUse

#: Blocks asked about at once; halved while a node finds that too much.
_BLOCKS_AT_ONCE = 100_000
_FEWEST_BLOCKS = 100


@dataclass(frozen=True, slots=True)
class HeadEvent:
    """A head that the contract accepted: size in entries; root and the hashes have 32 bytes."""

    size: int
    root: bytes
    block_number: int
    block_hash: bytes
    transaction_hash: bytes


@dataclass(frozen=True, slots=True)
class UseEvent:
    """A first use; nullifier and commitment have 32 bytes."""

    nullifier: bytes
    commitment: bytes
    block_number: int


class ChainReader:
    """Reads through one node. Errors are those of `chain.errors`."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._heads = artifacts.load("heads")
        self._uses = artifacts.load("uses")

    def chain_id(self) -> int:
        """The id of the chain."""
        return self._node.chain_id()

    def height(self) -> int:
        """The number of the newest block."""
        return self._node.height()

    def has_heads(self, contract: str) -> bool:
        """Whether the heads contract stands at this address; where its immutables point is not looked at."""
        return self._node.code(contract).startswith(self._heads.runtime)

    def block_at(self, number: int) -> datetime | None:
        """The time of a block, or None if the node has none."""
        block = self._node.block(number)
        return None if block is None else block.at

    def newest_head(self, contract: str, log_id: bytes) -> tuple[int, bytes] | None:
        """Size and root of the newest head by the contract's state; None before the first."""
        data = self._node.call(contract, self._heads.call("head", [log_id]))
        size, root, _, _ = self._heads.answer("head", data)
        return (int(size), bytes(root)) if size else None

    def head_events(self, contract: str, log_id: bytes, first_block: int, last_block: int) -> Iterator[HeadEvent]:
        """Every head of the log, oldest first."""
        topics = [self._heads.topic("Advanced"), log_id]
        for event in self._events(contract, topics, first_block, last_block):
            size = int.from_bytes(event.topics[2])
            yield HeadEvent(size, event.data, event.block_number, event.block_hash, event.transaction_hash)

    def first_use(self, contract: str, nullifier: bytes) -> FirstUse | None:
        """The first use of an item, or None."""
        data = self._node.call(contract, self._uses.call("first_use", [nullifier]))
        department, commitment, seconds = self._uses.answer("first_use", data)
        if not seconds:
            return None
        return FirstUse(department_code(department), bytes(commitment), datetime.fromtimestamp(seconds, UTC))

    def use_events(self, contract: str, department: str, first_block: int, last_block: int) -> Iterator[UseEvent]:
        """Every first use of one department, oldest first."""
        wanted = department_id(department)
        for event in self._events(contract, [self._uses.topic("FirstUsed")], first_block, last_block):
            if event.topics[2] == wanted:
                yield UseEvent(event.topics[1], event.data, event.block_number)

    def close(self) -> None:
        """Let go of the node."""
        self._node.close()

    def _events(self, contract: str, topics: list[bytes], first: int, last: int) -> Iterator[Event]:
        span = _BLOCKS_AT_ONCE
        while first <= last:
            end = min(last, first + span - 1)
            try:
                found = self._node.events(contract, topics, first, end)
            except TransactionRejectedError as refused:
                if span <= _FEWEST_BLOCKS:
                    raise ChainUnavailableError("events_refused", f"节点不肯给出事件：{refused.reason}") from refused
                span //= 2
                continue
            yield from found
            first = end + 1


def open_reader(where: str, timeout_seconds: float = 30.0) -> ChainReader:
    """A reader of the node at an http(s) address, or of the embedded chain in a folder that no process holds.

    Raises ChainUnavailableError.
    """
    if where.startswith(("http://", "https://")):
        from chain.node import connect

        return ChainReader(connect(where, timeout_seconds))
    file = Path(where) / "chain.db"
    if not file.is_file():
        raise ChainUnavailableError("no_chain", f"{where} 不是节点网址，也不是内置链的目录（缺少 chain.db）")
    import secrets

    from chain.embedded import open_embedded

    return ChainReader(open_embedded(file, lambda: datetime.now(UTC), secrets.token_bytes))
