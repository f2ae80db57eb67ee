"""What calls cost in gas, as a table in version control: a change of price shows in review.

SUIZHENG_WRITE_GAS=1 writes the table anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from chain_world import OTHER, World, account, new_world, uniform_proof, uniform_root
from eth_abi import encode
from eth_utils import keccak
from vyper.compiler import compile_code

from chain import artifacts, changes
from chain.changes import EntryKind
from chain.ids import department_id, log_id, type_hash

TABLE = Path(__file__).parent / "gas.json"
TYPE = "11100000000013338W001"

# What a registry without a log would do: one mapping write for each certificate. As cheap as that can be written: no
# event, no check of the caller.
MAPPING = """
# pragma version 0.4.3
# pragma evm-version paris
# pragma optimize gas

revoked_at: public(HashMap[bytes32, uint256])

@external
def revoke(certificates: DynArray[bytes32, 100]):
    for certificate: bytes32 in certificates:
        self.revoked_at[certificate] = block.timestamp
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    world = new_world("memory", tmp_path_factory.mktemp("chain"))
    yield dict(_measure(world))
    world.close()


def _measure(world: World) -> Iterator[tuple[str, int]]:
    members = world.deployment.members
    for name, arguments in (
        ("members", ()),
        ("heads", (members,)),
        ("uses", (members,)),
        ("governors", (members, [account(1).address], 1)),
        ("catalogue", (members,)),
    ):
        data = artifacts.load(name).deployment(*arguments)
        yield f"deploy {name}", world.sender.send("", data, 3_000_000).gas_used
    yield from _measure_heads(world)
    yield "100 mapping writes", _measure_mapping(world)
    yield from _measure_governing(world)
    yield from _measure_k_of_n(world)
    item, key = b"\x22" * 32, b"\x11" * 32
    yield "uses.consume", world.call("uses", "consume", item, key).gas_used
    yield "uses.consume again", world.call("uses", "consume", item, b"\x33" * 32).gas_used


def _measure_heads(world: World) -> Iterator[tuple[str, int]]:
    # old size, new size: small and large batches, and the longest proof there is between trees of that height.
    steps = {
        "+ 100": lambda start: start + 100,
        "+ 100000": lambda start: start + 100_000,
        "longest proof": lambda start: (1 << start.bit_length() + 1) - 1,
    }
    for power in (3, 6, 9):
        for step, grow in steps.items():
            log = log_id(f"10^{power} {step}")
            world.govern("heads", "open_log", log, account(1).address)
            start = 10**power + (step == "longest proof")
            first = world.call("heads", "advance", log, start, uniform_root(start), [])
            size = grow(start)
            advance = (log, size, uniform_root(size), uniform_proof(start, size))
            yield f"heads.advance 10^{power} {step}", world.call("heads", "advance", *advance).gas_used
            if (power, step) == (3, "+ 100"):
                yield "heads.advance first", first.gas_used
                yield "heads.advance again", world.call("heads", "advance", *advance).gas_used


def _measure_mapping(world: World) -> int:
    bytecode = compile_code(MAPPING, output_formats=["bytecode"])["bytecode"]
    place = world.sender.send("", bytes.fromhex(bytecode[2:]), 1_000_000).contract
    assert place is not None
    certificates = [keccak(number.to_bytes(4)) for number in range(100)]
    call = keccak(text="revoke(bytes32[])")[:4] + encode(["bytes32[]"], [certificates])
    return world.sender.send(place, call, 5_000_000).gas_used


def _measure_governing(world: World) -> Iterator[tuple[str, int]]:
    """What the only governor pays for each change."""
    department, key = department_id(OTHER), b"\x11" * 32
    calls = (
        ("heads", "open_log", log_id("another"), account(1).address),
        ("members", "add", department, 3, account(2).address),
        ("members", "suspend", department),
        ("members", "reinstate", department),
        ("members", "rotate", department, account(3).address),
        ("members", "add_key", department, key, 100, 200),
        ("members", "grant_scope", department, type_hash(TYPE), 3, 100, 200),
        ("catalogue", "publish", *changes.publish(EntryKind.TYPE, TYPE, 1, key).arguments),
    )
    for contract, function, *arguments in calls:
        yield f"{contract}.{function}", _gas_of(world, lambda: world.govern(contract, function, *arguments))  # noqa: B023
    sixteen = [changes.publish(EntryKind.STANDARD, f"STANDARD-{number}", 1, key) for number in range(16)]
    yield "16 catalogue entries in one proposal", _gas_of(world, lambda: world.governors.propose(sixteen))


def _measure_k_of_n(world: World) -> Iterator[tuple[str, int]]:
    council = [account(number).address for number in range(1, 6)]
    yield "governors.change to 3 of 5", _gas_of(world, lambda: world.governors.propose([_council(council, 3)]))
    suspend = [changes.suspend(OTHER)]
    for number, step in ((1, "first approval of 3"), (2, "second approval of 3"), (3, "last approval of 3")):
        yield f"governors.approve {step}", _gas_of(world, lambda: world.governors_of(number).propose(suspend), number)  # noqa: B023


def _council(accounts: list[str], threshold: int) -> changes.Change:
    return changes.change_governors(accounts, threshold)


def _gas_of(world: World, act: object, by: int = 1) -> int:
    """The gas of the one transaction that this account sends in an act."""
    nonce = world.node.next_nonce(account(by).address)
    act()
    assert world.node.next_nonce(account(by).address) == nonce + 1
    block = world.node._eth.get_block("latest", full_transactions=True)
    return int(block["gasUsed"])


def test_calls_cost_what_the_table_says(measured: dict[str, int]) -> None:
    if os.environ.get("SUIZHENG_WRITE_GAS") == "1":
        TABLE.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    assert measured == json.loads(TABLE.read_text(encoding="utf-8"))


def test_a_head_of_a_thousand_million_entries_stays_cheap(measured: dict[str, int]) -> None:
    assert measured["heads.advance 10^9 + 100"] < 70_000
    assert measured["heads.advance 10^9 longest proof"] < 95_000


@pytest.mark.parametrize("power", [3, 6, 9])
def test_an_entry_of_a_large_batch_costs_less_than_one_gas(measured: dict[str, int], power: int) -> None:
    assert measured[f"heads.advance 10^{power} + 100000"] < 100_000


@pytest.mark.parametrize("power", [3, 6])
def test_a_hundred_revocations_cost_less_than_a_fortieth_of_a_hundred_mapping_writes(
    measured: dict[str, int], power: int
) -> None:
    """In the log a revocation is an entry; a log of a million entries is what a district fills in years."""
    assert measured[f"heads.advance 10^{power} + 100"] * 40 < measured["100 mapping writes"]
