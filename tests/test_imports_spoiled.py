"""Sheets as people and their programs spoil them: each kept whole, or refused with what to do about it."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from datetime import date, time

import openpyxl
import pytest
from import_files import HEADERS, csv_of, licence_row, xlsx_of
from openpyxl.styles import PatternFill
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from api.imports.attachments import is_bundle
from api.imports.drafts import Imported, read_drafts
from api.imports.reading import read_sheet
from api.imports.sheets import SheetError
from registry.catalogue.rules import compile_definition
from registry.catalogue.service import builtin_definitions
from verifier.identifiers import IdentifierError, check_citizen_number, check_uscc

LICENCE = compile_definition(next(one for one in builtin_definitions() if one["name"] == "营业执照"))
SHEET = "xl/worksheets/sheet1.xml"


def imported(data: bytes) -> Imported:
    return read_drafts(read_sheet(data), LICENCE)


def faults(data: bytes) -> list[tuple[int, str, str]]:
    return [(row.row, fault.reason, fault.message) for row in imported(data).rows for fault in row.errors]


def refusal(data: bytes) -> tuple[str, str]:
    with pytest.raises(SheetError) as refused:
        imported(data)
    return refused.value.reason, refused.value.message


def patched(data: bytes, change: Callable[[bytes], bytes], name: str = SHEET) -> bytes:
    """An XLSX with one of its parts changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        for part in source.infolist():
            content = source.read(part)
            target.writestr(part.filename, change(content) if part.filename == name else content)
    assert out.getvalue() != data
    return out.getvalue()


def with_cell(data: bytes, where: str, cell: str) -> bytes:
    """An XLSX with another cell at this place, as the XML has it."""
    pattern = rf'<c r="{where}"[^>]*>.*?</c>'.encode()
    return patched(data, lambda content: re.sub(pattern, lambda _: cell.encode(), content))


def test_a_comma_that_nobody_quoted_never_cuts_a_value_short() -> None:
    line = ",".join(licence_row(1, **{"经营范围": "日用百货"}))
    text = f"{','.join(HEADERS)}\n{line},食品销售\n{line}\n{line},,\n"
    ((row, reason, message),) = faults(text.encode())
    assert (row, reason) == (2, "no_header_above") and "L2" in message and "食品销售" in message
    assert [row.facts is not None for row in imported(text.encode()).rows] == [False, True, True]


def test_a_remark_beside_the_table_is_not_dropped_silently() -> None:
    book = openpyxl.Workbook()
    for row in (HEADERS, licence_row(1), licence_row(2)):
        book.active.append(row)
    book.active["N3"] = "待核实"
    out = io.BytesIO()
    book.save(out)
    assert [(row, reason) for row, reason, _ in faults(out.getvalue())] == [(3, "no_header_above")]
    # The column of numbers that programs write in front has no header either, and moves nothing.
    numbered = csv_of(["0", *licence_row(1)], headers=["", *HEADERS])
    assert not faults(numbered)


def test_a_header_that_comes_again_is_called_so() -> None:
    assert [fault[:2] for fault in faults(csv_of(licence_row(1), HEADERS, licence_row(2)))] == [(3, "repeated_header")]


@pytest.mark.parametrize("mark", ["\u200b", "\ufeff", "\u202c", "\u2060", "\u200e", "\u00ad"])
def test_what_cannot_be_seen_is_left_out(mark: str) -> None:
    changes = {
        "持证主体": f"上海{mark}示例公司",
        "持证主体代码": f"91310105MA1FWT014B{mark}",
        "有效期截止": f"长期{mark}",
    }
    headers = [f"{header}{mark}" if header == "证照编号" and mark == "\u200b" else header for header in HEADERS]
    (row,) = imported(csv_of(licence_row(1, **changes), headers=headers)).rows
    assert row.facts is not None
    assert row.facts["holders"][0]["holder_name"] == "上海示例公司"
    assert row.facts["holders"][0]["holder_code"] == "91310105MA1FWT014B"
    assert row.facts["valid_to"] == "长期"


@pytest.mark.parametrize("text", ["2026 年 1 月 5 日", "2026–01–05", "2026. 1. 5", "2026年1月5日"])
def test_days_are_read_with_spaces_and_dashes(text: str) -> None:
    (row,) = imported(csv_of(licence_row(1, 证照颁发日期=text, 有效期截止="长 期"))).rows
    assert row.facts is not None and (row.facts["issue_date"], row.facts["valid_to"]) == ("20260105", "长期")


@pytest.mark.parametrize(
    ("header", "text", "reason", "said"),
    [
        ("证照颁发日期", "46027", "wrong_form", "日期序号"),
        ("证照颁发日期", "########", "not_shown", "列太窄"),
        ("经营范围", "####", "not_shown", "列太窄"),
        ("持证主体代码", "1.10105E+17", "kept_as_number", "科学计数"),
    ],
)
def test_what_a_spreadsheet_has_spoiled_is_named(header: str, text: str, reason: str, said: str) -> None:
    ((_, found, message),) = faults(csv_of(licence_row(1, **{header: text})))
    assert found == reason and said in message


def test_digits_that_became_zeros_are_suspected() -> None:
    for check, number in ((check_citizen_number, "110105194912310000"), (check_uscc, "913101050000000000")):
        with pytest.raises(IdentifierError) as refused:
            check(number)
        assert "末三位都是 0" in refused.value.message


def test_hidden_rows_are_read_and_told() -> None:
    book = openpyxl.Workbook()
    for row in (HEADERS, licence_row(1), licence_row(2)):
        book.active.append(row)
    book.active.row_dimensions[3].hidden = True
    out = io.BytesIO()
    book.save(out)
    found = imported(out.getvalue())
    assert len(found.rows) == 2 and "有 1 行" in found.notes[0]


def test_a_number_is_no_day_in_a_book_that_counts_from_1904() -> None:
    book = openpyxl.Workbook()
    book.epoch = CALENDAR_MAC_1904
    for row in (HEADERS, licence_row(1)):
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    for day in ("44565", "44565.5"):
        ((_, reason, message),) = faults(with_cell(out.getvalue(), "D2", f'<c r="D2"><v>{day}</v></c>'))
        assert reason == "wrong_form" and "日期序号" in message
    lost = with_cell(out.getvalue(), "C2", '<c r="C2"><v>110105194912310021</v></c>')
    assert [fault[1] for fault in faults(lost)] == ["kept_as_number"]
    # In a usual book the same number is a day, four years and a day earlier.
    usual = with_cell(xlsx_of(licence_row(1)), "D2", '<c r="D2"><v>46027</v></c>')
    (read,) = imported(usual).rows
    assert read.facts is not None and read.facts["issue_date"] == "20260105"


def test_line_ends_that_xml_cannot_hold_are_line_ends() -> None:
    cell = '<c r="K2" t="inlineStr"><is><t>零售_x000D_批发_x0041_</t></is></c>'
    (row,) = imported(with_cell(xlsx_of(licence_row(1)), "K2", cell)).rows
    assert row.facts is not None and row.facts["extend_info"]["business_scope"] == "零售\r批发_x0041_"


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, b"<x/>")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "reason", "said"),
    [
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "not_a_sheet", "PDF"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not_a_sheet", "PNG"),
        (b"Rar!\x1a\x07\x01\0", "not_a_sheet", "RAR"),
        ("<html><meta charset=gbk><table>证照编号".encode("gbk"), "web_page", "网页"),
        (b'\xef\xbb\xbf<?xml version="1.0"?><Workbook/>', "web_page", "XML"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600), "old_or_encrypted", ".xls"),
        ("证照编号,持证主体".encode("utf-32"), "unknown_encoding", "UTF-32"),
        ("证照编号,持证主体".encode("utf-16-le"), "not_text", "UTF-16"),
        (csv_of(licence_row(1), licence_row(2, 经营范围="a\0b")), "not_text", "第 3 行"),
        (zipped("mimetype", "content.xml"), "not_a_sheet", "OpenDocument"),
        (zipped("[Content_Types].xml", "word/document.xml"), "not_a_sheet", "Word"),
        (zipped("[Content_Types].xml", "xl/workbook.bin"), "not_a_sheet", ".xlsb"),
        (zipped("Index/Document.iwa"), "not_a_sheet", "Numbers"),
    ],
)
def test_what_is_no_sheet_is_called_by_its_name(data: bytes, reason: str, said: str) -> None:
    found, message = refusal(data)
    assert found == reason and said in message


def test_an_xlsx_of_the_strict_form_is_not_called_empty() -> None:
    usual, strict = (
        b"http://schemas.openxmlformats.org/spreadsheetml/2006/main",
        b"http://purl.oclc.org/ooxml/spreadsheetml/main",
    )
    data = xlsx_of(licence_row(1))
    for name in ("xl/workbook.xml", SHEET):
        data = patched(data, lambda content: content.replace(usual, strict), name)
    assert refusal(data)[0] == "strict_xlsx"


def test_documents_that_are_zips_are_no_bundles_of_files() -> None:
    assert not is_bundle(io.BytesIO(zipped("mimetype", "content.xml")))
    assert is_bundle(io.BytesIO(zipped("a.csv", "b.pdf")))


def test_a_first_sheet_without_a_header_names_the_sheets_that_were_not_read() -> None:
    book = openpyxl.load_workbook(io.BytesIO(xlsx_of(licence_row(1))))
    book.create_sheet("填写说明", 0).append(["请逐行填写"])
    out = io.BytesIO()
    book.save(out)
    reason, message = refusal(out.getvalue())
    assert reason == "no_header" and "只读取第一个可见的工作表" in message


def filled(where: str, value: object, form: str = "General") -> bytes:
    """A row in order, but for one cell and the form in which it is shown."""
    book = openpyxl.load_workbook(io.BytesIO(xlsx_of(licence_row(1))))
    book.active[where] = value
    book.active[where].number_format = form
    # So that styles do not stand at the same places everywhere.
    book.active["B1"].fill = PatternFill("solid", fgColor="FFFF00")
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_zeros_that_only_a_format_shows_are_not_lost_silently() -> None:
    for form in ("00000000000000000000", "000000", '0000"-"0000', "00"):
        assert [(row, reason) for row, reason, _ in faults(filled("A2", 50000002026, form))] == [(2, "kept_as_number")]
    for form in ("General", "0", "0.00", "#,##0", "yyyy-mm-dd"):
        assert "只是显示格式" not in str(faults(filled("H2", 46027, form)))
    # Text in such a cell is what it is.
    assert faults(filled("H2", "00012", "000000")) == []


def test_what_a_spreadsheet_took_for_a_day_is_no_text() -> None:
    (fault,) = faults(filled("H2", date(2026, 3, 5), "yyyy-mm-dd"))
    assert fault[:2] == (2, "kept_as_date") and "2026-03-05" in fault[2]
    assert faults(filled("H2", time(9, 30), "hh:mm"))[0][1] == "kept_as_date"
    assert faults(filled("D2", date(2026, 3, 5), "yyyy-mm-dd")) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [("示例\ufffd公司", "garbled"), ("示例\x07甲", "control_character"), ("甲\x7f", "control_character")],
)
def test_characters_that_nobody_wrote_refuse_their_row(text: str, reason: str) -> None:
    header = "法定代表人（负责人、经营者）"
    assert [(row, told) for row, told, _ in faults(csv_of(licence_row(1, **{header: text})))] == [(2, reason)]
    assert faults(csv_of(licence_row(1, **{header: "示例𬭎·甲（女）"}))) == []


@pytest.mark.parametrize(
    ("data", "reason", "said"),
    [
        (b'[\n {"a": 1}]', "not_a_sheet", "JSON"),
        (b'\xef\xbb\xbf{"a": 1}\n{"a": 2}\n', "not_a_sheet", "JSON"),
        (b"{\\rtf1 text}", "not_a_sheet", "RTF"),
        (b"MIME-Version: 1.0\r\n\r\n<html>", "not_a_sheet", ".mht"),
        (b"ID;PWXL;N;E\r\n", "not_a_sheet", "SYLK"),
        (b'TABLE\r\n0,1\r\n"EXCEL"\r\n', "not_a_sheet", "DIF"),
        (b"\x09\x08\x08\x00\x00\x05\x05\x00" + bytes(100), "old_or_encrypted", "很旧的 .xls"),
    ],
)
def test_other_forms_of_text_are_called_by_their_names(data: bytes, reason: str, said: str) -> None:
    assert refusal(data)[0] == reason and said in refusal(data)[1]


def test_an_empty_first_sheet_says_that_it_is_not_the_file_that_is_empty() -> None:
    book = openpyxl.load_workbook(io.BytesIO(xlsx_of(licence_row(1))))
    book.create_sheet("封面", 0)
    out = io.BytesIO()
    book.save(out)
    told, message = refusal(out.getvalue())
    assert told == "empty_file" and "第一个可见的工作表中没有内容" in message and "工作表“Sheet”未读取" in message
