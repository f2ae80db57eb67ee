"""The three contracts of a network: put there once, recognised at every start.

(1) members, heads and uses are created, each under a name of its own in the sender's outbox, so that a process killed
    between two of them goes on with the next.
(2) Their addresses are recorded in a file, written completely or not at all.
(3) At every start the chain id and the code of each contract are compared with what is recorded and compiled.
(4) The log is opened with this account as its writer, and this registry is made a member; both are no-ops when done.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from eth_utils.crypto import keccak

from chain import artifacts
from chain.account import sync_folder
from chain.errors import WrongContractError
from chain.ids import department_id
from chain.node import Node
from chain.sender import Sender

# Gas that is never exceeded; what a call really takes is in tests/gas.json.
_DEPLOY_GAS = 3_000_000
_CALL_GAS = 250_000

_REGISTRY_LEVEL = 0


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where the contracts are: 0x addresses with checksum. first_block: no event of the heads is in an older block.

    members_code, heads_code, uses_code: Keccak-256 of the code on the chain, in hex.
    """

    chain_id: int
    genesis: str
    members: str
    heads: str
    uses: str
    members_code: str
    heads_code: str
    uses_code: str
    first_block: int

    @classmethod
    def read(cls, file: Path) -> Deployment | None:
        """What the file records; None if there is no file. Raises WrongContractError if it is not such a record."""
        try:
            recorded = json.loads(file.read_text(encoding="utf-8"))
            return cls(**recorded)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError) as error:
            raise WrongContractError("部署记录文件", "完整的部署记录", "无法读取的内容") from error

    def write(self, file: Path) -> None:
        """Record it in the file, completely or not at all."""
        fresh = file.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as stream:
            json.dump(asdict(self), stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(file)
        sync_folder(file.parent)


def deploy_or_check(node: Node, sender: Sender, file: Path, log_id: bytes, registry_code: str) -> Deployment:
    """The contracts that this registry works with, deployed if the file records none.

    Raises WrongContractError, naming both values, if the chain id, the genesis or any code is not the recorded one.
    """
    # What an earlier process sent comes first: asking the chain before that would do the same things twice.
    sender.repair()
    deployment = Deployment.read(file)
    if deployment is None:
        deployment = _deploy(node, sender)
        deployment.write(file)
    check(node, deployment)
    _join(node, sender, deployment, log_id, registry_code)
    return deployment


def check(node: Node, deployment: Deployment) -> None:
    """Step (3). Raises WrongContractError unless this is the recorded chain and each contract is the compiled one."""
    _same("链标识（chain id）", str(deployment.chain_id), str(node.chain_id()))
    _same("创世区块", deployment.genesis, _genesis(node))
    for name, (address, expected) in _expected(deployment).items():
        found = keccak(node.code(address)).hex()
        recorded = str(getattr(deployment, f"{name}_code"))
        _same(f"合约 {name} 的代码哈希", recorded, found)
        _same(f"合约 {name} 的代码哈希", expected, found)


def _deploy(node: Node, sender: Sender) -> Deployment:
    """Step (1)."""
    first_block = node.height()
    members = _create(sender, "members")
    heads, uses = _create(sender, "heads", members), _create(sender, "uses", members)
    codes = {f"{name}_code": keccak(node.code(at)).hex() for name, at in _named(members, heads, uses).items()}
    return Deployment(
        chain_id=node.chain_id(),
        genesis=_genesis(node),
        members=members,
        heads=heads,
        uses=uses,
        first_block=first_block,
        **codes,
    )


def _create(sender: Sender, name: str, *arguments: str) -> str:
    data = artifacts.load(name).deployment(*arguments)
    mined = sender.send("", data, _DEPLOY_GAS, once=f"deploy {name} {keccak(data).hex()}")
    if mined.contract is None:
        raise WrongContractError(f"合约 {name}", "一个新合约", "没有合约地址的交易")
    return mined.contract


def _join(node: Node, sender: Sender, deployment: Deployment, log_id: bytes, registry_code: str) -> None:
    """Step (4)."""
    heads, members = artifacts.load("heads"), artifacts.load("members")
    (writer,) = heads.answer("writer", node.call(deployment.heads, heads.call("writer", [log_id])))
    if str(writer).lower() != sender.address.lower():
        sender.send(deployment.heads, heads.call("open_log", [log_id, sender.address]), _CALL_GAS)
    question = members.call("active_department", [sender.address])
    (department,) = members.answer("active_department", node.call(deployment.members, question))
    if department == bytes(32):
        joining = members.call("add", [department_id(registry_code), _REGISTRY_LEVEL, sender.address])
        sender.send(deployment.members, joining, _CALL_GAS)


def _genesis(node: Node) -> str:
    first = node.block(0)
    return first.hash.hex() if first else ""


def _named(members: str, heads: str, uses: str) -> dict[str, str]:
    return {"members": members, "heads": heads, "uses": uses}


def _expected(deployment: Deployment) -> dict[str, tuple[str, str]]:
    """The address of each contract and the hash of the code that must be there."""
    places = _named(deployment.members, deployment.heads, deployment.uses)
    return {name: (place, _code_hash(name, deployment.members)) for name, place in places.items()}


def _code_hash(name: str, members: str) -> str:
    artifact = artifacts.load(name)
    return keccak(artifact.code(members) if artifact.immutable_bytes else artifact.code()).hex()


def _same(what: str, expected: str, found: str) -> None:
    if expected != found:
        raise WrongContractError(what, expected, found)
