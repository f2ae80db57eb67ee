"""A chain for tests: a clock that moves when told to, accounts with fixed keys, and trees of any size."""

from __future__ import annotations

import atexit
import functools
import hashlib
import itertools
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from eth.db.atomic import AtomicDB
from eth.db.backends.memory import MemoryDB
from eth_tester import EthereumTester, PyEVMBackend
from eth_utils.crypto import keccak
from web3 import Web3

from chain import artifacts
from chain.account import ChainAccount
from chain.anchors import ChainAnchors
from chain.catalogue import ChainCatalogue
from chain.changes import Change
from chain.deployment import deploy_or_check
from chain.embedded import SerialProvider, open_embedded
from chain.finality import finality_of
from chain.governors import ChainGovernors, Proposal
from chain.ids import department_id, log_id
from chain.members import ChainMembers
from chain.node import Mined, Node, connect
from chain.outbox import Outbox
from chain.record import Deployment, genesis_of
from chain.sender import Patience, Sender
from chain.uses import ChainFirstUses
from verifier.merkle import leaf_hash, node_hash

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
ORIGIN = "suizheng.example/changning"
LOG = log_id(ORIGIN)
# Fictional departments of 长宁; the codes have valid check characters.
REGISTRY = "11310105MB9T00011M"
OTHER = "12310105MB9T00038A"


@dataclass
class MovingClock:
    """A clock that stands until it is moved."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **duration: float) -> None:
        self.now += timedelta(**duration)


def drawing(seed: str) -> Callable[[int], bytes]:
    """Bytes that look random and are the same in every run."""
    counter = itertools.count()
    return lambda count: hashlib.shake_256(f"{seed} {next(counter)}".encode()).digest(count)


def account(number: int) -> ChainAccount:
    """A fixed account. 1 … 10 have funds on eth-tester's own chain."""
    return ChainAccount(number.to_bytes(32))


def memory_node(pairs: dict[bytes, bytes] | None = None) -> Node:
    """eth-tester as it comes: in memory, with fees, under its own rules. pairs: a chain to go on from."""
    backend = PyEVMBackend()
    if pairs is not None:
        backend.chain = type(backend.chain)(AtomicDB(MemoryDB(dict(pairs))))
    return Node(Web3(SerialProvider(EthereumTester(backend))))


def pairs_of(node: Node) -> dict[bytes, bytes]:
    """The whole state of a chain in memory."""
    backend = node._eth.w3.provider.ethereum_tester.backend
    return dict(backend.chain.chaindb.db.wrapped_db.kv_store)


def former_deployment(node: Node, sender: Sender, file: Path) -> dict[str, str]:
    """Deploy and record as the first version did: three contracts, governed by the account that made them."""
    vector = Path(__file__).parent / "members_v1.json"
    places: dict[str, str] = {}
    for name in ("members", "heads", "uses"):
        if name == "members":
            data = bytes.fromhex(json.loads(vector.read_text(encoding="utf-8"))["bytecode"][2:])
        else:
            data = artifacts.load(name).deployment(places["members"])
        places[name] = sender.send("", data, 3_000_000).contract or ""
    for contract, function, arguments in (
        ("heads", "open_log", [LOG, sender.address]),
        ("members", "add", [department_id(REGISTRY), 0, sender.address]),
    ):
        sender.send(places[contract], artifacts.load(contract).call(function, arguments), 500_000)
    codes = {f"{name}_code": keccak(node.code(place)).hex() for name, place in places.items()}
    facts = {"chain_id": node.chain_id(), "genesis": genesis_of(node), "first_block": 0}
    file.write_text(json.dumps({**facts, **places, **codes}, indent=1), encoding="utf-8")
    return places


def file_node(folder: Path, clock: Callable[[], datetime] | None = None) -> Node:
    """The embedded chain in a file of this folder."""
    return open_embedded(folder / "chain.db", clock or MovingClock(), drawing("chain"))


#: Only a hang takes so long: what is waited for comes in seconds, and after a tie of a network's signers in a minute.
HANGS_AFTER_SECONDS = 240.0
UNHURRIED = Patience(timeout_seconds=180, poll_seconds=0.05)
_QUICK = Patience(timeout_seconds=5, poll_seconds=0.01)


@dataclass
class World:
    """One node with the contracts deployed by account 1, which is the only governor, writer of the log and member.

    first_account: worlds on one chain have accounts of their own, counted from here.
    has_rivals: several validators seal, so that a block is not final at once.
    """

    node: Node
    folder: Path
    patience: Patience = _QUICK
    first_account: int = 0
    has_rivals: bool = False
    outboxes: dict[int, Outbox] = field(default_factory=dict)
    senders: dict[int, Sender] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sender = self.sender_of(1)
        self.deployment: Deployment = deploy_or_check(
            self.node, self.sender, self.folder / "deployment.json", LOG, REGISTRY
        )
        self.anchors = ChainAnchors(self.node, self.sender, self.deployment, LOG)
        self.uses = ChainFirstUses(self.node, self.sender, self.deployment)
        self.members = ChainMembers(self.node, self.sender, self.deployment)
        self.catalogue = ChainCatalogue(self.node, self.sender, self.deployment)
        self.governors = self.governors_of(1)

    def account(self, number: int) -> ChainAccount:
        """A fixed account of this world."""
        return account(self.first_account + number)

    def sender_of(self, number: int) -> Sender:
        """The sender of a fixed account."""
        if number not in self.senders:
            self.outboxes[number] = Outbox(self.folder / f"outbox-{number}.db")
            finality = finality_of(self.node, self.patience.confirmations) if self.has_rivals else None
            self.senders[number] = Sender(
                self.node, self.account(number), self.outboxes[number], self.patience, finality=finality
            )
        return self.senders[number]

    def governors_of(self, number: int) -> ChainGovernors:
        """Governing as a fixed account."""
        return ChainGovernors(self.node, self.sender_of(number), self.deployment)

    def govern(self, contract: str, function: str, *arguments: object, by: int = 1) -> Proposal:
        """Send a call as the governors; carried out at once while account 1 is the only one."""
        return self.governors_of(by).propose([Change(contract, function, arguments)])

    def sent(self) -> int:
        """How many transactions of account 1 are in blocks."""
        return self.node.next_nonce(self.sender.address)

    def call(self, contract: str, function: str, *arguments: object, by: int = 1) -> Mined:
        """Send a call as a fixed account; refusals arrive as TransactionRejectedError with the contract's reason."""
        data = artifacts.load(contract).call(function, arguments)
        return self.sender_of(by).send(getattr(self.deployment, contract), data, 5_000_000)

    def ask(self, contract: str, function: str, *arguments: object, by: int | None = None) -> Any:
        """What a contract answers; a single answer comes bare."""
        artifact = artifacts.load(contract)
        caller = None if by is None else self.account(by).address
        data = self.node.call(getattr(self.deployment, contract), artifact.call(function, arguments), caller=caller)
        answers = artifact.answer(function, data)
        return answers[0] if len(answers) == 1 else answers

    def close(self) -> None:
        """Let go of every file."""
        for outbox in self.outboxes.values():
            outbox.close()
        self.node.close()


@functools.cache
def _deployed(kind: str) -> tuple[Path, dict[bytes, bytes] | None]:
    """A chain with the contracts on it, made once for all tests: its folder, and its state if it has no file."""
    folder = Path(tempfile.mkdtemp(prefix="suizheng-chain-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    world = World(memory_node() if kind == "memory" else file_node(folder), folder)
    pairs = pairs_of(world.node) if kind == "memory" else None
    world.close()
    return folder, pairs


def new_world(kind: str, folder: Path) -> World:
    """A copy of the deployed chain of this kind, "memory" or "file", in this folder."""
    origin, pairs = _deployed(kind)
    shutil.copytree(origin, folder, dirs_exist_ok=True)
    return World(memory_node(pairs) if kind == "memory" else file_node(folder), folder)


_FIRST_ACCOUNT, _ACCOUNTS_EACH = 1_000_000, 100
_blocks_of_accounts = itertools.count()


def fresh_accounts() -> int:
    """The first of a hundred accounts that nobody else in this run has, so that a shared network has none of theirs."""
    return _FIRST_ACCOUNT + next(_blocks_of_accounts) * _ACCOUNTS_EACH


def network_world(url: str, folder: Path, *, has_rivals: bool = True) -> World:
    """The contracts on the network of this node, deployed by an account that no other world of this run has."""
    folder.mkdir()
    return World(connect(url, 30.0), folder, UNHURRIED, fresh_accounts(), has_rivals=has_rivals)


_LEAF = leaf_hash(b"one leaf")


@functools.cache
def uniform_root(size: int) -> bytes:
    """MTH of a tree whose leaves are all equal, RFC 9162 2.1.1: a real tree of any size, without its leaves."""
    if size == 1:
        return _LEAF
    half = 1 << (size - 1).bit_length() - 1
    return node_hash(uniform_root(half), uniform_root(size - half))


def uniform_proof(old_size: int, size: int, whole: bool = True) -> list[bytes]:
    """SUBPROOF(old, D[size], whole) of such a tree, word for word from RFC 9162 2.1.4.1."""
    if old_size == size:
        return [] if whole else [uniform_root(size)]
    half = 1 << (size - 1).bit_length() - 1
    if old_size <= half:
        return [*uniform_proof(old_size, half, whole), uniform_root(size - half)]
    return [*uniform_proof(old_size - half, size - half, False), uniform_root(half)]
