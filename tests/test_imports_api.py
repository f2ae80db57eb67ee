"""Imports through the whole application: uploaded, taken in by their own process, watched, mended, taken back."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import openpyxl
import orjson
import pytest
from api_office import LICENCE, USER, OpenOffice, open_office, reason, settings_in
from file_house import lying_in
from import_files import (
    HEADERS,
    csv_of,
    digest,
    hand_in,
    job_of,
    licence_row,
    rows_of,
    upload,
    wait_for,
    xlsx_of,
    zip_of,
)
from sqlalchemy import func, select

from registry.certificates.tables import Certificate, CertificateFile, CertificateHolder, IdentifierCounter
from registry.files.tables import StoredFileRow
from registry.log.tables import LogEntry
from registry.statuses.tables import StatusEvent, StatusListRow
from registry.work import REGISTRY


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    with open_office(settings_in(tmp_path_factory.mktemp("office"))) as office:
        yield office


def counts(job: dict[str, int]) -> tuple[int, int, int]:
    return job["accepted"], job["duplicate"], job["refused"]


# ---- In and through -------------------------------------------------------------------------------------------------


def test_a_file_is_taken_in_and_every_certificate_enters_the_log(office: OpenOffice) -> None:
    job = hand_in(office, csv_of(*(licence_row(number) for number in range(100, 130))))
    assert job["state"] == "reading"
    done = wait_for(office, job["id"])
    assert (done["total"], *counts(done)) == (30, 30, 0, 0)
    office.settle()
    rows = rows_of(office, job["id"], "accepted")
    assert [row["row"] for row in rows] == list(range(2, 32))
    for row in rows[::10]:
        shown = office.send("GET", f"/api/v1/certificates/{row['id']}", "auditor").json()
        assert shown["index"] is not None


def test_nothing_that_was_handed_in_lies_open_on_the_disk(office: OpenOffice) -> None:
    first, second = (
        [licence_row(number, 经营范围=f"独此一家{number}") for number in range(at, at + 3)] for at in (150, 160)
    )
    for data in (csv_of(*first), zip_of(**{"册.csv": csv_of(*second)})):
        assert counts(wait_for(office, hand_in(office, data)["id"])) == (3, 0, 0)
    left = [path.read_bytes() for path in lying_in(office.services.settings.data / "imports")]
    assert len(left) >= 4
    cells = {cell.encode() for row in (*first, *second) for cell in row if len(cell) > 5}
    assert not [cell.decode() for cell in cells for data in left if cell in data]


def test_faulty_rows_are_told_by_row_and_column_and_come_back_mended(office: OpenOffice) -> None:
    wrong_code = licence_row(201, 持证主体代码="91310105MA1FWT014C")
    wrong_day = licence_row(202, 有效期截止="20260231")
    job = hand_in(office, csv_of(licence_row(200), wrong_code, wrong_day, licence_row(203)))
    done = wait_for(office, job["id"])
    assert counts(done) == (2, 0, 2)
    first, second = rows_of(office, job["id"])
    assert (first["row"], first["errors"][0]["column"], first["errors"][0]["field"]) == (3, "C", "持证主体代码")
    assert first["errors"][0]["expected"] == "证件号码（设为文本格式）"
    assert (second["row"], second["errors"][0]["column"], second["errors"][0]["reason"]) == (4, "F", "no_such_day")
    for form in ("csv", "xlsx"):
        answer = office.send("GET", f"/api/v1/imports/{job['id']}/refused.{form}", "registrar")
        assert answer.status_code == 200
        table = (
            list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
            if form == "csv"
            else cells(answer.content)
        )
        assert table[0] == [*HEADERS, "未登记原因"]
        assert [len(row) for row in table] == [12, 12, 12]
        assert "持证主体代码" in table[1][-1] and "有效期截止" in table[2][-1]
        table[1][2], table[2][5] = "91310105MA1FWT014B", "长期"
        if form == "csv":
            mended = csv_of(*table[1:], headers=table[0])
    again = hand_in(office, mended)
    assert counts(wait_for(office, again["id"])) == (2, 0, 0)


def lines(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))


def cells(data: bytes) -> list[list[str]]:
    return [[cell.value for cell in row] for row in openpyxl.load_workbook(io.BytesIO(data)).active]


def test_the_same_file_and_the_same_rows_in_another_file_register_nothing_twice(office: OpenOffice) -> None:
    rows = [licence_row(number) for number in range(300, 310)]
    first = wait_for(office, hand_in(office, csv_of(*rows))["id"])
    again = wait_for(office, hand_in(office, csv_of(*rows))["id"])
    other = wait_for(office, hand_in(office, xlsx_of(*reversed(rows), licence_row(310)))["id"])
    assert (counts(first), counts(again), counts(other)) == ((10, 0, 0), (0, 10, 0), (1, 10, 0))
    ids = {row["id"] for row in rows_of(office, first["id"], "accepted")}
    assert {row["id"] for row in rows_of(office, again["id"], "duplicate")} == ids


def test_a_number_that_stands_twice_in_a_file_or_with_other_content_in_the_registry_is_refused(
    office: OpenOffice,
) -> None:
    job = wait_for(office, hand_in(office, csv_of(licence_row(400), licence_row(401), licence_row(400)))["id"])
    assert counts(job) == (2, 0, 1)
    (row,) = rows_of(office, job["id"])
    assert (row["row"], row["errors"][0]["reason"]) == (4, "twice_in_file")
    assert "第 2 行" in row["errors"][0]["message"]
    changed = wait_for(office, hand_in(office, csv_of(licence_row(400, 经营范围="餐饮")))["id"])
    (row,) = rows_of(office, changed["id"])
    assert row["errors"][0]["reason"] == "number_taken"
    assert row["id"] == rows_of(office, job["id"], "accepted")[0]["id"]


def test_a_dry_run_says_the_same_and_writes_nothing(office: OpenOffice) -> None:
    before = standing(office)
    data = csv_of(licence_row(500), licence_row(501, 有效期截止="昨天"), licence_row(502), licence_row(500))
    tried = wait_for(office, hand_in(office, data, dry_run=True)["id"])
    assert counts(tried) == (2, 0, 2)
    assert standing(office) == before
    # The very file is then registered, and its report is the same.
    answer = office.send("POST", f"/api/v1/imports/{tried['id']}/register", "registrar")
    assert answer.status_code == 202, answer.text
    real = wait_for(office, answer.json()["id"])
    assert counts(real) == counts(tried) and not real["dry_run"]
    without_ids = [{**row, "id": None} for row in rows_of(office, real["id"])]
    assert without_ids == [{**row, "id": None} for row in rows_of(office, tried["id"])]
    assert "register" not in real["may"]


def standing(office: OpenOffice) -> list[int]:
    """The rows of every table that registering writes."""
    tables = (Certificate, CertificateHolder, CertificateFile, LogEntry, StoredFileRow, StatusEvent)
    with office.services.registry.read(REGISTRY) as work:
        slots = work.session.scalars(select(func.sum(StatusListRow.allotted))).one()
        serials = work.session.scalars(select(func.sum(IdentifierCounter.taken))).one()
        return [slots, serials, *(work.session.scalars(select(func.count()).select_from(one)).one() for one in tables)]


# ---- Columns --------------------------------------------------------------------------------------------------------


def test_unknown_headers_wait_for_a_mapping_which_is_remembered(office: OpenOffice) -> None:
    headers = ["执照编号", "企业名称", "统一社会信用代码", *HEADERS[3:], "备注"]
    data = csv_of([*licence_row(600), "无"], headers=headers)
    job = wait_for(office, hand_in(office, data)["id"], "mapping")
    assert job["may"] == ["cancel", "map"]
    columns = office.send("GET", f"/api/v1/imports/{job['id']}/columns", "registrar").json()
    by_header = {column["header"]: column for column in columns["columns"]}
    assert (by_header["统一社会信用代码"]["field"], by_header["统一社会信用代码"]["how"]) == (
        "holders.0.holder_code",
        "similar",
    )
    assert by_header["统一社会信用代码"]["samples"] == ["91310105MA1FWT014B"]
    assert (by_header["备注"]["field"], by_header["备注"]["how"]) == ("", "none")
    assert {fault["reason"] for fault in columns["missing"]} == {"missing_column"}
    path = f"/api/v1/imports/{job['id']}/mapping"
    incomplete = office.send("POST", path, "registrar", json={"mapping": {"执照编号": "certificate_number"}})
    assert reason(incomplete, 422) == "wrong_columns"
    unknown = office.send("POST", path, "registrar", json={"mapping": {"执照编号": "nothing_like_it"}})
    assert "unknown_field" in {error["reason"] for error in unknown.json()["errors"]}
    mapping = {one["header"]: one["field"] for one in columns["columns"] if one["how"] == "similar"}
    answer = office.send("POST", path, "registrar", json={"mapping": mapping})
    assert answer.status_code == 200, answer.text
    assert counts(wait_for(office, job["id"])) == (1, 0, 0)
    # The next file with these headers, in whatever order, goes through by itself.
    order = list(reversed(range(len(headers))))
    row = [*licence_row(601), "无"]
    second = csv_of([row[place] for place in order], headers=[headers[place] for place in order])
    assert counts(wait_for(office, hand_in(office, second)["id"])) == (1, 0, 0)


def test_a_mapping_can_come_with_the_file_and_a_wrong_one_ends_the_job(office: OpenOffice) -> None:
    headers = ["A", "B", "C", *HEADERS[3:]]
    mapping = {"A": "certificate_number", "B": "holders.0.holder_name", "C": "holders.0.holder_code"}
    data = csv_of(licence_row(610), headers=headers)
    assert counts(wait_for(office, hand_in(office, data, mapping=mapping)["id"])) == (1, 0, 0)
    failed = wait_for(office, hand_in(office, data, mapping={"A": "certificate_number"})["id"], "failed")
    assert failed["problem"]["reason"] == "wrong_columns"
    assert "持证主体" in {error["field"] for error in failed["problem"]["errors"]}


# ---- Attached files -------------------------------------------------------------------------------------------------


def test_files_of_a_zip_are_attached_by_their_names(office: OpenOffice) -> None:
    headers = [*HEADERS, "附件"]
    packed = zip_of(**{"扫描件/甲.pdf": b"%PDF-1.7\n%%EOF\n", "乙.txt": b"second"})
    rows = [
        [*licence_row(700), "甲.pdf、乙.txt"],
        [*licence_row(701), "丙.pdf"],
        [*licence_row(702), ""],
    ]
    job = hand_in(office, csv_of(*rows, headers=headers), attachments_sha256=upload(office, packed))
    done = wait_for(office, job["id"])
    assert counts(done) == (2, 0, 1) and not [note for note in done["notes"] if "ZIP" in note]
    (refused,) = rows_of(office, job["id"])
    assert (refused["errors"][0]["column"], refused["errors"][0]["reason"]) == ("L", "attachment_missing")
    accepted = rows_of(office, job["id"], "accepted")[0]
    disclosed = office.send(
        "POST", f"/api/v1/certificates/{accepted['id']}/disclosures", "registrar", json={"purpose": "核对附件登记情况"}
    )
    assert [file["name"] for file in disclosed.json()["face"]["files"]] == ["甲.pdf", "乙.txt"]


def test_one_zip_may_hold_the_sheet_and_the_files(office: OpenOffice) -> None:
    sheet = xlsx_of([*licence_row(710), "a/scan.txt"], headers=[*HEADERS, "附件"])
    bundle = zip_of(**{"册.xlsx": sheet, "a/scan.txt": b"one", "b/scan.txt": b"other"})
    done = wait_for(office, hand_in(office, bundle)["id"])
    assert counts(done) == (1, 0, 0)
    assert "ZIP 中有 1 个文件没有任何一行写到，未登记：b/scan.txt。请核对“附件”列。" in done["notes"]


def test_files_of_a_zip_are_unnamed_without_a_column_and_ambiguous_ones_are_not(office: OpenOffice) -> None:
    many = {f"{number:02}.pdf": b"x" for number in range(22)}
    for headers, cells, packed, said in (
        (HEADERS, [], many, "有 22 个文件没有任何一行写到，未登记：00.pdf、01.pdf"),
        ([*HEADERS, "附件"], ["甲.pdf"], {"一/甲.pdf": b"1", "二/甲.pdf": b"2", "乙.pdf": b"3"}, "有 1 个文件"),
    ):
        data = csv_of([*licence_row(715), *cells], headers=headers)
        job = hand_in(office, data, attachments_sha256=upload(office, zip_of(**packed)), dry_run=True)
        (note,) = (one for one in wait_for(office, job["id"])["notes"] if "ZIP" in one)
        assert said in note and ("19.pdf等" in note) is (len(packed) > 20)


def test_rows_that_name_files_without_a_zip_are_refused(office: OpenOffice) -> None:
    job = hand_in(office, csv_of([*licence_row(720), "scan.pdf"], headers=[*HEADERS, "附件"]))
    wait_for(office, job["id"])
    assert rows_of(office, job["id"])[0]["errors"][0]["reason"] == "no_attachments"


# ---- Uploading ------------------------------------------------------------------------------------------------------


def put(office: OpenOffice, sha256: str, data: bytes, offset: int, length: int) -> dict[str, object]:
    headers = {"Upload-Length": str(length), "Upload-Offset": str(offset), "Content-Type": "application/octet-stream"}
    answer = office.send("PUT", f"/api/v1/uploads/{sha256}", "registrar", content=data, headers=headers)
    return {"status": answer.status_code, **answer.json()}


def test_an_upload_goes_on_where_it_broke_and_is_not_sent_twice(office: OpenOffice) -> None:
    data = csv_of(licence_row(800))
    sha256, half = digest(data), len(data) // 2
    assert put(office, sha256, data[:half], 0, len(data))["offset"] == half
    asked = office.send("GET", f"/api/v1/uploads/{sha256}", "registrar").json()
    assert (asked["offset"], asked["complete"]) == (half, False)
    wrong = put(office, sha256, data, 0, len(data))
    assert (wrong["status"], wrong["reason"]) == (409, "wrong_offset")
    early = office.send(
        "POST", "/api/v1/imports", "registrar", json={"type_code": LICENCE, "file_name": "x", "sha256": sha256}
    )
    assert reason(early, 404) == "upload_unknown"
    assert put(office, sha256, data[half:], half, len(data))["complete"] is True
    assert put(office, sha256, b"", 0, len(data))["complete"] is True


def test_an_upload_that_is_not_what_it_said_is_thrown_away(office: OpenOffice) -> None:
    sha256 = digest(b"what was announced")
    answer = put(office, sha256, b"what came instead!", 0, 18)
    assert (answer["status"], answer["errors"][0]["reason"]) == (422, "digest_differs")  # type: ignore[index]
    assert office.send("GET", f"/api/v1/uploads/{sha256}", "registrar").json()["offset"] == 0


def test_another_department_sees_neither_the_upload_nor_the_job(office: OpenOffice) -> None:
    data = csv_of(licence_row(810))
    job = wait_for(office, hand_in(office, data)["id"])
    other = office.send("GET", f"/api/v1/uploads/{digest(data)}", "registrar", USER).json()
    assert (other["offset"], other["complete"]) == (0, False)
    for path in ("", "/rows", "/columns", "/refused.csv", "/events"):
        assert (
            reason(office.send("GET", f"/api/v1/imports/{job['id']}{path}", "registrar", USER), 404) == "import_unknown"
        )
    assert office.send("GET", "/api/v1/imports", "registrar", USER).json()["items"] == []


def test_who_may_not_issue_the_type_hears_so_before_anything_is_read(office: OpenOffice) -> None:
    sha256 = upload(office, csv_of(licence_row(811)), USER)
    form = {"type_code": LICENCE, "file_name": "x.csv", "sha256": sha256}
    assert reason(office.send("POST", "/api/v1/imports", "registrar", USER, json=form), 403) == "scope_missing"
    unknown = {**form, "sha256": upload(office, csv_of(licence_row(811))), "type_code": "11100000MB0341032Y999"}
    assert reason(office.send("POST", "/api/v1/imports", "registrar", json=unknown), 404) == "type_unknown"


# ---- Ends and turns -------------------------------------------------------------------------------------------------


def test_a_file_that_cannot_be_read_fails_with_what_to_do(office: OpenOffice) -> None:
    for data, wanted in (
        (b"PK\x03\x04 not really", "broken_xlsx"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600), "old_or_encrypted"),
        (zip_of(**{"../../etc/passwd.csv": b"x"}), "unsafe_name"),
        (zip_of(**{"a.csv": b"x", "b.csv": b"y"}), "many_sheets_in_zip"),
        (csv_of(), "no_rows"),
    ):
        job = wait_for(office, hand_in(office, data)["id"], "failed")
        assert job["problem"]["reason"] == wanted, job["problem"]
        assert job["problem"]["message"]


def test_progress_is_an_event_stream_that_ends_with_the_job(office: OpenOffice) -> None:
    job = hand_in(office, csv_of(*(licence_row(number) for number in range(900, 960))))
    answer = office.send("GET", f"/api/v1/imports/{job['id']}/events", "registrar")
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [part.split("\n", 1) for part in answer.text.split("\n\n") if part.startswith("event:")]
    assert events[-1][0] == "event: end"
    last = orjson.loads(events[-1][1].removeprefix("data: "))
    assert (last["state"], last["accepted"]) == ("done", 60)


def test_what_an_import_registered_is_taken_back_by_a_legal_event_for_each(office: OpenOffice) -> None:
    job = wait_for(office, hand_in(office, csv_of(*(licence_row(number) for number in range(1000, 1010))))["id"])
    first, *others = rows_of(office, job["id"], "accepted")
    suspend = {"operation": "suspend", "reason": "另案处理"}
    assert (
        office.send("POST", f"/api/v1/certificates/{first['id']}/status", "registrar", json=suspend).status_code < 300
    )
    path = f"/api/v1/imports/{job['id']}/undo"
    assert office.send("POST", path, "registrar", json={"operation": "penalise", "reason": "x"}).status_code == 422
    answer = office.send("POST", path, "registrar", json={"operation": "revoke", "reason": "整批误登记"})
    assert answer.status_code == 200, answer.text
    undone = wait_for(office, job["id"], "undone")
    assert (undone["undone"], undone["undo_kept"]) == (9, 1)
    shown = office.send("GET", f"/api/v1/certificates/{others[0]['id']}", "auditor").json()
    assert "revoked" in str(shown["status"])
    kept = office.send("GET", f"/api/v1/certificates/{first['id']}", "auditor").json()
    assert "suspended" in str(kept["status"])
    assert reason(office.send("POST", path, "registrar", json={"operation": "revoke", "reason": "再来"}), 409)


def test_nothing_is_taken_back_of_a_dry_run(office: OpenOffice) -> None:
    job = wait_for(office, hand_in(office, csv_of(licence_row(1020)), dry_run=True)["id"])
    answer = office.send(
        "POST", f"/api/v1/imports/{job['id']}/undo", "registrar", json={"operation": "revoke", "reason": "试运行"}
    )
    assert reason(answer, 403) == "nothing_to_undo"


def test_a_cancelled_job_stays_cancelled_and_the_list_shows_it(office: OpenOffice) -> None:
    headers = ["X", *HEADERS[1:]]
    job = wait_for(office, hand_in(office, csv_of(licence_row(1030), headers=headers))["id"], "mapping")
    cancelled = office.send("POST", f"/api/v1/imports/{job['id']}/cancel", "registrar").json()
    assert cancelled["state"] == "cancelled"
    assert reason(office.send("POST", f"/api/v1/imports/{job['id']}/resume", "registrar"), 409)
    listed = office.send("GET", "/api/v1/imports?limit=1", "registrar").json()
    assert [one["id"] for one in listed["items"]] == [job["id"]] and listed["next_cursor"]
    assert job_of(office, job["id"])["state"] == "cancelled"
