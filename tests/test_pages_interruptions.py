"""What interrupts a clerk: a session that ends in the middle of a form, the back button, a narrow screen."""

from __future__ import annotations

import httpx
import pytest
from pages_site import COMPANY_CODE, PASSWORD, PERSON_CODE, Site, Watched, keep_picture
from playwright.sync_api import Page, expect

from api.pages.forms import Form
from api.pages.kept import KeptForm, kept_in
from registry.accounts import service as accounts
from registry.departments import service as departments
from registry.work import REGISTRY

pytest_plugins = ("pages_fixtures",)
pytestmark = pytest.mark.browser
#: Of this test alone: it mistypes its password.
CLERK = "interrupted"
NAME, PLACE = "虹桥路第二图书馆（示例）", "上海市长宁区虹桥路 1012 号"


def log_in_again(page: Page, password: str) -> None:
    page.get_by_label("用户名").fill(CLERK)
    page.get_by_label("口令").fill(password)
    page.get_by_label("口令").press("Enter")


def test_what_was_typed_before_the_session_ended_is_sent_once_after_a_new_log_in(desk: Watched) -> None:
    page = desk.page
    with desk.site.services.registry.begin(REGISTRY) as work:
        accounts.create_staff(work, CLERK, "临时窗口", ["window"], departments.operator(work).code, password=PASSWORD)
    desk.log_in(CLERK)
    page.goto("/venues/applications")
    form = page.locator("form[action='/venues/applications']")
    if not form.is_visible():
        page.locator("summary", has_text="收件").click()
    for name, text in (
        ("name", NAME), ("address", PLACE), ("unit", COMPANY_CODE), ("applicant_code", PERSON_CODE),
        ("document", "营业执照 05、授权书 2026-07"),
    ):  # fmt: skip
        form.locator(f"[name={name}]").fill(text)
    session = next(one["name"] for one in desk.context.cookies() if "session" in one["name"])
    desk.context.clear_cookies(name=session)
    form.get_by_role("button", name="提交申请").click()
    expect(page.get_by_text("登录已过期，您填写的内容还在")).to_be_visible()
    log_in_again(page, "not-the-password")
    expect(page.get_by_text("登录失败")).to_be_visible()
    log_in_again(page, PASSWORD)
    expect(page.get_by_role("heading", level=1)).to_have_text("继续提交")
    expect(page.locator("textarea[name=name]")).to_have_value(NAME)
    expect(page.locator("main form button")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url("**/venues/applications?done=*")
    expect(page.locator("main").get_by_text(NAME)).to_have_count(1)


def test_passwords_files_and_large_bodies_are_not_carried_along(site: Site) -> None:
    with httpx.Client(base_url=site.url, headers={"Origin": site.url, "Accept": "text/html"}) as client:
        secret = client.post("/password", data={"old": "Old-secret-26", "new": "New-secret-26"})
        large = client.post("/materials", data={"title": "x" * 140_000})
        files = client.post("/materials", data={"title": "一份材料"}, files={"files": ("a.pdf", b"%PDF-1", "a/b")})
        program = client.post("/api/v1/certificates", json={"title": "一份材料"}, headers={"Accept": "*/*"})
    assert {one.status_code for one in (secret, large, files, program)} == {401}
    assert "secret-26" not in secret.text
    assert "xxxxxx" not in large.text
    assert "一份材料" in files.text and "kept_files" in files.text and "%PDF" not in files.text
    assert program.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("address", ["", "//elsewhere.example/", "https://elsewhere.example/", "/\\elsewhere"])
def test_a_kept_form_goes_to_this_server_only(address: str) -> None:
    assert kept_in(Form({"kept_address": [address], "kept.a": ["1"]}, {})) is None


def test_what_a_log_in_carries_is_what_was_typed() -> None:
    kept = KeptForm("/use", [("case_no", " CN-1"), ("kept_address", "/x"), ("roles", "a"), ("roles", "b")], ["files"])
    texts: dict[str, list[str]] = {"username": ["wang"]}
    for name, text in kept.hidden:
        texts.setdefault(name, []).append(text)
    assert kept_in(Form(texts, {})) == kept


def test_going_back_to_the_answer_of_a_form_opens_the_form_and_loading_it_again_sends_nothing(desk: Watched) -> None:
    page = desk.page
    desk.log_in("wang")
    posts: list[str] = []
    page.on("request", lambda request: posts.append(request.url) if request.method == "POST" else None)
    page.goto("/certificates")
    page.locator("form[role=search] [name=q]").fill("05000000202601010001")
    page.keyboard.press("Enter")
    page.locator("body[data-answered]").wait_for(state="attached")
    desk.scripted()
    page.get_by_role("link", name="05000000202601010001").first.click()
    page.wait_for_url(f"**/certificates/{desk.site.certificate_id}")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("证照")
    sent = len(posts)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("证照")
    assert sent == len(posts) == 1


def test_shutting_an_account_out_asks_first_and_names_whose_it_is(desk: Watched) -> None:
    page = desk.page
    with desk.site.services.registry.begin(REGISTRY) as work:
        for username in ("leaves", "stays"):
            accounts.create_staff(work, username, "离职人员", ["window"], departments.operator(work).code)
    desk.log_in("chen")
    page.goto("/accounts")
    desk.scripted()
    page.get_by_role("button", name="停用 stays").click()
    expect(page.get_by_role("dialog")).to_contain_text("停用: stays")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.get_by_role("button", name="停用 leaves").click()
    page.get_by_role("dialog").get_by_role("button", name="停用").click()
    page.wait_for_url("**/accounts?done=disabled")
    expect(page.locator("tr", has_text="leaves")).to_contain_text("已停用")
    expect(page.get_by_role("button", name="停用 stays")).to_be_visible()


def test_an_account_that_was_shut_by_mistake_is_reopened_where_it_stands(desk: Watched) -> None:
    page = desk.page
    with desk.site.services.registry.begin(REGISTRY) as work:
        made = accounts.create_staff(work, "returns", "返岗人员", ["window"], departments.operator(work).code)
        accounts.disable_staff(work, made.staff.id)
    desk.log_in("chen")
    page.goto("/accounts")
    line = page.get_by_role("row").filter(has_text="returns")
    line.locator("summary").press("Enter")
    line.get_by_label("恢复的理由").fill("　")
    line.get_by_role("button", name="恢复并生成一次性口令").click()
    expect(line.locator(".field-error")).to_contain_text("理由")
    line.get_by_label("恢复的理由").fill("误停用，返岗")
    keep_picture(page, "accounts-reopen")
    line.get_by_role("button", name="恢复并生成一次性口令").click()
    once = page.locator("#secret").inner_text()
    expect(page.get_by_role("row").filter(has_text="returns")).to_contain_text("待改口令")
    # Its owner sees what a reset leads to.
    desk.context.clear_cookies()
    desk.log_in("returns", once)
    expect(page.locator("main")).to_contain_text("请先设置自己的口令")


def test_an_enterprises_number_is_known_as_one_whatever_the_list_of_kinds_says(desk: Watched) -> None:
    page = desk.page
    desk.log_in("wang")
    page.goto("/use?matter=CN-FOOD-01")
    page.get_by_label("办件编号").fill("CN-KIND-1")
    page.get_by_label("证件号码").fill(COMPANY_CODE)
    page.get_by_label("证件号码").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("食品经营许可变更")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_ways_of_a_window_stand_in_one_line_on_a_desk(desk: Watched, language: str) -> None:
    desk.log_in("wang")
    desk.context.add_cookies([{"name": "suizheng_view", "value": f"{language}.normal", "url": desk.site.url}])
    desk.page.set_viewport_size({"width": 1280, "height": 800})
    desk.page.goto("/use")
    tops = desk.page.locator(".nav > *, .tools > *").evaluate_all(
        "ways => ways.map(way => { const box = way.getBoundingClientRect(); return box.top + box.height / 2; })"
    )
    assert max(tops) - min(tops) < 8
