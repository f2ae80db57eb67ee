"""The arguments of `suizheng trust`. Imports nothing of the server: every command parses with them."""

from __future__ import annotations

import argparse
from pathlib import Path

from api.cli.arguments import Parser, add_out, add_suite, positive


def add_trust(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command with its actions."""
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
    add_out(export)
    export.add_argument("--root", metavar="指纹", help="根文件的指纹（64 位十六进制），不符则不写入")
    export.add_argument("--since", metavar="信任包", type=Path, help="只写出自这个信任包以来的更新，供离线携带")
    export.set_defaults(module="trusting", allow_http=True, update=None)
    update = actions.add_parser(
        "update",
        help="更新信任包",
        description="从服务器取得更新的信任包，替换现有文件。只接受现有根文件一路签署下来的、版本不低的。",
    )
    origin = update.add_mutually_exclusive_group(required=True)
    origin.add_argument("--server", metavar="网址", help="服务器地址；只传输有变动的部分")
    origin.add_argument(
        "--from", metavar="更新", type=Path, dest="update", help="export --since 写出的更新，或整个信任包"
    )
    update.add_argument("--trust", metavar="文件", type=Path, required=True, dest="out", help="现有的信任包文件")
    update.set_defaults(module="trusting", allow_http=True, root=None, data=None, since=None)
    _add_root(actions)
    _add_trust_making(actions)


def _add_trust_making(actions: argparse._SubParsersAction[Parser]) -> None:
    show = actions.add_parser("show", help="显示信任包的内容")
    show.add_argument("bundle", metavar="信任包", type=Path)
    show.add_argument("--json", action="store_true", help="输出已签名的内容（JSON）")
    new = actions.add_parser("new", help="新建一个本机自签的信任包（供试用）")
    new.add_argument("--registry", metavar="名称", default="本机试用信任包", help="登记机构的名称")
    new.add_argument("--days", metavar="天数", type=int, default=365, help="有效天数，默认 365")
    sign = actions.add_parser("sign", help="给信任包加上一个根密钥的签名")
    sign.add_argument("bundle", metavar="信任包", type=Path)
    issuer = actions.add_parser(
        "add-issuer",
        help="加入一个境外码的签发者",
        description="把一个境外签发者的证书加入信任包。不给出 --trust 时新建一个本机自签的信任包，根密钥存放在旁边的"
        " .key 文件中（只供试用）；给出 --trust 时须有它的根密钥。",
    )
    issuer.add_argument("--profile", metavar="规范", choices=("eu-dcc",), required=True, help="码的规范：eu-dcc")
    issuer.add_argument(
        "--certificate", metavar="证书", type=Path, required=True, help="X.509 证书（PEM、DER 或 Base64）"
    )
    issuer.add_argument("--name", metavar="名称", help="签发者的称呼，默认取证书的主体")
    issuer.add_argument("--trust", metavar="信任包", type=Path, help="要扩充的信任包")
    for action in (new, sign, issuer):
        add_out(action)
        action.add_argument("--key", metavar="密钥", type=Path, required=action is sign, help="根密钥（PEM）")
    for action in (show, new, sign, issuer):
        action.set_defaults(module="trust_making")


def _add_root(actions: argparse._SubParsersAction[Parser]) -> None:
    root = actions.add_parser(
        "root",
        help="根文件：离线根密钥的仪式",
        description="根文件由离线保存的根密钥按门限签署，指定谁能发布信任包。一个文件在持有人之间传递，各签一次。",
    )
    steps = root.add_subparsers(title="命令", dest="ceremony", required=True, metavar="命令", parser_class=Parser)
    key = steps.add_parser("key", help="生成一个根密钥并显示公钥（在离线的机器上）")
    add_suite(key)
    new = steps.add_parser("new", help="起草第一版根文件")
    new.add_argument("--registry", metavar="名称", required=True, help="登记机构的名称（信任包中的 registry）")
    following = steps.add_parser("next", help="起草下一版根文件；没有指明的与上一版相同")
    following.add_argument("before", metavar="上一版", type=Path)
    for draft, first in ((new, True), (following, False)):
        public = "「套件:十六进制」，可重复"
        draft.add_argument(
            "--root", metavar="公钥", action="append", default=[], required=first, help=f"根密钥，{public}"
        )
        draft.add_argument("--threshold", metavar="个数", type=positive, required=first, help="须有几个根密钥签署")
        draft.add_argument(
            "--publisher", metavar="公钥", action="append", default=[], required=first,
            help=f"发布密钥（suizheng keys show trust-root），{public}",
        )  # fmt: skip
        draft.add_argument("--publisher-threshold", metavar="个数", type=positive, help="须有几个发布密钥签署，默认 1")
        draft.add_argument("--days", metavar="天数", type=positive, default=365, help="有效天数，默认 365")
    sign = steps.add_parser("sign", help="加上一个根密钥的签名")
    sign.add_argument("file", metavar="根文件", type=Path)
    sign.add_argument("--key", metavar="密钥", type=Path, required=True, help="根密钥（PEM）")
    show = steps.add_parser("show", help="显示根文件，以及还差几个签名")
    show.add_argument("file", metavar="根文件", type=Path)
    for step in (sign, show):
        step.add_argument("--before", metavar="上一版", type=Path, help="上一版根文件：旧根密钥也须签署")
    install = steps.add_parser("install", help="启用根文件（需要服务器组件）")
    install.add_argument("file", metavar="根文件", type=Path)
    install.add_argument("--data", metavar="目录", type=Path, required=True, help="数据目录")
    for writer in (key, new, following, sign):
        add_out(writer, required=writer is not sign)
    root.set_defaults(module="rooting")
