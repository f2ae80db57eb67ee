"""Components: registered by file, moved, removed; faults reported by anybody and seen through; inspections."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from io import BytesIO, StringIO
from typing import Any

import openpyxl
import pytest
from api_office import ISSUER, USER, OpenOffice, open_office, reason, settings_in
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from registry_house import CARE, COMPANY, House, actor

from api.imports.components import COLUMNS, read_components, template
from api.imports.reading import read_sheet
from api.imports.sheets import SheetError
from codes import picture
from registry.codes import service as codes
from registry.components import rules
from registry.components import service as components
from registry.components.rules import ComponentDraft
from registry.errors import (
    DuplicateError,
    InvalidDraftError,
    LimitError,
    NotFoundError,
    NotPermittedError,
    TransitionError,
)
from registry.log.tables import LogEntry
from verifier.code import CodeKind, open_code
from verifier.commitment import reseal
from verifier.entry import Entry, Kind
from verifier.status import Status
from verifier.suites import SoftwareKey

pytest_plugins = ["registry_fixtures"]

KEY = SoftwareKey.from_seed(b"c" * 32)
LAMP = "3101050118000123"


def lamp(code: str = LAMP, **changes: Any) -> ComponentDraft:
    facts = {"code": code, "place": "仙霞路 100 号东侧", "unit": COMPANY, "unit_name": "示例照明所"}
    return ComponentDraft(**{**facts, **changes})


def sheet(*rows: tuple[str, ...]) -> bytes:
    out = StringIO()
    csv.writer(out).writerows([[titles[0] for titles in COLUMNS.values()], *rows])
    return out.getvalue().encode()


# Registering.


def test_a_label_says_what_stands_where_and_its_entry_proves_it(house: House) -> None:
    row = house.do(components.register, lamp(), KEY)
    code = house.see(codes.get, row.code_id)
    kind, message, claims = open_code(code.text)
    message.check(KEY.public)
    assert (kind, claims.name, claims.subject, claims.place) == (
        CodeKind.COMPONENT, "路灯", LAMP, "仙霞路 100 号东侧",
    )  # fmt: skip
    with house.registry.read(actor()) as work:
        logged = work.session.get_one(LogEntry, row.entry_id)
    entry = Entry.from_bytes(logged.payload or b"")
    assert (entry.kind, dict(entry.facts)) == (Kind.COMPONENT, {"code": LAMP, "event": "registered"})
    assert reseal(row.content, row.salts).digest == entry.digest
    with pytest.raises(DuplicateError):
        house.do(components.register, lamp(place="别处"), KEY)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"code": LAMP[:-1]}, "wrong_form"),
        ({"code": LAMP[:-1] + "３"}, "wrong_form"),
        ({"code": "3101059918000123"}, "unknown_class"),
        ({"code": "3101050199000123"}, "name_missing"),
        ({"place": " "}, "wrong_length"),
        ({"place": "号" * 61}, "wrong_length"),
        ({"unit": COMPANY[:-1] + "C"}, "wrong_check_character"),
        ({"unit_name": ""}, "wrong_length"),
    ],
)
def test_a_component_with_a_fault_is_refused(changes: dict[str, Any], fault: str) -> None:
    assert [error.reason for error in rules.check_draft(lamp(**changes))] == [fault]
    assert rules.check_draft(lamp()) == []


def test_an_unlisted_small_class_needs_a_name_of_its_own() -> None:
    assert rules.check_draft(lamp("3101050199000123", name="智慧灯杆")) == []


@given(st.text(max_size=20))
def test_no_code_makes_the_rules_stumble(code: str) -> None:
    rules.check_draft(lamp(code))


def test_a_file_registers_what_is_in_order_names_the_rest_and_may_come_again(house: House) -> None:
    drafts = [(2, lamp()), (3, lamp("3101050118000124")), (4, lamp(place="")), (5, lamp(place="别处"))]
    done = house.do(components.register_many, drafts, KEY)
    assert [row.code for row in done.new] == [LAMP, "3101050118000124"]
    assert [(error.row, error.reason) for error in done.errors] == [(4, "wrong_length"), (5, "component_known")]
    again = house.do(components.register_many, drafts[:2], KEY)
    assert (len(again.new), len(again.known), again.errors) == (0, 2, ())
    other = house.do(components.register_many, drafts[:1], KEY, who=actor(CARE))
    assert [error.reason for error in other.errors] == ["component_known"]


def test_moving_and_removing_end_the_label_that_hangs_there(house: House) -> None:
    row = house.do(components.register, lamp(), KEY)
    first = row.code_id
    moved = house.do(components.move, LAMP, "仙霞路 120 号", KEY)
    assert house.see(codes.get, first).status == Status.SUPERSEDED
    assert open_code(house.see(codes.get, moved.code_id).text)[2].place == "仙霞路 120 号"
    with pytest.raises(NotPermittedError):
        house.do(components.remove, LAMP, who=actor(CARE))
    house.do(components.remove, LAMP)
    house.do(components.remove, LAMP)
    assert house.see(codes.get, moved.code_id).status == Status.REVOKED
    for use_case, args in ((components.report_fault, ("不亮",)), (components.inspect, ("ok",))):
        with pytest.raises(TransitionError):
            house.do(use_case, LAMP, *args)
    assert [row.code for row in house.see(components.list_page, None)] == [LAMP]


# Faults and inspections.


def test_a_fault_goes_from_open_to_handled_to_closed_and_no_other_way(house: House) -> None:
    house.do(components.register, lamp(), KEY)
    fault = house.do(components.report_fault, LAMP, "灯不亮")
    for use_case, args in ((components.close_fault, ()),):
        with pytest.raises(TransitionError):
            house.do(use_case, fault.id, *args)
    with pytest.raises(NotPermittedError):
        house.do(components.handle_fault, fault.id, "已换灯泡", who=actor(CARE))
    with pytest.raises(InvalidDraftError):
        house.do(components.handle_fault, fault.id, " ")
    assert house.do(components.handle_fault, fault.id, "已换灯泡").state == "handled"
    with pytest.raises(TransitionError):
        house.do(components.handle_fault, fault.id, "再换")
    assert [one.id for one, _ in house.see(components.list_faults, None)] == [fault.id]
    assert house.do(components.close_fault, fault.id).state == "closed"
    assert house.see(components.list_faults, None) == []
    assert [one.id for one, _ in house.see(components.list_faults, None, closed=True)] == [fault.id]
    with pytest.raises(NotFoundError):
        house.do(components.report_fault, "3101050118999999", "没有这盏灯")


def test_many_reports_of_one_lamp_are_bounded(house: House) -> None:
    house.do(components.register, lamp(), KEY)
    for _ in range(rules.MAX_OPEN_FAULTS):
        fault = house.do(components.report_fault, LAMP, "灯不亮")
    with pytest.raises(LimitError):
        house.do(components.report_fault, LAMP, "灯不亮")
    house.do(components.handle_fault, fault.id, "已处置")
    assert house.do(components.report_fault, LAMP, "又不亮了")


def test_an_inspection_that_found_something_says_what(house: House) -> None:
    house.do(components.register, lamp(), KEY)
    row = house.see(components.get, LAMP)
    assert house.do(components.inspect, LAMP, "ok")
    for result, note in (("damaged", ""), ("fine", "x")):
        with pytest.raises(InvalidDraftError):
            house.do(components.inspect, LAMP, result, note)
    assert house.do(components.inspect, LAMP, "damaged", "灯罩破裂")
    assert [one.result for one in house.see(components.inspections_of, row)] == ["damaged", "ok"]
    with pytest.raises(NotPermittedError):
        house.do(components.inspect, LAMP, "ok", who=actor(CARE))


# Files.


def test_a_sheet_is_read_by_its_titles_and_a_spoiled_number_is_named() -> None:
    rows = ((LAMP, "", "仙霞路 100 号东侧", COMPANY.lower(), "示例照明所"),)
    read = read_components(read_sheet(sheet(*rows)))
    assert (read.drafts, read.errors) == ([(2, lamp())], [])
    book = openpyxl.Workbook()
    book.active.append([titles[0] for titles in COLUMNS.values()])
    book.active.append([float(LAMP), None, "某处", COMPANY, "示例"])
    out = BytesIO()
    book.save(out)
    spoiled = read_components(read_sheet(out.getvalue()))
    assert [(one.row, one.reason) for one in spoiled.errors] == [(2, "spoiled_number")]
    assert read_components(read_sheet(template() + sheet(*rows).split(b"\n", 1)[1])).drafts == [(2, lamp())]


@pytest.mark.parametrize("data", ["a,b\n1,2\n", "部件标识码,位置\n1,2\n", "部件标识码,位置,权属单位代码,权属单位\n"])
def test_a_sheet_without_its_columns_or_rows_is_refused_whole(data: str) -> None:
    with pytest.raises(SheetError):
        read_components(read_sheet(data.encode()))


def test_a_photo_keeps_no_place_and_no_bomb_gets_in() -> None:
    image, out = Image.new("RGB", (4000, 3000), "grey"), BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "SomePhone"
    exif.get_ifd(0x8825)[1] = "N"
    image.save(out, "JPEG", exif=exif)
    assert b"SomePhone" in out.getvalue()
    kept = picture.photo(out.getvalue())
    small = Image.open(BytesIO(kept))
    assert max(small.size) <= picture.PHOTO_SIDE and not small.getexif() and b"SomePhone" not in kept
    for bad in (b"", b"<svg/>", out.getvalue()[:500], b"GIF89a"):
        with pytest.raises(picture.PictureError):
            picture.photo(bad)


# Over HTTP.


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    folder = tmp_path_factory.mktemp("components")
    with open_office(settings_in(folder, reports_per_minute=8)) as office:
        yield office


def body(code: str = LAMP, **more: Any) -> dict[str, Any]:
    return {"code": code, "place": "仙霞路 100 号东侧", "unit": COMPANY, "unit_name": "示例照明所", **more}


def test_anybody_sees_it_and_reports_a_fault_and_its_department_sees_it_through(office: OpenOffice) -> None:
    made = office.send("POST", "/api/v1/components", "venue", json=body())
    assert made.status_code == 201
    text = office.send("GET", f"/api/v1/codes/{made.json()['code_id']}", "venue").json()["text"]
    verdict = office.client.post("/api/v1/verifications", json={"text": text}).json()
    assert (verdict["state"], verdict["subject"]["place"]) == ("valid", "仙霞路 100 号东侧")
    shown = office.client.get(f"/api/v1/components/{LAMP}").json()
    assert (shown["class_name"], shown["unit_name"]) == ("公用设施类", "示例照明所") and "unit" not in shown
    fault = office.client.post(f"/api/v1/components/{LAMP}/faults", json={"description": "灯不亮"})
    assert fault.status_code == 201
    path = f"/api/v1/faults/{fault.json()['id']}"
    assert reason(office.send("POST", f"{path}/handling", "venue", USER, json={"handling": "x"}), 403)
    assert office.send("POST", f"{path}/handling", "venue", json={"handling": "已换"}).json()["state"] == "handled"
    assert office.send("POST", f"{path}/closing", "venue").json()["state"] == "closed"
    assert office.send("GET", "/api/v1/faults", "venue", ISSUER).json()["items"] == []


def test_the_anonymous_are_slowed_down_and_the_staff_are_not(office: OpenOffice) -> None:
    answers = [
        office.client.post("/api/v1/components/3101050118000999/faults", json={"description": "x"}) for _ in range(9)
    ]
    assert answers[-1].status_code == 429 and "Retry-After" in answers[-1].headers
    known = office.send("POST", "/api/v1/components/3101050118000999/faults", "venue", json={"description": "x"})
    assert reason(known, 404) == "component_unknown"


def test_several_at_once_are_told_apart_by_row(office: OpenOffice) -> None:
    items = [body("3101050118000201"), body("3101050118000202", place="")]
    done = office.send("POST", "/api/v1/components/batch", "venue", json={"items": items}).json()
    assert (done["new"], [(one["row"], one["field"]) for one in done["errors"]]) == (1, [(2, "place")])
