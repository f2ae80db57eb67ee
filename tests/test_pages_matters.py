"""The pages of matters, in a real browser: register, change, bring back, retire, and what a window sees of it."""

from __future__ import annotations

import pytest
from pages_site import PASSWORD, Watched, keep_picture
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
    # Its fields are offered by the names people know, without a reload.
    address = first.get_by_role("checkbox", name="住所（经营场所）")
    address.check()
    first.get_by_role("checkbox", name="证照编号").check()
    first.get_by_role("checkbox", name="食品经营许可证", exact=True).check()
    common = first.get_by_role("group", name="通用的字段")
    expect(first.get_by_role("group", name="食品经营许可证").get_by_role("checkbox").first).to_be_visible()
    expect(address).to_be_checked()
    expect(common.get_by_role("checkbox", name="证照编号")).to_be_checked()
    keep_picture(page, "matter-fields")
    first.get_by_role("checkbox", name="食品经营许可证", exact=True).uncheck()
    expect(first.get_by_role("group", name="食品经营许可证")).to_have_count(0)
    page.get_by_role("button", name="登记", exact=True).click()
    page.wait_for_url(f"**/matters/{CODE}?done=matter_registered")
    expect(page.get_by_role("row", name="主体资格证明")).to_contain_text("住所（经营场所）")
    with desk.site.services.registry.read(REGISTRY) as work:
        assert set(catalogue.slots_of(work, CODE)[0].fields) == {"certificate_number", "extend_info.address"}
    expect(page.get_by_role("row", name="居住情况证明 CL02")).to_contain_text("可选")

    page.get_by_role("link", name="修改事项").click()
    page.locator("#slot-1").get_by_role("button", name="移除").click()
    expect(page.locator("#slot-1")).to_have_count(0)
    page.get_by_role("button", name="保存").click()
    page.wait_for_url(f"**/matters/{CODE}?done=matter_changed")
    expect(page.get_by_role("row", name="居住情况证明 CL02")).to_have_count(0)
    page.locator("summary", has_text="此前各版").click()
    expect(page.locator("details", has_text="此前各版")).to_contain_text("住所（经营场所）")
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


def test_fields_are_listed_without_a_script_and_none_that_was_kept_is_lost(desk: Watched) -> None:
    site = desk.site
    with site.services.registry.begin(REGISTRY) as work:
        licence = site.types[1]
        # Nothing but the API names a field that no type has.
        slot = Slot("CL01", "主体资格证明", (licence,), True, ("extend_info.address", "extend_info.no_such_field"))
        owner = next(iter(wording.department_names(work)))
        catalogue.register_matter(work, "CN-PAGES-03", "示例事项：所需字段", owner, "办理示例", (slot,))
    context = desk.context.browser.new_context(java_script_enabled=False, locale="zh-CN", base_url=site.url)
    page = context.new_page()
    page.goto("/login")
    page.get_by_label("用户名").fill("chen")
    page.get_by_label("口令").fill(PASSWORD)
    page.locator("main").get_by_role("button", name="登录").click()
    page.goto("/matters/CN-PAGES-03/edit")
    first = page.locator("#slot-0")
    expect(first.get_by_role("checkbox", name="住所（经营场所）")).to_be_checked()
    unknown = first.get_by_role("group", name="所选类型中没有的字段")
    expect(unknown.get_by_role("checkbox", name="extend_info.no_such_field")).to_be_checked()
    first.get_by_role("checkbox", name="食品经营许可证", exact=True).check()
    first.get_by_label("材料项名称").fill("主体资格证明（改）")
    first.get_by_role("button", name="按所选类型列出字段").click()
    expect(first.get_by_role("group", name="食品经营许可证").get_by_role("checkbox").first).to_be_visible()
    expect(first.get_by_label("材料项名称")).to_have_value("主体资格证明（改）")
    unknown.get_by_role("checkbox").uncheck()
    page.get_by_role("button", name="保存").click()
    page.wait_for_url("**/matters/CN-PAGES-03?done=matter_changed")
    with site.services.registry.read(REGISTRY) as work:
        (kept,) = catalogue.slots_of(work, "CN-PAGES-03")
    assert kept.fields == ("extend_info.address",) and len(kept.accepts) == 2
    # A path that is none is refused by the registry, whoever sends it.
    sent = {"do": "save", "revision": "2", "name": "示例", "purpose": "示例", "slots.0.code": "CL01",
            "slots.0.name": "示例", "slots.0.accepts": licence, "slots.0.fields": "NOT A FIELD"}  # fmt: skip
    refused = page.request.post("/matters/CN-PAGES-03", form=sent, headers={"Origin": site.url})
    assert refused.status == 422 and "不重复的照面字段" in refused.text()
    context.close()
