"""Runs the demo from beginning to end and leaves `demo-output/`."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from api.cli.program import called
from api.demo.auditing import audit
from api.demo.carrying import gate, issue_codes
from api.demo.client import AnswerError
from api.demo.proving import count_everything, verify_offline
from api.demo.registering import register, register_documents
from api.demo.reusing import reuse
from api.demo.server import Server, ServerFailedError
from api.demo.setting_up import set_up
from api.demo.stage import DemoFailedError, Stage

OUTPUT = Path("demo-output")
SAMPLES = Path("../shared/samples/ofd")
COUNTED = (
    "registered",
    "anchored",
    "lost",
    "doubled",
    "verified_offline",
    "tampered_refused",
    "audited",
    "audit_divergences",
    "reuse_accepted",
    "reuse_refused",
    "one_time_winners",
    "gate_passed",
    "gate_refused",
    "kills",
    "kills_in_flight",
    "rows_refused",
    "materials",
    "codes",
)


def run() -> int:
    """0 if everything that the demo counts on happened, else 1."""
    console, began = Console(), time.monotonic()
    shutil.rmtree(OUTPUT, ignore_errors=True)
    OUTPUT.mkdir()
    # The data stays beside the output, so that the pages can be looked at afterwards.
    data = OUTPUT / "data"
    with tempfile.TemporaryDirectory(prefix="suizheng-demo-") as scratch:
        server = Server(data.resolve(), Path(scratch) / "server.log")
        stage = Stage(console, server, OUTPUT)
        try:
            _walk(stage)
        except (DemoFailedError, AnswerError, ServerFailedError) as error:
            console.print(f"[red]✕ 演示未完成：{error}[/red]")
            console.print((Path(scratch) / "server.log").read_text(errors="replace")[-3000:], markup=False)
            return 1
        finally:
            for client in stage.clients.values():
                client.close()
            server.stop()
    summary = {name: stage.counted[name] for name in COUNTED} | {"seconds": round(time.monotonic() - began, 1)}
    stage.write("summary.json", (json.dumps(summary, ensure_ascii=False, indent=2) + "\n").encode())
    _close(stage, summary["seconds"])
    return 0 if summary["lost"] == summary["doubled"] == 0 else 1


def _walk(stage: Stage) -> None:
    stage.console.rule("随证：一件证照走完全程")
    stage.tell("服务器", f"{stage.server.start():.1f} 秒启动，数据库 SQLite，链为内嵌 EVM")
    set_up(stage)
    register(stage)
    register_documents(stage, SAMPLES)
    count_everything(stage)
    texts = issue_codes(stage)
    verify_offline(stage)
    reuse(stage)
    gate(stage, texts)
    audit(stage)


def _close(stage: Stage, seconds: float) -> None:
    table = Table(title=f"演示结果（{seconds:.0f} 秒）", show_lines=False)
    table.add_column("步骤", no_wrap=True)
    table.add_column("结果", overflow="fold")
    for what, result in stage.told:
        table.add_row(what, result)
    stage.console.print(table)
    stage.console.print(
        f"输出在 {OUTPUT}/：codes/ 码的图片，evidence/ 证据包，trust.json 信任包，summary.json 数字。\n"
        f"离线核验一件：{called()} verify {OUTPUT}/codes/venue.png --trust {OUTPUT}/trust.json\n"
        f"打开页面：SUIZHENG_DATA={OUTPUT}/data {called()} serve，浏览器访问所示地址；用户名与口令\n"
        "（admin 已改过口令，其他首次登录后须修改）：\n"
        + "".join(f"    {name:<10}{password}\n" for name, password in stage.accounts.items()),
        markup=False,
        highlight=False,
        # A command that is broken over two lines cannot be copied.
        soft_wrap=True,
    )
