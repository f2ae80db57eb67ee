"""Files of certificates as people really save them, and as attackers make them."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import date, datetime
from typing import Any

import openpyxl
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.imports import sheets
from api.imports.cells import CellError, value_of
from api.imports.columns import Column, columns_of
from api.imports.drafts import Imported, read_drafts
from api.imports.reading import read_sheet
from api.imports.sheets import SheetError
from registry.catalogue.rules import TypeDefinition, compile_definition
from registry.catalogue.service import builtin_definitions

_BY_NAME = {str(one["name"]): one for one in builtin_definitions()}
LICENCE = compile_definition(_BY_NAME["营业执照"])
FOOD = compile_definition(_BY_NAME["食品经营许可证"])
OPERATION = compile_definition(_BY_NAME["特种作业操作资格证"])

HEADERS = [
    "证照编号", "持证主体", "持证主体代码", "证照颁发日期", "有效期起始", "有效期截止",
    "主体类型", "法定代表人（负责人、经营者）", "成立日期", "住所（经营场所）", "经营范围",
]  # fmt: skip
ROW = [
    "05000000202601010001", "上海长宁示例商贸有限公司", "91310105MA1FWT014B", "20260105", "2026-01-05", "长期",
    "有限责任公司", "示例甲", "2026年1月5日", "上海市长宁区示例路 1 号", "日用百货销售，食品销售",
]  # fmt: skip


def csv_bytes(*rows: list[str], encoding: str = "utf-8", delimiter: str = ",") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    return text.getvalue().encode(encoding)


def xlsx_bytes(*rows: list[Any], merge: str | None = None) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    if merge:
        book.active.merge_cells(merge)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def imported(data: bytes, definition: TypeDefinition = LICENCE) -> Imported:
    return read_drafts(read_sheet(data), definition)


EXPECTED_FACTS = {
    "certificate_number": "05000000202601010001",
    "issue_date": "20260105",
    "valid_from": "20260105",
    "valid_to": "长期",
    "holders": [
        {
            "holder_name": "上海长宁示例商贸有限公司",
            "holder_code": "91310105MA1FWT014B",
            "holder_code_type_code": "001",
        }
    ],
    "extend_info": {
        "entity_type": "有限责任公司",
        "legal_representative": "示例甲",
        "established_on": "20260105",
        "address": "上海市长宁区示例路 1 号",
        "business_scope": "日用百货销售，食品销售",
    },
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_a_csv_reads_alike_in_every_encoding_that_people_save(encoding: str) -> None:
    (row,) = imported(csv_bytes(HEADERS, ROW, encoding=encoding)).rows
    assert (row.row, row.facts, row.errors) == (2, EXPECTED_FACTS, ())


def test_a_rare_character_survives_gb_18030() -> None:
    rare = [*ROW]
    rare[1] = "上海𫖳䶮示例有限公司"
    (row,) = imported(csv_bytes(HEADERS, rare, encoding="gb18030")).rows
    assert row.facts is not None and row.facts["holders"][0]["holder_name"] == "上海𫖳䶮示例有限公司"


@pytest.mark.parametrize("delimiter", ["\t", ";"])
def test_other_delimiters_are_recognised(delimiter: str) -> None:
    (row,) = imported(csv_bytes(HEADERS, ROW, delimiter=delimiter)).rows
    assert row.facts == EXPECTED_FACTS


def test_bytes_of_no_known_encoding_are_refused_with_the_line() -> None:
    data = csv_bytes(HEADERS, ROW, encoding="gb18030") + b"\xff\xff\xff,\x80\r\n"
    with pytest.raises(SheetError) as refused:
        read_sheet(data)
    assert refused.value.reason == "unknown_encoding"
    assert "第 3 行" in refused.value.message


def test_rows_are_numbered_as_a_spreadsheet_shows_them() -> None:
    wrong = [*ROW]
    wrong[3] = "2026-02-30"
    wrong[10] = "第一行\n第二行"
    result = imported(csv_bytes(HEADERS, ROW, [], wrong))
    assert [row.row for row in result.rows] == [2, 4]
    (error,) = result.rows[1].errors
    assert (result.layout.header_of(error.field), error.reason) == ("证照颁发日期", "no_such_day")


def test_a_title_line_above_the_header_is_skipped() -> None:
    rows = imported(csv_bytes(["2026 年营业执照登记表"], HEADERS, ROW)).rows
    assert [(row.row, row.facts) for row in rows] == [(3, EXPECTED_FACTS)]


def far_below(*, holds: str | None) -> bytes:
    """A row of a licence, and another far below it in the last row of a worksheet: with a value or only with a look."""
    book = openpyxl.load_workbook(io.BytesIO(xlsx_bytes(HEADERS, ROW)))
    far = book.active.cell(1_048_576, 1)
    far.value, far.number_format = holds, "@"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_a_cell_far_below_the_others_is_refused_and_not_left_out() -> None:
    with pytest.raises(SheetError) as refused:
        imported(far_below(holds="05000000202601010002"))
    assert refused.value.reason == "rows_far_below"
    assert len(imported(far_below(holds=None)).rows) == 1


def test_english_headers_are_the_field_names() -> None:
    english = [
        "certificate_number", "holder_name", "holder_code", "issue_date", "valid_from", "valid_to", "entity_type",
        "legal_representative", "extend_info.established_on", "address", "business_scope",
    ]  # fmt: skip
    (row,) = imported(csv_bytes(english, ROW)).rows
    assert row.facts == EXPECTED_FACTS


def test_an_xlsx_with_real_dates_and_numbers_gives_the_same_facts() -> None:
    cells: list[Any] = [*ROW]
    cells[3], cells[4], cells[8] = datetime(2026, 1, 5), date(2026, 1, 5), 20260105  # noqa: DTZ001 (as the library reads it)
    (row,) = imported(xlsx_bytes(HEADERS, cells)).rows
    assert row.facts == EXPECTED_FACTS


def test_a_serial_day_number_is_the_day_that_the_spreadsheet_shows() -> None:
    column = Column("issue_date", "证照颁发日期", "day", True, "日期")
    assert value_of(46027, column) == "20260105"
    assert value_of(46027.0, column) == "20260105"


def test_a_long_number_that_a_spreadsheet_has_rounded_is_refused() -> None:
    cells: list[Any] = [*ROW]
    cells[0] = 5000000202601010001
    (row,) = imported(xlsx_bytes(HEADERS, cells)).rows
    assert [(error.field, error.reason) for error in row.errors] == [("certificate_number", "kept_as_number")]
    text = [*ROW]
    text[0] = "5.0E+18"
    (row,) = imported(csv_bytes(HEADERS, text)).rows
    assert [error.reason for error in row.errors] == ["kept_as_number"]


def test_the_wrapping_that_protects_digits_is_taken_off() -> None:
    wrapped = [*ROW]
    wrapped[0], wrapped[2] = '="05000000202601010001"', "'91310105MA1FWT014B"
    (row,) = imported(csv_bytes(HEADERS, wrapped)).rows
    assert row.facts == EXPECTED_FACTS


def test_merged_cells_are_named_and_their_rows_refused() -> None:
    rows = imported(xlsx_bytes(HEADERS, ROW, ROW, ROW, merge="B3:B4")).rows
    assert [bool(row.errors) for row in rows] == [False, True, True]
    assert rows[1].errors[0].reason == "merged_cells"
    assert "B3:B4" in rows[1].errors[0].message


def test_a_merged_title_does_not_matter() -> None:
    rows = imported(xlsx_bytes(["登记表"], HEADERS, ROW, merge="A1:K1")).rows
    assert [row.errors for row in rows] == [()]


def test_a_formula_gives_its_last_value_and_an_error_value_is_refused() -> None:
    cells: list[Any] = [*ROW]
    cells[9] = "#REF!"
    (row,) = imported(xlsx_bytes(HEADERS, cells)).rows
    assert [error.reason for error in row.errors] == ["formula_error"]


@pytest.mark.parametrize(
    "headers",
    [
        ["持证主体", "持证主体代码", "持证主体2", "持证主体2代码"],
        ["持证主体1", "持证主体代码1", "持证主体2", "持证主体代码2"],
        ["持证主体", "持证主体代码", "持证主体", "持证主体代码"],
        ["holder_name", "holder_code", "holder_name_2", "holder_code_2"],
        ["holders[0].holder_name", "holders[0].holder_code", "holders[1].holder_name", "holders[1].holder_code"],
    ],
)
def test_several_holders_stand_side_by_side(headers: list[str]) -> None:
    definition = _several_holders()
    general = ["证照编号", "证照颁发日期", "有效期起始", "有效期截止", "主体类型"]
    general += ["法定代表人（负责人、经营者）", "成立日期", "住所（经营场所）", "经营范围"]
    values = [ROW[0], *ROW[3:]]
    data = csv_bytes(general + headers, [*values, "甲公司", "91310105MA1FWT014B", "乙公司", "91310105MA1FWT0226"])
    (row,) = imported(data, definition).rows
    assert row.facts is not None
    assert [holder["holder_name"] for holder in row.facts["holders"]] == ["甲公司", "乙公司"]
    assert [holder["holder_code"] for holder in row.facts["holders"]] == ["91310105MA1FWT014B", "91310105MA1FWT0226"]


def test_more_holders_than_the_type_allows_are_refused_with_the_file() -> None:
    data = csv_bytes([*HEADERS, "持证主体2", "持证主体2代码"], [*ROW, "乙公司", "91310105MA1FWT0226"])
    with pytest.raises(SheetError) as refused:
        imported(data)
    assert [error.reason for error in refused.value.errors] == ["too_many_holders"]


def _several_holders() -> TypeDefinition:
    definition = orjson.loads(orjson.dumps(_BY_NAME["营业执照"]))
    definition["holder"]["maximum"] = 3
    return compile_definition(definition)


def test_every_missing_column_is_named_at_once() -> None:
    with pytest.raises(SheetError) as refused:
        imported(csv_bytes(["证照编号", "持证主体", "经营范围", "经营范围"], ["1", "2", "3", "4"]))
    assert refused.value.reason == "wrong_columns"
    reasons = {(error.field, error.reason) for error in refused.value.errors}
    assert ("持证主体代码", "missing_column") in reasons
    assert ("住所（经营场所）", "missing_column") in reasons
    assert ("经营范围", "column_twice") in reasons


def test_unknown_columns_are_left_out_and_said_so() -> None:
    result = imported(csv_bytes(["序号", *HEADERS], ["1", *ROW]))
    assert result.rows[0].facts == EXPECTED_FACTS
    assert any("A 列“序号”" in note for note in result.notes)


def test_a_list_field_takes_several_items() -> None:
    columns = {column.field: column for column in columns_of(FOOD)}
    assert value_of("热食类食品制售、冷食类食品制售；自制饮品制售", columns["extend_info.items"]) == [
        "热食类食品制售",
        "冷食类食品制售",
        "自制饮品制售",
    ]


def test_a_holder_code_type_is_known_by_code_name_or_both() -> None:
    column = next(one for one in columns_of(OPERATION) if one.field == "holder_code_type_code")
    assert column.required
    assert [value_of(text, column) for text in ("111", "公民身份号码", "111 公民身份号码", 111)] == ["111"] * 4
    assert value_of(1, column) == "001"


def test_an_error_path_of_the_registry_is_told_by_the_header_of_the_file() -> None:
    layout = imported(csv_bytes(HEADERS, ROW)).layout
    assert layout.header_of("holders[0].holder_code") == "持证主体代码"
    assert layout.header_of("extend_info.address") == "住所（经营场所）"
    assert layout.header_of("certificate_number") == "证照编号"
    assert layout.header_of("holders[0].holder_code_type_code") == "持证主体代码类型"


def test_an_old_or_encrypted_workbook_says_what_to_do() -> None:
    with pytest.raises(SheetError) as refused:
        read_sheet(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600))
    assert refused.value.reason == "old_or_encrypted"


@pytest.mark.parametrize("cut", [30, 400, 2000, 4000])
def test_a_truncated_xlsx_is_broken_not_a_crash(cut: int) -> None:
    with pytest.raises(SheetError) as refused:
        read_sheet(xlsx_bytes(HEADERS, ROW)[:cut])
    assert refused.value.reason == "broken_xlsx"


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", b"<a/>")
        archive.writestr("xl/worksheets/sheet1.xml", b"\0" * (sheets.IN_ONE_REQUEST.unpacked_bytes + 1))
    assert len(bomb.getvalue()) < 1024 * 1024
    with pytest.raises(SheetError) as refused:
        read_sheet(bomb.getvalue())
    assert (refused.value.reason, refused.value.status_code) == ("unpacks_too_large", 413)


def _with_part(data: bytes, name: str, replace: tuple[bytes, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for part in source.infolist():
            content = source.read(part)
            target.writestr(part, content.replace(*replace) if part.filename == name else content)
    return out.getvalue()


def test_an_entity_in_the_xml_is_refused() -> None:
    entity = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e "boom">]><worksheet'
    data = _with_part(xlsx_bytes(HEADERS, ROW), "xl/worksheets/sheet1.xml", (b"<worksheet", entity))
    with pytest.raises(SheetError) as refused:
        read_sheet(data)
    assert refused.value.reason == "broken_xlsx"


def test_a_cell_in_the_last_possible_row_costs_no_memory() -> None:
    data = _with_part(xlsx_bytes(HEADERS, ROW), "xl/worksheets/sheet1.xml", (b'<row r="2"', b'<row r="1048576"'))
    with pytest.raises(SheetError) as refused:
        imported(data)
    assert refused.value.reason == "rows_far_below"


def test_the_row_limit_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.imports.drafts.MAX_ROWS", 3)
    assert len(imported(csv_bytes(HEADERS, *[ROW] * 3)).rows) == 3
    with pytest.raises(SheetError) as refused:
        imported(csv_bytes(HEADERS, *[ROW] * 4))
    assert (refused.value.reason, refused.value.status_code) == ("too_many_rows", 413)


def test_a_file_over_the_limit_is_refused_by_its_size() -> None:
    with pytest.raises(SheetError) as refused:
        read_sheet(b"a" * (sheets.MAX_FILE_BYTES + 1))
    assert refused.value.status_code == 413


def test_a_file_without_a_header_says_which_columns_it_needs() -> None:
    with pytest.raises(SheetError) as refused:
        imported(csv_bytes(["甲", "乙"], ["1", "2"]))
    assert refused.value.reason == "no_header"
    assert "证照编号" in refused.value.message


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_noise_is_a_sheet_or_a_sheet_error(noise: bytes) -> None:
    for data in (noise, b"PK\x03\x04" + noise):
        try:
            imported(data)
        except SheetError as refused:
            assert refused.message


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9), st.binary(min_size=1, max_size=6))
def test_a_damaged_xlsx_is_a_sheet_or_a_sheet_error(place: int, noise: bytes) -> None:
    data = bytearray(xlsx_bytes(HEADERS, ROW))
    place %= len(data)
    data[place : place + len(noise)] = noise
    try:
        imported(bytes(data))
    except SheetError as refused:
        assert refused.message


@settings(max_examples=100, deadline=None)
@given(
    st.one_of(st.text(max_size=30), st.integers(), st.floats(), st.booleans(), st.datetimes(), st.dates(), st.times())
)
def test_any_cell_in_any_column_is_a_value_or_a_cell_error(cell: Any) -> None:
    for definition in (LICENCE, FOOD, OPERATION):
        for column in columns_of(definition):
            try:
                value_of(cell, column)
            except CellError as refused:
                assert refused.message
