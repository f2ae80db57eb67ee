"""Arguments of `suizheng department-key` and `suizheng sign-entries`."""

from __future__ import annotations

import argparse
from pathlib import Path

from api.cli.arguments import Parser, add_new_key, add_server, moment, positive

_TOKEN = "令牌取自环境变量 SUIZHENG_TOKEN 或 --token-file。"  # noqa: S105 (a sentence)


def add_signing(commands: argparse._SubParsersAction[Parser]) -> None:
    """The commands with which a department signs its entries itself."""
    keys = commands.add_parser(
        "department-key", help="部门自己的签名密钥：生成、登记", description="私钥只留在部门自己的机器上。"
    )
    actions = keys.add_subparsers(title="命令", dest="action", required=True, metavar="命令", parser_class=Parser)
    new = actions.add_parser("new", help="生成密钥并显示公钥")
    add_new_key(new)
    register = actions.add_parser(
        "register", help="证明持有并申请登记", description="用私钥签署登记处的质询，然后由管理员批准。" + _TOKEN
    )
    _add_server(register)
    register.add_argument("--from", dest="valid_from", metavar="时间", type=moment, help="最早启用时间，须带时区")
    register.add_argument("--until", dest="valid_to", metavar="时间", type=moment, help="截止时间，须带时区，默认不限")
    register.add_argument("--reason", metavar="理由", default="登记部门自己的签名密钥", help="写给批准的管理员")
    keys.set_defaults(module="department_keys")
    sign = commands.add_parser(
        "sign-entries",
        help="部门自行签署存证条目与摘录件",
        description="领取待签条目与摘录件，逐条核对内容与摘要，用部门自己的密钥签署后提交；可以重复执行。"
        "退出状态：0 全部签署，1 有条目未签署，64 命令有误。" + _TOKEN,
    )
    _add_server(sign)
    sign.add_argument(
        "--numbers", metavar="文件", type=Path, help="只签署编号在此清单中的证照（每行一个），其余留下不签"
    )
    sign.add_argument(
        "--trust", metavar="信任包", type=Path, help="摘录件：核对原证照的存证条目是本部门此前的密钥签署的"
    )
    sign.add_argument("--limit", metavar="条数", type=positive, default=500, help="每次领取多少条，最多 500")
    sign.add_argument("--follow", metavar="秒", type=positive, help="不退出，每隔这么多秒再签一次")
    sign.set_defaults(module="signing_entries")


def _add_server(parser: Parser) -> None:
    parser.add_argument("--key", metavar="密钥", type=Path, required=True, help="部门的私钥（PEM）")
    parser.add_argument("--department", metavar="代码", required=True, help="本部门的统一社会信用代码")
    add_server(parser)
