"""Departments hand in their files; the server is killed in the middle of one and started again."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import httpx
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from api.demo import files
from api.demo.client import AnswerError, Client
from api.demo.files import HandedIn, handed_in, with_mistakes
from api.demo.people import company_code
from api.demo.setting_up import MATERIAL
from api.demo.stage import Stage, expect

ATTEMPTS = 5


def register(stage: Stage) -> None:
    """Every file through the HTTP API; the last one is interrupted by SIGKILL and repeated under the same key."""
    waiting = handed_in()
    total = sum(len(file.numbers) for file in waiting)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=stage.console, transient=True) as progress:
        task = progress.add_task("登记证照", total=total)
        seconds = 0.0
        for file in waiting[:-1]:
            began = time.monotonic()
            _keep(stage, file, _hand_in(stage.clients[file.department], file, f"demo-{file.type_code}"))
            seconds = (time.monotonic() - began) / len(file.numbers)
            progress.advance(task, len(file.numbers))
        last = waiting[-1]
        _keep(stage, last, _kill_in_flight(stage, last, seconds * len(last.numbers)))
        progress.advance(task, len(last.numbers))
    stage.tell("批量登记", f"{len(stage.certificates)} 件证照，5 类，来自 4 个部门（CSV UTF-8、CSV GB 18030、XLSX）")
    _show_mistakes(stage)
    _repeat(stage, waiting[0])


def register_documents(stage: Stage, folder: Path | None) -> None:
    """The OFD documents of the folder, where there is one, as materials with their file."""
    if folder is None or not folder.is_dir():
        return
    window, count = stage.clients[files.WINDOW], 0
    for path in sorted(folder.glob("*.ofd")):
        stored = window.post_bytes("/api/v1/files", path.name, path.read_bytes(), "application/octet-stream")
        holder = {
            "holder_name": "上海虹桥0000餐饮有限公司",
            "holder_code": company_code(0),
            "holder_code_type_code": "001",
        }
        material = {
            "type_code": MATERIAL,
            "title": path.stem,
            "holders": [holder],
            "valid_from": "20260101",
            "files": [{"sha256": stored["sha256"], "name": path.name}],
        }
        window.post("/api/v1/materials", material)
        count += 1
    stage.counted["materials"] = count
    stage.tell("真实 OFD 文件", f"{count} 份登记为材料")


def _hand_in(client: Client, file: HandedIn, key: str) -> dict[str, Any]:
    fields = {"type_code": file.type_code}
    report: dict[str, Any] = client.post_file("/api/v1/certificates/batch", file.name, file.content, fields, key)
    return report


def _keep(stage: Stage, file: HandedIn, report: dict[str, Any]) -> None:
    expect(report["refused"] == file.wrong_rows, f"{file.name}: {report['refused']} rows refused: {report['rows'][:3]}")
    ids = [row["id"] for row in report["rows"] if row["id"]]
    expect(len(ids) == len(file.numbers), f"{file.name}: {len(ids)} ids for {len(file.numbers)} rows")
    stage.certificates |= dict(zip(file.numbers, ids, strict=True))


def _kill_in_flight(stage: Stage, file: HandedIn, expected_seconds: float) -> dict[str, Any]:
    """Send the file, kill the server before it has answered, start it, send the same again with the same key."""
    client, key = stage.clients[file.department], f"demo-{file.type_code}"
    for attempt in range(1, ATTEMPTS + 1):
        outcome: list[object] = []
        sender = threading.Thread(target=lambda found=outcome: found.append(_attempt(client, file, key)))
        sender.start()
        # Later in the file at every attempt, always before the answer of an undisturbed run.
        time.sleep(expected_seconds * attempt / (ATTEMPTS + 2))
        stage.server.kill()
        sender.join()
        stage.counted["kills"] += 1
        started = stage.server.start()
        if isinstance(outcome[0], httpx.TransportError):
            stage.counted["kills_in_flight"] += 1
        if attempt >= 2 and stage.counted["kills_in_flight"]:
            break
    expect(stage.counted["kills_in_flight"] > 0, "no kill hit a request in flight")
    report = _hand_in(client, file, key)
    stage.tell(
        "SIGKILL 与恢复",
        f"批量登记途中强杀 {stage.counted['kills']} 次，{started:.1f} 秒内恢复，同一幂等键重传后全部登记",
    )
    return report


def _attempt(client: Client, file: HandedIn, key: str) -> object:
    try:
        return _hand_in(client, file, key)
    except (httpx.TransportError, AnswerError) as error:
        return error


def _show_mistakes(stage: Stage) -> None:
    file = with_mistakes()
    report = _hand_in(stage.clients[file.department], file, "demo-mistakes")
    _keep(stage, file, report)
    for row in report["rows"]:
        for error in row["errors"]:
            stage.console.print(f"    [yellow]第 {row['row']} 行 · {error['field']}[/yellow]：{error['message']}")
    stage.counted["rows_refused"] = report["refused"]
    stage.tell("有错的文件", f"{report['accepted']} 行登记，{report['refused']} 行退回，逐行说明原因")


def _repeat(stage: Stage, file: HandedIn) -> None:
    again = _hand_in(stage.clients[file.department], file, f"demo-again-{os.urandom(4).hex()}")
    expect(again["duplicate"] == len(file.numbers) and again["accepted"] == 0, "a repeated file made something new")
    stage.tell("重复上传同一文件", f"{again['duplicate']} 行识别为已登记，没有新增")
