"""Codes for an enterprise, a venue and people, as pictures; and a gate that reads them without a network."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from api.demo import files
from api.demo.client import Client
from api.demo.people import company_code, company_name
from api.demo.proving import save_trust, wait_until_anchored
from api.demo.stage import Stage, expect
from codes import picture

ALL_WEEK = {"days": [1, 2, 3, 4, 5, 6, 7], "from": "00:00", "to": "24:00"}


def issue_codes(stage: Stage) -> dict[str, str]:
    """The three kinds of code, drawn and read back; their texts by name. The venue's id is under "venue id"."""
    street = stage.clients[files.STREET]
    rule = {"hours": [ALL_WEEK], "admit": {"types": [files.SENIOR], "pass": True}, "anti_passback_seconds": 300}
    venue = {
        "name": "长宁示例体育馆",
        "address": "上海市长宁区示例路 100 号",
        "responsible": files.STREET,
        "rule": rule,
    }
    venue_id = street.post("/api/v1/venues", venue)["id"]
    visitor = {"holder_code": files.visitor_number(3), "holder_code_type_code": "111"}
    ends = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    street.post(f"/api/v1/venues/{venue_id}/passes", {**visitor, "valid_to_at": ends})
    texts = {"venue id": venue_id}
    wanted: dict[str, dict[str, Any]] = {
        "venue": {"kind": "venue", "venue_id": venue_id},
        "enterprise": {"kind": "enterprise", "code": company_code(7), "name": company_name(7)},
        "visitor": {"kind": "person", **visitor, "venues": [venue_id], "valid_seconds": 3600},
        "stranger": {"kind": "person", **_person(files.operator_number(5)), "certificate_types": [files.OPERATION]},
        "lost": {"kind": "person", **_person(files.senior_holder(20)[1]), "certificate_types": [files.SENIOR]},
    }
    for number in range(3):
        senior = _person(files.senior_holder(number)[1])
        wanted[f"senior-{number}"] = {"kind": "person", **senior, "certificate_types": [files.SENIOR]}
    for name, body in wanted.items():
        texts[name] = _draw(stage, street, name, body)
    stage.counted["codes"] = len(wanted)
    stage.tell("码", f"个人码、企业码、场所码共 {len(wanted)} 个，图片均已回读核对")
    return texts


def gate(stage: Stage, texts: dict[str, str]) -> None:
    """Two gates' worth of scans through `suizheng gate`, killed once in between; then the visits are handed in."""
    street = stage.clients[files.STREET]
    street.post(f"/api/v1/codes/{stage.codes['lost']}/loss", {})
    wait_until_anchored(stage)
    save_trust(stage)
    tampered = texts["senior-2"][:-1] + ("A" if texts["senior-2"][-1] != "A" else "B")
    first = [
        ("老年优待证", texts["senior-0"], True),
        ("同一个码再刷一次", texts["senior-0"], False),
        ("有通行证的访客", texts["visitor"], True),
        ("没有相应证照的人", texts["stranger"], False),
        ("企业码冒充个人码", texts["enterprise"], False),
    ]
    second = [
        ("重启后仍识别重复", texts["senior-0"], False),
        ("另一位老人", texts["senior-1"], True),
        ("改动一个字符的码", tampered, False),
        ("已挂失的码", texts["lost"], False),
        ("无关的二维码", "https://example.invalid/menu", False),
    ]
    for scans, kill in ((first, True), (second, False)):
        for (what, _, passes), decision in zip(scans, _scan(stage, texts["venue id"], scans, kill=kill), strict=True):
            expect(decision["admit"] is passes, f"{what}: {decision}")
            stage.counted["gate_passed" if passes else "gate_refused"] += 1
            stage.console.print(f"    {'[green]✓' if passes else '[yellow]✕'} {what}[/]：{decision['message']}")
    stage.tell(
        "闸口",
        f"放行 {stage.counted['gate_passed']}，拒绝 {stage.counted['gate_refused']}；闸口进程途中被强杀一次，记录完好",
    )
    stage.tell("通行记录", f"离线保存后上交 {_hand_in(stage, street)} 条，重复上交不新增")


def _person(number: str) -> dict[str, str]:
    return {"holder_code": number, "holder_code_type_code": "111"}


def _draw(stage: Stage, client: Client, name: str, body: dict[str, Any]) -> str:
    """Issue a code, keep both pictures, and read the text back from the PNG."""
    code = client.post("/api/v1/codes", body)
    png = client.get_bytes(code["png_url"])
    stage.write(f"codes/{name}.png", png)
    stage.write(f"codes/{name}.svg", client.get_bytes(code["svg_url"]))
    expect(picture.read(png) == [code["text"]], f"the picture of {name} reads differently")
    stage.codes[name] = code["id"]
    return str(code["text"])


def _scan(stage: Stage, venue: str, scans: list[tuple[str, str, bool]], *, kill: bool) -> list[dict[str, Any]]:
    journal, trust = stage.output / "gate.jsonl", stage.output / "trust.json"
    where = ["--venue", venue, "--trust", str(trust), "--journal", str(journal)]
    command = [sys.executable, "-m", "api.cli", "gate", *where, "--json"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None and process.stdout is not None
        decisions = []
        for _, text, _ in scans:
            process.stdin.write(text.encode() + b"\n")
            process.stdin.flush()
            decisions.append(json.loads(process.stdout.readline()))
        if kill:
            os.kill(process.pid, signal.SIGKILL)
        process.stdin.close()
        process.wait()
    return decisions


def _hand_in(stage: Stage, client: Client) -> int:
    journal = str(stage.output / "gate.jsonl")
    command = [sys.executable, "-m", "api.cli", "hand-in", "--journal", journal, "--server", stage.server.url]
    environment = {**os.environ, "SUIZHENG_TOKEN": client.token}
    for _ in range(2):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        expect(done.returncode == 0, done.stderr[-500:])
    return stage.counted["gate_passed"] + stage.counted["gate_refused"]
