"""An EVM node in plain types: the few questions this project asks, whoever answers them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import requests
from requests.exceptions import RequestException
from web3 import HTTPProvider, Web3
from web3.exceptions import (
    BadResponseFormat,
    BlockNotFound,
    CannotHandleRequest,
    ContractLogicError,
    MethodUnavailable,
    ProviderConnectionError,
    RequestTimedOut,
    TooManyRequests,
    TransactionNotFound,
    Web3RPCError,
    Web3TypeError,
    Web3ValueError,
)
from web3.middleware import ExtraDataToPOAMiddleware
from web3.types import BlockData

from chain.errors import ChainUnavailableError, TransactionRejectedError
from chain.refusals import is_failure_of_code

_UNREACHABLE = (
    RequestException,
    OSError,
    BadResponseFormat,
    CannotHandleRequest,
    ProviderConnectionError,
    RequestTimedOut,
    TooManyRequests,
)
# An answer with a part missing, or with something else in its place.
_MALFORMED = (KeyError, ValueError, TypeError, AttributeError, Web3ValueError, Web3TypeError)


@dataclass(frozen=True, slots=True)
class Block:
    """number from 0; hash, 32 bytes; at, the block's own time."""

    number: int
    hash: bytes
    at: datetime


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction in a block. contract: the 0x address it created, if it did."""

    transaction_hash: bytes
    succeeded: bool
    block_number: int
    block_hash: bytes
    contract: str | None
    gas_used: int


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a contract; topics are 32 bytes each."""

    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    block_hash: bytes
    transaction_hash: bytes


class Node:
    """Raises ChainUnavailableError when it does not answer, TransactionRejectedError when it or a contract refuses."""

    def __init__(
        self, web3: Web3, newest: Callable[[], Block] | None = None, close: Callable[[], None] | None = None
    ) -> None:
        self._eth = web3.eth
        self._provider = web3.provider
        self._newest = newest
        self._close = close

    def chain_id(self) -> int:
        """The id that signed transactions name (EIP-155)."""
        with _answering():
            return int(self._eth.chain_id)

    def gas_price(self) -> int:
        """What the node asks per gas, in wei; 0 on a network without fees."""
        with _answering():
            return int(self._eth.gas_price)

    def height(self) -> int:
        """The number of the newest block. On the embedded chain this never waits."""
        if self._newest is not None:
            return self._newest().number
        with _answering():
            return int(self._eth.block_number)

    def newest(self) -> Block:
        """The newest block. On the embedded chain this never waits."""
        if self._newest is not None:
            return self._newest()
        with _answering():
            return _block(self._eth.get_block("latest"))

    def block(self, number: int) -> Block | None:
        """The block of this number, or None if the node has none."""
        with _answering():
            try:
                return _block(self._eth.get_block(number))
            except BlockNotFound:
                return None

    def code(self, address: str) -> bytes:
        """The code at an address; empty if there is no contract."""
        with _answering():
            return bytes(self._eth.get_code(_checksum(address)))

    def next_nonce(self, address: str, block: int | None = None) -> int:
        """How many transactions of this account are in blocks, as of the newest block or of `block`."""
        with _answering():
            return int(self._eth.get_transaction_count(_checksum(address), "latest" if block is None else block))

    def call(
        self,
        address: str,
        data: bytes,
        *,
        caller: str | None = None,
        gas: int | None = None,
        block: int | None = None,
    ) -> bytes:
        """What a contract answers, as of the newest block or of `block`, changing nothing."""
        request: dict[str, Any] = {"to": _checksum(address), "data": data}
        if caller is not None:
            request["from"] = _checksum(caller)
        if gas is not None:
            request["gas"] = gas
        with _answering(calling=True):
            return bytes(self._eth.call(cast(Any, request), "latest" if block is None else block))

    def send(self, raw: bytes) -> None:
        """Hand over a signed transaction. On the embedded chain it is in a block, on the disk, when this returns.

        Raises TransactionRejectedError with the node's own words when it does not take it; see `chain.refusals`.
        """
        with _answering(sending=True):
            self._eth.send_raw_transaction(raw)

    def knows(self, transaction_hash: bytes) -> bool:
        """Whether the node has the transaction, in a block or waiting for one."""
        with _answering():
            try:
                self._eth.get_transaction(cast(Any, transaction_hash))
            except TransactionNotFound:
                return False
        return True

    def mined(self, transaction_hash: bytes) -> Mined | None:
        """The transaction in its block, or None while it is in none."""
        with _answering():
            try:
                found = self._eth.get_transaction_receipt(cast(Any, transaction_hash))
            except TransactionNotFound:
                return None
            return Mined(
                transaction_hash=bytes(found["transactionHash"]),
                succeeded=found["status"] == 1,
                block_number=int(found["blockNumber"]),
                block_hash=bytes(found["blockHash"]),
                contract=found["contractAddress"],
                gas_used=int(found["gasUsed"]),
            )

    def events(self, address: str, topics: Sequence[bytes], first: int, last: int) -> list[Event]:
        """The events of a contract with these topics, in blocks first … last, oldest first."""
        wanted: dict[str, Any] = {
            "address": _checksum(address),
            "topics": ["0x" + topic.hex() for topic in topics],
            "fromBlock": first,
            "toBlock": last,
        }
        with _answering():
            found = self._eth.get_logs(cast(Any, wanted))
            return [
                Event(
                    topics=tuple(bytes(topic) for topic in event["topics"]),
                    data=bytes(event["data"]),
                    block_number=int(event["blockNumber"]),
                    block_hash=bytes(event["blockHash"]),
                    transaction_hash=bytes(event["transactionHash"]),
                )
                for event in found
            ]

    def ask(self, method: str, *params: Any) -> Any:
        """The node's answer to any JSON-RPC question, as it came."""
        with _answering():
            answer = self._provider.make_request(cast(Any, method), params)
        if answer.get("error"):
            problem = answer["error"]
            reason = str(problem["message"] if isinstance(problem, dict) and "message" in problem else problem)
            raise TransactionRejectedError(reason, f"节点拒绝了这一请求：{reason}")
        return answer.get("result")

    def close(self) -> None:
        """Let go of what the node holds; harmless twice."""
        if self._close is not None:
            self._close()
            self._close = None


class _HttpProvider(HTTPProvider):
    """JSON-RPC over HTTP, where an answer counts only if it answers this very question.

    A node or a proxy that answers twice leaves the second answer in the connection, where the next question would find
    it: web3 does not compare the ids.
    """

    def __init__(self, url: str, timeout_seconds: float) -> None:
        self._kept = requests.Session()
        super().__init__(
            url, request_kwargs={"timeout": timeout_seconds}, session=self._kept, exception_retry_configuration=None
        )

    def make_request(self, method: Any, params: Any) -> Any:
        """One question and its answer. Raises BadResponseFormat for anything that is not that."""
        asked = self.encode_rpc_request(method, params)
        answered = self._make_request(method, asked)
        try:
            answer = self.decode_rpc_response(answered)
        except ValueError as error:
            self._kept.close()
            raise BadResponseFormat("the answer is not JSON") from error
        if not isinstance(answer, dict) or answer.get("id") not in (json.loads(asked)["id"], None):
            # Closing lets go of the connections, with whatever else is left in them; the next question opens a new one.
            self._kept.close()
            raise BadResponseFormat("this is the answer to another question")
        return answer


def connect(url: str, timeout_seconds: float = 10.0) -> Node:
    """The node at this address. Nothing is asked yet, so a node that is down shows only at the first question."""
    web3 = Web3(_HttpProvider(url, timeout_seconds))
    # Proof-of-authority networks keep their seals in extraData, which is longer there than Ethereum allows.
    web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
    return Node(web3)


def _block(found: BlockData) -> Block:
    return Block(int(found["number"]), bytes(found["hash"]), datetime.fromtimestamp(found["timestamp"], UTC))


def _checksum(address: str) -> Any:
    return Web3.to_checksum_address(address)


@contextmanager
def _answering(*, calling: bool = False, sending: bool = False) -> Iterator[None]:
    """Sort what a node says: contracts' refusals and, when sending, its own; anything else is a node that is away."""
    try:
        yield
    except _UNREACHABLE as error:
        raise ChainUnavailableError("node_unreachable", "区块链节点没有应答，请稍后重试") from error
    except ContractLogicError as error:
        reason = _contract_reason(str(error.message or "execution reverted"))
        raise TransactionRejectedError(reason, f"合约拒绝了这一操作：{reason}") from error
    except Web3RPCError as error:
        reason = _rpc_reason(error)
        if calling and is_failure_of_code(reason):
            reason = _contract_reason(reason)
            raise TransactionRejectedError(reason, f"合约拒绝了这一操作：{reason}") from error
        if sending and not isinstance(error, MethodUnavailable):
            raise TransactionRejectedError(reason, f"节点拒绝了这一请求：{reason}") from error
        message = f"区块链节点暂不能回答：{reason}。请稍后重试"
        raise ChainUnavailableError("node_cannot_answer", message, {"reason": reason}) from error
    except _MALFORMED as error:
        raise ChainUnavailableError("node_garbled", "区块链节点的应答无法读懂，请检查节点或其代理") from error


def _contract_reason(words: str) -> str:
    """The contract's own text, without what clients put before it."""
    for before in ("evm: ", "execution reverted: ", "Execution reverted: "):
        words = words.removeprefix(before)
    return words


def _rpc_reason(error: Web3RPCError) -> str:
    """The node's own words, without what web3 puts around them."""
    problem = (error.rpc_response or {}).get("error")
    return str(problem["message"] if isinstance(problem, dict) and "message" in problem else error)
