"""The editor of certificate types, in a real browser: rows, live preview, undo, publishing, local codes."""

from __future__ import annotations

import re

import pytest
from pages_site import Watched
from playwright.sync_api import Page, expect

pytest_plugins = ("pages_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.slow]

NAME = "急救培训合格证（示例）"


def _row(page: Page, place: int, **values: str) -> None:
    for name, value in values.items():
        box = page.locator(f"[name='rows.{place}.{name}']")
        if box.evaluate("box => box.tagName") == "SELECT":
            box.select_option(value)
        else:
            box.fill(value)


def _started(desk: Watched) -> Page:
    desk.log_in("chen")
    desk.page.goto("/types")
    desk.page.get_by_role("button", name="新建类型").click()
    desk.page.wait_for_url("**/types/drafts/*")
    desk.scripted()
    return desk.page


def test_a_type_is_written_seen_published_and_gets_a_second_version(desk: Watched) -> None:
    page = _started(desk)
    page.get_by_label("类型名称").fill(NAME)
    page.get_by_label("照面标题").fill("急救培训合格证")
    page.get_by_label("徽标行").fill("长宁区红十字会（示例）")
    _row(page, 0, title="培训课程", name="course", kind="choice", form="初级急救、心肺复苏", example="心肺复苏")
    # The preview follows without saving.
    face = page.locator("[data-preview-of]")
    expect(face).to_contain_text("心肺复苏")
    expect(face.locator(".face-emblem")).to_have_text("长宁区红十字会（示例）")
    page.get_by_role("button", name="增加字段").click()
    page.wait_for_url(re.compile(r"#row-1$"))
    _row(page, 1, title="学时", name="hours", kind="integer", form="500–1")
    page.get_by_label("最短几年").fill("2")
    page.get_by_role("button", name="核对并发布").click()
    page.wait_for_url("**/publish")
    expect(page.get_by_role("alert")).to_contain_text("第 2 个字段“学时”：请填写范围")
    expect(page.get_by_role("button", name="发布")).to_have_count(0)
    page.get_by_role("link", name="回去修改").click()
    wrong = page.locator("[name='rows.1.form']")
    expect(wrong).to_have_attribute("aria-invalid", "true")
    wrong.fill("1–500")
    page.get_by_role("button", name="上移 学时").click()
    page.wait_for_url(re.compile(r"#row-0$"))
    expect(page.locator("[name='rows.0.title']")).to_have_value("学时")
    page.get_by_role("button", name="核对并发布").click()
    expect(page.get_by_text("这是该类型的第一版")).to_be_visible()
    page.get_by_role("button", name="发布").click()
    page.wait_for_url("**done=type_published")
    expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    expect(page.get_by_role("row")).to_have_count(3)

    # What is published stays as it is; the next version says what it changes.
    page.get_by_role("button", name="编写新版本").click()
    page.wait_for_url("**/types/drafts/*")
    expect(page.get_by_label("流水号")).to_have_count(0)
    page.get_by_role("button", name="移除 学时").click()
    page.wait_for_url(re.compile(r"#row-"))
    page.get_by_role("button", name="核对并发布").click()
    expect(page.get_by_role("listitem").filter(has_text="去掉字段“学时”")).to_be_visible()
    page.get_by_role("button", name="发布").click()
    page.wait_for_url("**done=type_published")
    expect(page.get_by_role("row")).to_have_count(2)
    page.get_by_role("link", name="第 1 版").click()
    expect(page.get_by_text("旧版本")).to_be_visible()
    expect(page.get_by_role("row")).to_have_count(3)


def test_a_draft_is_taken_back_discarded_and_restored(desk: Watched) -> None:
    page = _started(desk)
    name = page.get_by_label("类型名称")
    name.fill("一份没写完的类型")
    name.press("Enter")
    page.wait_for_url("**done=type_saved**")
    expect(page.get_by_role("alert")).to_contain_text("需要修改")
    page.get_by_role("button", name="撤回上次保存").click()
    page.wait_for_url("**done=type_taken_back")
    expect(name).to_have_value("")
    page.get_by_role("button", name="撤回上次保存").click()
    expect(name).to_have_value("一份没写完的类型")
    page.get_by_role("button", name="放弃草稿").click()
    page.wait_for_url("**/types?done=type_discarded")
    page.locator("summary", has_text="已放弃的草稿").click()
    page.get_by_role("button", name="恢复 一份没写完的类型").click()
    page.wait_for_url("**done=type_restored")
    expect(name).to_have_value("一份没写完的类型")
    # Two windows: the one that did not see the newest save is told so and loses nothing of what it typed.
    page.locator("[name='revision']").evaluate("box => { box.value = '1'; }")
    name.fill("另一处的修改")
    page.get_by_role("button", name="保存草稿").click()
    expect(page.get_by_role("alert")).to_contain_text("另一处保存过")
    expect(name).to_have_value("另一处的修改")
    page.goto(page.url)
    page.get_by_role("button", name="放弃草稿").click()


def test_an_expert_writes_the_schema_and_a_wrong_one_is_named(desk: Watched) -> None:
    page = _started(desk)
    page.get_by_role("link", name="专家视图").click()
    box = page.get_by_role("textbox", name="JSON Schema")
    box.fill('{"properties": {"a": }}')
    page.get_by_role("button", name="保存草稿").click()
    expect(page.locator("#schema-error")).to_contain_text("不是 JSON：第 1 行")
    expect(box).to_have_value('{"properties": {"a": }}')
    box.fill('{"properties": {"site": {"title": "地点", "type": "object"}}, "required": ["site"]}')
    page.get_by_role("button", name="保存草稿").click()
    page.wait_for_url("**done=type_saved**")
    expect(page.locator("[name='rows.0.kind']")).to_have_value("other")
    expect(page.locator("[name='rows.0.required']")).to_be_checked()
    page.get_by_role("button", name="放弃草稿").click()


def test_a_local_code_stands_for_one_type_alone(desk: Watched) -> None:
    desk.log_in("chen")
    page = desk.page
    for number, done in ((2, True), (4, False)):
        page.goto(f"/types/{desk.site.types[number]}")
        page.locator("#f-local_code").fill("310105109000100")
        page.get_by_role("button", name="增加代码").click()
        if done:
            page.wait_for_url("**done=local_code")
            expect(page.get_by_role("button", name="移除 310105109000100")).to_be_visible()
        else:
            expect(page.get_by_role("alert")).to_contain_text("一个代码只能对应一个类型")
    page.goto("/types/310105109000100")
    expect(page.get_by_role("heading", level=1)).to_have_text("食品经营许可证")
    page.get_by_role("button", name="移除 310105109000100").click()
    page.wait_for_url("**done=local_code_removed")


def test_clerks_read_the_catalogue_and_cannot_write_it(desk: Watched) -> None:
    desk.log_in("lin")
    page = desk.page
    page.goto("/types")
    expect(page.get_by_role("button", name="新建类型")).to_have_count(0)
    page.get_by_role("link", name="食品经营许可证").click()
    expect(page.get_by_role("button", name="编写新版本")).to_have_count(0)
    origin = {"Origin": desk.site.url}
    for path in ("/types/drafts", f"/types/{desk.site.types[2]}/local-codes"):
        assert page.request.post(path, form={"local_code": "310105109000100"}, headers=origin).status == 403
