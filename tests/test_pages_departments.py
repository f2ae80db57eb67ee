"""The administrator's page of departments, in a real browser."""

from __future__ import annotations

import pytest
from pages_site import Watched
from playwright.sync_api import expect

from verifier.times import shanghai_day

pytest_plugins = ("pages_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.slow]

CODE, NAME = "12310105MB9T00038A", "上海市长宁区民生服务中心（示例）"


def test_a_department_is_registered_granted_suspended_and_reinstated(desk: Watched) -> None:
    page = desk.page
    desk.log_in("chen")
    page.goto("/departments")
    operator = page.get_by_role("region", name="上海市长宁区政务服务办公室（示例）")
    expect(operator).to_contain_text("运行部门")
    # The department that runs the registry cannot be suspended here.
    expect(operator.locator("form[action$='/suspend']")).to_have_count(0)

    page.locator("summary", has_text="登记部门").click()
    page.get_by_label("统一社会信用代码").fill("12310105MB9T000380")
    page.get_by_label("部门名称").fill(NAME)
    page.get_by_label("简称").fill("民生中心")
    page.get_by_role("button", name="登记", exact=True).click()
    expect(page.locator("#code-error")).to_be_visible()
    expect(page.get_by_label("部门名称")).to_have_value(NAME)
    desk.scripted()
    page.get_by_label("统一社会信用代码").fill(CODE)
    page.get_by_role("button", name="登记", exact=True).click()
    page.wait_for_url("**/departments?done=department_registered")
    card = page.get_by_role("region", name=NAME)
    expect(card).to_contain_text("还没有权限")

    page.locator("summary", has_text="授予权限").click()
    page.get_by_label("所属部门").select_option(CODE)
    page.get_by_label("证照类型").select_option(index=1)
    page.get_by_label("起始日").fill("2026-01-02")
    page.get_by_label("截止日").fill("2026-01-01")
    page.get_by_role("button", name="授予", exact=True).click()
    expect(page.locator("#valid_to_on-error")).to_contain_text("早于")
    desk.scripted()
    page.get_by_label("截止日").fill("")
    page.get_by_role("button", name="授予", exact=True).click()
    page.wait_for_url("**/departments?done=scope_granted")
    expect(card.get_by_role("row")).to_have_count(2)
    expect(card).to_contain_text("不限")

    card.locator("summary", has_text="提前截止权限").click()
    # What must stop now is a suspension, which is one step away.
    card.get_by_role("link", name="改为暂停部门").press("Enter")
    expect(card.get_by_role("button", name="暂停部门")).to_be_visible()
    expect(card.locator("[id^=reason-]")).to_be_focused()
    card.locator("summary", has_text="暂停部门").click()
    card.get_by_label("哪一项权限").select_option(index=1)
    card.get_by_label("理由").first.fill("职责划转。")
    card.get_by_role("checkbox").first.check()
    card.get_by_label("最后一天").fill("2026-01-05")
    # The browser itself keeps a day before today.
    card.locator("form").first.evaluate("form => { form.noValidate = true; }")
    card.get_by_role("button", name="提前截止").click()
    expect(card.locator(".field-error")).to_contain_text("不能早于今天")
    expect(card.get_by_label("理由").first).to_have_value("职责划转。")
    desk.scripted()
    card.get_by_label("最后一天").fill(shanghai_day(desk.site.services.clock()).isoformat())
    card.get_by_role("checkbox").first.check()
    card.get_by_role("button", name="提前截止").click()
    page.wait_for_url("**/departments?done=scope_ended")
    expect(card).to_contain_text("已提前截止：职责划转。")
    # Nothing is left that could end earlier.
    expect(card.locator("summary", has_text="提前截止权限")).to_have_count(0)

    for action, state, done in (("暂停部门", "已暂停", "suspended"), ("恢复部门", "正常", "reinstated")):
        card.locator("summary", has_text=action).click()
        card.get_by_label("理由").fill("机构改革，职责划转。")
        button = card.get_by_role("button", name=action)
        button.click()
        # Unconfirmed, the browser keeps it.
        expect(button).to_be_visible()
        card.get_by_role("checkbox").check()
        button.click()
        page.wait_for_url(f"**/departments?done=department_{done}")
        expect(card.locator(".card-head .badge")).to_have_text(state)
        expect(card).to_contain_text("机构改革，职责划转。")


def test_a_decision_without_confirmation_or_role_is_refused(desk: Watched) -> None:
    desk.log_in("chen")
    refused = desk.page.request.post(
        f"/departments/{CODE}/suspend", form={"reason": "试"}, headers={"Origin": desk.site.url}
    )
    assert refused.status == 422 and "请先勾选确认" in refused.text()
    desk.context.clear_cookies()
    desk.log_in("lin")
    assert desk.page.request.get("/departments").status == 403
