"""What a new network is made of: keys, ports, a genesis, and a folder for each node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

from chain.errors import NetworkError
from chain.network import clique, kaia
from chain.network.genesis import Key
from chain.network.layout import Engine, Layout, Member
from chain.network.ports import free_ports

MOST_VALIDATORS = 32

#: How each engine's nodes are prepared, started and asked.
ENGINES: dict[Engine, ModuleType] = {"clique": clique, "kaia": kaia}


def make_layout(
    folder: Path,
    validators: int,
    period_seconds: int,
    engine: Engine,
    chain_id: int,
    ports: Sequence[int] | None,
    draw: Callable[[int], bytes],
) -> Layout:
    """Everything that a network needs before it runs, written to its folder; see `Network.make`."""
    if not 1 <= validators <= MOST_VALIDATORS:
        raise NetworkError("bad_size", f"验证节点应为 1 至 {MOST_VALIDATORS} 个，得到 {validators}")
    if folder.exists() and any(folder.iterdir()):
        raise NetworkError("folder_taken", f"目录 {folder} 不是空的；请换一个目录，或清空后再建立网络")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    chosen = list(ports) if ports is not None else free_ports(2 * validators)
    kind = ENGINES[engine]
    keys, node_keys = ([_key(draw) for _ in range(validators)] for _ in range(2))
    names = [key.node_id for key in (keys if kind.SEALS_WITH_NODE_KEY else node_keys)]
    https, peers = chosen[:validators], chosen[validators:]
    members = tuple(
        Member(
            name=f"node{number + 1}",
            address=key.address,
            enode=f"{kind.PEER_SCHEME}://{name}@127.0.0.1:{peer}?{kind.PEER_OPTIONS}",
            http_port=http,
            peer_port=peer,
        )
        for number, (key, name, http, peer) in enumerate(zip(keys, names, https, peers, strict=True))
    )
    layout = Layout(folder.resolve(), engine, chain_id, period_seconds, members)
    for member in members:
        layout.folder_of(member).mkdir(mode=0o700)
    kind.prepare(layout, keys, node_keys, draw(24).hex())
    layout.write()
    return layout


def _key(draw: Callable[[int], bytes]) -> Key:
    secret = draw(32)
    while not Key.is_possible(secret):
        secret = draw(32)
    return Key(secret)
