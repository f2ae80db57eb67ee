"""`suizheng network`: a permissioned network on this machine to try things out on, in the background."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from api.cli.errors import CommandError
from api.cli.program import copyable
from api.gate.errors import cause_of
from chain.network import Network, NetworkError, NodeStatus
from chain.network.genesis import genesis_for, is_address
from chain.network.network import FIRST_HTTP_PORT, FIRST_PEER_PORT

_VALIDATORS, _PERIOD_SECONDS = 4, 1
_STATES = {"running": "运行", "suspended": "暂停", "stopped": "停止"}
# A network whose newest block is older than this many periods does not go on.
_QUIET_PERIODS = 10


def run(options: argparse.Namespace) -> int:
    """Carry out `up`, `down`, `status` or `genesis`. Raises CommandError if it cannot be done."""
    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "up": _up,
        "down": _down,
        "status": _status,
        "genesis": _genesis,
    }
    try:
        return actions[options.action](options)
    except NetworkError as error:
        raise CommandError(error.message) from error


def _up(options: argparse.Namespace) -> int:
    network = _made_or_opened(options)
    started = time.monotonic()
    network.up(say=_say)
    _say(f"网络已就绪（{time.monotonic() - started:.0f} 秒）")
    _show(network, network.status())
    _say(
        f"\n让登记系统使用这个网络：\n\n    SUIZHENG_CHAIN={network.urls[0]} suizheng serve\n\n"
        f"查看：suizheng network status --folder {options.folder}\n"
        f"停止：suizheng network down --folder {options.folder}"
    )
    return 0


def _down(options: argparse.Namespace) -> int:
    Network.open(options.folder).down()
    _say("网络已停止；数据留在原处，可随时再次启动。")
    return 0


def _status(options: argparse.Namespace) -> int:
    """0 while blocks are being made, 1 when not, so that a monitor can ask."""
    network = Network.open(options.folder)
    statuses = network.status()
    _show(network, statuses)
    quiet = _quiet_for(statuses, datetime.now(UTC))
    if quiet is not None and quiet <= timedelta(seconds=_QUIET_PERIODS * network.layout.period_seconds):
        return 0
    alive = sum(1 for one in statuses if one.height is not None)
    _say(
        f"网络没有在出块：{network.size} 个验证节点中 {alive} 个应答，至少需要 {network.quorum} 个相互连接。"
        f"启动缺少的节点：suizheng network up --folder {options.folder}"
    )
    return 1


def _genesis(options: argparse.Namespace) -> int:
    validators: list[str] = options.validator
    for address in validators:
        if not is_address(address):
            raise CommandError(f"{address} 不是地址；应为 0x 开头的 40 位十六进制，大小写混合时须符合校验")
    if len({address.lower() for address in validators}) != len(validators):
        raise CommandError("同一个地址写了两次；每个验证节点一个地址")
    made = genesis_for(options.engine, validators, options.chain_id, options.period)
    try:
        with options.out.open("x", encoding="utf-8") as file:
            file.write(json.dumps(made, indent=1) + "\n")
    except OSError as error:
        raise CommandError(f"无法写 {options.out}（{cause_of(error)}）；请换一个文件名") from error
    _say(
        f"已写 {options.out}。各节点必须使用同一个文件；SHA-256：{hashlib.sha256(options.out.read_bytes()).hexdigest()}"
    )
    return 0


def _made_or_opened(options: argparse.Namespace) -> Network:
    folder: Path = options.folder
    if not (folder / "network.json").exists():
        count = options.validators or _VALIDATORS
        http, peer = options.port or FIRST_HTTP_PORT, options.peer_port or FIRST_PEER_PORT
        network = Network.make(
            folder,
            validators=count,
            period_seconds=options.period or _PERIOD_SECONDS,
            engine=options.engine or "clique",
            ports=[*range(http, http + count), *range(peer, peer + count)],
        )
        _say(f"已在 {folder} 建立 {count} 个验证节点的网络，密钥只有本用户可读")
        return network
    network = Network.open(folder)
    layout = network.layout
    there = (
        network.size,
        layout.period_seconds,
        layout.engine,
        layout.members[0].http_port,
        layout.members[0].peer_port,
    )
    asked = (options.validators, options.period, options.engine, options.port, options.peer_port)
    if any(wanted is not None and wanted != found for wanted, found in zip(asked, there, strict=True)):
        raise CommandError(
            f"{folder} 里已有 {network.size} 个验证节点、每 {layout.period_seconds} 秒出块的 {layout.engine} 网络，"
            f"端口从 {layout.members[0].http_port} 与 {layout.members[0].peer_port} 起；"
            "请去掉不同的参数，或用 --folder 换一个目录"
        )
    return network


def _show(network: Network, statuses: Sequence[NodeStatus]) -> None:
    names = {member.address.lower(): member.name for member in network.layout.members}
    highest = max((one.height for one in statuses if one.height is not None), default=0)
    table = Table("节点", "状态", "区块", "落后", "最近出块者", "连接", "地址")
    for one in statuses:
        if one.height is None:
            table.add_row(one.name, _STATES[one.state] if one.state != "running" else "无应答", "", "", "", "", one.url)
            continue
        sealer = names.get((one.sealer or "").lower(), one.sealer or "")
        numbers = (f"{one.height}", f"{highest - one.height}", sealer, f"{one.peers}")
        table.add_row(one.name, _STATES[one.state], *numbers, one.url)
    Console(file=sys.stdout).print(table)
    quiet = _quiet_for(statuses, datetime.now(UTC))
    if quiet is not None and highest:
        _say(f"最新区块 {highest}，{max(0, int(quiet.total_seconds()))} 秒前")


def _quiet_for(statuses: Sequence[NodeStatus], now: datetime) -> timedelta | None:
    newest = max((one.block_at for one in statuses if one.block_at is not None), default=None)
    return None if newest is None else now - newest


def _say(line: str) -> None:
    print(copyable(line), flush=True)
