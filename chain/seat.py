"""A governor's seat: one account on one network, with no registry behind it.

Its folder is like that of a registry's chain: account.key, outbox.db and deployment.json, which a registry of the
network hands out.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from chain.account import open_account
from chain.catalogue import ChainCatalogue
from chain.errors import WrongContractError
from chain.governors import ChainGovernors
from chain.members import ChainMembers
from chain.node import connect
from chain.outbox import Outbox
from chain.record import Deployment, check
from chain.sender import Sender


@dataclass(frozen=True, slots=True)
class Seat:
    """What a governor can do and see. address: 0x, with checksum."""

    address: str
    deployment: Deployment
    governors: ChainGovernors
    members: ChainMembers
    catalogue: ChainCatalogue
    close: Callable[[], None]


def account_of(folder: Path, draw: Callable[[int], bytes]) -> str:
    """The 0x address of the folder's account; its key is made if there is none."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return open_account(folder / "account.key", draw).address


def take_seat(
    folder: Path,
    where: str | Path,
    clock: Callable[[], datetime],
    draw: Callable[[int], bytes],
    handed_out: Path | None = None,
) -> Seat:
    """Open a network for the account of this folder.

    where: the http(s) address of a node, or the folder of an embedded chain that no other process holds. handed_out: a
    deployment record to keep in the folder; afterwards none needs to be given. Raises WrongContractError if the network
    is not the recorded one or there is no record; ChainUnavailableError.
    """
    account_of(folder, draw)
    file = folder / "deployment.json"
    source = handed_out or (where / "deployment.json" if isinstance(where, Path) else None)
    if source is not None and source != file and source.exists():
        Deployment.read(source)
        shutil.copyfile(source, file)
    deployment = Deployment.read(file)
    if deployment is None:
        raise WrongContractError("部署记录文件", "由登记系统提供的 deployment.json（--deployment）", "没有文件")
    with ExitStack() as opening:
        if isinstance(where, Path):
            # Only the embedded chain needs the EVM itself, which takes a second to import.
            from chain.embedded import open_embedded

            node = open_embedded(where / "chain.db", clock, draw)
        else:
            node = connect(where)
        opening.callback(node.close)
        check(node, deployment)
        outbox = Outbox(folder / "outbox.db")
        opening.callback(outbox.close)
        account = open_account(folder / "account.key", draw)
        sender = Sender(node, account, outbox)
        sender.repair()
        return Seat(
            address=account.address,
            deployment=deployment,
            governors=ChainGovernors(node, sender, deployment),
            members=ChainMembers(node, sender, deployment),
            catalogue=ChainCatalogue(node, sender, deployment),
            close=opening.pop_all().close,
        )
