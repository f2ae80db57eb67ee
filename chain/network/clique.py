"""go-ethereum 1.13.15 with Clique (EIP-225): the try-out engine. Signers take turns; nothing is final at once."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

from eth_account import Account

from chain.errors import NetworkError
from chain.network.files import write_secret
from chain.network.genesis import Key, clique_genesis
from chain.network.ipc import ask
from chain.network.layout import Layout, Member
from chain.network.programs import GETH
from codes.processes import surroundings

PROGRAM = GETH
PEER_SCHEME, PEER_OPTIONS = "enode", "discport=0"
SEALS_WITH_NODE_KEY = False
#: Signers can block one another; see `Network.break_tie`.
CAN_TIE = True
_INIT_SECONDS = 120
# The key file's password lies beside it, so a slow derivation would protect nothing.
_SCRYPT_ROUNDS = 4096


def prepare(layout: Layout, keys: Sequence[Key], node_keys: Sequence[Key], password: str) -> None:
    """Write the genesis and each node's folder: keys that only their owner can read, and its configuration."""
    genesis = clique_genesis([key.address for key in keys], layout.chain_id, layout.period_seconds)
    layout.genesis.write_text(json.dumps(genesis, indent=1) + "\n", encoding="utf-8")
    for member, key, node_key in zip(layout.members, keys, node_keys, strict=True):
        folder = layout.folder_of(member)
        encrypted = Account.encrypt(key.secret, password, kdf="scrypt", iterations=_SCRYPT_ROUNDS)
        write_secret(folder / "data" / "keystore" / "validator.json", json.dumps(encrypted))
        write_secret(folder / "password", password)
        write_secret(folder / "data" / "geth" / "nodekey", node_key.secret.hex())
        others = [other.enode for other in layout.members if other is not member]
        (folder / "geth.toml").write_text(_configuration(member, others), encoding="utf-8")


def initialise(layout: Layout, member: Member, program: Path) -> None:
    """Give a node its first block, once. Raises NetworkError with the node's own words."""
    data = layout.folder_of(member) / "data"
    if (data / "geth" / "chaindata").is_dir():
        return
    done = subprocess.run(  # noqa: S603 the operator's own program
        [program, "init", "--datadir", data, "--state.scheme", "hash", layout.genesis],
        capture_output=True,
        text=True,
        timeout=_INIT_SECONDS,
        check=False,
        env=surroundings(),
    )
    if done.returncode != 0:
        raise NetworkError("node_refused", f"{member.name} 无法写入创世区块：{done.stderr[-300:]}")


def command(layout: Layout, member: Member, program: Path) -> list[str | Path]:
    """What runs a node: it seals, listens on loopback only, and opens its socket in its own folder."""
    return [
        program,
        "--config", "geth.toml",
        "--datadir", "data",
        "--networkid", str(layout.chain_id),
        # Every block's state stays on the disk: a killed node would otherwise go back to where it last wrote one.
        "--syncmode", "full", "--gcmode", "archive", "--state.scheme", "hash", "--snapshot=false",
        "--cache", "64",
        # From the parent, since a bare name would be put under the absolute path, which may be too long for a socket.
        "--ipcpath", f"../{member.name}/{layout.socket_name}",
        "--nodiscover", "--nat", "none", "--netrestrict", "127.0.0.0/8",
        # As many as there are: a node that fell behind asks at once only when its peers are at this limit (or five).
        "--maxpeers", str(max(1, len(layout.members) - 1)),
        "--http", "--http.addr", "127.0.0.1", "--http.port", str(member.http_port), "--http.api", "eth,net,web3,clique",
        "--authrpc.addr", "127.0.0.1", "--authrpc.port", "0",
        # The account seals and may do nothing else: no contract knows it and it owns nothing.
        "--miner.etherbase", member.address, "--unlock", member.address, "--password", "password",
        "--allow-insecure-unlock",
    ]  # fmt: skip


def make_ready(layout: Layout, member: Member) -> None:
    """Let transactions without a fee pass: the command line cannot say 0. Fails until the node answers and can sign.

    It answers before it has unlocked its account. A node that begins to seal between the two fails once, and does not
    try again until a block or a transaction comes: alone, it would stand still for ever.
    """
    socket = layout.socket_of(member)
    ask(socket, "miner_setGasPrice", "0x0")
    ask(socket, "eth_sign", member.address, "0x")


def begin(layout: Layout, member: Member) -> None:
    """Let the node seal; harmless when it does."""
    ask(layout.socket_of(member), "miner_start")


def quorum(count: int) -> int:
    """How many of the validators must be there: a signer waits until half of the others have signed after it."""
    return count // 2 + 1


def sealer(layout: Layout, member: Member, block_hash: str) -> str:
    """The address that sealed a block, as this node says."""
    return str(ask(layout.socket_of(member), "clique_getSigner", block_hash))


def validators(layout: Layout, member: Member) -> list[str]:
    """The addresses that may seal the next block, as this node says."""
    return [str(address) for address in ask(layout.socket_of(member), "clique_getSigners")]


def vote(layout: Layout, member: Member, address: str, belongs: bool) -> None:
    """Let this node vote for or against a validator; it counts when more than half have voted so in blocks."""
    ask(layout.socket_of(member), "clique_propose", address, belongs)


def forget(layout: Layout, member: Member, height: int) -> None:
    """Let a node drop its blocks above this height and sign none until `begin`; it then takes those of its peers."""
    socket = layout.socket_of(member)
    ask(socket, "miner_stop")
    ask(socket, "debug_setHead", hex(height))


def _configuration(member: Member, others: Sequence[str]) -> str:
    """What go-ethereum has no flag for."""
    return (
        # Only Default is ours: the price that the node proposes. Without the others it falls back to odd ones.
        "[Eth.GPO]\n"
        'Default = "0"\n'
        'MaxPrice = "500000000000"\n'
        'IgnorePrice = "2"\n'
        "Blocks = 20\nPercentile = 60\nMaxHeaderHistory = 1024\nMaxBlockHistory = 1024\n"
        # Every place is for a peer that the node calls itself: who is not trusted is not let in.
        "\n[Node.P2P]\nDialRatio = 1\n"
        f'ListenAddr = "127.0.0.1:{member.peer_port}"\n'
        f"StaticNodes = {json.dumps(list(others))}\n"
        f"TrustedNodes = {json.dumps(list(others))}\n"
    )
