"""`suizheng`: choose the command, import what it needs, turn what goes wrong into a sentence and an exit status."""

from __future__ import annotations

import argparse
import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from api.cli.arguments import (
    SUITES,
    Parser,
    add_clock,
    add_data,
    add_new_key,
    add_out,
    add_server,
    add_time_of_verdict,
    positive,
)
from api.cli.errors import EXIT_INTERRUPTED, EXIT_SOFTWARE, EXIT_USAGE, CommandError
from api.cli.filing_arguments import add_files
from api.cli.governing_arguments import add_governance
from api.cli.importing_arguments import add_import
from api.cli.program import copyable
from api.cli.signing_arguments import add_signing
from api.cli.trust_arguments import add_trust

_OURS = frozenset({"api", "registry", "chain", "verifier", "codes", "contracts"})
_PLAIN = frozenset({"PIL", "cbor2", "cryptography", "jsonschema_rs", "orjson", "rfc8785", "zxingcpp"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command; its exit status."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show ✓ must not keep a door from opening.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    options = _parser().parse_args(arguments)
    try:
        return _carry_out(options)
    except BrokenPipeError:
        # Whoever read the output has gone; nothing may be written to it at the exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception:  # noqa: BLE001 the process's rim: Python's own exit status 1 would say "invalid"
        traceback.print_exc()
        return EXIT_SOFTWARE


def _carry_out(options: argparse.Namespace) -> int:
    try:
        return _command(options.module)(options)
    except CommandError as error:
        return _say(error.message)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in _OURS:
            raise
        if missing in _PLAIN:
            return _say(f"安装不完整（缺少 {missing}），请重新安装：pip install --force-reinstall suizheng")
        server = "pip install 'suizheng[server]'"
        return _say(f"命令 {options.command} 需要服务器组件（缺少 {missing}），请先安装：{server}")


def _command(module: str) -> Callable[[argparse.Namespace], int]:
    """The command's `run`, imported now: a plain install lacks what the server commands import."""
    command: Callable[[argparse.Namespace], int] = import_module(f"api.cli.{module}").run
    return command


def _say(message: str) -> int:
    from api.cli.report import printable_lines

    # It may repeat what a server or a file said.
    sys.stderr.write(f"suizheng：{printable_lines(copyable(message))}\n")
    return EXIT_USAGE


def _parser() -> Parser:
    parser = Parser(prog="suizheng", description="随证：电子证照与材料的登记、存证、亮码与离线核验")
    commands = parser.add_subparsers(title="命令", dest="command", required=True, metavar="命令", parser_class=Parser)
    _add_verify(commands)
    _add_scan(commands)
    _add_inspect(commands)
    _add_gate(commands)
    _add_hand_in(commands)
    add_import(commands)
    _add_serve(commands)
    add_files(commands)
    add_trust(commands)
    _add_network(commands)
    _add_audit(commands)
    _add_witness(commands)
    add_governance(commands)
    _add_delegation(commands)
    _add_keys(commands)
    _add_administrator(commands)
    add_signing(commands)
    demo = commands.add_parser(
        "demo", help="演示完整过程（需要服务器组件）", description="在本机演示登记、存证、核验、复用与闸口"
    )
    demo.set_defaults(module="demonstrating")
    return parser


def _add_verify(commands: argparse._SubParsersAction[Parser]) -> None:
    verify = commands.add_parser(
        "verify",
        help="离线核验一个证据包、摘录件、码或码的图片",
        description="离线核验，不访问网络。退出状态：0 有效，1 无效，2 不在有效状态，3 无法判定，64 命令有误。",
    )
    verify.add_argument(
        "presented", metavar="文件或码", help="证据包、摘录件、码的图片、码的文本文件，或 SZ1: 开头的码；- 为标准输入"
    )
    verify.add_argument("--trust", metavar="信任包", type=Path, required=True, help="信任包文件")
    verify.add_argument(
        "--evidence",
        metavar="证据包",
        type=Path,
        help="加注件的证据包：核验的文件是不是当时制作的那一份 PDF；原证照的证据包：摘录件的字段是否与存证一致",
    )
    verify.add_argument("--receiver", metavar="代码", help="摘录件：核验单位的统一社会信用代码，须为接收单位")
    verify.add_argument("--nonce", metavar="随机数", help="摘录件：请持证人手机签署的随机数，与 --receiver 同用")
    add_time_of_verdict(verify)
    verify.add_argument("--json", action="store_true", help="每个结论输出一行 JSON")
    verify.set_defaults(module="verifying")


def _add_scan(commands: argparse._SubParsersAction[Parser]) -> None:
    scan = commands.add_parser(
        "scan",
        help="读出图片与 PDF 中的每个码，逐个给出结论",
        description="离线读码，不访问网络；认得随证码与信任包中列明的境外码。退出状态取最差的结论：0 有效，1 无效，"
        "2 不在有效状态，3 无法判定，64 命令有误。",
    )
    scan.add_argument(
        "pictures", metavar="图片", nargs="+",
        help="PNG、JPEG、WebP、GIF、BMP 图片，或 PDF、TIFF（前 25 页）；- 为标准输入，每行一个码（扫码枪）",
    )  # fmt: skip
    scan.add_argument("--trust", metavar="信任包", type=Path, help="信任包文件；不给出时只读不判")
    add_time_of_verdict(scan)
    scan.add_argument("--json", action="store_true", help="每个结论输出一行 JSON")
    scan.set_defaults(module="scanning")


def _add_inspect(commands: argparse._SubParsersAction[Parser]) -> None:
    inspect = commands.add_parser(
        "inspect",
        help="查看文件并验章：OFD、PDF、图片",
        description="离线查看文件是什么、含有什么，并核验其中的电子签章与数字签名，不访问网络。"
        "退出状态取最差的一个：0 有效，1 无效，2 签章时不在有效期，"
        "3 无法判定（包括没有签章），64 命令有误或无法读取文件。",
    )
    inspect.add_argument("files", metavar="文件", nargs="+", help="要查看的文件，可以有多个；- 为标准输入")
    inspect.add_argument(
        "--trust",
        metavar="信任包",
        type=Path,
        action="append",
        default=[],
        help="信任包，或可信的根证书、制章人证书（PEM、DER）；可以多次给出",
    )
    add_time_of_verdict(inspect)
    inspect.add_argument("--json", action="store_true", help="每个文件输出一行 JSON")
    inspect.set_defaults(module="inspecting")


def _add_gate(commands: argparse._SubParsersAction[Parser]) -> None:
    gate = commands.add_parser(
        "gate",
        help="闸口：逐行读码，离线判断能否进入",
        description="从标准输入逐行读码（扫码枪按键盘方式输入），离线判断，结论落盘之后才显示。",
    )
    gate.add_argument("--venue", metavar="场所", required=True, help="场所编号")
    gate.add_argument("--trust", metavar="信任包", type=Path, required=True, help="信任包文件；文件更新后自动换用")
    gate.add_argument("--journal", metavar="文件", type=Path, help="通行记录文件，默认 gate-<场所>.jsonl")
    gate.add_argument("--json", action="store_true", help="每个结论输出一行 JSON")
    add_clock(gate)
    gate.set_defaults(module="gating")


def _add_hand_in(commands: argparse._SubParsersAction[Parser]) -> None:
    hand_in = commands.add_parser(
        "hand-in",
        help="上交闸口的通行记录",
        description="把日志中尚未上交的通行记录分批上交，可以重复执行。"
        "令牌取自环境变量 SUIZHENG_TOKEN 或 --token-file。",
    )
    hand_in.add_argument("--journal", metavar="文件", type=Path, required=True, help="通行记录文件")
    add_server(hand_in)
    hand_in.set_defaults(module="handing_in")


def _add_serve(commands: argparse._SubParsersAction[Parser]) -> None:
    serve = commands.add_parser(
        "serve",
        help="启动服务器（需要服务器组件）",
        description="启动服务器。设置取自环境变量：SUIZHENG_DATA 数据目录，SUIZHENG_PORT 端口，其余见 README。",
    )
    serve.add_argument("--host", metavar="地址", default="127.0.0.1", help="监听地址，默认只对本机开放")
    serve.set_defaults(module="serving")


def _add_keys(commands: argparse._SubParsersAction[Parser]) -> None:
    keys = commands.add_parser(
        "keys",
        help="签名密钥：查看与更换（需要服务器组件）",
        description="查看密钥的历史与使用次数，更换密钥。设置取自环境变量，与 serve 相同。",
    )
    actions = keys.add_subparsers(title="命令", dest="action", required=True, metavar="命令", parser_class=Parser)
    listing = actions.add_parser("list", help="全部密钥")
    show = actions.add_parser("show", help="一个密钥，或一个用途的全部密钥")
    show.add_argument("kid", metavar="密钥", help="密钥编号（16 位十六进制）或用途")
    rotate = actions.add_parser("rotate", help="更换一个用途的密钥")
    rotate.add_argument("purpose", metavar="用途", help="log、codes、status、trust-root 或 department:<部门代码>")
    rotate.add_argument(
        "--lead-hours", metavar="小时", type=int, default=24, help="先公布多少小时再启用，默认 24；0 为立即"
    )
    rotate.add_argument("--suite", choices=SUITES, help="套件，默认按设置")
    rotate.add_argument("--reason", metavar="理由", required=True, help="为何在服务器上更换、由谁办理；记入变更记录")
    for action in (listing, show):
        action.add_argument("--json", action="store_true", help="每个密钥输出一行 JSON")
    for action in (listing, show, rotate):
        add_data(action)
    keys.set_defaults(module="keeping")


def _add_administrator(commands: argparse._SubParsersAction[Parser]) -> None:
    administrator = commands.add_parser(
        "administrator",
        help="在服务器上新增一名管理员，或重置其口令并解除双重验证（需要服务器组件）",
        description="口令遗失、无人可以复核时的出路：用户名已是管理员的，重置其口令；没有的，新增管理员。"
        "只能在服务器上办理，记入变更记录。设置取自环境变量，与 serve 相同。",
    )
    administrator.add_argument("username", metavar="用户名", help="3 至 32 位小写字母、数字或 . _ -")
    administrator.add_argument("--name", metavar="姓名", default="", help="姓名，新增时必填")
    administrator.add_argument("--reason", metavar="理由", required=True, help="为何在服务器上办理")
    add_data(administrator)
    administrator.set_defaults(module="appointing")


def _add_delegation(commands: argparse._SubParsersAction[Parser]) -> None:
    delegation = commands.add_parser(
        "delegation",
        help="企业委托：被委托人的设备",
        description="在被委托人的设备上生成密钥、签署下级委托、出示企业授权码。离线，不访问网络。",
    )
    actions = delegation.add_subparsers(title="命令", dest="action", required=True, metavar="命令", parser_class=Parser)
    key = actions.add_parser("key", help="生成设备密钥并显示公钥")
    add_new_key(key)
    sign = actions.add_parser("sign", help="签署一项下级委托")
    sign.add_argument("bytes", metavar="待签字节", help="登记机构给出的待签字节（十六进制）")
    show = actions.add_parser("show", help="出示：输出企业授权码，一分钟内有效")
    show.add_argument("--chain", metavar="文件", type=Path, required=True, help="委托链文件")
    add_clock(show)
    for action in (sign, show):
        action.add_argument("--key", metavar="密钥", type=Path, required=True, help="设备私钥（PEM）")
    delegation.set_defaults(module="delegating")


def _add_network(commands: argparse._SubParsersAction[Parser]) -> None:
    network = commands.add_parser(
        "network",
        help="本机的多节点试用链（需要服务器组件与节点程序）",
        description="在本机后台运行一个多验证节点的许可链，供试用与演练；只监听 127.0.0.1。",
    )
    actions = network.add_subparsers(title="命令", dest="action", required=True, metavar="命令", parser_class=Parser)
    folder = Path("suizheng-network")
    up = actions.add_parser("up", help="建立并启动", description="建立（首次）并启动网络；已在运行时什么也不做。")
    up.add_argument("--folder", metavar="目录", type=Path, default=folder, help="网络的目录，默认 suizheng-network")
    up.add_argument("--validators", metavar="个数", type=positive, help="验证节点个数，默认 4")
    up.add_argument("--engine", choices=("clique", "kaia"), help="共识引擎，默认 clique")
    up.add_argument("--period", metavar="秒", type=positive, help="出块间隔，默认 1")
    up.add_argument("--port", metavar="端口", type=positive, help="第一个节点的 RPC 端口，默认 8545，其余依次加一")
    up.add_argument("--peer-port", metavar="端口", type=positive, help="第一个节点的互联端口，默认 30303，其余依次加一")
    for name, said in (("down", "停止；数据留在原处"), ("status", "查看各节点；不出块时退出状态为 1")):
        action = actions.add_parser(name, help=said, description=said)
        action.add_argument("--folder", metavar="目录", type=Path, default=folder, help="网络的目录")
    genesis = actions.add_parser(
        "genesis",
        help="为多台机器的网络写创世文件",
        description="按各验证节点的地址写出创世文件；每个参与方自己生成密钥，只交出地址。",
    )
    genesis.add_argument("--engine", choices=("clique", "kaia", "besu"), required=True, help="共识引擎")
    genesis.add_argument("--validator", metavar="地址", action="append", required=True, help="验证节点地址，可重复")
    genesis.add_argument("--chain-id", metavar="编号", type=positive, required=True, help="链标识，网络内唯一")
    genesis.add_argument("--period", metavar="秒", type=positive, default=1, help="出块间隔，默认 1")
    add_out(genesis)
    network.set_defaults(module="networking")


def _add_audit(commands: argparse._SubParsersAction[Parser]) -> None:
    audit = commands.add_parser(
        "audit",
        help="核查存证日志、区块链与数据库是否一致",
        description="从瓦片重算整个日志，与检查点、链上日志头和数据库逐项比对，指出第一处分歧。"
        "退出状态：0 没有分歧，1 有分歧，3 有内容未能核查，64 命令有误。",
    )
    audit.add_argument("--log", metavar="网址或目录", help="日志的网址（如 https://…/log）或目录")
    audit.add_argument("--rpc", metavar="网址或目录", help="区块链节点网址，或内置链的目录（须先停止服务）")
    audit.add_argument("--database", metavar="地址", help="登记机构的数据库，只读")
    audit.add_argument("--trust", metavar="信任包", type=Path, help="信任包文件：日志与部门的密钥")
    audit.add_argument("--key", metavar="密钥", help="日志的公钥（C2SP vkey），可代替信任包")
    audit.add_argument("--contract", metavar="地址", help="heads 合约地址，默认取自信任包")
    audit.add_argument("--uses-contract", metavar="地址", help="uses 合约地址")
    audit.add_argument("--deployment", metavar="文件", type=Path, help="部署记录 deployment.json")
    audit.add_argument("--files", metavar="位置", help="登记机构的文件库：目录，或 s3://存储桶/前缀")
    audit.add_argument("--file-keys", metavar="目录", type=Path, help="文件库主密钥的目录（keys），逐个解密并核对摘要")
    audit.add_argument("--resume", metavar="文件", type=Path, help="进度文件：中断后从此继续，日志增长后只查新增")
    audit.add_argument("--all", action="store_true", help="列出全部分歧，默认只指出第一处")
    audit.add_argument("--jobs", metavar="个数", type=int, help="验签的进程数，默认与处理器相同")
    add_clock(audit)
    audit.add_argument("--json", action="store_true", help="输出一行 JSON")
    audit.set_defaults(module="auditing")


def _add_witness(commands: argparse._SubParsersAction[Parser]) -> None:
    witness = commands.add_parser(
        "witness",
        help="见证方：联署存证日志的检查点（需要服务器组件）",
        description="按 C2SP tlog-witness 联署存证日志的检查点。首次启动时生成密钥；密钥与见证记录放在同一目录，"
        "不得用旧备份覆盖。",
    )
    witness.add_argument("--folder", metavar="目录", type=Path, required=True, help="密钥与见证记录的目录")
    witness.add_argument("--name", metavar="名称", help="见证方的名称，首次启动时必须指定，例如 market.example/w1")
    witness.add_argument(
        "--trust", metavar="信任包", type=Path, action="append", default=[],
        help="见证这个信任包的日志；文件更新后自动换用；可重复",
    )  # fmt: skip
    witness.add_argument(
        "--log-key",
        metavar="公钥",
        action="append",
        default=[],
        help="见证此公钥（vkey）的日志；可重复",
    )
    witness.add_argument("--listen", metavar="地址", default="127.0.0.1:8320", help="监听地址，默认 127.0.0.1:8320")
    witness.add_argument("--show-key", action="store_true", help="只显示公钥，不启动")
    witness.set_defaults(module="witnessing")
