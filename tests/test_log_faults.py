"""What the log does when its process, its disk, its files or its clock fail it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import missing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_house import Clock, House, Ledger
from sqlalchemy import select

from registry.chain_turns import LONGEST_PAUSE
from registry.log.errors import LogContradictionError
from registry.log.published import PublishedLog
from registry.log.service import submit_many
from registry.log.tables import CheckpointRow, LogEntry
from registry.log.tiles import TILE_WIDTH, TileFolder, tile_path, unpack_entries
from registry.pipeline import Pipeline
from registry.work import REGISTRY
from verifier import merkle
from verifier.entry import Entry
from verifier.note import Checkpoint

#: Deaths at moments between two steps, and inside commits.
MOMENTS, INSIDE = 100, 40


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(f"sqlite:///{tmp_path / 'registry.db'}", tmp_path)


def grow(house: House, count: int) -> None:
    house.submit(count)
    house.settle()


@pytest.mark.slow
def test_killed_at_any_moment_it_has_every_acknowledged_entry_once_and_under_its_first_id(tmp_path: Path) -> None:
    # What a killed process wrote is there whatever the disk does, and in memory the fsyncs cost nothing. Commits take
    # longer on a disk, and there the kills inside them are made.
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as quick:
        between = _start(Path(quick) / "crashes", MOMENTS, 0)
        inside = _start(tmp_path / "crashes", 0, INSIDE)
        rehearsal, *deaths = _finish(between)
        deaths += _finish(inside)[1:]
    assert [death["failure"] for death in deaths if death["status"]] == []
    assert sum(death["signal"] == signal.SIGKILL for death in deaths) >= MOMENTS + INSIDE
    assert {death["kind"] for death in deaths} >= rehearsal["kinds"].keys()
    assert {death["signal"] for death in deaths} <= {0, signal.SIGKILL}
    assert min(death["acknowledged"] for death in deaths) == 0
    assert max(death["acknowledged"] for death in deaths) == 74


def _start(folder: Path, moments: int, inside: int) -> subprocess.Popen[str]:
    here = Path(__file__).parent
    command = [sys.executable, str(here / "log_crashes.py"), str(folder), str(moments), str(inside)]
    paths = os.pathsep.join((str(here.parent), str(here)))
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=here.parent, env={**os.environ, "PYTHONPATH": paths}
    )


def _finish(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """What it said, a line a death after the first."""
    text, _ = process.communicate(timeout=900)
    assert process.returncode == 0
    return [json.loads(line) for line in text.splitlines()]


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_replayed_and_reordered_submissions_get_the_ids_they_got_first(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Within a bulk, later, after sealing, in another order, and after a restart."""
    folder = tmp_path_factory.mktemp("replays")
    url = f"sqlite:///{folder / 'registry.db'}"
    house = House(url, folder)
    known = house.entries(4)
    known += house.entries(2, item=known[0].item)
    first: dict[Entry, int] = {}
    for _ in range(data.draw(st.integers(1, 5))):
        places = data.draw(st.lists(st.integers(0, len(known) - 1), min_size=1, max_size=8))
        with house.registry.begin(REGISTRY) as work:
            ids = submit_many(work, [known[place] for place in places])
        for place, row_id in zip(places, ids, strict=True):
            assert first.setdefault(_name(known[place]), row_id) == row_id
        match data.draw(st.sampled_from(["tick", "restart", "nothing"])):
            case "tick":
                house.pipeline.tick()
            case "restart":
                house.engine.dispose()
                house = House(url, folder)
    assert house.settle().size == len(first) == len(set(first.values()))
    assert house.check() == len(first)
    house.engine.dispose()


def _name(entry: Entry) -> bytes:
    return entry.to_bytes()


@contextmanager
def small_disk(folder: Path, bytes_there: int) -> Iterator[None]:
    """A real file system of that size on the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={bytes_there}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        missing("the right to mount a small disk")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_stops_publishing_and_nothing_else(tmp_path: Path) -> None:
    with small_disk(tmp_path / "log", 160 * 1024):
        house = House(f"sqlite:///{tmp_path / 'registry.db'}", tmp_path)
        grow(house, 100)
        before = (house.log / "checkpoint").read_bytes()
        ids = house.submit(900)
        progress = house.pipeline.tick()
        assert [(problem.step, problem.reason) for problem in progress.problems] == [("publish", "disk_failed")]
        assert "No space left" in progress.problems[0].message
        # Acknowledged, in the log, and signed: only the files wait.
        assert (len(ids), progress.sequenced, progress.size) == (900, 900, 1000)
        assert (house.log / "checkpoint").read_bytes() == before
        assert house.check() == 100
        assert list((house.log / ".writing").iterdir()) == []
        # Full for good: every tick tells it, and what is published stays served.
        assert not house.pipeline.tick().idle
        assert house.pipeline.log.serve("checkpoint") == before
        subprocess.run(["mount", "-o", "remount,size=4m", str(house.log)], check=True)
        assert house.settle().published_size == 1000
        assert house.check() == 1000


def test_a_folder_that_cannot_be_written_is_served_from_and_told(tmp_path: Path) -> None:
    with small_disk(tmp_path / "log", 4 * 1024 * 1024):
        house = House(f"sqlite:///{tmp_path / 'registry.db'}", tmp_path)
        grow(house, 300)
        house.pipeline.log.forget()
        wrong = house.log / "tile/0/000"
        whole = wrong.read_bytes()
        wrong.write_bytes(bytes(len(whole)))
        subprocess.run(["mount", "-o", "remount,ro", str(house.log)], check=True)
        house.submit(10)
        progress = house.pipeline.tick()
        assert [problem.reason for problem in progress.problems] == ["disk_failed"]
        assert (progress.sequenced, progress.size) == (10, 310)
        # What is wrong on disk and cannot be mended there is right when it is served.
        assert house.pipeline.log.serve("tile/0/000") == whole
        assert house.pipeline.log.inclusion(5, 300).index == 5
        subprocess.run(["mount", "-o", "remount,rw", str(house.log)], check=True)
        assert house.settle().published_size == 310
        assert house.check() == 310
        assert wrong.read_bytes() == whole


HARMS = {
    "cut": lambda data: data[: len(data) // 2],
    "emptied": lambda data: b"",
    "longer": lambda data: data + b"x",
    "flipped": lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:],
    "swapped": lambda data: data[-32:] + data[32:-32] + data[:32],
}


@pytest.mark.parametrize("harm", HARMS)
def test_no_harmed_tile_is_ever_served(house: House, harm: str) -> None:
    """Whichever it is; and what was wrong on disk is right again after it was asked for."""
    grow(house, 300)
    grow(house, 300)
    paths = [
        "tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2",
        "tile/entries/000", "tile/entries/001", "tile/entries/002.p/88",
    ]  # fmt: skip
    right = {path: (house.log / path).read_bytes() for path in paths}
    for path in paths:
        (house.log / path).write_bytes(HARMS[harm](right[path]))
        fresh = PublishedLog(house.engine, house.log)
        assert fresh.serve(path) == right[path]
        assert (house.log / path).read_bytes() == right[path]
    for path in paths:
        (house.log / path).write_bytes(HARMS[harm](right[path]))
    fresh = PublishedLog(house.engine, house.log)
    assert {path: fresh.serve(path) for path in paths} == right
    assert house.check() == 600


def test_a_harmed_checkpoint_is_not_served_and_written_again(house: House) -> None:
    grow(house, 5)
    file = house.log / "checkpoint"
    right = file.read_bytes()
    for wrong in (b"", right[:-9], right.replace(b"\n5\n", b"\n6\n")):
        file.write_bytes(wrong)
        assert house.pipeline.log.serve("checkpoint") is None
        house.pipeline.tick()
        assert house.pipeline.log.serve("checkpoint") == right


def test_tiles_that_nobody_asks_for_are_looked_at_in_turn(house: House) -> None:
    house.fill(70 * TILE_WIDTH)
    house.settle()
    wrong = [house.log / tile_path("entries", 3), house.log / tile_path(0, 40)]
    right = [file.read_bytes() for file in wrong]
    for file in wrong:
        file.write_bytes(bytes(100))
    for _ in range(70 // 4 + 1):
        house.pipeline.tick()
    assert [file.read_bytes() for file in wrong] == right
    assert len(unpack_entries(right[0]) or []) == TILE_WIDTH


def test_the_clock_may_jump_and_heads_only_grow(house: House) -> None:
    # Never to before the department's first key: nothing of that time could be signed, and the outbox says so.
    for jump in (timedelta(0), timedelta(days=400), timedelta(days=-399), timedelta(seconds=-7)):
        house.clock.at += jump
        house.submit(30)
        house.pipeline.tick()
    house.settle()
    assert house.check() == 120
    with house.registry.read(REGISTRY) as work:
        sizes = list(work.session.scalars(select(CheckpointRow.size).order_by(CheckpointRow.size)))
        assert work.session.query(LogEntry).count() == 120
    tree = PublishedLog(house.engine, house.log)
    for size in sizes:
        merkle.check_consistency(size, 120, tree.root_at(size), tree.root_at(120), tree.consistency(size, 120))


def test_a_clock_that_was_set_back_does_not_keep_the_chain_waiting(tmp_path: Path) -> None:
    ledger, passed = Ledger(Clock()), [0.0]
    house = House(f"sqlite:///{tmp_path / 'registry.db'}", tmp_path)
    pipeline = Pipeline(
        house.engine, house.keys, house.log, ledger, None, house.clock, os.urandom, monotonic=lambda: passed[0]
    )
    ledger.down = True
    house.clock.at += timedelta(days=30)
    house.submit(3)
    assert pipeline.tick().chain_down
    ledger.down = False
    house.clock.at -= timedelta(days=30)
    passed[0] += LONGEST_PAUSE
    assert pipeline.tick().anchored_size == 3


def test_files_are_whole_or_not_there_when_writing_fails(tmp_path: Path) -> None:
    with small_disk(tmp_path / "log", 64 * 1024):
        folder = TileFolder(tmp_path / "log")
        with pytest.raises(OSError, match="No space left"), folder.writing() as writing:
            for number in range(12):
                writing.add(tile_path(0, number), bytes(8192))
        assert [path for path in (tmp_path / "log").rglob("*") if path.is_file()] == []


def test_files_get_their_names_together_and_none_if_the_maker_fails(tmp_path: Path) -> None:
    folder = TileFolder(tmp_path / "log")
    with pytest.raises(LogContradictionError), folder.writing() as writing:
        for number in range(20):
            writing.add(tile_path(0, number), bytes(8192))
        assert len(writing) == 20
        assert folder.length(tile_path(0, 0)) is None
        writing.place()
        assert len(writing) == 0
        for number in range(20, 30):
            writing.add(tile_path(0, number), bytes(8192))
        raise LogContradictionError("test", "", Checkpoint("", 0, b""), Checkpoint("", 0, b""))
    files = [path for path in (tmp_path / "log").rglob("*") if path.is_file()]
    assert sorted(files) == [tmp_path / "log" / tile_path(0, number) for number in range(20)]
