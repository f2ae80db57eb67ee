"""The compiled contracts, and calls to them as bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak


@dataclass(frozen=True, slots=True)
class Artifact:
    """One compiled contract.

    functions, events: ABI entries by name; no name is used twice. bytecode: what a deployment sends, before the
    constructor's arguments. runtime: what stands on the chain, followed by `immutable_bytes` of immutables.
    """

    name: str
    functions: dict[str, dict[str, Any]]
    events: dict[str, dict[str, Any]]
    constructor: tuple[str, ...]
    bytecode: bytes
    runtime: bytes
    immutable_bytes: int

    def deployment(self, *arguments: object) -> bytes:
        """The data of the transaction that creates the contract."""
        return self.bytecode + encode(self.constructor, arguments)

    def code(self, *immutables: str) -> bytes:
        """The code of the deployed contract whose immutables are these addresses, in order of declaration."""
        return self.runtime + encode(["address"] * len(immutables), immutables)

    def call(self, function: str, arguments: Sequence[object]) -> bytes:
        """The data of a call."""
        types = _types(self.functions[function]["inputs"])
        return keccak(text=f"{function}({','.join(types)})")[:4] + encode(types, arguments)

    def read_call(self, data: bytes) -> tuple[str, tuple[Any, ...]] | None:
        """Function and arguments of the data of a call; None if it calls nothing of this contract."""
        for name, function in self.functions.items():
            types = _types(function["inputs"])
            if data[:4] == keccak(text=f"{name}({','.join(types)})")[:4]:
                try:
                    return name, tuple(decode(types, data[4:]))
                except DecodingError:
                    return None
        return None

    def answer(self, function: str, data: bytes) -> tuple[Any, ...]:
        """What a call returned."""
        return tuple(decode(_types(self.functions[function]["outputs"]), data))

    def topic(self, event: str) -> bytes:
        """The 32-byte first topic of an event."""
        return keccak(text=f"{event}({','.join(_types(self.events[event]['inputs']))})")


@cache
def load(name: str) -> Artifact:
    """The artifact of "members", "heads", "uses", "governors" or "catalogue"."""
    path = resources.files("contracts") / "artifacts" / f"{name}.json"
    made = json.loads(path.read_text(encoding="utf-8"))
    by_kind: dict[str, list[dict[str, Any]]] = {"function": [], "event": [], "constructor": []}
    for entry in made["abi"]:
        by_kind[entry["type"]].append(entry)
    constructor = by_kind["constructor"]
    return Artifact(
        name=name,
        functions={entry["name"]: entry for entry in by_kind["function"]},
        events={entry["name"]: entry for entry in by_kind["event"]},
        constructor=tuple(_types(constructor[0]["inputs"])) if constructor else (),
        bytecode=bytes.fromhex(made["bytecode"][2:]),
        runtime=bytes.fromhex(made["runtime"][2:]),
        immutable_bytes=made["immutable_bytes"],
    )


def _types(parameters: Sequence[dict[str, Any]]) -> list[str]:
    return [_type(parameter) for parameter in parameters]


def _type(parameter: dict[str, Any]) -> str:
    kind = str(parameter["type"])
    if kind.startswith("tuple"):
        return f"({','.join(_types(parameter['components']))}){kind[5:]}"
    return kind
