"""The worker outlives every error, tells how it is doing, and ends when it is told to."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from api_office import settings_in
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError

from api.app import create_app
from api.composition import compose
from api.worker import STUCK_AFTER_SECONDS, Report, Worker
from registry.log.errors import LogContradictionError
from registry.pipeline import Problem, Progress
from verifier.note import Checkpoint


def now() -> datetime:
    return datetime.now(UTC)


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it did not come about in a minute"
        time.sleep(0.01)


class Ticks:
    """A pipeline that does what its script says, then nothing; counts the ticks."""

    def __init__(self, *script: Exception | Progress) -> None:
        self.script = list(script)
        self.count = 0

    def __call__(self) -> Progress:
        self.count += 1
        step = self.script.pop(0) if self.script else Progress()
        if isinstance(step, Exception):
            raise step
        return step


def running(ticks: Callable[[], Progress], *chores: Callable[[], object], idle_seconds: float = 60.0) -> Worker:
    worker = Worker(ticks, chores, now, idle_seconds=idle_seconds)
    worker.start()
    return worker


def test_it_works_at_once_when_it_is_woken_and_otherwise_rests() -> None:
    ticks = Ticks()
    worker = running(ticks)
    eventually(lambda: ticks.count == 1)
    time.sleep(0.05)
    assert ticks.count == 1
    worker.wake()
    eventually(lambda: ticks.count == 2)
    assert worker.stop(60)
    assert not worker.report().alive and worker.report().state == "stopped"


def test_it_does_not_rest_while_there_is_more() -> None:
    ticks = Ticks(*[Progress(more=True) for _ in range(5)])
    worker = running(ticks)
    eventually(lambda: ticks.count == 6)
    assert worker.stop(60)


@pytest.mark.parametrize(
    "error", [RuntimeError("unforeseen"), OperationalError("SELECT 1", {}, Exception("disk I/O error")), KeyError("x")]
)
def test_an_error_is_logged_with_its_traceback_and_work_goes_on(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    ticks = Ticks(error)
    with caplog.at_level(logging.ERROR, "suizheng.worker"):
        worker = running(ticks)
        eventually(lambda: worker.report().state == "retrying")
        assert worker.report().failures_in_a_row == 1
        eventually(lambda: worker.report().state == "working")
    assert worker.report().failures_in_a_row == 0
    assert "Traceback" in caplog.text
    assert worker.stop(60)


def test_pauses_grow_with_failures_and_end_with_the_process() -> None:
    ticks = Ticks(*[RuntimeError("again") for _ in range(50)])
    worker = running(ticks)
    eventually(lambda: ticks.count == 2)
    worker.wake()
    time.sleep(0.05)
    assert ticks.count == 2
    assert worker.stop(60)


def test_a_log_that_contradicts_itself_halts_it_until_a_person_has_looked() -> None:
    head = Checkpoint("log.example", 1, bytes(32))
    ticks = Ticks(LogContradictionError("head_changed", "两个日志头不一致。", head, head))
    worker = running(ticks, idle_seconds=0.01)
    eventually(lambda: worker.report().state == "halted")
    worker.wake()
    time.sleep(0.05)
    report = worker.report()
    assert (ticks.count, report.reason, report.alive, report.is_well) == (1, "head_changed", True, False)
    assert worker.stop(60)


def test_what_the_next_tick_can_mend_is_told_and_is_no_failure() -> None:
    ticks = Ticks(Progress(chain_down=True, problems=[Problem("anchor", "unreachable", "区块链节点没有应答")]))
    worker = running(ticks)
    eventually(lambda: worker.report().chain_down)
    report = worker.report()
    assert (report.state, report.reason, report.failures_in_a_row) == ("working", "unreachable", 0)
    assert report.is_well
    assert worker.stop(60)


def test_chores_are_done_now_and_then_and_their_failure_is_an_error_like_any() -> None:
    done = threading.Event()
    worker = running(Ticks(), done.set)
    assert done.wait(60)
    assert worker.stop(60)

    def fail() -> None:
        raise OSError("no space left")

    worker = running(Ticks(), fail)
    eventually(lambda: worker.report().state == "retrying")
    assert worker.stop(60)


def test_a_tick_without_an_end_is_told_as_stuck() -> None:
    report = Report("working", True, 3, 0, now(), None)
    assert replace(report, in_tick_seconds=STUCK_AFTER_SECONDS).is_well
    assert not replace(report, in_tick_seconds=STUCK_AFTER_SECONDS + 1).is_well
    assert not replace(report, alive=False).is_well


def test_a_wall_clock_that_jumps_neither_stops_chores_nor_makes_a_tick_look_stuck() -> None:
    jumps = iter([timedelta(), timedelta(days=-3650), timedelta(days=3650)])
    done: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    def tick() -> Progress:
        begun.set()
        assert go_on.wait(60)
        return Progress()

    worker = Worker(tick, (lambda: done.append(1),), lambda: now() + next(jumps, timedelta()), idle_seconds=60)
    worker.start()
    assert begun.wait(60)
    report = worker.report()
    assert report.is_well and 0 < report.in_tick_seconds < STUCK_AFTER_SECONDS
    go_on.set()
    eventually(lambda: done == [1])
    eventually(lambda: worker.report().in_tick_seconds == 0)
    assert worker.stop(60)


def test_health_is_503_when_the_worker_is_dead_and_when_the_database_is_away(tmp_path: Path) -> None:
    services = compose(settings_in(tmp_path))
    with TestClient(create_app(services)) as client:
        assert client.get("/healthz").status_code == 200
        assert services.worker.stop(60)
        dead = client.get("/healthz")
        assert (dead.status_code, dead.json()["reason"]) == (503, "worker_not_well")
        services.worker.start()
        assert client.get("/healthz").status_code == 200
        # Nobody may hold the old file open when it goes.
        assert services.worker.stop(60)
        services.engine.dispose()
        for file in tmp_path.glob("registry.db*"):
            file.unlink()
        (tmp_path / "registry.db").mkdir()
        away = client.get("/healthz")
        assert (away.status_code, away.json()["reason"]) == (503, "database_unavailable")


def test_the_server_works_while_the_chain_is_down_and_says_so(tmp_path: Path) -> None:
    services = compose(settings_in(tmp_path, chain="http://127.0.0.1:9"))
    with TestClient(create_app(services)) as client:
        eventually(lambda: client.get("/api/v1/status").json()["size"] > 0)
        eventually(lambda: client.get("/api/v1/status").json()["anchoring"]["state"] == "away")
        assert client.get("/api/v1/status").json()["chain"]["state"] == "down"
        standing = client.get("/api/v1/status").json()
        assert standing["anchored_size"] == 0 < standing["size"]
        behind = standing["anchoring"]
        assert (behind["state"], behind["behind"]) == ("away", standing["unanchored"])
        assert (behind["reason"], behind["since"] is not None) == ("node_unreachable", True)
        assert client.get("/healthz").status_code == 200
