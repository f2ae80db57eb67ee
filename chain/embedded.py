"""The embedded chain: eth-tester's EVM with its state in one file.

One process at a time holds the file. Every transaction is mined at once into a block of its own and the block is on the
disk before the sender hears of it; a killed process resumes the same chain. One operator runs it: it proves order and
append-only growth to whoever keeps a copy of its blocks, and is no substitute for a network of several.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from eth.chains.base import MiningChain
from eth.db.atomic import AtomicDB
from eth.db.schema import SchemaV1
from eth.exceptions import PyEVMError, Revert
from eth.exceptions import TransactionNotFound as UnknownToTheChain
from eth.vm.forks.prague import PragueVM
from eth_abi.abi import encode
from eth_tester import EthereumTester, PyEVMBackend
from eth_tester.backends.pyevm.main import get_default_genesis_params
from eth_tester.backends.pyevm.serializers import serialize_transaction, serialize_transaction_receipt
from eth_tester.exceptions import TransactionFailed, TransactionNotFound
from eth_tester.exceptions import ValidationError as TesterValidationError
from eth_utils.exceptions import ValidationError
from filelock import FileLock, Timeout
from rlp.exceptions import RLPException
from web3 import EthereumTesterProvider, Web3
from web3.providers.eth_tester.defaults import API_ENDPOINTS

from chain.errors import ChainUnavailableError
from chain.node import Block, Node
from chain.store import BlockStore
from chain.tries import get_header, get_proof

Clock = Callable[[], datetime]
Draw = Callable[[int], bytes]

_NOBODY = b"\0" * 20
_FORK = b"prague"
_GAS_LIMIT = 30_000_000
# Distinguishes embedded chains from each other; below 2**53, so that JSON readers keep it exact.
_CHAIN_ID_BASE = 0x5A << 32
_FILE_FAILED = "内置链的文件无法读写，请检查磁盘后重试"
# Error(string), by which a revert carries its reason.
_ERROR_SELECTOR = bytes.fromhex("08c379a0")


class _EmbeddedVM(PragueVM):  # type: ignore[misc]
    """Prague rules, except that a block may carry the second of its parent: several are mined within one."""

    @classmethod
    def validate_header(cls, header: Any, parent_header: Any) -> None:
        if parent_header is not None and header.timestamp == parent_header.timestamp:
            parent_header = parent_header.copy(timestamp=parent_header.timestamp - 1)
        super().validate_header(header, parent_header)


class _FileChain(MiningChain):  # type: ignore[misc]
    """A chain whose blocks carry the clock's time and never an earlier one than their parent."""

    vm_configuration = ((0, _EmbeddedVM),)
    clock: Clock

    def create_header_from_parent(self, parent_header: Any, **fields: Any) -> Any:
        now = int(self.clock().timestamp())
        fields = {"gas_limit": parent_header.gas_limit, "timestamp": max(parent_header.timestamp, now), **fields}
        return super().create_header_from_parent(parent_header, **fields)

    def get_transaction_builder(self) -> Any:
        return self.get_vm().get_transaction_builder()


class _FileBackend(PyEVMBackend):  # type: ignore[misc]
    """eth-tester's backend over a file. Holds no accounts: it mines what was signed elsewhere."""

    chain: Any = None

    def __init__(self, store: BlockStore, clock: Clock, draw: Draw) -> None:
        self.store = store
        self._clock = clock
        self._draw = draw
        super().__init__()
        #: The newest block on the disk, readable without the chain's lock.
        self.newest = self._head()

    def reset_to_genesis(self, *_: Any, **__: Any) -> None:
        """Open the chain, making its first block if there is none. Called once, by the constructor."""
        if self.chain is not None:
            raise TesterValidationError("a kept chain is never reset")
        self.account_keys = ()
        drawn = self.store.state_fact("chain_id", (_CHAIN_ID_BASE + int.from_bytes(self._draw(4))).to_bytes(8))
        kind: Any = type(
            "KeptChain", (_FileChain,), {"chain_id": int.from_bytes(drawn), "clock": staticmethod(self._clock)}
        )
        base = AtomicDB(self.store)
        if self.store.state_fact("fork", _FORK) != _FORK:
            raise ChainUnavailableError("wrong_fork", "内置链的文件由另一版本的程序写成，请用原版本打开或迁移")
        if base.exists(SchemaV1.make_canonical_head_hash_lookup_key()):
            self.chain = kind(base)
            return
        first = {"gas_limit": _GAS_LIMIT, "timestamp": int(self._clock().timestamp()), "base_fee_per_gas": 0}
        self.chain = kind.from_genesis(base, {**get_default_genesis_params(), **first}, {})
        self.store.commit()

    def get_accounts(self) -> tuple[bytes, ...]:
        """The account that reads are made as when the reader names none."""
        return (_NOBODY,)

    def call(self, transaction: dict[str, Any], block_number: Any = "latest") -> Any:
        """What a contract answers; asking costs nothing here, and the asker needs no funds."""
        free = {name: value for name, value in transaction.items() if "fee" not in name}
        return super().call({**free, "gas_price": 0}, block_number)

    def send_raw_transaction(self, raw_transaction: bytes) -> bytes:
        self._check_chain(raw_transaction)
        # The open block was begun when the last one was mined, maybe days ago: begin it anew with the present time.
        self._begin_block()
        try:
            return bytes(super().send_raw_transaction(raw_transaction))
        except BaseException:
            self._begin_block()
            raise

    def mine_blocks(self, num_blocks: int = 1, coinbase: bytes = _NOBODY) -> tuple[bytes, ...]:
        """Mine, and return when the blocks are on the disk."""
        try:
            mined = tuple(self._mine_block(coinbase) for _ in range(num_blocks))
            self.store.commit()
        except BaseException:
            self._begin_block()
            raise
        self.newest = self._head()
        return mined

    def _head(self) -> Block:
        header = self.chain.get_canonical_head()
        at = datetime.fromtimestamp(header.timestamp, UTC)
        return Block(int(header.block_number), bytes(header.hash), at)

    def _check_chain(self, raw_transaction: bytes) -> None:
        """Refuse what was signed for another chain, or for any (EIP-155); the EVM itself does not look."""
        try:
            transaction = self.chain.get_transaction_builder().decode(raw_transaction)
        except RLPException as error:
            raise ValidationError("not a transaction") from error
        if getattr(transaction, "chain_id", None) != self.chain.chain_id:
            raise ValidationError("transaction is for another chain")

    def _begin_block(self) -> None:
        self.store.discard()
        self.chain.header = self.chain.create_header_from_parent(self.chain.get_canonical_head())

    def _mine_block(self, coinbase: bytes) -> bytes:
        # Nothing here draws on the randomness of a block; a value that follows from the parent keeps blocks repeatable.
        mix_hash = hashlib.sha256(b"mix" + self.chain.header.parent_hash).digest()
        block = self.chain.mine_block(coinbase=coinbase, mix_hash=mix_hash, blob_gas_used=0)
        for receipt in block.get_receipts(self.chain.chaindb):
            for event in receipt.logs:
                self.store.add_topics((topic.to_bytes(32) for topic in event.topics), block.number)
        return bytes(block.hash)

    def _locate(self, transaction_hash: bytes) -> tuple[Any, Any, int, bool]:
        """The block of a transaction, the transaction, its position, and whether the block is still open."""
        for position, transaction in enumerate((pending := self.chain.get_block()).transactions):
            if transaction.hash == transaction_hash:
                return pending, transaction, position, True
        try:
            number, position = self.chain.get_canonical_transaction_index(transaction_hash)
        except UnknownToTheChain as error:
            raise TransactionNotFound(f"no transaction {transaction_hash.hex()}") from error
        block = self.chain.get_canonical_block_by_number(number)
        return block, block.transactions[position], position, False

    def get_transaction_by_hash(self, transaction_hash: bytes) -> Any:
        return serialize_transaction(*self._locate(transaction_hash))

    def get_transaction_receipt(self, transaction_hash: bytes) -> Any:
        block, transaction, position, is_open = self._locate(transaction_hash)
        receipts = block.get_receipts(self.chain.chaindb)
        return serialize_transaction_receipt(block, receipts, transaction, position, is_open, self.chain.get_vm())

    def take_snapshot(self) -> Any:
        raise TesterValidationError("a kept chain is never rewound")

    def revert_to_snapshot(self, snapshot: Any) -> None:
        raise TesterValidationError("a kept chain is never rewound")

    def time_travel(self, to_timestamp: int) -> Any:
        raise TesterValidationError("blocks carry the time of the clock")


class _FileTester(EthereumTester):  # type: ignore[misc]
    """eth-tester's front, with events found by their index and not by reading every block."""

    def get_logs(
        self,
        from_block: Any = None,
        to_block: Any = None,
        address: Any = None,
        topics: Sequence[str | None] | None = None,
    ) -> tuple[Any, ...]:
        wanted = [bytes.fromhex(topic[2:]) for topic in topics or () if isinstance(topic, str)]
        if not wanted:
            return tuple(super().get_logs(from_block, to_block, address, topics))
        named = {"earliest": 0}
        height = self.backend.newest.number
        first, last = (
            place if isinstance(place, int) else named.get(place, height) for place in (from_block, to_block)
        )
        blocks = self.backend.store.blocks_with(wanted, first, last)
        return tuple(
            event for block in blocks for event in super(_FileTester, self).get_logs(block, block, address, topics)
        )


class SerialProvider(EthereumTesterProvider):
    """Requests one after another, and refusals as a node words them: eth-tester is neither thread-safe nor JSON-RPC."""

    def __init__(self, tester: EthereumTester, chain_id: int | None = None, gas_price: int | None = None) -> None:
        answers = {"chainId": chain_id, "gasPrice": gas_price}
        constant: dict[str, Any] = {name: _constant(value) for name, value in answers.items() if value is not None}
        more = {
            "eth": {**API_ENDPOINTS["eth"], **constant, "getProof": get_proof},
            "debug": {"getRawHeader": get_header},
        }
        super().__init__(tester, {**API_ENDPOINTS, **more})
        #: Held while a request runs.
        self.turn = threading.RLock()

    def make_request(self, method: Any, params: Any) -> Any:
        with self.turn:
            try:
                return super().make_request(method, params)
            except sqlite3.Error as error:
                # The block was not written and the chain stands where it stood: the disk is full, or gone.
                raise ChainUnavailableError("chain_file_failed", _FILE_FAILED) from error
            except (TransactionFailed, PyEVMError) as error:
                return _refusal(3, str(error), error)
            except (ValidationError, TesterValidationError) as error:
                return _refusal(-32000, str(error))


def open_embedded(path: Path, clock: Clock, draw: Draw) -> Node:
    """The chain kept in this file, made if there is none.

    Raises ChainUnavailableError while another process has it open; the system frees it when that process ends or dies.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(f"{path}.lock", timeout=0, thread_local=False)
    try:
        held.acquire()
    except Timeout as error:
        raise ChainUnavailableError(
            "chain_in_use", "内置链正由另一个进程使用，请先停止它", {"path": path.name}
        ) from error
    with ExitStack() as opening:
        opening.callback(held.release)
        try:
            store = BlockStore(path)
            opening.callback(store.close)
            backend = _FileBackend(store, clock, draw)
        except sqlite3.Error as error:
            raise ChainUnavailableError("chain_file_failed", _FILE_FAILED) from error
        provider = SerialProvider(_FileTester(backend), int(backend.chain.chain_id), 0)
        everything = opening.pop_all()

    def close() -> None:
        with provider.turn:
            everything.close()

    return Node(Web3(provider), newest=lambda: backend.newest, close=close)


def _constant(value: int) -> Callable[..., int]:
    return lambda *_: value


def _refusal(code: int, text: str, error: Exception | None = None) -> dict[str, Any]:
    """A JSON-RPC error; a revert carries its reason as Error(string), the way nodes answer."""
    problem: dict[str, Any] = {"code": code, "message": text}
    if isinstance(error, TransactionFailed | Revert):
        reason = text.removeprefix("execution reverted: ")
        problem["data"] = "0x" + (_ERROR_SELECTOR + encode(["string"], [reason])).hex()
    return {"id": 0, "jsonrpc": "2.0", "error": problem}
