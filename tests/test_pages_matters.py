"""The pages of matters, in a real browser: register, change, bring back, retire, and what a window sees of it."""

from __future__ import annotations

import pytest
from pages_site import Watched
from playwright.sync_api import expect

from api.pages import wording
from registry.catalogue import service as catalogue
from registry.catalogue.rules import Slot
from registry.work import REGISTRY

pytest_plugins = ("pages_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.slow]

CODE, NAME = "CN-PAGES-01", "示例事项：场所变更"


def test_a_matter_is_registered_changed_brought_back_and_retired(desk: Watched) -> None:
    page = desk.page
    desk.log_in("chen")
    page.goto("/matters")
    page.get_by_role("link", name="登记事项").click()
    page.get_by_label("事项编码").fill(CODE)
    page.get_by_label("办理部门").select_option(index=1)
    page.get_by_label("事项名称").fill(NAME)
    page.get_by_label("用途").fill("办理场所变更")
    first = page.locator("#slot-0")
    first.get_by_label("材料项名称").fill("主体资格证明")
    page.get_by_role("button", name="增加一项材料").click()
    # What was typed is still there, and the new slot has a code of its own.
    expect(page.get_by_label("事项名称")).to_have_value(NAME)
    second = page.locator("#slot-1")
    expect(second.get_by_label("材料项编码")).to_have_value("CL02")
    second.get_by_label("材料项名称").fill("居住情况证明")
    second.get_by_label("居住情况证明（一次性）").check()
    second.get_by_label("办理时必须有").uncheck()
    page.get_by_role("button", name="登记", exact=True).click()
    # Nothing fills the first slot yet.
    expect(first.locator(".field-error")).to_be_visible()
    expect(second.get_by_label("居住情况证明（一次性）")).to_be_checked()
    desk.scripted()
    first.get_by_label("营业执照").check()
    first.get_by_label("所需字段").fill("certificate_number，extend_info.address")
    page.get_by_role("button", name="登记", exact=True).click()
    page.wait_for_url(f"**/matters/{CODE}?done=matter_registered")
    expect(page.get_by_role("row", name="主体资格证明")).to_contain_text("extend_info.address")
    expect(page.get_by_role("row", name="居住情况证明 CL02")).to_contain_text("可选")

    page.get_by_role("link", name="修改事项").click()
    page.locator("#slot-1").get_by_role("button", name="移除").click()
    expect(page.locator("#slot-1")).to_have_count(0)
    page.get_by_role("button", name="保存").click()
    page.wait_for_url(f"**/matters/{CODE}?done=matter_changed")
    expect(page.get_by_role("row", name="居住情况证明 CL02")).to_have_count(0)
    page.locator("summary", has_text="此前各版").click()
    page.get_by_role("button", name="恢复这一版 第 1 版").click()
    page.wait_for_url(f"**/matters/{CODE}?done=matter_changed")
    expect(page.get_by_role("row", name="居住情况证明 CL02")).to_have_count(1)

    page.locator("summary", has_text="停用事项").click()
    page.get_by_label("理由").fill("并入另一事项。")
    page.get_by_role("button", name="停用事项").click()
    page.wait_for_url(f"**/matters/{CODE}?done=matter_retired")
    expect(page.locator(".notice", has_text="该事项已停用")).to_contain_text("并入另一事项。")
    page.goto("/use")
    expect(page.locator(f"select[name=matter] option[value={CODE}]")).to_have_count(0)
    page.goto(f"/matters/{CODE}")
    page.get_by_role("button", name="恢复事项").click()
    page.wait_for_url(f"**/matters/{CODE}?done=matter_restored")
    page.goto("/use")
    expect(page.locator(f"select[name=matter] option[value={CODE}]")).to_have_count(1)


def test_a_matter_of_many_slots_loses_none_and_grows_by_keyboard(desk: Watched) -> None:
    site, page = desk.site, desk.page
    with site.services.registry.begin(REGISTRY) as work:
        accepts = (catalogue.list_types(work)[0].code,)
        slots = tuple(Slot(f"CL{number:02d}", f"材料 {number}", accepts, False) for number in range(1, 24))
        owner = next(iter(wording.department_names(work)))
        catalogue.register_matter(work, "CN-PAGES-02", "示例事项：材料很多", owner, "办理示例", slots)
    desk.log_in("chen")
    page.goto("/matters/CN-PAGES-02/edit")
    page.get_by_role("button", name="增加一项材料").press("Enter")
    added = page.locator("#slot-23")
    expect(added.get_by_label("材料项名称")).to_be_focused()
    page.keyboard.type("第二十四项")
    added.get_by_role("checkbox").first.check()
    page.locator("#slot-4").get_by_role("button", name="移除").press("Enter")
    expect(page.locator("#slot-23")).to_have_count(0)
    expect(page.locator("#slot-3").get_by_label("材料项名称")).to_be_focused()
    page.get_by_role("button", name="保存").click()
    page.wait_for_url("**/matters/CN-PAGES-02?done=matter_changed")
    with site.services.registry.read(REGISTRY) as work:
        kept = [slot.name for slot in catalogue.slots_of(work, "CN-PAGES-02")]
    assert kept == [f"材料 {number}" for number in range(1, 24) if number != 5] + ["第二十四项"]


def test_a_clerk_looks_and_changes_nothing(desk: Watched) -> None:
    desk.log_in("wang")
    page = desk.page
    page.goto("/matters/CN-FOOD-01")
    expect(page.get_by_role("heading", level=1)).to_have_text("食品经营许可变更")
    expect(page.locator("main form")).to_have_count(0)
    expect(page.get_by_role("link", name="修改事项")).to_have_count(0)
    assert page.request.get("/matters/CN-FOOD-01/edit").status == 403
    refused = page.request.post("/matters/CN-FOOD-01", form={"do": "save"}, headers={"Origin": desk.site.url})
    assert refused.status == 403
