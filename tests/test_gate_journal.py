"""The gate's journal: chained, on the disk before it is shown, mended after a kill, and never quietly altered."""

from __future__ import annotations

import hashlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import NOON, VENUE_ID

from api.gate import memory as memory_module
from api.gate.errors import JournalError
from api.gate.journal import Journal
from api.gate.memory import Memory
from api.gate.reading import read_visits
from verifier.admission import Admitted, Decision
from verifier.errors import InclusionError, MalformedError, VerificationError
from verifier.verdict import State
from verifier.visit import Visit, check_chain

CODE = bytes.fromhex("0102030405060708")
ISSUED = NOON - timedelta(seconds=30)


def open_journal(path: Path, venue: str = VENUE_ID) -> Journal:
    return Journal(path, venue, NOON, os.urandom)


def admitted(at: datetime = NOON, code: bytes = CODE, issued_at: datetime = ISSUED) -> Decision:
    return Decision(State.VALID, "pass", "凭通行证进入", at, code, issued_at)


def refused(at: datetime = NOON) -> Decision:
    return Decision(State.INVALID, "not_a_code", "不是随证的码", at)


def fill(path: Path, count: int) -> list[Visit]:
    journal = open_journal(path)
    visits = [
        journal.record(admitted(NOON + timedelta(seconds=n), n.to_bytes(8)) if n % 2 else refused(), 3, NOON)
        for n in range(count)
    ]
    journal.close()
    return visits


def test_what_was_recorded_is_read_back_in_order_and_chained(tmp_path: Path) -> None:
    path = tmp_path / "gate.jsonl"
    visits = fill(path, 20)
    header, read = read_visits(path, 0)
    assert list(read) == visits
    assert check_chain(visits, hashlib.sha256(header.to_bytes()).digest()) == visits[-1].digest()
    assert [visit.sequence for visit in visits] == list(range(1, 21))
    assert list(read_visits(path, 18)[1]) == visits[18:]


def test_each_line_carries_the_digest_of_the_line_before_it(tmp_path: Path) -> None:
    path = tmp_path / "gate.jsonl"
    fill(path, 5)
    lines = path.read_bytes().splitlines()
    for before, line in pairwise(lines):
        assert Visit.from_bytes(line).previous == hashlib.sha256(before).digest()


def test_a_line_says_nothing_about_a_person(tmp_path: Path) -> None:
    (visit,) = fill(tmp_path / "gate.jsonl", 1)
    assert set(visit.to_json()) == {
        "at", "code_id", "code_issued_at", "decision", "event_id", "gate", "previous", "reason", "sequence",
        "trust_age_seconds", "trust_version", "venue",
    }  # fmt: skip


def test_a_second_start_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    path = tmp_path / "gate.jsonl"
    first = fill(path, 3)
    second = fill(path, 3)
    assert second[0].previous == first[-1].digest()
    assert second[0].gate == first[0].gate
    assert [visit.sequence for visit in second] == [4, 5, 6]


def test_the_memory_is_rebuilt_from_admissions_only(tmp_path: Path) -> None:
    path = tmp_path / "gate.jsonl"
    first = open_journal(path)
    first.record(admitted(), 3, NOON)
    first.record(admitted(NOON + timedelta(seconds=90), issued_at=ISSUED + timedelta(seconds=80)), 4, NOON)
    first.record(Decision(State.INVALID, "replayed", "x", NOON + timedelta(days=400), b"\x09" * 8, ISSUED), 2, NOON)
    first.close()
    again = open_journal(path)
    assert dict(again.memory) == {CODE: Admitted(ISSUED + timedelta(seconds=80), NOON + timedelta(seconds=90))}
    assert again.newest_at == NOON + timedelta(seconds=90)
    assert again.trust_version == 4
    again.close()


def test_the_memory_is_bounded_and_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_module, "MAX_REMEMBERED", 3)
    memory = Memory()
    for n in (1, 2, 3, 1, 4, 5):
        memory.remember(n.to_bytes(8), ISSUED, NOON)
    assert [int.from_bytes(code) for code in memory] == [1, 4, 5]


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_torn_last_line_is_set_aside_and_every_other_line_stays(data: st.DataObject) -> None:
    folder = Path(tempfile.mkdtemp(prefix="suizheng-journal-"))
    path = folder / "gate.jsonl"
    visits = fill(path, 4)
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    cut = data.draw(st.integers(last + 1, len(whole) - 1))
    path.write_bytes(whole[:cut])
    journal = open_journal(path)
    assert journal.torn == cut - last
    assert (folder / "gate.jsonl.torn").read_bytes() == whole[last:cut] + b"\n"
    assert journal.record(refused(), 3, NOON).previous == visits[2].digest()
    journal.close()
    assert [visit.sequence for visit in read_visits(path, 0)[1]] == [1, 2, 3, 4]
    shutil.rmtree(folder)


@pytest.mark.parametrize("tail", [b"\0" * 5000, b"\0" * 40 + b"\n", b'{"at":"2026-'])
def test_what_a_power_cut_leaves_at_the_end_is_set_aside(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "gate.jsonl"
    visits = fill(path, 2)
    path.write_bytes(path.read_bytes() + tail)
    journal = open_journal(path)
    assert (journal.torn, journal.sequence) == (len(tail), 2)
    journal.close()
    assert list(read_visits(path, 0)[1]) == visits


def test_a_torn_first_line_begins_the_journal_anew(tmp_path: Path) -> None:
    path = tmp_path / "gate.jsonl"
    path.write_bytes(b'{"format":"suizheng-journal/1","ga')
    journal = open_journal(path)
    assert (journal.torn, journal.sequence) == (34, 0)
    journal.close()
    assert len(fill(path, 1)) == 1


@pytest.mark.parametrize("content", [b"a diary\n", b"a diary", b'{"format":"another"}\n', b"\x89PNG\r\n\x1a\n"])
def test_a_file_of_somebody_else_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "diary.txt"
    path.write_bytes(content)
    with pytest.raises(JournalError) as error:
        open_journal(path)
    assert error.value.reason == "not_a_journal"
    assert path.read_bytes() == content
    with pytest.raises(JournalError):
        read_visits(path, 0)


def test_a_journal_of_another_venue_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "gate.jsonl"
    fill(path, 1)
    with pytest.raises(JournalError) as error:
        open_journal(path, "01hq0000000000000000000002")
    assert error.value.reason == "other_venue"


def _swap(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[3], lines[2], *lines[4:]]


@pytest.mark.parametrize(
    "alter",
    [
        lambda lines: [*lines[:2], *lines[3:]],
        lambda lines: [*lines[:2], lines[1], *lines[2:]],
        _swap,
        lambda lines: [lines[0], *lines[2:]],
        lambda lines: [*lines[:3], lines[3].replace(b"refuse", b"admit"), *lines[4:]],
        lambda lines: [*lines[:3], lines[3].replace(b'"not_a_code"', b'"pass"'), *lines[4:]],
        lambda lines: [*lines[:2], b"", *lines[2:]],
        lambda lines: [lines[0].replace(b"2026", b"2025"), *lines[1:]],
    ],
)
def test_an_altered_missing_added_or_moved_line_is_found(tmp_path: Path, alter: object) -> None:
    path = tmp_path / "gate.jsonl"
    fill(path, 5)
    lines = path.read_bytes().splitlines()
    assert callable(alter)
    whole = path.read_bytes()
    path.write_bytes(b"\n".join(alter(lines)) + b"\n")
    before = path.read_bytes()
    assert before != whole
    with pytest.raises(JournalError) as error:
        open_journal(path)
    assert error.value.reason == "altered"
    assert path.read_bytes() == before
    with pytest.raises(JournalError):
        list(read_visits(path, 0)[1])


def test_two_gates_cannot_write_to_one_journal(tmp_path: Path) -> None:
    path = tmp_path / "gate.jsonl"
    first = open_journal(path)
    with pytest.raises(JournalError) as error:
        open_journal(path)
    assert error.value.reason == "in_use"
    first.close()
    open_journal(path).close()


def test_a_line_that_is_just_being_written_is_left_for_later(tmp_path: Path) -> None:
    path = tmp_path / "gate.jsonl"
    visits = fill(path, 3)
    path.write_bytes(path.read_bytes()[:-1])
    assert list(read_visits(path, 0)[1]) == visits[:2]


def test_a_full_disk_records_nothing_and_the_next_line_is_whole_again(tmp_path: Path) -> None:
    path = tmp_path / "gate.jsonl"
    journal = open_journal(path)
    journal.record(refused(), 3, NOON)
    full = path.stat().st_size + 100
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (full, limits[1]))
    try:
        for _ in range(3):
            with pytest.raises(JournalError) as error:
                journal.record(admitted(), 3, NOON)
            assert error.value.reason == "unwritable"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (journal.sequence, dict(journal.memory)) == (1, {})
    journal.record(admitted(), 3, NOON)
    journal.close()
    assert [visit.sequence for visit in read_visits(path, 0)[1]] == [1, 2]


def test_a_folder_that_does_not_exist_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="没有这个文件"):
        open_journal(tmp_path / "nowhere" / "gate.jsonl")


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    fill(tmp_path / "gate.jsonl", 1)
    assert (tmp_path / "gate.jsonl").stat().st_mode & 0o077 == 0


WRITER = """
import os, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from api.gate.journal import Journal
from verifier.admission import Decision
from verifier.verdict import State
at = datetime(2026, 11, 22, 4, tzinfo=UTC)
journal = Journal(Path(sys.argv[1]), "venue1", at, os.urandom)
for n in range(10_000):
    visit = journal.record(Decision(State.VALID, "pass", "x", at, os.urandom(8), at), 3, at)
    sys.stdout.write(f"{visit.sequence}\\n")
    sys.stdout.flush()
"""


def test_what_was_told_before_a_kill_is_in_the_file_after_it(tmp_path: Path) -> None:
    path = tmp_path / "gate.jsonl"
    told = 0
    for kill_after in (1, 7, 20, 33):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        for _ in range(kill_after):
            told = int(writer.stdout.readline())
        writer.kill()
        told = max([told, *(int(line) for line in writer.stdout.read().split("\n")[:-1])])
        writer.wait()
        visits = list(read_visits(path, 0)[1])
        assert [visit.sequence for visit in visits] == list(range(1, len(visits) + 1))
        # One more may be on the disk that could not be told any more.
        assert told <= len(visits) <= told + 1
    Journal(path, "venue1", NOON, os.urandom).close()


# The form of a line.
visits = st.builds(
    Visit,
    venue=st.from_regex(r"[0-9a-z]{1,32}", fullmatch=True).filter(str.isascii),
    gate=st.from_regex(r"[0-9a-z]{8,32}", fullmatch=True).filter(str.isascii),
    sequence=st.integers(1, 2**31 - 1),
    decided_at=st.integers(0, 4_000_000_000).map(lambda s: NOON.fromtimestamp(s, NOON.tzinfo)),
    admitted=st.booleans(),
    reason=st.from_regex(r"[a-z][a-z0-9_]{0,39}", fullmatch=True).filter(str.isascii),
    code_id=st.none() | st.binary(min_size=8, max_size=8),
    code_issued_at=st.none() | st.just(NOON),
    trust_version=st.integers(1, 2**40),
    trust_age_seconds=st.integers(-1000, 10**9),
    previous=st.binary(min_size=32, max_size=32),
)


@given(visits)
def test_a_visit_has_one_line(visit: Visit) -> None:
    line = visit.to_bytes()
    assert Visit.from_bytes(line) == visit
    assert Visit.from_json(visit.to_json()) == visit
    assert visit.digest() == hashlib.sha256(line).digest()
    with pytest.raises(MalformedError):
        Visit.from_bytes(line + b" ")


@given(visits, st.data())
def test_an_altered_line_has_another_digest_or_is_malformed(visit: Visit, data: st.DataObject) -> None:
    line = bytearray(visit.to_bytes())
    place = data.draw(st.integers(0, len(line) - 1))
    line[place] ^= 1 << data.draw(st.integers(0, 7))
    try:
        assert Visit.from_bytes(bytes(line)).digest() != visit.digest()
    except VerificationError:
        return


@given(st.binary(max_size=1200))
def test_noise_is_malformed(noise: bytes) -> None:
    with pytest.raises(MalformedError):
        Visit.from_bytes(noise)


def test_a_gap_or_another_gate_breaks_the_chain(tmp_path: Path) -> None:
    first, second, third = fill(tmp_path / "gate.jsonl", 3)
    check_chain([first, second, third])
    with pytest.raises(InclusionError):
        check_chain([first, third])
    with pytest.raises(InclusionError):
        check_chain([second], bytes(32))
    with pytest.raises(InclusionError):
        check_chain([third, second])
