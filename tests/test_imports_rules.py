"""Turns, states, packing and columns of imports: decisions without I/O, and the runner on both databases."""

from __future__ import annotations

import csv
import hashlib
import io
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import orjson
import pytest
from file_house import make_store
from hypothesis import given
from hypothesis import strategies as st
from import_files import HEADERS, csv_of, licence_row, xlsx_of, zip_of
from registry_house import BUSINESS, CARE, MARKET, House, actor

from api.imports.columns import Layout
from api.imports.csv_sheet import csv_rows
from api.imports.job_rows import Numbers, survey
from api.imports.mapping import choices, decide
from api.imports.reading import read_sheet
from api.imports.refused import RefusedRow, refused_csv, refused_xlsx
from api.imports.running import ImportRunner
from api.imports.sheets import SheetRow
from api.imports.spool import read_rows, write_rows
from registry.catalogue import service as catalogue
from registry.catalogue.rules import compile_definition
from registry.catalogue.service import builtin_definitions
from registry.certificates import service as certificates
from registry.departments import service as departments
from registry.departments import standing
from registry.errors import LimitError, NotFoundError, NotPermittedError, TransitionError
from registry.imports import rules, service, undoing
from registry.imports.folder import ROWS, ImportFolder
from registry.imports.rules import Fault, RowResult, State
from registry.imports.service import JobDraft
from registry.imports.tables import ImportJob
from registry.work import REGISTRY

pytest_plugins = ("registry_fixtures",)

LICENCE = compile_definition(next(one for one in builtin_definitions() if one["name"] == "营业执照"))
START = datetime(2026, 11, 22, tzinfo=UTC)


# ---- Whose turn -----------------------------------------------------------------------------------------------------


@dataclass
class Waiting:
    id: str
    department: str
    served_at: datetime | None = None


def test_a_department_with_ten_files_does_not_go_ahead_of_one_with_one() -> None:
    jobs = [Waiting(f"a{n}", "A") for n in range(10)] + [Waiting("b", "B")]
    turns = []
    for minute in range(12):
        due = rules.next_due(jobs)
        assert due is not None
        due.served_at = START + timedelta(minutes=minute)
        turns.append(due.department)
    assert turns == ["A", "B"] * 6
    assert rules.next_due([]) is None


def test_jobs_of_one_department_take_turns_too() -> None:
    jobs = [Waiting("a", "A"), Waiting("b", "A"), Waiting("c", "A")]
    turns = []
    for minute in range(6):
        due = rules.next_due(jobs)
        assert due is not None
        due.served_at = START + timedelta(minutes=minute)
        turns.append(due.id)
    assert turns == ["a", "b", "c"] * 2


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("wish", ["map", "pause", "resume", "cancel", "register", "undo"])
def test_a_wish_is_lawful_or_says_why_not(state: State, wish: rules.Wish) -> None:
    if wish in rules.wishes(state):
        assert rules.after(state, wish) != state
    else:
        with pytest.raises(TransitionError) as refused:
            rules.after(state, wish)
        assert rules.CHINESE[state] in refused.value.message


# ---- Results and rows on disk ---------------------------------------------------------------------------------------

_FAULTS = st.builds(Fault, *[st.text(max_size=20)] * 5)
_RESULTS = st.builds(
    RowResult,
    st.integers(1, 10**6),
    st.sampled_from(rules.OUTCOMES),
    st.none() | st.text(max_size=26),
    st.lists(_FAULTS, max_size=3).map(tuple),
)


@given(st.lists(_RESULTS, max_size=20))
def test_what_is_packed_is_what_comes_out(results: list[RowResult]) -> None:
    assert rules.unpack(rules.pack(results)) == results


_CELLS = st.one_of(
    st.none(), st.text(st.characters(exclude_categories=["Cs"]), max_size=12), st.booleans(), st.integers(),
    st.floats(allow_nan=False, allow_infinity=False), st.datetimes(), st.dates(), st.times(),
)  # fmt: skip
JOB = "01JOB"


@given(rows=st.lists(st.lists(_CELLS, max_size=6), max_size=8))
def test_rows_come_back_from_the_disk_as_they_were(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    place = tmp_path_factory.getbasetemp() / "rows"
    folder = ImportFolder(place, make_store(place).masters)
    written = [SheetRow(number, tuple(cells), None) for number, cells in enumerate(rows, 2)]
    assert write_rows(folder, JOB, written) == len(rows)
    found: list[SheetRow] = []
    position = 0
    while chunk := read_rows(folder, JOB, position, 3):
        if not chunk[0]:
            break
        found += chunk[0]
        position = chunk[1]
    assert found == written


# ---- Columns --------------------------------------------------------------------------------------------------------


def test_known_headers_need_nobody_and_unread_ones_do_not_matter() -> None:
    assert decide([*HEADERS, "备注", "序号"], LICENCE, None) == {}


def test_a_header_that_is_like_a_missing_field_is_offered_and_not_taken() -> None:
    header = ["企业名称" if one == "持证主体" else one for one in HEADERS]
    assert decide(header, LICENCE, None) is None
    offered = {one.label: (one.field, one.how) for one in choices(header, LICENCE, None)}
    assert offered["企业名称"] == ("holders.0.holder_name", "similar")
    assert decide(header, LICENCE, {"企业名称": "holders.0.holder_name"}) == {"企业名称": "holders.0.holder_name"}


def test_a_chosen_mapping_wins_over_a_known_name() -> None:
    header = [*HEADERS, "真正的住所"]
    chosen = {"住所（经营场所）": "", "真正的住所": "extend_info.address"}
    assert decide(header, LICENCE, chosen) == chosen
    found = {one.label: one.field for one in choices(header, LICENCE, chosen)}
    assert (found["住所（经营场所）"], found["真正的住所"]) == ("", "extend_info.address")


def test_the_reasons_of_an_earlier_round_are_nobodys_field() -> None:
    assert decide([*HEADERS, "未登记原因"], LICENCE, None) == {}


# ---- The runner on both databases -----------------------------------------------------------------------------------


class Desk:
    """A furnished registry with a runner."""

    def __init__(self, house: House, folder: Path) -> None:
        self.house = house
        files = make_store(folder, house.registry.engine)
        self.folder = ImportFolder(folder / "imports", files.masters)
        self.runner = ImportRunner(house.registry, self.folder, files)

    def hand_in(self, data: bytes, **more: Any) -> str:
        sha256 = self.folder.keep(MARKET, io.BytesIO(data))
        job = self.house.do(service.create, JobDraft(more.pop("type_code", BUSINESS), "册.csv", sha256, **more))
        return str(job.id)

    def run(self, job_id: str) -> ImportJob:
        while self.runner.step():
            pass
        return self.job(job_id)

    def job(self, job_id: str) -> ImportJob:
        found: ImportJob = self.house.see(service.get, job_id)
        return found

    def results(self, job_id: str, outcome: rules.Outcome = "refused") -> list[RowResult]:
        found: list[RowResult] = self.house.see(service.results, self.job(job_id), (outcome,))[0]
        return found


@pytest.fixture
def desk(house: House, tmp_path: Path) -> Desk:
    return Desk(house, tmp_path)


@pytest.fixture
def sqlite_desk(sqlite_house: House, tmp_path: Path) -> Desk:
    return Desk(sqlite_house, tmp_path)


def test_what_a_spreadsheet_has_spoiled_is_refused_row_by_row(desk: Desk) -> None:
    rows = [
        licence_row(1),
        licence_row(2, 证照编号="5.00000202600000E+19"),
        licence_row(3, 证照编号="50000002026"),
        licence_row(4, 证照颁发日期="2025-02-29"),
        licence_row(5, 证照颁发日期="2024-02-29", 有效期起始="2024年2月29日", 有效期截止="永久"),
        licence_row(6, 持证主体="上海䶮𠮷(示例)商贸·有限公司"),
        licence_row(7, 持证主体=""),
        licence_row(8, 经营范围="#N/A"),
    ]
    job = desk.run(desk.hand_in(csv_of(*rows, encoding="gb18030")))
    assert (job.state, job.total_rows, job.accepted, job.refused) == ("done", 8, 3, 5)
    told = {one.row: (one.faults[0].letters, one.faults[0].reason) for one in desk.results(job.id)}
    assert told == {
        3: ("A", "kept_as_number"),
        4: ("A", "leading_zeros_lost"),
        5: ("D", "no_such_day"),
        8: ("B", "missing"),
        9: ("K", "formula_error"),
    }
    rare = next(one for one in desk.results(job.id, "accepted") if one.row == 7)
    face = orjson.loads(desk.house.see(_certificate, rare.id).face)
    assert face["holders"][0]["holder_name"] == "上海䶮𠮷（示例）商贸·有限公司"
    long_term = next(one for one in desk.results(job.id, "accepted") if one.row == 6)
    assert desk.house.see(_certificate, long_term.id).valid_to_on is None


def _certificate(work: Any, certificate_id: str) -> Any:
    return certificates.get(work, certificate_id)


def test_a_number_shorter_than_all_that_begin_with_zero_has_lost_its_own(sqlite_desk: Desk) -> None:
    rows = [licence_row(number) for number in range(1, 10)]
    # Nineteen digits are lawful too; among numbers of twenty that begin with 0 they are none.
    rows.append(licence_row(10, 证照编号=licence_row(10)[0].removeprefix("0")))
    job = sqlite_desk.run(sqlite_desk.hand_in(csv_of(*rows)))
    assert job.accepted == 9
    (lost,) = sqlite_desk.results(job.id)
    assert (lost.row, lost.faults[0].reason) == (11, "leading_zeros_lost")
    alone = sqlite_desk.run(sqlite_desk.hand_in(csv_of(rows[-1])))
    assert alone.accepted == 1


def test_an_xlsx_with_its_own_ways_is_read_alike(sqlite_desk: Desk) -> None:
    real = [*licence_row(1)]
    real[3], real[4], real[8] = datetime(2026, 1, 5), 46027, date(2026, 1, 5)  # type: ignore[call-overload]  # noqa: DTZ001
    rounded = [*licence_row(2)]
    rounded[0] = 5000000202600000002  # type: ignore[call-overload]
    formula = licence_row(3, 经营范围='="餐饮"&"管理"')
    rows = [real, rounded, formula, licence_row(4), licence_row(5)]
    job = sqlite_desk.run(sqlite_desk.hand_in(xlsx_of(*rows, merge="K5:K6")))
    assert (job.form, job.accepted) == ("xlsx", 1)
    told = {one.row: one.faults[0].reason for one in sqlite_desk.results(job.id)}
    # The library writes formulas without values, as programs do that nobody opened the file of.
    assert told == {3: "kept_as_number", 4: "formula_without_value", 5: "merged_cells", 6: "merged_cells"}


def test_no_cell_of_the_refused_rows_is_a_formula_whoever_named_the_columns() -> None:
    command = "=cmd|' /C calc'!A0"
    row = RefusedRow([command, "ok"], (Fault(command, "A", "x", "wrong", "不对"),))
    written = b"".join(refused_csv([command, "+B"], [row]))
    table = list(csv.reader(io.StringIO(written.decode("utf-8-sig"))))
    assert [cell[0] for cell in (*table[0][:2], table[1][0], table[1][2])] == ["'"] * 4
    book = io.BytesIO()
    refused_xlsx([command, "+B"], [row], book)
    sheet = openpyxl.load_workbook(book).active
    assert {cell.data_type for line in sheet for cell in line} == {"s"}
    again = list(csv_rows(io.BytesIO(written)))
    assert [line.cells[:2] for line in again] == [(command, "+B"), (command, "ok")]


def test_a_damaged_sheet_in_a_zip_ends_the_job_at_once_and_says_why(sqlite_desk: Desk) -> None:
    data = bytearray(zip_of(**{"a.csv": csv_of(*map(licence_row, range(1, 40)))}))
    data[45] ^= 0xFF
    job = sqlite_desk.run(sqlite_desk.hand_in(bytes(data)))
    assert job.state == State.FAILED and job.problem is not None
    assert job.problem["reason"] == "attachment_broken" and "a.csv" in job.problem["message"]


def test_a_second_holder_may_have_a_passport(sqlite_desk: Desk) -> None:
    with sqlite_desk.house.work(REGISTRY) as work:
        code = _type_with_two_holders(work)
        departments.grant_scope(work, MARKET, code, "issue")
    headers = [*HEADERS, "证件类型", "持证主体2", "持证主体2代码", "证件类型2"]
    rows = [
        [*licence_row(1), "001", "SMITH JOHN", "E12345678", "护照"],
        [*licence_row(2), "001", "", "", ""],
        [*licence_row(3), "001", "SMITH JOHN", "E1", "护照"],
    ]
    job = sqlite_desk.run(sqlite_desk.hand_in(csv_of(*rows, headers=headers), type_code=code))
    assert (job.accepted, job.refused) == (2, 1), job.problem
    (refused,) = sqlite_desk.results(job.id)
    assert (refused.faults[0].header, refused.faults[0].letters) == ("持证主体2代码", "N")


def _type_with_two_holders(work: Any) -> str:
    definition = orjson.loads(orjson.dumps(next(one for one in builtin_definitions() if one["name"] == "营业执照")))
    definition["holder"] |= {"maximum": 2, "code_types": ["001", "414"]}
    definition["version"] += 1
    catalogue.install_type(work, definition)
    return str(definition["code"])


def test_a_scope_that_is_taken_away_stops_the_job_and_given_back_lets_it_go_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.imports.running.CHUNK_ROWS", 3)
    job_id = desk.hand_in(csv_of(*(licence_row(number) for number in range(8))))
    for _ in range(2):
        assert desk.runner.step()
    assert (desk.job(job_id).state, desk.job(job_id).done_rows) == ("running", 3)
    with desk.house.work() as work:
        standing.suspend(work, MARKET, "核查中")
    job = desk.run(job_id)
    assert (job.state, job.done_rows, job.problem["reason"]) == ("failed", 3, "department_suspended")
    with desk.house.work() as work:
        standing.reinstate(work, MARKET, "核查完毕")
    desk.house.do(service.wish, job_id, "resume")
    job = desk.run(job_id)
    assert (job.state, job.accepted, job.problem) == ("done", 8, None)


def test_a_paused_job_lets_others_pass_and_goes_on_where_it_was(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.imports.running.CHUNK_ROWS", 2)
    first = desk.hand_in(csv_of(*(licence_row(number) for number in range(6))))
    desk.runner.step()
    desk.runner.step()
    desk.house.do(service.wish, first, "pause")
    second = desk.run(desk.hand_in(csv_of(licence_row(50))))
    assert (second.state, desk.job(first).state, desk.job(first).done_rows) == ("done", "paused", 2)
    desk.house.do(service.wish, first, "resume")
    assert desk.run(first).accepted == 6


def test_a_job_that_is_cancelled_while_its_file_is_read_ends_there(
    sqlite_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.imports.running._TOLD_EVERY_ROWS", 2)
    told: list[int] = []
    note = service.note_reading

    def cancel_at_four(work: Any, job_id: str, rows: int) -> bool:
        told.append(rows)
        if rows == 4:
            service.wish(work, job_id, "cancel")
        return note(work, job_id, rows)

    monkeypatch.setattr(service, "note_reading", cancel_at_four)
    job = sqlite_desk.run(sqlite_desk.hand_in(csv_of(*(licence_row(number) for number in range(9)))))
    assert (job.state, job.done_rows, told) == ("cancelled", 0, [2, 4])


def test_two_runners_on_one_job_take_every_chunk_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.imports.running.CHUNK_ROWS", 2)
    job_id = desk.hand_in(csv_of(*(licence_row(number) for number in range(7))))
    other = ImportRunner(desk.house.registry, desk.folder, desk.runner._files)
    stale = desk.runner._chunk
    desk.runner.step()
    with desk.house.work() as work:
        assert service.begin_step(work, job_id)
    before = desk.job(job_id)
    while other.step():
        pass
    # The first one comes late with a chunk that has long been taken.
    stale(before)
    job = desk.job(job_id)
    assert (job.state, job.done_rows, job.accepted) == ("done", 7, 7)


def test_jobs_that_take_turns_are_looked_through_once_each(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.imports.running.CHUNK_ROWS", 1)
    looked_through: list[str] = []

    def counting(rows: Iterable[SheetRow], layout: Layout) -> Numbers:
        found = list(rows)
        looked_through.append(str(found[0].cells[0]))
        return survey(found, layout)

    monkeypatch.setattr("api.imports.running.survey", counting)
    files = [[licence_row(10 * job + number) for number in range(3)] for job in range(4)]
    job_ids = [desk.hand_in(csv_of(*rows, rows[0])) for rows in files]
    while desk.runner.step():
        desk.house.clock.pass_by(seconds=1)
    assert sorted(looked_through) == [rows[0][0] for rows in files]
    for job_id in job_ids:
        assert (desk.job(job_id).accepted, desk.results(job_id)[0].faults[0].reason) == (3, "twice_in_file")


def test_a_runner_keeps_no_more_jobs_open_than_it_may(sqlite_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.imports.running.CHUNK_ROWS", 1)
    monkeypatch.setattr("api.imports.running.KEPT_READERS", 2)
    job_ids = [
        sqlite_desk.hand_in(
            zip_of(**{"册.csv": csv_of(*(licence_row(10 * job + n) for n in range(3))), "a.pdf": b"%PDF-1.7"})
        )
        for job in range(3)
    ]
    while sqlite_desk.runner.step():
        sqlite_desk.house.clock.pass_by(seconds=1)
        assert len(sqlite_desk.runner._readers) <= 2
    assert [sqlite_desk.job(job_id).accepted for job_id in job_ids] == [3, 3, 3]
    assert not sqlite_desk.runner._readers


def test_what_kills_its_process_every_time_is_given_up_and_can_be_tried_again(sqlite_desk: Desk) -> None:
    job_id = sqlite_desk.hand_in(csv_of(licence_row(1)))
    with sqlite_desk.house.work() as work:
        for _ in range(rules.MAX_ATTEMPTS):
            assert service.begin_step(work, job_id)
        assert not service.begin_step(work, job_id)
    assert sqlite_desk.job(job_id).problem["reason"] == "step_failed"
    sqlite_desk.house.do(service.wish, job_id, "resume")
    assert sqlite_desk.run(job_id).accepted == 1


def test_a_department_has_a_limited_number_of_open_jobs(sqlite_desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_OPEN_JOBS", 2)
    for number in range(2):
        sqlite_desk.hand_in(csv_of(licence_row(number)))
    with pytest.raises(LimitError):
        sqlite_desk.hand_in(csv_of(licence_row(9)))


def test_an_import_is_taken_back_only_soon_and_forgotten_later(sqlite_desk: Desk) -> None:
    job = sqlite_desk.run(sqlite_desk.hand_in(csv_of(licence_row(1), licence_row(2))))
    sqlite_desk.house.clock.pass_by(hours=73)
    with pytest.raises(NotPermittedError) as late:
        sqlite_desk.house.do(undoing.begin, job.id, "revoke", "误登记")
    assert late.value.reason == "too_late_to_undo"
    sqlite_desk.house.clock.pass_by(days=7)
    with sqlite_desk.house.work() as work:
        service.forget_old(work)
        assert service.kept(work) == (set(), set())
    assert sqlite_desk.job(job.id).forgotten
    assert sqlite_desk.results(job.id, "accepted") == []


def test_a_file_is_kept_only_while_somebody_may_need_it(sqlite_desk: Desk) -> None:
    files = {name: zip_of(**{"册.csv": csv_of(*rows)}) for name, rows in (
        ("settled", [licence_row(1)]),
        ("refused", [licence_row(2), licence_row(3, 持证主体="")]),
        ("tried", [licence_row(4)]),
    )}  # fmt: skip
    jobs = {name: sqlite_desk.hand_in(data, dry_run=name == "tried") for name, data in files.items()}
    for job_id in jobs.values():
        sqlite_desk.run(job_id)
    # What was taken out of the ZIP is gone once its rows are read.
    for job_id in jobs.values():
        with sqlite_desk.folder.open_for(job_id, ROWS), pytest.raises(FileNotFoundError):
            sqlite_desk.folder.open_for(job_id, "sheet")
    with sqlite_desk.house.work() as work:
        kept = service.kept(work)
    sqlite_desk.folder.sweep(*kept, older_than_seconds=0, now=time.time() + 60)
    there = {
        name
        for name, data in files.items()
        if sqlite_desk.folder.received(MARKET, hashlib.sha256(data).digest()).complete
    }
    assert there == {"refused", "tried"} and kept[0] == {jobs["refused"], jobs["tried"]}
    again = sqlite_desk.house.do(service.register_tried, jobs["tried"])
    assert sqlite_desk.run(again.id).accepted == 1
    undone = sqlite_desk.house.do(undoing.begin, jobs["settled"], "revoke", "误登记")
    assert sqlite_desk.run(undone.id).state == "undone"


def test_another_departments_job_is_unknown(sqlite_desk: Desk) -> None:
    job_id = sqlite_desk.hand_in(csv_of(licence_row(1)))
    with pytest.raises(NotFoundError):
        sqlite_desk.house.do(service.get, job_id, who=actor(CARE))


def test_reading_a_small_file_and_a_job_agree(sqlite_desk: Desk) -> None:
    data = csv_of(*(licence_row(number) for number in range(5)))
    job = sqlite_desk.run(sqlite_desk.hand_in(data))
    assert job.total_rows == len(read_sheet(data).rows) - 1
