"""Dropping from a gate's journal what the registry has: nothing that decides is forgotten, whatever is killed when."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from test_gate_station import Gate
from world import NOON, VENUE_ID, make_world

from api.gate import station as station_module
from api.gate.errors import JournalError
from api.gate.header import Header
from api.gate.journal import Journal
from api.gate.mark import Mark, write_mark
from api.gate.reading import read_visits
from api.gate.tidying import tidy
from verifier.admission import Decision
from verifier.verdict import State
from verifier.visit import Visit

KEPT = 5


def open_journal(path: Path) -> Journal:
    return Journal(path, VENUE_ID, NOON, os.urandom)


def decision(number: int) -> Decision:
    """Seven codes in turn, each shown anew when it comes again; every fifth line is refused."""
    at = NOON + timedelta(seconds=number)
    if number % 5 == 4:
        return Decision(State.INVALID, "not_a_code", "x", at + timedelta(days=400))
    return Decision(State.VALID, "pass", "x", at, (number % 7).to_bytes(8), at - timedelta(seconds=9))


def record(journal: Journal, count: int) -> list[Visit]:
    return [journal.record(decision(journal.sequence), 3 + journal.sequence // 20, NOON) for _ in range(count)]


def fill(path: Path, count: int, accepted: int) -> list[Visit]:
    journal = open_journal(path)
    visits = record(journal, count)
    write_mark(path, Mark(journal.header.gate, accepted))
    journal.close()
    return visits


def known(journal: Journal) -> dict[str, Any]:
    """What decides about the next person."""
    return {
        "gate": journal.header.gate, "sequence": journal.sequence, "newest_at": journal.newest_at,
        "trust_version": journal.trust_version, "memory": list(journal.memory.items()),
    }  # fmt: skip


def test_what_was_handed_in_goes_and_everything_that_decides_stays(tmp_path: Path) -> None:
    path = tmp_path / "gate.jsonl"
    visits = fill(path, 60, accepted=50)
    journal = open_journal(path)
    before, size = known(journal), path.stat().st_size
    assert tidy(journal, KEPT) == 45
    assert known(journal) == before and path.stat().st_size < size / 2
    assert path.stat().st_mode & 0o077 == 0
    more = record(journal, 3)
    after = known(journal)
    journal.close()
    header, left = read_visits(path, 0)
    assert header.sequence == 45 and list(left) == [*visits[45:], *more]
    assert list(read_visits(path, 50)[1]) == [*visits[50:], *more]
    again = open_journal(path)
    assert known(again) == after
    again.close()


def test_a_journal_that_is_dropped_from_again_and_again_decides_as_one_that_never_was(tmp_path: Path) -> None:
    short, whole = (open_journal(tmp_path / name) for name in ("short.jsonl", "whole.jsonl"))
    largest = 0
    for _ in range(30):
        record(short, 10)
        record(whole, 10)
        write_mark(short.path, Mark(short.header.gate, short.sequence - 3))
        tidy(short, KEPT)
        largest = max(largest, short.path.stat().st_size)
        assert known(short) | {"gate": ""} == known(whole) | {"gate": ""}
    assert largest < whole.path.stat().st_size / 6
    for journal in (short, whole):
        journal.close()
    again = open_journal(short.path)
    assert known(again) == known(short)
    again.close()


@pytest.mark.parametrize(
    ("accepted", "kept", "gate"),
    [
        (0, KEPT, None),  # nothing was handed in
        (11, KEPT, None),  # less than a memory's worth would go
        (50, 30, None),  # fewer would go than stay
        (61, KEPT, None),  # the registry knows more than this file, which was set back
        (50, KEPT, "0123456789abcdef"),  # the mark is of a journal that stood here before
    ],
)
def test_what_is_not_surely_handed_in_or_not_worth_it_stays(
    tmp_path: Path, accepted: int, kept: int, gate: str | None
) -> None:
    path = tmp_path / "gate.jsonl"
    fill(path, 60, accepted)
    journal = open_journal(path)
    if gate is not None:
        write_mark(path, Mark(gate, accepted))
    whole = path.read_bytes()
    assert tidy(journal, kept) == 0
    assert path.read_bytes() == whole
    journal.close()


def test_visits_that_were_not_handed_in_are_never_dropped(tmp_path: Path) -> None:
    path = tmp_path / "gate.jsonl"
    for accepted in range(0, 60, 7):
        path.unlink(missing_ok=True)
        visits = fill(path, 60, accepted)
        journal = open_journal(path)
        tidy(journal, 0)
        journal.close()
        assert list(read_visits(path, accepted)[1]) == visits[accepted:]


KILLED = """
import os, shutil, signal, sys
from pathlib import Path
from api.gate.journal import Journal
from api.gate.tidying import tidy
sys.path.insert(0, sys.argv[2])
from test_gate_tidying import KEPT, open_journal, record
origin, folder = Path(sys.argv[1]), Path(sys.argv[1]).parent
steps = ("open", "close", "write", "fsync", "replace", "unlink", "ftruncate")

def arm(last, half):
    left = [last]
    def wrapped(name, call):
        def step(*arguments, **options):
            if left[0] == 0:
                if half and name == "write":
                    call(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return call(*arguments, **options)
        return step
    for name in steps:
        setattr(os, name, wrapped(name, getattr(os, name)))

for half in (0, 1):
    for step in range(100):
        place = folder / f"{half}-{step}"
        place.mkdir()
        for name in ("gate.jsonl", "gate.jsonl.handed-in"):
            shutil.copy(folder / name, place / name)
        child = os.fork()
        if child == 0:
            journal = open_journal(place / "gate.jsonl")
            arm(step, half)
            tidy(journal, KEPT)
            record(journal, 1)
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            break
    print(step)
"""


def test_a_kill_at_any_step_leaves_the_journal_from_before_or_the_one_from_after(tmp_path: Path) -> None:
    path = tmp_path / "gate.jsonl"
    visits = fill(path, 60, accepted=50)
    whole = open_journal(path)
    before = known(whole)
    whole.close()
    command = [sys.executable, "-c", KILLED, str(path), str(Path(__file__).parent)]
    steps = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert len(steps) == 2 and all(int(count) >= 8 for count in steps)
    seen = set()
    for half, count in enumerate(steps):
        for step in range(int(count) + 1):
            place = tmp_path / f"{half}-{step}" / "gate.jsonl"
            left = list(read_visits(place, 50)[1])
            assert [visit.sequence for visit in left] == list(range(51, 51 + len(left)))
            assert left[:10] == visits[50:] and len(left) in (10, 11)
            journal = open_journal(place)
            assert not list(place.parent.glob(".*"))
            if journal.sequence == 60:
                assert known(journal) == before
            seen.add((journal.header.sequence, journal.sequence))
            fresh = record(journal, 2)
            assert fresh[0].previous == (left[10:] or [visits[-1]])[-1].digest()
            journal.close()
            assert [visit.sequence for visit in read_visits(place, 50)[1]] == list(range(51, fresh[-1].sequence + 1))
    assert seen == {(0, 60), (45, 60), (45, 61)}


def test_a_full_disk_drops_nothing_and_the_gate_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "gate.jsonl"
    visits = fill(path, 60, accepted=50)
    journal = open_journal(path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (700, limits[1]))
    try:
        with pytest.raises(JournalError) as error:
            tidy(journal, KEPT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error.value.reason == "unwritable" and [entry.name for entry in tmp_path.glob(".*")] == []
    fresh = record(journal, 1)
    journal.close()
    assert list(read_visits(path, 0)[1]) == visits + fresh


def test_nobody_else_gets_the_journal_while_or_after_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "gate.jsonl"
    fill(path, 60, accepted=50)
    journal = open_journal(path)
    assert tidy(journal, KEPT)
    with pytest.raises(JournalError) as error:
        open_journal(path)
    assert error.value.reason == "in_use"
    journal.close()
    open_journal(path).close()


@pytest.mark.parametrize("line", range(10))
def test_an_altered_line_is_found_in_what_is_left_too(tmp_path: Path, line: int) -> None:
    path = tmp_path / "gate.jsonl"
    fill(path, 60, accepted=50)
    journal = open_journal(path)
    tidy(journal, KEPT)
    assert len(journal.memory) == 7
    journal.close()
    lines = path.read_bytes().split(b"\n")
    # Digits stay digits: the line goes on having its form.
    place = next(n for n in range(len(lines[line]) - 3, 0, -1) if lines[line][n : n + 1] in b"012345678")
    lines[line] = lines[line][:place] + bytes((lines[line][place] + 1,)) + lines[line][place + 1 :]
    path.write_bytes(b"\n".join(lines))
    if line == 0:
        # The last digit of the first line is of the venue's id.
        with pytest.raises(JournalError) as error:
            open_journal(path)
        assert error.value.reason == "other_venue"
        return
    with pytest.raises(JournalError) as error:
        open_journal(path)
    assert error.value.reason == "altered"
    with pytest.raises(JournalError):
        list(read_visits(path, 0)[1])


def test_a_first_line_with_a_past_has_one_form(tmp_path: Path) -> None:
    path = tmp_path / "gate.jsonl"
    fill(path, 60, accepted=50)
    journal = open_journal(path)
    tidy(journal, KEPT)
    journal.close()
    line = path.read_bytes().split(b"\n")[0]
    assert Header.from_bytes(line) == journal.header and journal.header.to_bytes() == line
    for old, new in (
        (b"journal/2", b"journal/1"),
        (b'"remembered":7', b'"remembered":-7'),
        (b'"digest":"', b'"digest":"z'),
    ):
        with pytest.raises(Exception, match="闸口日志"):
            Header.from_bytes(line.replace(old, new, 1))


def test_a_gate_that_dropped_what_it_handed_in_still_knows_whom_it_let_in_and_what_time_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(1)
    monkeypatch.setattr(station_module, "LOOK_EVERY", 1)
    monkeypatch.setattr(station_module, "tidy", lambda journal: tidy(journal, 1))
    gate = Gate(tmp_path, world)
    code = world.code()
    assert gate.scan(code).admit
    gate.scan(*["no code"] * 4)
    write_mark(gate.journal.path, Mark(gate.journal.header.gate, 5))
    gate.scan("no code")
    assert gate.journal.header.sequence == 4 and any("日志已整理" in notice for notice in gate.notices)
    for _ in range(2):
        gate.at = NOON + timedelta(seconds=30)
        assert gate.scan(code).reason == "replayed"
        gate.at = NOON - timedelta(seconds=90)
        assert gate.scan(code).reason == "clock_went_back"
        gate.journal.close()
        gate = Gate(tmp_path, world)
    lines = (tmp_path / "gate.jsonl").read_bytes().split(b"\n")
    assert all(before != after for before, after in pairwise(lines))
    gate.journal.close()


def test_a_gate_goes_on_where_its_journal_cannot_be_shortened(tmp_path: Path) -> None:
    gate = Gate(tmp_path, make_world(1))
    gate.scan("no code")
    folder = gate.journal.path.with_name("gate.jsonl.handed-in")
    folder.mkdir()
    gate.station.tidy(gate)
    assert "gate.jsonl.handed-in" in gate.notices[-1]
    assert gate.scan(make_world(1).code()).admit
    gate.journal.close()
    shutil.rmtree(folder)
