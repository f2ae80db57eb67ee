"""Handing visits in: batches, repeats, kills in between, and answers that are no."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from world import NOON, VENUE_ID

from api.gate import hand_in as module
from api.gate.errors import HandInError, JournalError
from api.gate.hand_in import Progress, check_server, hand_in, read_token
from api.gate.journal import Journal
from verifier.admission import Decision
from verifier.verdict import State
from verifier.visit import Visit, check_chain

TOKEN = "szt_test"


class Registry(ThreadingHTTPServer):
    """The registry's side of a hand-in: knows visits by event id, checks the chain, repeats answers under a key."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.visits: dict[str, Visit] = {}
        self.requests: list[tuple[str, str, int]] = []
        self.answers: list[tuple[int, dict[str, Any]]] = []
        self.wait_seconds = 0.0
        self.took = threading.Event()
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def take(self, visits: list[Visit]) -> None:
        with self.lock:
            fresh = [visit for visit in visits if visit.event_id not in self.visits]
            assert all(self.visits.get(visit.event_id, visit) == visit for visit in visits)
            held = list(self.visits.values())
            check_chain([*held[-1:], *fresh])
            assert not fresh or fresh[0].sequence == len(held) + 1
            self.visits.update({visit.event_id: visit for visit in fresh})


class _Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert self.headers["Authorization"] == f"Bearer {TOKEN}"
        visits = [Visit.from_json(one) for one in json.loads(body)["visits"]]
        self.server.requests.append((self.path, self.headers["Idempotency-Key"], len(visits)))
        if self.server.answers:
            status, answer = self.server.answers.pop(0)
        else:
            self.server.take(visits)
            status, answer = 200, {"new": len(visits)}
        self.server.took.set()
        time.sleep(self.server.wait_seconds)
        try:
            self.send_response(status)
            if "Location" in answer:
                self.send_header("Location", answer["Location"])
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())
        except OSError:
            pass

    def log_message(self, *args: object) -> None:
        return


@pytest.fixture
def registry() -> Iterator[Registry]:
    server = Registry()
    yield server
    server.shutdown()
    server.server_close()


def fill(path: Path, count: int) -> None:
    journal = Journal(path, VENUE_ID, NOON, os.urandom)
    for n in range(count):
        journal.record(Decision(State.VALID, "pass", "x", NOON + timedelta(seconds=n), os.urandom(8), NOON), 3, NOON)
    journal.close()


def test_every_visit_is_handed_in_once_and_in_batches(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_VISITS", 50)
    path = tmp_path / "gate.jsonl"
    fill(path, 123)
    told: list[Progress] = []
    assert hand_in(path, registry.url, TOKEN, told.append) == Progress(123, 3, 123)
    assert [progress.accepted for progress in told] == [50, 100, 123]
    assert [count for _, _, count in registry.requests] == [50, 50, 23]
    assert {place for place, _, _ in registry.requests} == {f"/api/v1/venues/{VENUE_ID}/visits"}
    assert len({key for _, key, _ in registry.requests}) == 3
    assert len(registry.visits) == 123


def test_a_second_call_sends_only_what_is_new(tmp_path: Path, registry: Registry) -> None:
    path = tmp_path / "gate.jsonl"
    fill(path, 3)
    hand_in(path, registry.url, TOKEN)
    assert hand_in(path, registry.url, TOKEN) == Progress(0, 0, 3)
    fill(path, 2)
    assert hand_in(path, registry.url, TOKEN) == Progress(2, 1, 5)
    assert len(registry.requests) == 2 and len(registry.visits) == 5


def test_an_answer_that_was_lost_is_asked_for_again_under_the_same_key(tmp_path: Path, registry: Registry) -> None:
    path = tmp_path / "gate.jsonl"
    fill(path, 3)
    registry.take(list(module.read_visits(path, 0)[1]))
    registry.answers = [(503, {"title": "服务暂不可用"})]
    with pytest.raises(HandInError) as error:
        hand_in(path, registry.url, TOKEN)
    assert error.value.reason == "busy" and "服务暂不可用" in error.value.message
    # Meanwhile the gate goes on: the batch that was begun keeps its bounds, and so its key.
    fill(path, 4)
    assert hand_in(path, registry.url, TOKEN) == Progress(7, 2, 7)
    assert [count for _, _, count in registry.requests] == [3, 3, 4]
    assert registry.requests[0][1] == registry.requests[1][1]
    assert len(registry.visits) == 7


def test_without_its_mark_the_journal_is_sent_again_and_nothing_doubles(tmp_path: Path, registry: Registry) -> None:
    path = tmp_path / "gate.jsonl"
    fill(path, 5)
    hand_in(path, registry.url, TOKEN)
    for content in (
        None,
        b"",
        b"{",
        b"[]",
        b'{"gate":1,"accepted":"x","pending":null}',
        b'{"gate":"other","accepted":9}',
    ):
        mark = tmp_path / "gate.jsonl.handed-in"
        mark.unlink() if content is None else mark.write_bytes(content)
        assert hand_in(path, registry.url, TOKEN).accepted == 5
    assert len(registry.visits) == 5


@pytest.mark.parametrize(
    ("status", "answer", "reason"),
    [
        (401, {"title": "需要登录", "detail": "令牌已过期"}, "refused"),
        (403, {"title": "没有权限"}, "refused"),
        (422, {"title": "内容不符合要求", "detail": "链接不符"}, "refused"),
        (409, {"reason": "idempotency_key_in_use", "title": "冲突"}, "busy"),
        (409, {"reason": "visit_differs", "title": "冲突"}, "refused"),
        (429, {}, "busy"),
        (500, {}, "busy"),
        (302, {"Location": "http://127.0.0.1:1/elsewhere"}, "redirected"),
    ],
)
def test_an_answer_that_is_no_is_told_and_nothing_is_marked(
    tmp_path: Path, registry: Registry, status: int, answer: dict[str, Any], reason: str
) -> None:
    path = tmp_path / "gate.jsonl"
    fill(path, 2)
    registry.answers = [(status, answer)]
    with pytest.raises(HandInError) as error:
        hand_in(path, registry.url, TOKEN)
    assert error.value.reason == reason
    shown = [] if reason == "redirected" else [answer[name] for name in ("title", "detail") if name in answer]
    assert all(said in error.value.message for said in shown)
    assert TOKEN not in str(error.value)
    assert hand_in(path, registry.url, TOKEN) == Progress(2, 1, 2)


def test_a_registry_that_is_down_loses_nothing(tmp_path: Path, registry: Registry) -> None:
    path = tmp_path / "gate.jsonl"
    fill(path, 2)
    with pytest.raises(HandInError) as error:
        hand_in(path, "http://127.0.0.1:9", TOKEN)
    assert error.value.reason == "unreachable"
    assert hand_in(path, registry.url, TOKEN).visits == 2


def test_an_altered_journal_is_not_handed_in(tmp_path: Path, registry: Registry) -> None:
    path = tmp_path / "gate.jsonl"
    fill(path, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], *lines[3:]]))
    with pytest.raises(JournalError):
        hand_in(path, registry.url, TOKEN)
    assert registry.visits == {}


def test_a_hand_in_killed_before_its_answer_is_finished_by_the_next(tmp_path: Path, registry: Registry) -> None:
    path = tmp_path / "gate.jsonl"
    fill(path, 520)
    registry.wait_seconds = 20
    command = [sys.executable, "-m", "api.cli", "hand-in", "--journal", str(path), "--server", registry.url]
    sender = subprocess.Popen(command, env={**os.environ, "SUIZHENG_TOKEN": TOKEN})
    assert registry.took.wait(120)
    sender.kill()
    sender.wait()
    registry.wait_seconds = 0
    assert len(registry.visits) == 500
    again = subprocess.run(command, env={**os.environ, "SUIZHENG_TOKEN": TOKEN}, capture_output=True, text=True)
    assert again.returncode == 0 and "已上交 520 条" in again.stdout
    assert registry.requests[0][1] == registry.requests[1][1]
    assert len(registry.visits) == 520


def test_the_token_comes_from_a_file_or_the_environment_only(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(" szt_file\n")
    assert read_token({"SUIZHENG_TOKEN": "szt_env"}, None) == "szt_env"
    assert read_token({"SUIZHENG_TOKEN": "szt_env"}, file) == "szt_file"
    file.write_bytes(b"\xff\xfe")
    for environment, path in (({}, None), ({"SUIZHENG_TOKEN": " "}, None), ({}, tmp_path / "none"), ({}, file)):
        with pytest.raises(HandInError):
            read_token(environment, path)
    with pytest.raises(HandInError):
        read_token({"SUIZHENG_TOKEN": "a\nHost: b"}, None)


@pytest.mark.parametrize(
    ("server", "allow_http", "reason"),
    [
        ("https://suizheng.example", False, None),
        ("https://suizheng.example:8443/", False, None),
        ("http://127.0.0.1:8310", False, None),
        ("http://[::1]:8310", False, None),
        ("http://suizheng.example", False, "not_https"),
        ("http://suizheng.example", True, None),
        ("http://127.0.0.1.example", False, "not_https"),
        ("ftp://suizheng.example", True, "bad_server"),
        ("file:///etc/passwd", True, "bad_server"),
        ("https://user:secret@suizheng.example", False, "bad_server"),
        ("https://suizheng.example/path", False, "bad_server"),
        ("suizheng.example", False, "bad_server"),
        ("https://[", False, "bad_server"),
        ("", False, "bad_server"),
    ],
)
def test_the_token_goes_over_https_or_loopback_unless_allowed(
    server: str, allow_http: bool, reason: str | None
) -> None:
    if reason is None:
        assert check_server(server, allow_http) == server.rstrip("/")
        return
    with pytest.raises(HandInError) as error:
        check_server(server, allow_http)
    assert error.value.reason == reason
