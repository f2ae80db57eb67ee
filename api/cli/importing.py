"""`suizheng import`: hand a file of certificates to the registry, watch it being taken in, keep the rows to correct."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

import orjson
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from api.cli.errors import CommandError
from api.cli.import_client import ImportClient
from api.cli.report import printable_lines
from api.gate.errors import GateError, cause_of
from api.gate.hand_in import check_server, read_token

#: Every row stands; some rows have to be corrected; the job ended without an answer for every row; somebody has to
#: act (say what a column is, or let a paused job go on).
EXIT_DONE, EXIT_REFUSED, EXIT_FAILED, EXIT_WAITS = 0, 1, 2, 3
_LOOK_EVERY_SECONDS: Final = 0.5
_SHOWN_FAULTS: Final = 10
_UNDER_WAY: Final = frozenset(("reading", "waiting", "running"))


def run(options: argparse.Namespace) -> int:
    """Import one file; the exit status. Raises CommandError; it is then safe to repeat the command."""
    try:
        client = ImportClient(
            check_server(options.server, options.allow_http), read_token(dict(os.environ), options.token_file)
        )
    except GateError as error:
        raise CommandError(error.message) from error
    console = Console(stderr=True)
    form = {
        "type_code": options.type or _only_type(client), "file_name": options.file.name, "dry_run": options.dry_run,
        "mapping": _mapping(options.mapping), "sha256": _upload(client, options.file, console),
        "attachments_sha256": _upload(client, options.attachments, console) if options.attachments else None,
    }  # fmt: skip
    job = client.post("/api/v1/imports", form)
    try:
        job = _watch(client, job, console)
    except KeyboardInterrupt:
        sys.stderr.write(f"不再等待；服务器仍在继续，任务编号 {job['id']}\n")
        raise
    return _tell(client, job, options)


def _only_type(client: ImportClient) -> str:
    types = [one for one in client.get("/api/v1/types")["items"] if one["kind"] == "certificate"]
    if len(types) == 1:
        return str(types[0]["code"])
    lines = "\n".join(f"  {one['code']}  {one['name']}" for one in types)
    raise CommandError(f"请用 --type 指明证照类型：\n{lines}")


def _mapping(path: Path | None) -> dict[str, str] | None:
    if path is None:
        return None
    try:
        value = orjson.loads(path.read_bytes())
    except OSError as error:
        raise CommandError(f"无法读取 {path}：{cause_of(error)}") from error
    except orjson.JSONDecodeError as error:
        raise CommandError(f"{path} 不是 JSON") from error
    if not isinstance(value, dict) or not all(isinstance(field, str | None) for field in value.values()):
        raise CommandError(f'{path} 应为 {{"列标题": "字段"}}，不读取的列写空文本')
    return {header: field or "" for header, field in value.items()}


def _upload(client: ImportClient, path: Path, console: Console) -> str:
    columns = (TextColumn("上传 {task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(path.name, total=None)
        return client.upload(path, lambda sent, size: progress.update(task, completed=sent, total=size))


def _watch(client: ImportClient, job: dict[str, Any], console: Console) -> dict[str, Any]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("读取", total=None)
        while job["state"] in _UNDER_WAY:
            name = ("检查" if job["dry_run"] else "登记") if job["total"] else job["state_name"]
            progress.update(task, description=name, completed=job["done"], total=job["total"] or None)
            time.sleep(_LOOK_EVERY_SECONDS)
            job = client.get(f"/api/v1/imports/{job['id']}")
    return job


def _tell(client: ImportClient, job: dict[str, Any], options: argparse.Namespace) -> int:
    if options.json:
        sys.stdout.write(orjson.dumps(job).decode() + "\n")
    state = job["state"]
    if state == "mapping":
        _say_columns(client, job)
        return EXIT_WAITS
    if state == "paused":
        sys.stderr.write(f"任务 {job['id']} 已被暂停；在页面上或用接口继续\n")
        return EXIT_WAITS
    if state != "done":
        problem = job["problem"] or {"message": job["state_name"], "errors": []}
        faults = "".join(f"  {one['field']}：{one['message']}\n" for one in problem["errors"])
        _say(f"✕ {problem['message']}\n{faults}")
        return EXIT_FAILED
    if not options.json:
        word = "可以登记" if job["dry_run"] else "已登记"
        sys.stdout.write(
            f"共 {job['total']:,} 行：{word} {job['accepted']:,}，已存在 {job['duplicate']:,}，"
            f"未登记 {job['refused']:,}（任务 {job['id']}）\n"
        )
    for note in job["notes"]:
        _say(f"· {note}\n")
    if not job["refused"]:
        return EXIT_DONE
    _keep_refused(client, job, options.file)
    return EXIT_REFUSED


def _say_columns(client: ImportClient, job: dict[str, Any]) -> None:
    columns = client.get(f"/api/v1/imports/{job['id']}/columns")
    suggested = {one["header"]: one["field"] for one in columns["columns"] if one["how"] in ("similar", "none")}
    missing = "、".join(one["field"] for one in columns["missing"])
    _say(
        f"有的列标题不认识{f'，还缺：{missing}' if missing else ''}。请核对下面的对应（空文本为不读取），存为文件，"
        f"用 --mapping 重新执行；或在页面 /imports/{job['id']} 上确认。字段有：\n"
        + "".join(f"  {one['field']}  {one['name']}\n" for one in columns["fields"])
    )
    sys.stdout.write(orjson.dumps(suggested, option=orjson.OPT_INDENT_2).decode() + "\n")


def _say(text: str) -> None:
    """Tell the person what the server said: of a file that others may have made."""
    sys.stderr.write(printable_lines(text))


def _keep_refused(client: ImportClient, job: dict[str, Any], file: Path) -> None:
    page = client.get(f"/api/v1/imports/{job['id']}/rows?limit={_SHOWN_FAULTS}")
    for row in page["items"]:
        for one in row["errors"]:
            place = f"{one['column']} 列" if one["column"] else ""
            _say(f"  第 {row['row']} 行 {place}“{one['field']}”：{one['message'].rstrip('。')}\n")
    form = "csv" if file.suffix.lower() == ".csv" else "xlsx"
    target = file.with_name(f"{file.stem}.未登记.{form}")
    try:
        client.save(f"/api/v1/imports/{job['id']}/refused.{form}", target)
    except GateError as error:
        raise CommandError(error.message) from error
    sys.stderr.write(f"未登记的行连同原因存入 {target}，改好后可直接再次导入\n")
