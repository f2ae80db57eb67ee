"""Everything is anchored, nothing was lost or doubled, and all of it verifies in a process without network."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from api.demo.client import Client
from api.demo.stage import Stage, expect
from registry.ids import id_text
from registry.log.tiles import tile_path, unpack_entries
from verifier.cose import Type, open_typed
from verifier.entry import Entry, Kind

ANCHOR_SECONDS = 60.0
_WIDTH = 256
_COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())


def wait_until_anchored(stage: Stage) -> dict[str, Any]:
    """The server's standing once nothing waits any more."""
    reader, began = Client(stage.server.url), time.monotonic()
    with Progress(*_COLUMNS, console=stage.console, transient=True) as bar:
        task = bar.add_task("上链锚定", total=None)
        while True:
            standing: dict[str, Any] = reader.get("/api/v1/status")
            bar.update(task, completed=standing["anchored_size"], total=standing["size"] + standing["waiting"])
            if standing["unanchored"] == 0:
                break
            expect(time.monotonic() - began < ANCHOR_SECONDS, f"not anchored after {ANCHOR_SECONDS} s: {standing}")
            time.sleep(0.2)
    reader.close()
    return standing


def count_everything(stage: Stage) -> None:
    """Compare what was handed in with the registry's lists and with the published log, entry by entry."""
    standing = wait_until_anchored(stage)
    listed: Counter[str] = Counter()
    for department, client in stage.clients.items():
        # A department's list holds what it has used as well.
        listed.update(line["id"] for line in client.all_items("/api/v1/certificates", department=department))
    expected = set(stage.certificates.values())
    logged = _logged_certificates(stage, standing["size"])
    stage.counted["registered"] = len(expected)
    stage.counted["anchored"] = sum(1 for item in expected if logged[item])
    stage.counted["lost"] = sum(1 for item in expected if not listed[item] or not logged[item])
    stage.counted["doubled"] = (
        len(listed) - len(expected)
        + sum(count - 1 for count in listed.values())
        + sum(count - 1 for count in logged.values())
    )  # fmt: skip
    height = standing["chain"]["height"]
    stage.tell("存证日志", f"{standing['size']} 个条目，日志头已上链（区块高度 {height}）")
    stage.tell("清点", f"丢失 {stage.counted['lost']}，重复 {stage.counted['doubled']}")


def _logged_certificates(stage: Stage, size: int) -> Counter[str]:
    """How often each certificate stands in the published log, read from its files like any mirror would."""
    reader, found = Client(stage.server.url), Counter[str]()
    for number in range((size + _WIDTH - 1) // _WIDTH):
        width = min(_WIDTH, size - number * _WIDTH)
        bundle = reader.get_bytes(f"/log/{tile_path('entries', number, width)}")
        entries = unpack_entries(bundle)
        expect(entries is not None and len(entries) == width, f"entry bundle {number} is broken")
        for signed in entries or ():
            entry = Entry.from_bytes(open_typed(signed, Type.ENTRY, limit=8192)[1])
            if entry.kind is Kind.CERTIFICATE:
                found[id_text(entry.item)] += 1
    reader.close()
    return found


def save_trust(stage: Stage) -> None:
    """The trust bundle as it is now, into the output folder."""
    reader = Client(stage.server.url)
    stage.write("trust.json", reader.get_bytes("/api/v1/trust"))
    reader.close()


def verify_offline(stage: Stage) -> None:
    """Download every evidence bundle, then verify all of them in a separate process without network."""
    folder = stage.output / "evidence"
    with Progress(*_COLUMNS, console=stage.console, transient=True) as progress:
        task = progress.add_task("下载证据包", total=len(stage.certificates))
        for client in stage.clients.values():
            for name, data in client.evidence():
                stage.write(f"evidence/{name}", data)
                progress.advance(task)
    save_trust(stage)
    result = run_without_network(
        [sys.executable, "-m", "api.demo.offline", str(folder), str(stage.output / "trust.json")]
    )
    expect(result.returncode == 0, result.stderr[-1000:])
    counts = json.loads(result.stdout)
    valid = counts["states"].get("valid", 0)
    expect(valid == len(stage.certificates), f"offline verdicts: {counts}")
    expect(counts["tampered"] == counts["tampered_refused"], f"a tampered bundle passed: {counts}")
    stage.counted["verified_offline"] = valid
    stage.counted["tampered_refused"] = counts["tampered_refused"]
    how = "独立的无网络命名空间" if shutil.which("unshare") and _may_unshare() else "禁用套接字的独立进程"
    stage.tell("离线核验", f"{valid} 个证据包有效；各改一位后 {counts['tampered_refused']} 个全部拒绝（{how}）")


def run_without_network(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a command in a network namespace without interfaces where the machine permits."""
    prefix = ["unshare", "--map-root-user", "--net", "--"] if _may_unshare() else []
    return subprocess.run([*prefix, *command], capture_output=True, text=True, check=False)


def _may_unshare() -> bool:
    unshare = shutil.which("unshare")
    if unshare is None:
        return False
    return (
        subprocess.run([unshare, "--map-root-user", "--net", "true"], capture_output=True, check=False).returncode == 0
    )
