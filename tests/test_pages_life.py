"""The life of a certificate on its page: how it stood on a day, its versions, and the way back."""

from __future__ import annotations

import dataclasses
import os
from datetime import timedelta

import pytest
from pages_site import Watched, clerk_of, draft
from playwright.sync_api import expect

from api.pages.times import SHANGHAI
from registry.certificates import service as certificates

pytest_plugins = ("pages_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.slow]
PICTURES = os.environ.get("SUIZHENG_PICTURES")


def _picture(desk: Watched, name: str) -> None:
    if PICTURES:
        desk.page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True)
        desk.page.set_viewport_size({"width": 390, "height": 844})
        desk.page.screenshot(path=f"{PICTURES}/{name}-phone.png", full_page=True)


def test_the_page_tells_how_a_certificate_stood_on_a_day_and_offers_the_way_back(desk: Watched) -> None:
    page, services = desk.page, desk.site.services
    with services.registry.begin(clerk_of(services)) as work:
        old = certificates.register(work, draft(desk.site.types[1], "05000000202611260001"))
        successor = dataclasses.replace(
            draft(desk.site.types[1], "05000000202611260002"), associated_identifier=old.identifier
        )
        new = certificates.register(work, successor)
        ten_days_ago = work.at - timedelta(days=10)
        certificates.change_status(work, new.id, "suspend", "抽查发现问题", None, ten_days_ago, "沪长市监〔2026〕12号")
    desk.log_in("lin")
    page.goto(f"/certificates/{new.id}")
    days = page.locator("#as-of-day")
    expect(days).to_contain_text("已暂扣")
    expect(days).to_contain_text("沪长市监〔2026〕12号")
    days.get_by_label("日期").fill((ten_days_ago - timedelta(days=1)).astimezone(SHANGHAI).date().isoformat())
    days.get_by_role("button", name="查看").click()
    expect(days).to_contain_text("到当日为止没有状态变更")
    expect(days.locator(".tone-valid")).to_have_count(1)
    _picture(desk, "certificate")
    expect(page.get_by_text("可以恢复：暂扣发还")).to_be_visible()
    assert page.get_by_label("办理事项").input_value() == "return"
    page.get_by_label("事由").fill("整改合格，予以发还。")
    desk.scripted()
    page.locator("details").get_by_role("button", name="变更状态").click()
    page.get_by_role("dialog").get_by_role("button", name="确认变更").click()
    expect(days).to_contain_text("有效")
    expect(page.get_by_text("可以恢复")).to_have_count(0)
    page.get_by_role("link", name=old.identifier).click()
    expect(page.locator("h2#versions")).to_be_visible()
    expect(page.get_by_role("link", name=new.identifier)).to_be_visible()
    page.goto(f"/certificates/{old.id}?on=not-a-day")
    expect(page.locator("#as-of-day")).to_contain_text("已被新版本替代")
