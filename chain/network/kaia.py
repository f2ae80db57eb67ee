"""Kaia's kcn 1.0.3 with Istanbul BFT: a block is final once it is there. A validator's node key is its sealing key."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from chain.errors import NetworkError
from chain.network.files import write_secret
from chain.network.genesis import Key, kaia_genesis
from chain.network.ipc import ask
from chain.network.layout import Layout, Member
from chain.network.programs import KCN
from codes.processes import surroundings

PROGRAM = KCN
PEER_SCHEME, PEER_OPTIONS = "kni", "discport=0&ntype=cn"
SEALS_WITH_NODE_KEY = True
CAN_TIE = False
_INIT_SECONDS = 120


def prepare(layout: Layout, keys: Sequence[Key], _node_keys: Sequence[Key], _password: str) -> None:
    """Write the genesis and each node's folder: the key that only its owner can read, and the others' addresses."""
    genesis = kaia_genesis([key.address for key in keys], layout.chain_id)
    layout.genesis.write_text(json.dumps(genesis, indent=1) + "\n", encoding="utf-8")
    for member, key in zip(layout.members, keys, strict=True):
        data = layout.folder_of(member) / "data"
        write_secret(data / "klay" / "nodekey", key.secret.hex())
        others = [other.enode for other in layout.members if other is not member]
        (data / "static-nodes.json").write_text(json.dumps(others, indent=1) + "\n", encoding="utf-8")


def initialise(layout: Layout, member: Member, program: Path) -> None:
    """Give a node its first block, once. Raises NetworkError with the node's own words."""
    data = layout.folder_of(member) / "data"
    if (data / "klay" / "chaindata").is_dir():
        return
    done = subprocess.run(  # noqa: S603 the operator's own program
        [program, "init", "--datadir", data, *_STORAGE, layout.genesis],
        capture_output=True,
        text=True,
        timeout=_INIT_SECONDS,
        check=False,
        env=surroundings(),
    )
    if done.returncode != 0:
        raise NetworkError("node_refused", f"{member.name} 无法写入创世区块：{done.stdout[-300:]}{done.stderr[-300:]}")


_STORAGE = ("--db.single", "--db.num-statetrie-shards", "1")


def command(layout: Layout, member: Member, program: Path) -> list[str | Path]:
    """What runs a node. Its peer port accepts calls from loopback only; it cannot be bound to it."""
    return [
        program,
        "--datadir", "data",
        "--networkid", str(layout.chain_id),
        "--syncmode", "full", "--gcmode", "archive", *_STORAGE, "--db.leveldb.cache-size", "32",
        "--state.trie-cache-limit", "16", "--cache.level", "saving",
        "--ipcpath", f"../{member.name}/{layout.socket_name}",
        "--nodiscover", "--nat", "none", "--netrestrict", "127.0.0.0/8", "--port", str(member.peer_port),
        "--ntp.disable",
        "--rpc", "--rpcaddr", "127.0.0.1", "--rpcport", str(member.http_port), "--rpcapi", "eth,net,web3,kaia",
        "--rewardbase", member.address,
        "--block-generation-interval", str(layout.period_seconds),
    ]  # fmt: skip


def make_ready(layout: Layout, member: Member) -> None:
    """Nothing to do but to wait for the node: the price is in the genesis."""
    ask(layout.socket_of(member), "eth_chainId")


def begin(_layout: Layout, _member: Member) -> None:
    """Nothing to do: a consensus node seals as soon as enough others are there."""


def quorum(count: int) -> int:
    """How many of the validators must be there: more than two thirds."""
    return 2 * count // 3 + 1


def sealer(layout: Layout, member: Member, block_hash: str) -> str:
    """The address that proposed a block, as this node says."""
    return str(ask(layout.socket_of(member), "klay_getBlockWithConsensusInfoByHash", block_hash)["proposer"])


def validators(layout: Layout, member: Member) -> list[str]:
    """The addresses that may seal the next block, as this node says."""
    return [str(address) for address in ask(layout.socket_of(member), "istanbul_getValidators", "latest")]


def vote(layout: Layout, member: Member, address: str, belongs: bool) -> None:
    """Let this node vote for or against a validator; it counts when more than half have voted so in blocks."""
    key = "governance.addvalidator" if belongs else "governance.removevalidator"
    ask(layout.socket_of(member), "governance_vote", key, address)
