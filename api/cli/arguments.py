"""Arguments in Chinese, and what several commands share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn

from api.cli.errors import EXIT_USAGE

SUITES: Final = ("ED25519", "ES256", "SM2")

# What argparse says in English, where people meet it.
_CHINESE = {
    "the following arguments are required: ": "缺少参数：",
    "unrecognized arguments: ": "不认识的参数：",
    "expected one argument": "后面需要一个值",
    "argument ": "参数 ",
    "invalid choice: ": "没有这个选择：",
    "(choose from ": "（可选：",
}


class _Form(argparse.HelpFormatter):
    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[Any],
        prefix: str | None = None,
    ) -> None:
        super().add_usage(usage, actions, groups, "用法：" if prefix is None else prefix)


class Parser(argparse.ArgumentParser):
    """A parser that speaks Chinese and ends with 64, since 2 is a verdict."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_Form, add_help=False, allow_abbrev=False, **options)
        self.add_argument("-h", "--help", action="help", help="显示本帮助")

    def format_help(self) -> str:
        """The help with Chinese headings."""
        text = super().format_help()
        return (
            text.replace("\npositional arguments:", "\n参数：")
            .replace("\noptions:", "\n选项：")
            .replace("\n命令:", "\n命令：")
        )

    def error(self, message: str) -> NoReturn:
        """End with 64 and say why."""
        for english, chinese in _CHINESE.items():
            message = message.replace(english, chinese)
        sys.stderr.write(f"{self.format_usage()}{self.prog}：{message}\n")
        sys.exit(EXIT_USAGE)


def moment(text: str) -> datetime:
    """The UTC time of ISO 8601 text that states its zone. Raises argparse.ArgumentTypeError."""
    example = "例如 2026-11-22T14:05:00+08:00"
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"时间 {text} 不是 ISO 8601 形式，{example}") from error
    if at.tzinfo is None:
        raise argparse.ArgumentTypeError(f"时间 {text} 没有写时区，{example}")
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise argparse.ArgumentTypeError(f"时间 {text} 超出范围") from error


def positive(text: str) -> int:
    """A whole number from 1. Raises argparse.ArgumentTypeError."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"应为正整数，得到 {text}")
    return int(text)


def add_server(parser: argparse.ArgumentParser) -> None:
    """Which server, and the token for it."""
    parser.add_argument("--server", metavar="网址", required=True, help="服务器地址，例如 https://suizheng.example")
    parser.add_argument("--token-file", metavar="文件", type=Path, help="存放令牌的文件")
    parser.add_argument("--allow-http", action="store_true", help="允许在可信网络上用 http 发送令牌")


def add_data(parser: argparse.ArgumentParser) -> None:
    """The data folder of this machine's server."""
    parser.add_argument("--data", metavar="目录", type=Path, help="数据目录，默认取自 SUIZHENG_DATA")


def add_time_of_verdict(parser: argparse.ArgumentParser) -> None:
    """The moment for which a verdict is asked."""
    parser.add_argument("--at", metavar="时间", type=moment, help="按此时间核验（ISO 8601，须带时区），默认现在")


def add_clock(parser: argparse.ArgumentParser) -> None:
    """A time instead of the machine's."""
    parser.add_argument("--at", metavar="时间", type=moment, help="以此时间代替本机时钟（ISO 8601，须带时区）")


def add_suite(parser: argparse.ArgumentParser) -> None:
    """The suite of a new key."""
    parser.add_argument("--suite", choices=SUITES, default=SUITES[0], help="签名套件")


def add_new_key(parser: argparse.ArgumentParser) -> None:
    """A new key, and where it is written."""
    add_suite(parser)
    parser.add_argument("--out", metavar="文件", type=Path, required=True, help="私钥写到这个文件（PEM）")


def add_out(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """The file to write."""
    parser.add_argument("--out", metavar="文件", type=Path, required=required, help="写到这个文件")


def now() -> datetime:
    """The time of the machine's clock."""
    return datetime.now(UTC)
