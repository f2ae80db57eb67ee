"""What a network is: its parameters and members, as network.json in its folder records them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from chain.errors import NetworkError

Engine = Literal["clique", "kaia"]

_FILE = "network.json"


@dataclass(frozen=True, slots=True)
class Member:
    """One node, which is a validator. enode: where the others find it; ports are on 127.0.0.1."""

    name: str
    address: str
    enode: str
    http_port: int
    peer_port: int

    @property
    def url(self) -> str:
        """Where it answers JSON-RPC."""
        return f"http://127.0.0.1:{self.http_port}"


@dataclass(frozen=True, slots=True)
class Layout:
    """A network in a folder: network.json, genesis.json, and one folder for each node."""

    folder: Path
    engine: Engine
    chain_id: int
    period_seconds: int
    members: tuple[Member, ...]

    @property
    def genesis(self) -> Path:
        """The file with the first block."""
        return self.folder / "genesis.json"

    @property
    def socket_name(self) -> str:
        """The socket in each node's folder."""
        return "node.ipc"

    def folder_of(self, member: Member) -> Path:
        """The folder of a node."""
        return self.folder / member.name

    def socket_of(self, member: Member) -> Path:
        """The socket over which a node takes orders."""
        return self.folder_of(member) / self.socket_name

    def write(self) -> None:
        """Record it; done last, so that a folder with the file is complete."""
        content = asdict(self)
        del content["folder"]
        fresh = self.folder / f"{_FILE}.new"
        fresh.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        fresh.replace(self.folder / _FILE)

    @classmethod
    def read(cls, folder: Path) -> Layout | None:
        """The network that this folder records; None if it records none. Raises NetworkError if it is unreadable."""
        try:
            content = json.loads((folder / _FILE).read_text(encoding="utf-8"))
            members = tuple(Member(**member) for member in content.pop("members"))
            layout = cls(folder=folder, members=members, **content)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError) as error:
            raise NetworkError("folder_broken", f"无法读取 {folder / _FILE}；请换一个目录重新建立网络") from error
        if layout.engine not in get_args(Engine):
            raise NetworkError("folder_broken", f"{folder / _FILE} 写的引擎 {layout.engine} 无法识别；请换一个目录")
        return layout
