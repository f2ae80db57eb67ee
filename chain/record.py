"""The record of a deployment: where the contracts of a network are, and the code that must stand there."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from chain import artifacts
from chain.account import sync_folder
from chain.errors import WrongContractError
from chain.node import Node

VERSION = 2
NAMES = ("members", "heads", "uses", "governors", "catalogue")
#: What version 1 of the record had.
FORMER_NAMES = NAMES[:3]

# Keccak-256 of code that earlier versions of this program deployed and that does the same: it may stay.
_FORMER_CODES = {"members": frozenset({"3b4a8689f5e563620b49015aacd607eb3815f7445d530d5bee9e6fcf7b99b5b4"})}


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where the contracts are: 0x addresses with checksum. first_block: no event of theirs is in an older block.

    *_code: Keccak-256 of the code on the chain, in hex. The file may be handed to every governor: nothing in it is
    secret.
    """

    chain_id: int
    genesis: str
    members: str
    heads: str
    uses: str
    governors: str
    catalogue: str
    members_code: str
    heads_code: str
    uses_code: str
    governors_code: str
    catalogue_code: str
    first_block: int

    @classmethod
    def read(cls, file: Path) -> Deployment | None:
        """What the file records; None if there is no file.

        Raises WrongContractError if it is not such a record, or one of version 1 that no start has renewed yet.
        """
        recorded = read_record(file)
        if recorded is None:
            return None
        version = recorded.pop("version")
        if version != VERSION:
            wanted = f"版本 {VERSION}（请先用本版本启动一次登记系统，它会补齐合约并更新记录）"
            raise WrongContractError("部署记录文件的版本", wanted, f"版本 {version}")
        try:
            return cls(**recorded)
        except TypeError as error:
            raise _unreadable() from error

    def write(self, file: Path) -> None:
        """Record it in the file, completely or not at all."""
        fresh = file.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as stream:
            json.dump({"version": VERSION, **asdict(self)}, stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(file)
        sync_folder(file.parent)


def read_record(file: Path) -> dict[str, Any] | None:
    """The record as it stands in the file, of any version (1 where it names none). Raises WrongContractError."""
    try:
        recorded = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise _unreadable() from error
    needed = {"chain_id", "genesis", "first_block", *FORMER_NAMES, *(f"{name}_code" for name in FORMER_NAMES)}
    if not isinstance(recorded, dict) or not needed <= recorded.keys():
        raise _unreadable()
    return {"version": 1, **recorded}


def check(node: Node, deployment: Deployment) -> None:
    """Raises WrongContractError unless this is the recorded chain and each contract is one that we compiled."""
    check_record(node, asdict(deployment), NAMES)


def check_record(node: Node, recorded: dict[str, Any], names: tuple[str, ...]) -> None:
    """The same for a record of any version, as far as these contracts go."""
    _same("链标识（chain id）", str(recorded["chain_id"]), str(node.chain_id()))
    _same("创世区块", str(recorded["genesis"]), genesis_of(node))
    for name in names:
        found = keccak(node.code(recorded[name])).hex()
        _same(f"合约 {name} 的代码哈希", str(recorded[f"{name}_code"]), found)
        if found not in _FORMER_CODES.get(name, ()):
            _same(f"合约 {name} 的代码哈希", _code_hash(name, recorded["members"]), found)


def genesis_of(node: Node) -> str:
    """The hash of the first block, in hex."""
    first = node.block(0)
    return first.hash.hex() if first else ""


def _code_hash(name: str, members: str) -> str:
    artifact = artifacts.load(name)
    return keccak(artifact.code(members) if artifact.immutable_bytes else artifact.code()).hex()


def _same(what: str, expected: str, found: str) -> None:
    if expected != found:
        raise WrongContractError(what, expected, found)


def _unreadable() -> WrongContractError:
    return WrongContractError("部署记录文件", "完整的部署记录", "无法读取的内容")
