"""Arguments of `suizheng import`."""

from __future__ import annotations

import argparse
from pathlib import Path

from api.cli.arguments import Parser, add_server


def add_import(commands: argparse._SubParsersAction[Parser]) -> None:
    """Add the command."""
    command = commands.add_parser(
        "import",
        help="导入一个证照文件（需要服务器组件）",
        description="上传 CSV、XLSX，或含表格与附件的 ZIP，由服务器在后台逐行检查并登记；可以重复执行，不会重复登记。"
        "断线后自动从中断处续传。令牌取自环境变量 SUIZHENG_TOKEN 或 --token-file。"
        "退出状态：0 每行都已登记，1 有的行须修改（存为旁边的文件），2 任务中止或被取消，"
        "3 须确认列对应或任务被暂停，64 命令有误或服务器拒绝，130 不再等待（服务器仍在继续）。",
    )
    command.add_argument("file", metavar="文件", type=Path, help="CSV、XLSX 或 ZIP")
    add_server(command)
    command.add_argument("--type", metavar="代码", help="证照类型代码；不给出时列出可选的")
    command.add_argument("--attachments", metavar="ZIP", type=Path, help="表格“附件”列所列文件的 ZIP")
    command.add_argument("--dry-run", action="store_true", help="只检查，不登记")
    command.add_argument("--mapping", metavar="文件", type=Path, help="列标题与字段的对应（JSON）")
    command.add_argument("--json", action="store_true", help="输出任务的最后状态（JSON）")
    command.set_defaults(module="importing")
