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

from chain import artifacts
from chain.ids import department_id, log_id, type_hash

TABLE = Path(__file__).parent / "gas.json"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    world = new_world("memory", tmp_path_factory.mktemp("chain"))
    yield dict(_measure(world))
    world.close()


def _measure(world: World) -> Iterator[tuple[str, int]]:
    for name, arguments in (
        ("members", ()),
        ("heads", (world.deployment.members,)),
        ("uses", (world.deployment.members,)),
    ):
        data = artifacts.load(name).deployment(*arguments)
        yield f"deploy {name}", world.sender.send("", data, 3_000_000).gas_used
    yield from _measure_heads(world)
    department, key, item = department_id(OTHER), b"\x11" * 32, b"\x22" * 32
    yield "members.add", world.call("members", "add", department, 3, account(2).address).gas_used
    yield "members.suspend", world.call("members", "suspend", department).gas_used
    yield "members.reinstate", world.call("members", "reinstate", department).gas_used
    yield "members.rotate", world.call("members", "rotate", department, account(3).address).gas_used
    yield "members.add_key", world.call("members", "add_key", department, key, 100, 200).gas_used
    scope = (department, type_hash("11100000000013338W001"), 3, 100, 200)
    yield "members.grant_scope", world.call("members", "grant_scope", *scope).gas_used
    yield "uses.consume", world.call("uses", "consume", item, key).gas_used
    yield "uses.consume again", world.call("uses", "consume", item, b"\x33" * 32).gas_used


def _measure_heads(world: World) -> Iterator[tuple[str, int]]:
    # old size, new size: a batch of 100, and the longest proof there is between trees of that height.
    steps = {"+ 100": lambda start: start + 100, "longest proof": lambda start: (1 << start.bit_length() + 1) - 1}
    for power in (3, 6, 9):
        for step, grow in steps.items():
            log = log_id(f"10^{power} {step}")
            opened = world.call("heads", "open_log", log, account(1).address)
            start = 10**power + (step == "longest proof")
            first = world.call("heads", "advance", log, start, uniform_root(start), [])
            size = grow(start)
            advance = (log, size, uniform_root(size), uniform_proof(start, size))
            yield f"heads.advance 10^{power} {step}", world.call("heads", "advance", *advance).gas_used
            if (power, step) == (3, "+ 100"):
                yield "heads.open_log", opened.gas_used
                yield "heads.advance first", first.gas_used
                yield "heads.advance again", world.call("heads", "advance", *advance).gas_used


def test_calls_cost_what_the_table_says(measured: dict[str, int]) -> None:
    if os.environ.get("SUIZHENG_WRITE_GAS") == "1":
        TABLE.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    assert measured == json.loads(TABLE.read_text(encoding="utf-8"))


def test_a_head_of_a_thousand_million_entries_stays_cheap(measured: dict[str, int]) -> None:
    assert measured["heads.advance 10^9 + 100"] < 70_000
    assert measured["heads.advance 10^9 longest proof"] < 95_000
