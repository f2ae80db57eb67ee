"""The whole log is rebuilt by the auditor and compared with the database; one changed byte is found and named."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from api.demo.proving import save_trust, wait_until_anchored
from api.demo.stage import Stage, expect


def audit(stage: Stage) -> None:
    """Audit what stands, then a copy of the log in which one byte of a tile was changed."""
    wait_until_anchored(stage)
    save_trust(stage)
    data = stage.server.data
    database = ["--database", f"sqlite:///{data / 'registry.db'}"]
    status, clean = _audit(stage, data / "log", *database)
    expect(status == 0 and not clean["divergences"], f"the auditor found: {clean['divergences']}")
    with tempfile.TemporaryDirectory(prefix="suizheng-demo-") as scratch:
        copy = Path(scratch) / "log"
        shutil.copytree(data / "log", copy)
        tile = copy / "tile" / "entries" / "000"
        changed = bytearray(tile.read_bytes())
        changed[len(changed) // 2] ^= 1
        tile.write_bytes(changed)
        status, altered = _audit(stage, copy)
    expect(status == 1 and len(altered["divergences"]) == 1, f"the changed byte was not found: {altered}")
    stage.counted["audited"] = clean["size"]
    stage.counted["audit_divergences"] = len(clean["divergences"])
    checked = "、".join(f"{name} {clean['checked'][name]}" for name in ("条目签名", "日志头", "证照"))
    stage.tell("审计", f"从瓦片重算整个日志并与数据库比对：{checked}，没有分歧；改动瓦片的一个字节，即被指出")


def _audit(stage: Stage, log: Path, *more: str) -> tuple[int, dict[str, Any]]:
    trust = str(stage.output / "trust.json")
    command = [sys.executable, "-m", "api.cli", "audit", "--log", str(log), "--trust", trust, *more, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    expect(done.returncode in (0, 1), done.stderr[-1000:])
    return done.returncode, json.loads(done.stdout)
