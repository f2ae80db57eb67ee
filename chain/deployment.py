"""The contracts of a network: put there once, recognised at every start.

(1) Each contract is created under a name of its own in the sender's outbox, so that a process killed between two of
    them goes on with the next.
(2) Their addresses are recorded in a file, written completely or not at all. A record of version 1 keeps its three
    contracts and gets the two that came later.
(3) At every start the chain id and the code of each contract are compared with what is recorded and compiled.
(4) Whoever deployed `members` hands it over to `governors`, whose only governor he is at first.
(5) The log is opened with this account as its writer, and this registry is made a member, as the governors decide.
Each step looks at the chain first and is a no-op when done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from chain import artifacts, changes
from chain.changes import NOBODY, Change, Level
from chain.errors import ChainError, ChainUnavailableError, WrongContractError
from chain.governors import ChainGovernors
from chain.ids import department_id
from chain.node import Node
from chain.outbox import Call
from chain.record import FORMER_NAMES, VERSION, Deployment, check, check_record, genesis_of, read_record
from chain.sender import Sender

# Gas that is never exceeded; what a call really takes is in tests/gas.json.
_DEPLOY_GAS = 3_000_000
_CALL_GAS = 250_000

#: The level of the department that runs a registry: a district's.
REGISTRY_LEVEL = Level.DISTRICT


def deploy_or_check(node: Node, sender: Sender, file: Path, log_id: bytes, registry_code: str) -> Deployment:
    """The contracts that this registry works with, deployed as far as the file records none.

    Raises WrongContractError, naming both values, if the chain id, the genesis or any code is not the recorded one;
    AwaitingGovernorsError, ChainUnavailableError ("not_joined") while the governors have not let this registry in.
    """
    # What an earlier process sent comes first: asking the chain before that would do the same things twice.
    sender.repair()
    recorded = read_record(file)
    if recorded is None or recorded["version"] < VERSION:
        _deploy(node, sender, recorded).write(file)
    deployment = Deployment.read(file)
    if deployment is None:
        raise WrongContractError("部署记录文件", "刚写入的部署记录", "没有文件")
    check(node, deployment)
    _hand_over(node, sender, deployment)
    _join(node, sender, deployment, log_id, registry_code)
    return deployment


def _deploy(node: Node, sender: Sender, recorded: dict[str, Any] | None) -> Deployment:
    """Steps (1) and (2)."""
    if recorded is None:
        first_block = node.height()
        places = _create(sender, {"members": ()})
    else:
        check_record(node, recorded, FORMER_NAMES)
        first_block = recorded["first_block"]
        places = {name: recorded[name] for name in FORMER_NAMES}
    members = places["members"]
    wanted = {"heads": (members,), "uses": (members,), "governors": (members, [sender.address], 1),
              "catalogue": (members,)}  # fmt: skip
    places |= _create(sender, {name: given for name, given in wanted.items() if name not in places})
    codes = {f"{name}_code": keccak(node.code(place)).hex() for name, place in places.items()}
    return Deployment(
        chain_id=node.chain_id(), genesis=genesis_of(node), first_block=first_block, **places, **codes
    )  # fmt: skip


def _create(sender: Sender, wanted: Mapping[str, Sequence[object]]) -> dict[str, str]:
    """Contracts by name with their constructors' arguments, side by side: they wait for the same blocks."""
    codes = {name: artifacts.load(name).deployment(*arguments) for name, arguments in wanted.items()}
    calls = [Call("", data, _DEPLOY_GAS, f"deploy {name} {keccak(data).hex()}") for name, data in codes.items()]
    places: dict[str, str] = {}
    for name, outcome in zip(wanted, sender.send_many(calls), strict=True):
        if isinstance(outcome, ChainError):
            raise outcome
        if outcome.contract is None:
            raise WrongContractError(f"合约 {name}", "一个新合约", "没有合约地址的交易")
        places[name] = outcome.contract
    return places


def _hand_over(node: Node, sender: Sender, deployment: Deployment) -> None:
    """Step (4). Where somebody else governs the members contract, he decides."""
    if _ask(node, deployment, "members", "governor") != sender.address.lower():
        return
    if _ask(node, deployment, "members", "proposed_governor") != deployment.governors.lower():
        offer = artifacts.load("members").call("propose_governor", [deployment.governors])
        sender.send(deployment.members, offer, _CALL_GAS)
    ChainGovernors(node, sender, deployment).carry_out([changes.accept_governor()])


def _join(node: Node, sender: Sender, deployment: Deployment, log_id: bytes, registry_code: str) -> None:
    """Step (5)."""
    wanted: list[Change] = []
    if _ask(node, deployment, "heads", "writer", log_id) != sender.address.lower():
        wanted.append(changes.open_log(log_id, sender.address))
    if _ask(node, deployment, "members", "active_department", sender.address) == bytes(32):
        wanted += _joining(node, deployment, registry_code, sender.address)
    if not wanted:
        return
    governors = ChainGovernors(node, sender, deployment)
    if not governors.council().includes(sender.address):
        message = (
            f"本系统的链账户 {sender.address} 尚未获准加入，也不是治理成员。请治理成员执行："
            f"suizheng governance propose join {registry_code} --account {sender.address} --log {log_id.hex()}"
        )
        raise ChainUnavailableError("not_joined", message, {"account": sender.address, "log_id": log_id.hex()})
    governors.carry_out(wanted)


def _joining(node: Node, deployment: Deployment, code: str, account: str) -> list[Change]:
    """How this registry becomes a member, unless its department is suspended or acts with another account."""
    _, _, present, _ = _ask(node, deployment, "members", "standing", department_id(code))
    if _ask(node, deployment, "members", "standing_count", department_id(code)) == 0:
        return [changes.add_member(code, REGISTRY_LEVEL, account)]
    return [changes.rotate_account(code, account)] if present == NOBODY else []


def _ask(node: Node, deployment: Deployment, contract: str, function: str, *arguments: object) -> Any:
    artifact = artifacts.load(contract)
    place = str(getattr(deployment, contract))
    (answer,) = artifact.answer(function, node.call(place, artifact.call(function, arguments)))
    return answer
