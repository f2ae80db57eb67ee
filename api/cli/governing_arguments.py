"""The arguments of `suizheng governance`. Imports nothing of the server: every command parses with them."""

from __future__ import annotations

import argparse
from datetime import date
from pathlib import Path

from api.cli.arguments import Parser, moment

LEVELS = ("municipal", "district", "street", "unit")
ACTIONS = ("issue", "use", "both")
KINDS = ("type", "schema", "standard", "duties", "data")


def add_governance(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command with its actions."""
    governance = commands.add_parser(
        "governance",
        help="治理：成员与目录在链上的变更，由 k/n 名治理成员批准（需要服务器组件）",
        description="治理成员提出、查看、批准链上的变更。达到批准人数时立即执行，且只执行一次。",
    )
    actions = governance.add_subparsers(title="命令", dest="action", required=True, metavar="命令", parser_class=Parser)
    account = actions.add_parser("account", help="显示本账户地址，没有密钥时生成")
    _add_folder(account)
    listing = actions.add_parser("list", help="列出治理成员与提案")
    listing.add_argument("--all", action="store_true", help="也列出已执行与已过期的提案")
    _add_network(listing)
    for name, words in (("approve", "批准一个提案"), ("withdraw", "撤回对一个提案的批准")):
        one = actions.add_parser(name, help=words)
        one.add_argument("proposal", metavar="提案", help="提案编号，或其开头几位")
        _add_network(one)
        if name == "approve":
            one.add_argument("--yes", action="store_true", help="不再询问")
    propose = actions.add_parser("propose", help="提出一项变更")
    changes = propose.add_subparsers(title="变更", dest="change", required=True, metavar="变更", parser_class=Parser)
    _add_departments(changes)
    _add_scopes(changes)
    _add_others(changes)
    governance.set_defaults(module="governing")


def _add_departments(changes: argparse._SubParsersAction[Parser]) -> None:
    add = _change(changes, "add", "增加部门", "部门")
    add.add_argument("--level", choices=LEVELS, default="district", help="层级，默认 district（区级）")
    add.add_argument("--account", metavar="地址", help="部门自己的链账户，可以没有")
    _change(changes, "suspend", "暂停部门", "部门")
    _change(changes, "reinstate", "恢复部门", "部门")
    rotate = _change(changes, "rotate", "更换部门的链账户", "部门")
    rotate.add_argument("--account", metavar="地址", required=True, help="新的链账户")
    end_key = _change(changes, "end-key", "终止部门的一把签名密钥", "部门")
    end_key.add_argument("key", metavar="密钥", help="密钥编号，64 位十六进制")
    end_key.add_argument("--at", metavar="时间", type=moment, required=True, help="从此时起不再有效，可以是过去")
    join = _change(changes, "join", "让另一个登记系统加入：开通日志并增加其部门", "部门")
    join.add_argument("--level", choices=LEVELS, default="district", help="层级，默认 district（区级）")
    join.add_argument("--account", metavar="地址", required=True, help="该登记系统的链账户")
    join.add_argument("--log", metavar="日志", required=True, help="该登记系统的日志编号，64 位十六进制")


def _add_scopes(changes: argparse._SubParsersAction[Parser]) -> None:
    grant = _change(changes, "grant", "授予部门颁发或使用一类证照的权限", "部门")
    grant.add_argument("type_code", metavar="类型", help="21 位证照类型代码")
    grant.add_argument("scope", choices=ACTIONS, help="颁发、使用，或两者")
    grant.add_argument("--from", dest="begins_on", metavar="日期", type=_day, required=True, help="起始日（含）")
    grant.add_argument("--to", dest="ends_on", metavar="日期", type=_day, help="截止日（含），默认长期")
    end = _change(changes, "end-scope", "提前终止部门的一项权限", "部门")
    end.add_argument("type_code", metavar="类型", help="21 位证照类型代码")
    end.add_argument("position", metavar="序号", type=int, help="第几项权限，从 0 起")
    end.add_argument("--at", metavar="时间", type=moment, required=True, help="从此时起不再有效")


def _add_others(changes: argparse._SubParsersAction[Parser]) -> None:
    publish = changes.add_parser("publish", help="发布目录条目的下一个版本")
    publish.add_argument("kind", choices=KINDS, help="证照类型、数据结构、数据标准、职责目录、数据目录")
    publish.add_argument("code", metavar="代码", help="条目代码，不超过 32 个字符")
    publish.add_argument("version", metavar="版本", type=int, help="版本号，从 1 起逐一递增")
    publish.add_argument("file", metavar="文件", type=Path, help="条目内容；JSON 按 RFC 8785 规范化后取摘要")
    _add_network(publish)
    governors = changes.add_parser("governors", help="更换治理成员与批准人数")
    governors.add_argument("accounts", metavar="地址", nargs="+", help="今后的全部治理成员")
    governors.add_argument("--threshold", metavar="人数", type=int, required=True, help="须由几名成员批准")
    _add_network(governors)


def _change(changes: argparse._SubParsersAction[Parser], name: str, words: str, first: str) -> Parser:
    one = changes.add_parser(name, help=words)
    one.add_argument("department", metavar=first, help="18 位统一社会信用代码")
    _add_network(one)
    return one


def _add_folder(one: Parser) -> None:
    one.add_argument("--folder", metavar="目录", type=Path, required=True, help="本账户的目录（account.key 等）")


def _add_network(one: Parser) -> None:
    _add_folder(one)
    where = one.add_mutually_exclusive_group(required=True)
    where.add_argument("--node", metavar="网址", help="节点的 http(s) 地址")
    where.add_argument("--embedded", metavar="目录", type=Path, help="内置链的目录（登记系统须已停止）")
    one.add_argument("--deployment", metavar="文件", type=Path, help="登记系统提供的 deployment.json，首次使用时给出")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"日期 {text} 不是 2026-11-22 的形式") from error
