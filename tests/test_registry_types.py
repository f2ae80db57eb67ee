"""Drafts of certificate types: from rows to a published version, local codes, and what is disclosed to whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from registry_house import CARE, FOOD, MARKET, SENIOR, House, actor, food
from sqlalchemy import func, select

from registry.catalogue import drafting, local_codes, sheets
from registry.catalogue import service as catalogue
from registry.catalogue.field_rows import FieldRow
from registry.catalogue.patterns import WholePattern
from registry.catalogue.samples import sample_face
from registry.catalogue.tables import TypeDraft
from registry.certificates import masking
from registry.certificates import service as certificates
from registry.certificates.outcomes import Registered
from registry.departments import service as departments
from registry.errors import DuplicateError, InvalidDraftError, NotFoundError, TransitionError
from registry.imports import service as imports
from registry.imports.service import JobDraft
from registry.log.tables import LogEntry
from verifier.entry import Kind
from verifier.identifiers import mask_number

pytest_plugins = ["registry_fixtures"]

ROWS = (
    FieldRow("course", "培训课程", "choice", "急救、护理", required=True, example="急救"),
    FieldRow("hours", "学时", "integer", "1–500", required=True, example="16"),
    FieldRow("phone", "联系电话", "text", "^[0-9-]{7,20}$", "", mask="number", shown_to="auditor", example="62520000"),
)


def _filled(draft: TypeDraft, **changes: Any) -> sheets.Sheet:
    named = {"name": "培训合格证", "title": "培训合格证", "long_term": True, "rows": ROWS}
    return replace(drafting.sheet(draft), **{**named, **changes})


def _published(house: House, **changes: Any) -> str:
    draft = house.do(drafting.start)
    saved = house.do(drafting.save, draft.id, draft.revision, _filled(draft, **changes))
    return str(house.do(drafting.publish, draft.id, saved.revision).code)


def _types_logged(house: House) -> int:
    with house.work() as work:
        return work.session.scalars(select(func.count()).where(LogEntry.kind == int(Kind.TYPE))).one()


@pytest.mark.parametrize("definition", catalogue.builtin_definitions(), ids=lambda one: str(one["number"]))
def test_the_next_version_of_a_built_in_type_differs_in_its_face_alone(definition: dict[str, Any]) -> None:
    sheet = sheets.sheet_of(definition)
    assert sheets.sheet_from(sheets.sheet_json(sheet)) == sheet
    made = sheets.definition_of(sheet, definition["number"])
    assert made["face"]["fields"] == [row.name for row in sheet.rows]
    assert made["version"] == definition["version"] + 1
    schema = definition["schema"]
    assert made["schema"]["properties"] == schema["properties"]
    assert set(made["schema"]["required"]) == set(schema["required"])
    same = definition.keys() - {"version", "source", "schema"}
    assert {key: made[key] for key in same} == {key: definition[key] for key in same} | {"holder": made["holder"]}


def test_a_type_is_drafted_published_once_and_registered_under(house: House) -> None:
    before = _types_logged(house)
    code = _published(house)
    assert _types_logged(house) == before + 1
    definition = house.see(catalogue.definition_of, code)
    assert definition.version == 1 and definition.order == ("course", "hours", "phone")
    assert definition.layout is not None and definition.layout.title == "培训合格证"
    assert house.see(drafting.list_drafts) == []
    house.do(departments.grant_scope, MARKET, code, "issue")
    info = {"course": "急救", "hours": 16, "phone": "62520000"}
    draft = food(type_code=code, number="PX0001", valid_to="长期", extend_info=info)
    with pytest.raises(InvalidDraftError):
        house.do(certificates.register, replace(draft, extend_info={**info, "hours": 501}))


def test_what_was_registered_keeps_the_version_it_was_made_under(house: House) -> None:
    old, before = house.certificate(), house.see(catalogue.get_type, FOOD).version
    draft = house.do(drafting.start, FOOD)
    sheet = drafting.sheet(draft)
    assert house.do(drafting.start, FOOD).id == draft.id
    rows = tuple(replace(row, title="门店地址") if row.name == "premises" else row for row in sheet.rows)
    saved = house.do(drafting.save, draft.id, 1, replace(sheet, rows=rows, serial="999", kind="material"))
    # The code and the kind stay whatever is sent.
    assert drafting.sheet(saved).code == FOOD and drafting.sheet(saved).kind == "certificate"
    house.do(drafting.publish, draft.id, saved.revision)
    new = house.certificate(food(2))
    for item, version in ((old, before), (new, before + 1)):
        assert house.see(certificates.get, item.id).type_version == version
    title = [house.see(catalogue.definition_at, FOOD, n).schema.title(["premises"]) for n in (before, before + 1)]
    assert title == ["经营场所", "门店地址"]


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (replace(ROWS[0], name="Course"), "name"),
        (replace(ROWS[0], name="hours"), "name"),
        (replace(ROWS[0], title=""), "title"),
        (replace(ROWS[0], kind="colour"), "kind"),
        (replace(ROWS[0], form="急救、急救"), "form"),
        (replace(ROWS[0], kind="integer", form="9–1"), "form"),
        (replace(ROWS[0], kind="text", form="(["), "form"),
        (replace(ROWS[0], kind="text", form="", longest="much"), "longest"),
        (replace(ROWS[0], example="瑜伽"), "example"),
        (replace(ROWS[0], shown_to="none"), "mask"),
        (replace(ROWS[0], kind="other"), "kind"),
        # It heads a column of the templates, which a spreadsheet program would calculate.
        (replace(ROWS[0], title="=1+1"), "title"),
    ],
)  # fmt: skip
def test_a_fault_names_the_row_and_the_column(row: FieldRow, column: str) -> None:
    sheet = replace(
        sheets.Sheet(), name="甲", title="甲", definer_code=MARKET, definer_name="乙", serial="007", long_term=True
    )
    right = sheets.definition_of(replace(sheet, rows=ROWS), 7)
    assert right["schema"]["properties"]["hours"] == {
        "title": "学时", "type": "integer", "minimum": 1, "maximum": 500, "examples": [16],
    }  # fmt: skip
    with pytest.raises(InvalidDraftError) as refused:
        sheets.definition_of(replace(sheet, rows=(ROWS[1], row)), 7)
    assert [one.field for one in refused.value.errors] == [f"rows[1].{column}"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"definer_code": MARKET[:-1] + "X"}, "definer_code"),
        ({"serial": "7"}, "serial"),
        ({"name": ""}, "name"),
        ({"holder_types": ()}, "holder_types"),
        ({"holder_minimum": "2"}, "holder_maximum"),
        ({"long_term": False}, "minimum_years"),
        ({"minimum_years": "5", "maximum_years": "3"}, "maximum_years"),
        ({"number_pattern": "(["}, "number_pattern"),
        ({"number_pattern": ""}, "number_pattern"),
        ({"number_pattern": "a)|(b"}, "number_pattern"),
        ({"number_pattern": "^A[0-9]$", "number_example": "B1"}, "number_example"),
        ({"frame": "gold"}, "frame"),
        ({"rows": ()}, "rows"),
    ],
)  # fmt: skip
def test_a_fault_beside_the_rows_names_its_field(changes: dict[str, Any], field: str) -> None:
    sheet = sheets.Sheet(
        name="甲", title="甲", definer_code=MARKET, definer_name="乙", serial="007", long_term=True, rows=ROWS
    )
    with pytest.raises(InvalidDraftError) as refused:
        sheets.definition_of(replace(sheet, **changes), 7)
    assert field in [one.field for one in refused.value.errors]


def test_a_draft_is_taken_back_discarded_and_restored_and_nobody_saves_over_what_they_have_not_seen(
    house: House,
) -> None:
    draft = house.do(drafting.start)
    with pytest.raises(TransitionError):
        house.do(drafting.take_back, draft.id)
    saved = house.do(drafting.save, draft.id, 1, _filled(draft))
    with pytest.raises(DuplicateError) as stale:
        house.do(drafting.save, draft.id, 1, _filled(draft, footer="迟到的修改"))
    assert stale.value.reason == "draft_changed"
    with pytest.raises(DuplicateError):
        house.do(drafting.publish, draft.id, 1)
    assert drafting.sheet(house.do(drafting.take_back, draft.id)).name == ""
    again = house.do(drafting.take_back, draft.id)
    assert drafting.sheet(again) == drafting.sheet(saved)
    house.do(drafting.discard, draft.id)
    with pytest.raises(TransitionError) as gone:
        house.do(drafting.publish, draft.id, again.revision + 1)
    assert gone.value.reason == "draft_discarded"
    assert house.do(drafting.restore, draft.id).discarded_at is None
    with pytest.raises(NotFoundError):
        house.do(drafting.save, "0" * 26, 1, _filled(draft))


def test_a_code_that_is_taken_is_refused_and_the_draft_stays(house: House) -> None:
    draft = house.do(drafting.start)
    taken = _filled(draft, definer_code=SENIOR[:18], serial=SENIOR[18:])
    saved = house.do(drafting.save, draft.id, 1, taken)
    with pytest.raises(InvalidDraftError) as refused:
        house.do(drafting.publish, draft.id, saved.revision)
    assert refused.value.errors[0].field == "serial"
    assert house.see(drafting.get, draft.id).revision == saved.revision


def test_many_local_codes_stand_for_one_type_and_none_for_two(house: House) -> None:
    for code in ("310105109000100", "310105109000200"):
        house.do(local_codes.add, FOOD, code)
    assert house.do(local_codes.add, FOOD, "310105109000100").type_code == FOOD
    with pytest.raises(DuplicateError) as taken:
        house.do(local_codes.add, SENIOR, "310105109000100")
    assert taken.value.existing_id == FOOD
    with pytest.raises(InvalidDraftError):
        house.do(local_codes.add, FOOD, FOOD)
    made = house.do(certificates.register, food(type_code="310105109000100"))
    assert isinstance(made, Registered) and house.see(certificates.get, made.id).type_code == FOOD
    job = house.do(imports.create, JobDraft("310105109000200", "甲.csv", b"0" * 32, None))
    assert job.type_code == FOOD
    house.do(local_codes.remove, FOOD, "310105109000200")
    with pytest.raises(NotFoundError):
        house.do(local_codes.remove, FOOD, "310105109000200")
    with pytest.raises(NotFoundError):
        house.do(imports.create, JobDraft("310105109000200", "甲.csv", b"0" * 32, None))


def test_a_field_is_disclosed_to_the_roles_of_its_type_alone(house: House) -> None:
    code = _published(house, holder_types=("001",))
    house.do(departments.grant_scope, MARKET, code, "issue")
    house.do(departments.grant_scope, CARE, code, "use")
    info = {"course": "急救", "hours": 16, "phone": "62520000"}
    made = house.do(
        certificates.register, food(type_code=code, number="PX0001", valid_to="长期", extend_info=info)
    )  # fmt: skip

    def shown(*roles: str, department: str = CARE) -> str:
        row = house.see(certificates.get, made.id)
        face = house.do(masking.disclose, row, "核对", who=actor(department, *roles))
        assert face["extend_info"]["course"] == "急救"
        return str(face["extend_info"]["phone"])

    assert shown("auditor") == shown("registrar", department=MARKET) == "62520000"
    assert shown("window") == shown("registrar") == mask_number("62520000") != "62520000"


def test_a_sample_face_fits_its_own_schema() -> None:
    for definition in catalogue.builtin_definitions():
        compiled = sheets.rules.compile_definition(definition)
        face = sample_face(compiled, definition["number_example"] or "", date(2026, 1, 5))
        assert face["extend_info"].keys() == set(compiled.order)


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(?=a)(a|a)*$", r"^(a|a)*\1b$"])
def test_no_pattern_holds_up_whoever_judges_a_number_by_it(pattern: str) -> None:
    """Python's own engine would still be at it when everybody who reads this is retired."""
    assert not WholePattern(pattern).fullmatch("a" * 200 + "!")


def test_a_pattern_is_of_the_whole_number_with_and_without_its_ends() -> None:
    for pattern in ("A[0-9]", "^A[0-9]$", "A1|A2"):
        assert WholePattern(pattern).fullmatch("A1")
        assert not any(map(WholePattern(pattern).fullmatch, ("A12", "xA1", "A1\n", "")))


def doubling(levels: int) -> dict[str, Any]:
    """A schema in which each definition refers to the next one twice."""
    twice = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": {**twice, f"a{levels}": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/a0"}}}


def nested(levels: int) -> dict[str, Any]:
    inner: Any = 1
    for _ in range(levels):
        inner = [inner]
    return {"properties": {"a": {"title": "甲", "const": inner}}}


@pytest.mark.parametrize("make", [doubling, nested])
def test_a_schema_is_as_deep_and_as_many_times_itself_as_can_be_judged(make: Callable[[int], dict[str, Any]]) -> None:
    assert sheets.with_schema(sheets.Sheet(), make(7)).rows
    for levels in (40, 240):
        with pytest.raises(InvalidDraftError) as refused:
            sheets.with_schema(sheets.Sheet(), make(levels))
        assert [one.field for one in refused.value.errors] == ["schema"]


def test_receivers_that_are_no_levels_are_refused_with_their_field() -> None:
    for receivers in ([["a"]], [1], ["moon"], "district", {}):
        schema = {"properties": {"a": {"title": "甲", "type": "string", "x-disclose": receivers}}}
        sheet = replace(
            sheets.Sheet(), name="甲", title="甲", definer_code=MARKET, definer_name="乙", serial="007", long_term=True
        )
        with pytest.raises(InvalidDraftError) as refused:
            sheets.definition_of(sheets.with_schema(sheet, schema), 7)
        assert [one.field for one in refused.value.errors] == ["schema.a"]
