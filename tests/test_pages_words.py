"""How pages say what a period's end and a column mean, in both languages."""

from __future__ import annotations

from datetime import datetime

import pytest

from api.imports.columns import Column
from api.pages import times
from api.pages.register import column_expected
from api.pages.texts import Texts

CHINESE = Texts("zh")


@pytest.mark.parametrize(
    ("at", "written"),
    [("2026-12-26T16:00:00+00:00", "2026年12月26日"), ("2026-12-26T15:59:00+00:00", "2026年12月26日 23:59")],
)
def test_what_ends_at_midnight_lasts_through_the_day_before(at: str, written: str) -> None:
    assert times.end(datetime.fromisoformat(at), CHINESE) == written


@pytest.mark.parametrize(
    ("column", "english"),
    [
        (Column("extend_info.a", "住所", "text", True, "文本，最多 200 个字"), "text, at most 200 characters"),
        (Column("extend_info.b", "成立日期", "day", True, "日期，如 20260131"), "a day such as 20260131"),
        (Column("extend_info.c", "性别", "text", True, "男、女"), "男、女"),
        (Column("valid_to", "有效期截止", "last_day", True, "日期，或“长期”"), "a day, or 长期 (no expiry)"),
    ],
)
def test_what_a_column_expects_is_told_in_english_and_its_values_stay(column: Column, english: str) -> None:
    assert column_expected(column, Texts("en")) == english
    assert column_expected(column, CHINESE) == column.expected
