"""The life of a certificate on its page: how it stood on a day, its versions, and the way back."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from pages_site import PICTURES, Watched, clerk_of, draft
from playwright.sync_api import expect

from api.pages.times import SHANGHAI
from registry.catalogue import local_codes
from registry.certificates import service as certificates
from registry.work import REGISTRY
from verifier.status import Status

pytest_plugins = ("pages_fixtures",)
OPERATOR = "11310105MB9T00011M"
pytestmark = [pytest.mark.browser, pytest.mark.slow]


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
    way_back = page.get_by_role("link", name="暂扣发还")
    expect(page.locator(".changes li").first.get_by_role("link")).to_have_text("暂扣发还")
    way_back.click()
    page.get_by_label("事由").fill("整改合格，予以发还。")
    desk.scripted()
    page.get_by_role("button", name="办理暂扣发还").click()
    page.get_by_role("dialog").get_by_role("button", name="确认暂扣发还").click()
    expect(days).to_contain_text("有效")
    expect(way_back).to_have_count(0)
    page.get_by_role("link", name=old.identifier).click()
    expect(page.locator("h2#versions")).to_be_visible()
    expect(page.get_by_role("link", name=new.identifier)).to_be_visible()
    page.goto(f"/certificates/{old.id}?on=not-a-day")
    expect(page.locator("#as-of-day")).to_contain_text("已被新版本替代")


def test_each_operation_is_done_by_keyboard_on_a_page_that_says_what_follows(desk: Watched) -> None:
    page, services = desk.page, desk.site.services
    with services.registry.begin(clerk_of(services)) as work:
        one = certificates.register(work, draft(desk.site.types[1], "05000000202611260011"))
    desk.log_in("lin")
    page.goto(f"/certificates/{one.id}")
    offered = page.locator(".changes a").all_inner_texts()
    # This licence is 长期: it is neither renewed nor does it lapse.
    assert offered == ["变更", "暂扣", "注销", "撤销", "吊销", "办理转出", "挂失"]
    page.set_viewport_size({"width": 390, "height": 844})
    page.get_by_role("link", name="吊销").press("Enter")
    expect(page.get_by_role("listitem").filter(has_text="没有恢复的办法")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    desk.scripted()
    page.get_by_label("事由").press_sequentially("多次违法经营，情节严重。")
    page.get_by_label("决定机关代码").fill("not-a-code")
    page.get_by_label("决定机关代码").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="确认吊销").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("作出决定的机关")
    assert page.get_by_label("事由").input_value() == "多次违法经营，情节严重。"
    _picture(desk, "change-refused")
    page.set_viewport_size({"width": 390, "height": 844})
    desk.scripted()
    page.get_by_label("决定机关代码").fill("11310105MB9T00011M")
    page.get_by_label("决定机关代码").press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="确认吊销").press("Enter")
    expect(page.get_by_text("没有可以再办理的事项，也没有恢复的办法")).to_be_visible()
    _picture(desk, "certificate-closed")
    answer = page.goto(f"/certificates/{one.id}/changes/return")
    assert answer is not None and answer.status == 409
    expect(page.get_by_text("不能办理“暂扣发还”")).to_be_visible()


def test_a_change_begins_with_the_old_face_and_takes_its_place(desk: Watched) -> None:
    page, services = desk.page, desk.site.services
    with services.registry.begin(clerk_of(services)) as work:
        old = certificates.register(work, draft(desk.site.types[1], "05000000202611260021"))
    desk.log_in("lin")
    page.goto(f"/certificates/{old.id}/changes/change")
    _picture(desk, "change")
    page.get_by_role("link", name="填写新证照").click()
    assert page.get_by_label("证照版本号").input_value() == "002"
    assert page.get_by_label("关联证照标识").input_value() == old.identifier
    page.get_by_label("住所").fill("上海市长宁区虹桥路 1000 号 5 层")
    desk.scripted()
    page.get_by_role("button", name="登记", exact=False).last.click()
    expect(page.get_by_role("article")).to_contain_text("1000 号 5 层")
    expect(page.locator("h2#versions")).to_be_visible()
    with services.registry.read(clerk_of(services)) as work:
        assert certificates.get(work, old.id).status == Status.SUPERSEDED


def test_windows_are_offered_no_operation_and_refused_its_page(desk: Watched) -> None:
    page = desk.page
    desk.log_in("wang")
    page.goto(f"/certificates/{desk.site.certificate_id}")
    expect(page.locator(".changes")).to_have_count(0)
    answer = page.goto(f"/certificates/{desk.site.certificate_id}/changes/revoke")
    assert answer is not None and answer.status == 403


def test_a_page_that_waits_for_its_anchor_shows_it_by_itself_and_asks_no_more(desk: Watched) -> None:
    page, services = desk.page, desk.site.services
    desk.log_in("wang")
    with services.registry.begin(clerk_of(services)) as work:
        item = certificates.register(work, draft(desk.site.types[1], "05000000202611260011")).id
    page.goto(f"/certificates/{item}")
    page.evaluate("window.isTheSame = true")
    page.locator("summary", has_text="提出异议").click()
    page.get_by_label("哪一项不对，应是什么").fill("还没有写完")
    expect(page.locator(".levels-anchored")).to_be_visible(timeout=60_000)
    expect(page.locator("[data-awaits]")).to_have_count(0)
    expect(page.locator(".walk-due")).to_have_count(0)
    assert page.evaluate("window.isTheSame")
    expect(page.get_by_label("哪一项不对，应是什么")).to_have_value("还没有写完")


def test_a_list_by_a_local_code_names_the_type_it_stands_for(desk: Watched) -> None:
    page, services, type_code = desk.page, desk.site.services, desk.site.types[1]
    with services.registry.begin(REGISTRY) as work:
        local_codes.add(work, type_code, "310105109000177")
    desk.log_in("lin")
    page.goto("/certificates?type=310105109000177")
    expect(page.get_by_label("证照类型")).to_have_value(type_code)
    page.goto("/certificates?type=310105109000178")
    expect(page.get_by_label("证照类型")).to_have_value("")
    page.goto(f"/quality/findings?month=2026-01&type={type_code}&department={OPERATOR}")
    expect(page.locator("main .lead")).to_contain_text("2026年1月")
