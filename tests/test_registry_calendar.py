"""Working days: the laws of counting, and a table that is refused line by line."""

from __future__ import annotations

from datetime import date, timedelta
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry_house import House, actor

from registry.calendar import rules, service
from registry.calendar.rules import Calendar
from registry.errors import InvalidDraftError, NotPermittedError

pytest_plugins = ["registry_fixtures"]

DAYS = st.dates(date(2026, 1, 1), date(2027, 12, 31))
CALENDARS = st.builds(
    Calendar, off=st.frozensets(DAYS, max_size=20), work=st.frozensets(DAYS.filter(lambda day: day.weekday() > 4))
)
SAMPLE = (resources.files("registry.calendar") / "sample.csv").read_text("utf-8")


@given(CALENDARS, DAYS, st.integers(0, 30), st.integers(0, 30))
def test_counting_twice_is_counting_the_sum(calendar: Calendar, day: date, first: int, second: int) -> None:
    assert calendar.after(calendar.after(day, first), second) == calendar.after(day, first + second)


@given(CALENDARS, DAYS, st.integers(1, 30))
def test_between_undoes_after_and_every_deadline_is_a_working_day(calendar: Calendar, day: date, count: int) -> None:
    last = calendar.after(day, count)
    assert calendar.is_working(last)
    assert calendar.between(day, last) == count
    assert calendar.between(day, last - timedelta(days=1)) == count - 1


@given(DAYS, st.integers(0, 30))
def test_a_holiday_never_makes_a_deadline_earlier_and_a_make_up_day_never_later(day: date, count: int) -> None:
    plain, friday, saturday = Calendar(), date(2026, 10, 2), date(2026, 10, 10)
    assert Calendar(off=frozenset((friday,))).after(day, count) >= plain.after(day, count)
    assert Calendar(work=frozenset((saturday,))).after(day, count) <= plain.after(day, count)


def test_a_make_up_saturday_is_worked_and_the_holiday_before_it_is_not() -> None:
    calendar = Calendar(frozenset((date(2026, 10, 1), date(2026, 10, 2))), frozenset((date(2026, 10, 10),)))
    assert calendar.after(date(2026, 9, 30), 1) == date(2026, 10, 5)
    assert calendar.after(date(2026, 10, 9), 1) == date(2026, 10, 10)
    assert Calendar().after(date(2026, 10, 9), 1) == date(2026, 10, 12)


def test_nothing_is_counted_backwards_and_a_broken_table_ends() -> None:
    with pytest.raises(ValueError, match="cannot"):
        Calendar().after(date(2026, 1, 1), -1)
    always = frozenset(date(2026, 1, 1) + timedelta(days=n) for n in range(100))
    with pytest.raises(ValueError, match="no working day"):
        Calendar(off=always).after(date(2026, 1, 1), 1)


def test_every_wrong_line_is_named_at_once() -> None:
    text = (
        "2026-02-30,休,甲\n2026-10-01,假,乙\n2025-10-01,休,丙\n2026-10-01,休,丁\n2026-10-01,休,丁\n2026-10-12,班,戊\n,"
    )
    with pytest.raises(InvalidDraftError) as refused:
        rules.parse_year(text, 2026)
    assert [error.row for error in refused.value.errors] == [1, 2, 3, 5, 6]


def test_the_sample_can_be_loaded_says_that_it_is_one_and_is_replaced_as_a_year(house: House) -> None:
    assert "不是官方安排" in SAMPLE
    assert house.do(service.load, 2031, SAMPLE, "示例") == 5
    assert not house.see(service.calendar).is_working(date(2031, 10, 1))
    assert house.see(service.calendar).is_working(date(2031, 10, 11))
    assert house.do(service.load, 2031, "2031-01-01,休,元旦（示例）", "示例") == 1
    assert house.see(service.calendar).is_working(date(2031, 10, 1))
    with pytest.raises(InvalidDraftError):
        house.do(service.load, 2031, "2031-01-02,？,元旦", "示例")
    assert not house.see(service.calendar).is_working(date(2031, 1, 1))


def test_only_an_administrator_loads_days(house: House) -> None:
    with pytest.raises(NotPermittedError):
        house.do(service.load, 2031, SAMPLE, "示例", who=actor(None, "registrar"))


def test_what_a_year_would_change_is_told_and_nothing_is_changed(house: House) -> None:
    house.do(service.load, 2031, "2031-10-01,休,国庆\n2031-10-02,休,国庆\n", "示例")
    wanted = "2031-10-02,休,国庆节\n2031-10-03,休,国庆\n"
    found = house.do(service.look, 2031, wanted, "示例")
    assert [(one.day.day, one.name) for one in found.coming] == [(2, "国庆节"), (3, "国庆")]
    assert [one.day.day for one in found.going] == [1]
    assert sorted(row.day.day for row in house.see(service.days) if row.day.year == 2031) == [1, 2]
    # The same again changes nothing, and another year is none of it.
    again = house.do(service.look, 2031, "2031-10-01,休,国庆\n2031-10-02,休,国庆\n", "示例")
    assert (again.coming, again.going) == ([], [])
    assert house.do(service.look, 2032, "2032-10-01,休,国庆\n", "示例").going == []
