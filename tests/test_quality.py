"""Figures of quality: rates that show what they are made of, and faults that name what to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pytest
from api_office import ISSUER, LICENCE, USER, OpenOffice, open_office, reason, register, settings_in
from hypothesis import given
from hypothesis import strategies as st
from registry_house import CARE, FOOD, MARKET, House, actor, food

from api.imports.guarded import exact, neutral
from api.pages.sparklines import HEIGHT, WIDTH, sparkline
from registry.catalogue.rules import compile_definition
from registry.catalogue.service import builtin_definitions
from registry.certificates.tables import Certificate
from registry.errors import InvalidDraftError, NotPermittedError
from registry.quality import rules, trends
from registry.quality import service as quality
from registry.quality.rules import Figures, Ratio
from verifier.identifiers import make_identifier

pytest_plugins = ["registry_fixtures"]

NOVEMBER = date(2026, 11, 1)
DEFINITION = compile_definition(next(one for one in builtin_definitions() if one["code"] == FOOD))
GOOD: dict[str, Any] = {
    "certificate_identifier": make_identifier(FOOD, MARKET, "202600001", 1), "certificate_name": "食品经营许可证",
    "certificate_type_code": FOOD, "certificate_number": "JY20000000000001", "certificate_version": "001",
    "issuing_authority_name": "示例局", "issuing_authority_code": MARKET, "define_authority_name": "示例总局",
    "define_authority_code": FOOD[:18], "issue_date": "20261120", "valid_from": "20261120", "valid_to": "20311119",
    "area_code": "310105",
    "holders": [{"holder_name": "示例", "holder_code": "91310105MA1FWT014B", "holder_code_type_code": "001"}],
    "extend_info": dict(food().extend_info),
}  # fmt: skip
HOLDER = GOOD["holders"][0]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"area_code": " "}, [("element_missing", "area_code")]),
        ({"extend_info": {**GOOD["extend_info"], "premises": ""}}, [("element_missing", "extend_info.premises")]),
        ({"extend_info": {**GOOD["extend_info"], "items": []}}, [("element_missing", "extend_info.items")]),
        ({"holders": [{**HOLDER, "holder_name": None}]}, [("element_missing", "holders[0].holder_name")]),
        (
            {"certificate_identifier": GOOD["certificate_identifier"][:-1] + "?"},
            [("identifier_wrong", "certificate_identifier")],
        ),
        (
            {"holders": [{**HOLDER, "holder_code": "91310105MA1FWT014C"}]},
            [("holder_number_wrong", "holders[0].holder_code")],
        ),
        ({"issue_date": "20260231"}, [("date_wrong", "issue_date")]),
        ({"valid_to": "20261301"}, [("date_wrong", "valid_to")]),
        ({"valid_to": "20261119"}, [("dates_reversed", "valid_to")]),
        ({"valid_to": "20270101"}, [("validity_wrong", "valid_to")]),
        ({"issue_date": "20261123"}, [("issued_after_registration", "issue_date")]),
    ],
)
def test_each_fault_is_named_with_its_field_and_the_good_face_has_none(
    change: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    found = rules.faults({**GOOD, **change}, DEFINITION, date(2026, 11, 22))
    assert [(one.rule, one.field) for one in found] == expected
    assert all(one.message and one.action for one in found)


@given(st.integers(0, 10**6), st.one_of(st.none(), st.integers(0, 10**6)))
def test_no_rate_is_of_more_than_all_and_nothing_of_nothing_is_no_rate(registered: int, should: int | None) -> None:
    ratio = rules.pooled(registered, should)
    assert (ratio is None) == (should is None)
    if ratio is not None:
        assert ratio.numerator <= ratio.denominator
        assert (ratio.rate is None) == (should == 0)
    with pytest.raises(ValueError, match="of"):
        Ratio(registered + 1, registered)


@given(st.lists(st.integers(0, 60), min_size=1), st.integers(1, 100))
def test_a_percentile_from_counts_is_that_of_the_sorted_values(values: list[int], percent: int) -> None:
    counts = {value: values.count(value) for value in values}
    assert rules.percentile(counts, percent) == sorted(values)[-(-len(values) * percent // 100) - 1]
    assert rules.percentile({}, percent) is None


@pytest.mark.parametrize("text", ["2026-13", "2026-1", "202601", "1999-01", "２０26-01", ""])
def test_a_month_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidDraftError):
        rules.month_of(text)
    assert rules.month_after(rules.month_of("2026-12")) == date(2027, 1, 1)


def issued(house: House, number: int, day: str) -> str:
    last = f"{int(day[:4]) + 5}{day[4:]}"
    return house.certificate(food(number, issue_date=day, valid_from=day, valid_to=last)).id


def only(found: list[Figures]) -> Figures:
    [one] = found
    return one


def test_a_month_is_counted_in_days_of_shanghai_and_the_next_month_apart(house: House) -> None:
    issued(house, 1, "20261122")
    issued(house, 2, "20261113")
    issued(house, 3, "20261031")
    house.clock.pass_by(hours=13)
    issued(house, 4, "20261122")
    one = only(house.see(quality.figures, NOVEMBER))
    assert (one.type_code, one.department, one.registered, one.historic) == (FOOD, MARKET, 3, False)
    # The fourth was registered at 01:00 of the 23rd in Shanghai, though it was still the 22nd in UTC.
    assert one.on_time == Ratio(1, 3)
    assert (one.delay_median, one.delay_p90) == (1, 5)
    assert (one.complete, one.accurate) == (Ratio(3, 3), Ratio(3, 3))
    assert one.pooled is None
    earlier = only(house.see(quality.figures, date(2026, 10, 1)))
    assert (earlier.registered, earlier.historic) == (1, True)
    assert house.see(quality.figures, date(2026, 9, 1)) == []
    assert house.see(quality.newest_month, None) == NOVEMBER


def test_a_report_gives_the_rate_and_its_correction_takes_its_place(house: House) -> None:
    house.do(quality.report, FOOD, NOVEMBER, 4, "办件统计")
    assert only(house.see(quality.figures, NOVEMBER)).pooled == Ratio(0, 4)
    issued(house, 1, "20261122")
    issued(house, 2, "20261122")
    assert only(house.see(quality.figures, NOVEMBER)).pooled == Ratio(2, 4)
    house.do(quality.report, FOOD, NOVEMBER, 1, "更正")
    one = only(house.see(quality.figures, NOVEMBER))
    assert (one.pooled, one.beyond_report) == (Ratio(1, 1), 1)


def test_a_report_needs_a_registrar_with_the_scope_and_a_month_that_has_begun(house: House) -> None:
    for who in (actor(CARE), actor(MARKET, "window"), actor(None)):
        with pytest.raises(NotPermittedError):
            house.do(quality.report, FOOD, NOVEMBER, 1, "办件统计", who=who)
    for month, count, source in ((date(2026, 12, 1), 1, "统计"), (NOVEMBER, -1, "统计"), (NOVEMBER, 1, " ")):
        with pytest.raises(InvalidDraftError):
            house.do(quality.report, FOOD, month, count, source)
    assert house.see(quality.figures, NOVEMBER) == []


def test_a_registrar_sees_the_own_department_and_an_auditor_all(house: House) -> None:
    issued(house, 1, "20261122")
    assert house.do(quality.figures, NOVEMBER, who=actor(CARE, "registrar")) == []
    assert len(house.do(quality.figures, NOVEMBER, who=actor(CARE, "auditor"))) == 1
    with pytest.raises(NotPermittedError):
        house.do(quality.findings, NOVEMBER, FOOD, MARKET, who=actor(CARE, "registrar"))


def test_what_is_wrong_in_stored_rows_is_counted_and_listed(house: House) -> None:
    broken = issued(house, 1, "20261122")
    issued(house, 2, "20261122")
    with house.work() as work:
        row = work.session.get_one(Certificate, broken)
        face = orjson.loads(row.face)
        face["area_code"], face["valid_to"] = "", "20200101"
        row.face = orjson.dumps(face)
    one = only(house.see(quality.figures, NOVEMBER))
    assert (one.complete, one.accurate) == (Ratio(1, 2), Ratio(1, 2))
    found = house.see(quality.findings, NOVEMBER, FOOD, MARKET)
    assert [(item.certificate_id, item.fault.rule) for item in found.items] == [
        (broken, "element_missing"), (broken, "dates_reversed"),
    ]  # fmt: skip
    assert (found.checked, found.more) == (2, False)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    folder: Path = tmp_path_factory.mktemp("quality")
    with open_office(settings_in(folder)) as office:
        yield office


def test_the_api_shows_numerator_and_denominator_and_takes_reports(office: OpenOffice) -> None:
    register(office, 1)
    address = "/api/v1/quality?month=2026-01"
    [one] = office.send("GET", address, "auditor", USER).json()["items"]
    assert (one["registered"], one["pooled"], one["should_issue"]) == (1, None, None)
    body = {"type_code": LICENCE, "month": "2026-01", "should_issue": 3, "source": "=办件统计"}
    assert office.send("POST", "/api/v1/quality/reports", "registrar", ISSUER, json=body).status_code == 201
    [one] = office.send("GET", address, "registrar", ISSUER).json()["items"]
    assert one["pooled"] == {"numerator": 1, "denominator": 3, "rate": pytest.approx(1 / 3)}
    assert office.send("GET", address, "registrar", USER).json()["items"] == []
    reason(office.send("GET", address, "window", ISSUER), 403)
    reason(office.send("POST", "/api/v1/quality/reports", "auditor", ISSUER, json=body), 403)
    reason(office.send("GET", "/api/v1/quality?month=2026-13", "auditor", ISSUER), 422)
    cell = f"/api/v1/quality/findings?month=2026-01&type={LICENCE}&department={ISSUER}"
    assert office.send("GET", cell, "registrar", ISSUER).json() == {"items": [], "checked": 1, "more": False}
    reason(office.send("GET", cell, "registrar", USER), 403)


def test_a_year_of_rates_is_that_of_its_months_and_of_what_the_actor_may_see(house: House) -> None:
    house.do(quality.report, FOOD, date(2026, 9, 1), 4, "办件系统")
    for number, day in ((1, "20260915"), (2, "20260930"), (3, "20261122")):
        issued(house, number, day)
    months = house.do(trends.trend, NOVEMBER, who=actor(None, "auditor"))
    assert [one.month for one in months][:1] == [date(2025, 12, 1)] and len(months) == 12
    by_month = {one.month: one for one in months}
    september, october, november = (by_month[date(2026, month, 1)] for month in (9, 10, 11))
    assert september.pooled == Ratio(2, 4) and september.on_time == Ratio(0, 2)
    assert september.complete == september.accurate == Ratio(2, 2)
    assert october.on_time.rate is october.pooled.rate is october.accurate.rate is None
    assert november.pooled == Ratio(0, 0) and november.on_time == Ratio(1, 1)
    own = house.do(trends.trend, NOVEMBER, who=actor(CARE, "registrar"))
    assert all(one.on_time == one.complete == Ratio(0, 0) for one in own)
    with pytest.raises(NotPermittedError):
        house.do(trends.trend, NOVEMBER, MARKET, who=actor(CARE, "registrar"))


def test_months_in_a_row_end_with_the_one_asked_for() -> None:
    assert rules.months_until(date(2026, 2, 1), 3) == [date(2025, 12, 1), date(2026, 1, 1), date(2026, 2, 1)]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=24))
def test_a_line_is_drawn_of_what_there_is_inside_its_drawing(parts: list[tuple[int, int]]) -> None:
    ratios = [Ratio(min(parts), max(parts)) for parts in parts]
    drawn = sparkline(ratios)
    assert len(drawn.dots) == sum(ratio.rate is not None for ratio in ratios)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in drawn.dots)
    assert 0 <= drawn.floor <= 90 and all(r.rate is None or r.rate * 100 >= drawn.floor for r in ratios)


def test_a_month_without_a_rate_parts_the_line() -> None:
    full, none = Ratio(1, 1), Ratio(0, 0)
    assert sparkline([full, full, none, full, full]).lines == ["5.0,5.0 62.5,5.0", "177.5,5.0 235.0,5.0"]
    assert sparkline([none, full]).lines == [] and sparkline([none, none]).dots == []


@given(st.text())
def test_no_exported_cell_begins_a_formula(text: str) -> None:
    cell = neutral(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert cell in (text, "'" + text)
    assert exact(text) in (cell, f'="{text}"') and (exact(text) == cell or text.isdigit())
