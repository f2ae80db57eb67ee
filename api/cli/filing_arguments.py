"""Arguments of `suizheng files`."""

from __future__ import annotations

import argparse

from api.cli.arguments import Parser, add_data, positive


def add_files(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    files = commands.add_parser(
        "files",
        help="文件库：加密、更换主密钥、清理（需要服务器组件）",
        description="设置取自环境变量，与 serve 相同；服务运行时也可执行。每个命令都可以随时中断，重新执行即可继续。",
    )
    actions = files.add_subparsers(title="命令", dest="action", required=True, metavar="命令", parser_class=Parser)
    said = {
        "status": "文件数量、未加密的文件与各主密钥",
        "encrypt": "把旧版本留下的未加密文件逐个加密",
        "rotate": "生成新的主密钥，之后存入的文件用它",
        "rewrap": "把全部文件的数据密钥改由最新的主密钥保护，不改动文件本身",
    }
    every = [actions.add_parser(name, help=text, description=f"{text}。") for name, text in said.items()]
    sweep = actions.add_parser(
        "sweep",
        help="查找不属于任何文件的对象",
        description="查找登记失败或中断后留在文件库里、不属于任何文件的对象；只列出，加 --delete 才删除。",
    )
    sweep.add_argument("--delete", action="store_true", help="删除找到的对象")
    sweep.add_argument(
        "--older-than",
        metavar="小时",
        type=positive,
        default=24,
        help="只看写入已满几小时的，默认 24；较新的或正在登记",
    )
    for action in (*every, sweep):
        add_data(action)
    files.set_defaults(module="filing")
