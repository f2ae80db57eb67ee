"""The whole way of a gate: a real server, a pass, a code, the door, the kill, the hand-in."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

SUIZHENG = [sys.executable, "-m", "api.cli"]
HOLDER = {"holder_code": "310105189901010006", "holder_code_type_code": "111"}


class Server:
    """`suizheng serve` on a free port, with its output."""

    def __init__(self, data: Path) -> None:
        environment = {**os.environ, "SUIZHENG_DATA": str(data), "SUIZHENG_PORT": "0", "SUIZHENG_CHAIN": "none"}
        self.said = data.parent / "said"
        with self.said.open("ab") as said:
            self.process = subprocess.Popen(
                [*SUIZHENG, "serve"], env=environment, stdout=subprocess.PIPE, stderr=said, text=True
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert found, self.said.read_text()
        self.url = found[0]

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(120)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "data")
    yield made
    made.process.kill()
    made.process.communicate()


def call(http: httpx.Client, path: str, body: Any) -> Any:
    answer = http.post(f"/api/v1{path}", json=body, headers={"Origin": str(http.base_url).rstrip("/")})
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


def test_a_pass_opens_the_door_and_the_visits_come_back(server: Server, tmp_path: Path) -> None:
    said = server.said.read_text()
    password = re.search(r"一次性口令\s+(\S+)", said)
    assert password and said.count(password[1]) == 1
    http = httpx.Client(base_url=server.url, timeout=30)
    call(http, "/sessions", {"username": "admin", "password": password[1]})
    call(http, "/password", {"current_password": password[1], "new_password": "Correct-Horse-1899"})
    department = http.get("/api/v1/departments").json()["items"][0]["code"]
    expires = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    rights = {"department": department, "roles": ["venue", "registrar", "window"], "expires_at": expires}
    token = call(http, "/tokens", {"name": "gate", **rights})["secret"]
    system = httpx.Client(base_url=server.url, timeout=30, headers={"Authorization": f"Bearer {token}"})
    number = iter(range(100))

    def ask(path: str, body: Any) -> Any:
        answer = system.post(f"/api/v1{path}", json=body, headers={"Idempotency-Key": f"test-key-{next(number)}"})
        assert answer.is_success, answer.text
        return answer.json()

    rule = {"hours": [], "admit": {"types": [], "pass": True}, "anti_passback_seconds": 3600}
    place = {
        "name": "随证体育馆",
        "address": "上海市长宁区某路 2 号",
        "responsible": "91310105MA1FWT014B",
        "rule": rule,
    }
    venue = ask("/venues", place)["id"]
    ask(f"/venues/{venue}/passes", {**HOLDER, "valid_to_at": expires})
    code = ask("/codes", {"kind": "person", **HOLDER, "venues": [venue]})["text"]

    trust, journal = tmp_path / "trust.json", tmp_path / "gate.jsonl"
    export = [*SUIZHENG, "trust", "export", "--server", server.url, "--out", str(trust)]
    run = subprocess.run(export, capture_output=True, text=True)
    assert run.returncode == 0 and "根密钥" in run.stdout, run.stderr
    assert subprocess.run([*SUIZHENG, "verify", code, "--trust", str(trust)], capture_output=True).returncode == 0

    gate = [*SUIZHENG, "gate", "--venue", venue, "--trust", str(trust), "--journal", str(journal)]
    for shown in (["✓", "✕"], ["✕", "✕"]):
        run = subprocess.run(gate, input=f"{code}\n{code}\n", capture_output=True, text=True)
        assert [line[0] for line in run.stdout.splitlines()] == shown, run.stderr

    hand_in = [*SUIZHENG, "hand-in", "--journal", str(journal), "--server", server.url]
    environment = {**os.environ, "SUIZHENG_TOKEN": token}
    for count in (4, 0):
        run = subprocess.run(hand_in, env=environment, capture_output=True, text=True)
        assert run.returncode == 0 and f"已上交 {count} 条" in run.stdout, run.stderr
    (tmp_path / "gate.jsonl.handed-in").unlink()
    run = subprocess.run(hand_in, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    run = subprocess.run(hand_in, env={**os.environ, "SUIZHENG_TOKEN": "szt_wrong"}, capture_output=True, text=True)
    assert run.returncode == 0 and "已上交 0 条" in run.stdout

    again = subprocess.run(export, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    server.end()
    offline = [*SUIZHENG, "trust", "export", "--data", str(tmp_path / "data"), "--out", str(trust)]
    run = subprocess.run(offline, env={**os.environ, "SUIZHENG_CHAIN": "none"}, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    second = Server(tmp_path / "data")
    assert second.said.read_text().count("一次性口令") == 1
    second.end()


def test_a_port_in_use_and_a_bad_setting_are_clear_errors(server: Server, tmp_path: Path) -> None:
    port = server.url.rpartition(":")[2]
    fresh = tmp_path / "fresh"
    for variable, value, said in (
        ("SUIZHENG_PORT", port, "SUIZHENG_PORT"),
        ("SUIZHENG_PORT", "x", "应为整数"),
        ("SUIZHENG_CHAIN", "ftp://x", "SUIZHENG_CHAIN"),
    ):
        environment = {**os.environ, "SUIZHENG_DATA": str(fresh), variable: value}
        run = subprocess.run([*SUIZHENG, "serve"], env=environment, capture_output=True, text=True, timeout=120)
        assert run.returncode == 64 and said in run.stderr and "Traceback" not in run.stderr
    # Nothing was made: the one-time password is still to come.
    assert not fresh.exists()
