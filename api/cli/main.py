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

from api.cli.arguments import Parser, moment
from api.cli.errors import EXIT_INTERRUPTED, EXIT_SOFTWARE, EXIT_USAGE, CommandError

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
    sys.stderr.write(f"suizheng：{message}\n")
    return EXIT_USAGE


def _parser() -> Parser:
    parser = Parser(prog="suizheng", description="随证：电子证照与材料的登记、存证、亮码与离线核验")
    commands = parser.add_subparsers(title="命令", dest="command", required=True, metavar="命令", parser_class=Parser)
    _add_verify(commands)
    _add_inspect(commands)
    _add_gate(commands)
    _add_hand_in(commands)
    _add_serve(commands)
    _add_trust(commands)
    demo = commands.add_parser(
        "demo", help="演示完整过程（需要服务器组件）", description="在本机演示登记、存证、核验、复用与闸口"
    )
    demo.set_defaults(module="demonstrating")
    return parser


def _add_verify(commands: argparse._SubParsersAction[Parser]) -> None:
    verify = commands.add_parser(
        "verify",
        help="离线核验一个证据包、码或码的图片",
        description="离线核验，不访问网络。退出状态：0 有效，1 无效，2 不在有效状态，3 无法判定，64 命令有误。",
    )
    verify.add_argument(
        "presented", metavar="文件或码", help="证据包、码的图片、码的文本文件，或 SZ1: 开头的码；- 为标准输入"
    )
    verify.add_argument("--trust", metavar="信任包", type=Path, required=True, help="信任包文件")
    verify.add_argument("--at", metavar="时间", type=moment, help="按此时间核验（ISO 8601，须带时区），默认现在")
    verify.add_argument("--json", action="store_true", help="每个结论输出一行 JSON")
    verify.set_defaults(module="verifying")


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
    inspect.add_argument("--at", metavar="时间", type=moment, help="按此时间核验（ISO 8601，须带时区），默认现在")
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
    gate.add_argument("--journal", metavar="日志", type=Path, help="通行记录文件，默认 gate-<场所>.jsonl")
    gate.add_argument("--json", action="store_true", help="每个结论输出一行 JSON")
    gate.add_argument("--at", metavar="时间", type=moment, help="以此时间代替本机时钟（ISO 8601，须带时区）")
    gate.set_defaults(module="gating")


def _add_hand_in(commands: argparse._SubParsersAction[Parser]) -> None:
    hand_in = commands.add_parser(
        "hand-in",
        help="上交闸口的通行记录",
        description="把日志中尚未上交的通行记录分批上交，可以重复执行。"
        "令牌取自环境变量 SUIZHENG_TOKEN 或 --token-file。",
    )
    hand_in.add_argument("--journal", metavar="日志", type=Path, required=True, help="通行记录文件")
    hand_in.add_argument("--server", metavar="网址", required=True, help="服务器地址，例如 https://suizheng.example")
    hand_in.add_argument("--token-file", metavar="文件", type=Path, help="存放令牌的文件")
    hand_in.add_argument("--allow-http", action="store_true", help="允许在可信网络上用 http 发送令牌")
    hand_in.set_defaults(module="handing_in")


def _add_serve(commands: argparse._SubParsersAction[Parser]) -> None:
    serve = commands.add_parser(
        "serve",
        help="启动服务器（需要服务器组件）",
        description="启动服务器。设置取自环境变量 SUIZHENG_DATA、SUIZHENG_DATABASE_URL、SUIZHENG_CHAIN、"
        "SUIZHENG_PORT、SUIZHENG_PUBLIC_URL。",
    )
    serve.add_argument("--host", metavar="地址", default="127.0.0.1", help="监听地址，默认只对本机开放")
    serve.set_defaults(module="serving")


def _add_trust(commands: argparse._SubParsersAction[Parser]) -> None:
    trust = commands.add_parser("trust", help="信任包", description="信任包：离线核验与闸口的依据")
    actions = trust.add_subparsers(title="命令", dest="action", required=True, metavar="命令", parser_class=Parser)
    export = actions.add_parser(
        "export",
        help="取得信任包",
        description="从服务器或数据目录取得信任包。文件已存在时，新的必须由原有根密钥签署，且版本不低于原有版本。",
    )
    source = export.add_mutually_exclusive_group(required=True)
    source.add_argument("--server", metavar="网址", help="服务器地址")
    source.add_argument("--data", metavar="目录", type=Path, help="数据目录（需要服务器组件）")
    export.add_argument("--out", metavar="文件", type=Path, required=True, help="写到这个文件")
    export.set_defaults(module="trusting", allow_http=True)
