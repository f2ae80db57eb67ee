"""What tests of the governors share: a contract that counts its calls, and approving past the Python side."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from chain_world import World
from eth_abi import decode, encode
from eth_utils import keccak
from vyper.compiler import compile_code

from chain.errors import TransactionRejectedError

LIFETIME = timedelta(days=30)

# Counts what it was called with, and calls somebody back while it is called, as often as it is told to.
COUNTER = """
# pragma version 0.4.3
# pragma evm-version paris

hits: public(HashMap[uint256, uint256])
_place: address
_data: Bytes[4096]
refused: public(bool)

@external
def call_back(place: address, data: Bytes[4096]):
    self._place = place
    self._data = data

@external
def hit(number: uint256):
    assert number != 13, "counter: thirteen"
    self.hits[number] += 1
    if self._place != empty(address):
        self.refused = not raw_call(self._place, self._data, revert_on_failure=False)
"""


def refused(reason: str) -> pytest.RaisesExc[TransactionRejectedError]:
    return pytest.RaisesExc(TransactionRejectedError, check=lambda error: error.reason == reason)


def forward(world: World, duration: timedelta) -> None:
    """Let the time of the chain pass."""
    now = int(world.node.newest().at.timestamp())
    world.node._eth.w3.provider.ethereum_tester.time_travel(now + int(duration.total_seconds()))


@dataclass
class Counter:
    """The counting contract, on the chain of a world."""

    world: World
    place: str = field(init=False)

    def __post_init__(self) -> None:
        bytecode = compile_code(COUNTER, output_formats=["bytecode"])["bytecode"]
        self.place = self.world.sender.send("", bytes.fromhex(bytecode[2:]), 2_000_000).contract or ""

    def call(self, number: int) -> tuple[str, bytes]:
        return self.place, keccak(text="hit(uint256)")[:4] + encode(["uint256"], [number])

    def hits(self, number: int) -> int:
        data = keccak(text="hits(uint256)")[:4] + encode(["uint256"], [number])
        return int(decode(["uint256"], self.world.node.call(self.place, data))[0])

    def was_refused(self) -> bool:
        return bool(decode(["bool"], self.world.node.call(self.place, keccak(text="refused()")[:4]))[0])

    def call_back(self, place: str, data: bytes) -> None:
        call = keccak(text="call_back(address,bytes)")[:4] + encode(["address", "bytes"], [place, data])
        self.world.sender.send(self.place, call, 5_000_000)


def approve(world: World, calls: list[tuple[str, bytes]], by: int, number: int = 0) -> tuple[bytes, int, bool]:
    """Approve as an account, past everything that the Python side thinks of; what the contract answers."""
    answer = world.ask("governors", "approve", number, calls, by=by)
    world.call("governors", "approve", number, calls, by=by)
    return answer
