"""Logging in and registering by file and by form, in a real browser."""

from __future__ import annotations

import io
from pathlib import Path

import openpyxl
import pytest
from pages_site import (
    COMPANY,
    COMPANY_CODE,
    LICENCE_HEADERS,
    PASSWORD,
    Site,
    Watched,
    io_file,
    keep_picture,
    licence_row,
    workbook,
)
from playwright.sync_api import Page, expect

from registry.accounts import service as accounts
from registry.catalogue import service as catalogue
from registry.departments import service as departments
from registry.work import REGISTRY

pytest_plugins = ("pages_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.slow]


# ---- Who gets in ----------------------------------------------------------------------------------------------------


def test_a_wrong_password_is_refused_in_words_and_the_right_one_leads_on(desk: Watched) -> None:
    page = desk.page
    page.goto("/certificates")
    assert page.url.endswith("/login?next=/certificates")
    page.get_by_label("用户名").fill("lin")
    page.get_by_label("口令").fill("wrong")
    page.get_by_label("口令").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("用户名或口令不正确")
    page.get_by_label("口令").fill(PASSWORD)
    page.get_by_label("口令").press("Enter")
    expect(page).to_have_url(f"{desk.site.url}/certificates")
    page.get_by_role("button", name="退出").click()
    page.goto("/certificates")
    assert "/login" in page.url


def test_a_one_time_password_must_be_changed_before_anything_else(desk: Watched) -> None:
    with desk.site.services.registry.begin(REGISTRY) as work:
        staff = next(one for one in accounts.list_staff(work) if one.username == "new")
        password = accounts.reset_password(work, staff.id)
    page = desk.page
    desk.log_in("new", password)
    page.goto("/use")
    expect(page).to_have_url(f"{desk.site.url}/password")
    page.get_by_label("当前口令").fill(password)
    page.get_by_label("新口令", exact=False).first.fill("weakweakweak")
    page.get_by_label("再输一遍新口令").fill("weakweakweak")
    page.get_by_role("button", name="保存新口令").click()
    expect(page.locator("#new-error")).to_contain_text("至少三类")
    page.get_by_label("当前口令").fill(password)
    page.locator("#f-new").fill("Changning-2026x")
    page.get_by_label("再输一遍新口令").fill("Changning-2026x")
    page.get_by_role("button", name="保存新口令").click()
    expect(page.get_by_role("status")).to_contain_text("口令已修改")
    page.goto("/use")
    expect(page.get_by_role("heading", level=1)).to_have_text("用证")


def test_navigation_shows_only_what_the_roles_allow_and_the_rest_is_refused_on_a_page(desk: Watched) -> None:
    page = desk.page
    desk.log_in("wang")
    ways = page.get_by_role("navigation", name="主导航")
    names = ways.locator("a").all_text_contents()
    assert {"核验", "证照", "用证", "制码"} <= set(names)
    assert not {"登记", "账号", "场所"} & set(names)
    desk.scripted()
    page.keyboard.press("Tab")
    ways.get_by_text("窗口办件").press("Enter")
    expect(ways.get_by_role("link", name="用证", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(ways.get_by_role("link", name="用证", exact=True)).to_be_hidden()
    page.goto("/register")
    expect(page.get_by_role("heading", level=1)).to_have_text("没有权限")
    expect(page.get_by_text("问题编号")).to_be_visible()


def test_the_home_page_opens_only_doors_that_the_roles_allow(desk: Watched) -> None:
    doors = desk.page.get_by_role("region", name="选择您的工作").get_by_role("link")
    desk.page.goto("/")
    expect(doors).to_have_text(["登记证照", "用证办件", "管理场所", "打开随身码"])
    desk.log_in("wang")
    desk.page.goto("/")
    expect(doors).to_have_text(["用证办件"])
    expect(desk.page.get_by_role("heading", name="开始使用")).to_have_count(0)


def ends_with(page: Page, headline: str) -> None:
    """The import's page comes to its end by itself."""
    expect(page.get_by_role("heading", level=1)).to_have_text(headline)


# ---- Registering ----------------------------------------------------------------------------------------------------


def test_an_upload_reports_every_row_and_the_refused_ones_can_be_mended_and_sent_again(
    desk: Watched, tmp_path: Path
) -> None:
    page, types = desk.page, desk.site.types
    sheet = tmp_path / "营业执照.xlsx"
    sheet.write_bytes(
        workbook(
            licence_row("05000000202602010001"),
            licence_row("05000000202602010002", holder_code="91310105MA1FWT014C"),
            licence_row("05000000202602010003", valid_to="20260231"),
        )
    )
    desk.log_in("lin")
    page.goto(f"/register?type={types[1]}")
    page.locator("input[type=file]").set_input_files(sheet)
    expect(page.locator("[data-drop-name]")).to_contain_text("营业执照.xlsx")
    page.get_by_role("button", name="上传并登记").click()
    ends_with(page, "3 行中有 2 行需要修改")
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("3")
    expect(rows.nth(0)).to_contain_text("C 持证主体代码")
    expect(rows.nth(0)).to_contain_text("逐位核对号码")
    expect(rows.nth(1)).to_contain_text("有效期截止")
    with page.expect_download() as download:
        page.get_by_role("link", name="下载未登记的行").click()
    refused = openpyxl.load_workbook(io.BytesIO(Path(download.value.path()).read_bytes())).active
    assert [cell.value for cell in refused[1]][-1] == "未登记原因"
    assert [row[0].value for row in refused.iter_rows(min_row=2)] == ["05000000202602010002", "05000000202602010003"]
    refused["C2"], refused["F3"] = COMPANY_CODE, "长期"
    mended = tmp_path / "mended.xlsx"
    refused.parent.save(mended)
    page.get_by_role("link", name="再传一个文件").click()
    page.locator("input[type=file]").set_input_files(mended)
    page.get_by_role("button", name="上传并登记").click()
    ends_with(page, "2 行全部登记成功")
    expect(page.get_by_text("未登记原因")).to_be_visible()


def test_the_same_file_again_registers_nothing_twice(desk: Watched, tmp_path: Path) -> None:
    page = desk.page
    sheet = tmp_path / "again.xlsx"
    sheet.write_bytes(workbook(licence_row("05000000202603010001"), licence_row("05000000202603010002")))
    desk.log_in("lin")
    for headline in ("2 行全部登记成功", "2 行都已登记过，没有新增"):
        page.goto(f"/register?type={desk.site.types[1]}")
        page.locator("input[type=file]").set_input_files(sheet)
        page.get_by_role("button", name="上传并登记").click()
        ends_with(page, headline)


def test_a_broken_file_is_explained_and_the_next_one_goes_through(desk: Watched, tmp_path: Path) -> None:
    page = desk.page
    broken = tmp_path / "broken.xlsx"
    broken.write_bytes(b"PK\x03\x04 not really")
    desk.log_in("lin")
    page.goto(f"/register?type={desk.site.types[1]}")
    page.locator("input[type=file]").set_input_files(broken)
    page.get_by_role("button", name="上传并登记").click()
    ends_with(page, "已中止，0 行中处理了 0 行")
    expect(page.get_by_role("alert")).to_contain_text("XLSX 文件已损坏")
    page.get_by_role("link", name="再传一个文件").click()
    page.locator("input[type=file]").set_input_files(io_file(workbook(licence_row("05000000202604010001"))))
    page.get_by_role("button", name="上传并登记").click()
    ends_with(page, "1 行全部登记成功")


def test_the_templates_can_be_filled_in_and_uploaded(desk: Watched, tmp_path: Path) -> None:
    page = desk.page
    desk.log_in("lin")
    page.goto(f"/register?type={desk.site.types[1]}")
    for name, suffix in (("Excel 模板", "xlsx"), ("CSV 模板", "csv")):
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        assert download.value.suggested_filename.endswith(suffix)
        data = Path(download.value.path()).read_bytes()
        if suffix == "csv":
            assert data.decode("utf-8-sig").startswith("证照编号,")
        else:
            headers = [cell.value for cell in openpyxl.load_workbook(io.BytesIO(data)).active[1]]
            assert set(LICENCE_HEADERS) <= set(headers)


def test_one_certificate_with_a_file_goes_from_the_form_to_its_own_page(desk: Watched, tmp_path: Path) -> None:
    page = desk.page
    desk.log_in("lin")
    page.goto(f"/register/single?type={desk.site.types[1]}")
    page.get_by_label("证照编号").fill("05000000202605010001")
    for label in ("证照颁发日期", "有效期起始", "成立日期"):
        page.get_by_label(label).fill("2026-01-05")
    page.locator('[name="holders.0.holder_name"]').fill(COMPANY)
    page.locator('[name="holders.0.holder_code"]').fill("91310105MA1FWT014C")
    page.get_by_label("主体类型").fill("有限责任公司")
    page.get_by_label("法定代表人").fill("陆文清")
    page.get_by_label("住所").fill("上海市长宁区虹桥路 1000 号")
    page.get_by_label("经营范围").fill("食品经营")
    page.get_by_role("button", name="登记", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("持证主体代码")
    wrong = page.locator('[name="holders.0.holder_code"]')
    expect(wrong).to_have_attribute("aria-invalid", "true")
    wrong.fill(COMPANY_CODE)
    scan = tmp_path / "副本.pdf"
    scan.write_bytes(b"%PDF-1.7\n%%EOF\n")
    page.locator("input[type=file]").set_input_files(scan)
    page.get_by_role("button", name="登记", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("登记成功")
    expect(page.get_by_role("article", name="营业执照")).to_contain_text("05000000202605010001")
    with page.expect_download() as download:
        page.get_by_role("link", name="副本.pdf").click()
    assert Path(download.value.path()).read_bytes() == scan.read_bytes()


JOINT = {"code": "11310105MB9T00011M781", "number": 781, "name": "示例共有证"}


@pytest.fixture(scope="module")
def joint(site: Site) -> str:
    """A type whose certificates have up to three holders, in the catalogue of the site."""
    with site.services.registry.begin(REGISTRY) as work:
        plain = catalogue.get_type(work, site.types[2]).definition
        holder = {"code_types": ["001"], "minimum": 1, "maximum": 3}
        definition = {**plain, **JOINT, "definer_code": JOINT["code"][:18], "number_pattern": None, "holder": holder}
        code = catalogue.install_type(work, {**definition, "version": 1}).code
        departments.grant_scope(work, departments.operator(work).code, code, "issue")
        return code


def named(page: Page) -> list[str]:
    return page.locator("[name$=holder_name]").evaluate_all("inputs => inputs.map(input => input.value)")


def test_holders_are_added_removed_and_taken_back_while_chosen_files_stay(desk: Watched, joint: str) -> None:
    page = desk.page
    desk.log_in("lin")
    page.goto(f"/register/single?type={joint}")
    desk.scripted()
    files = page.locator("input[type=file]")
    files.set_input_files(io_file(b"%PDF-1.7\n%%EOF\n", "共有.pdf"))
    page.locator('[name="holders.0.holder_name"]').fill("甲")
    add, undo = page.get_by_role("button", name="增加持证主体"), page.get_by_role("button", name="撤销移除")
    expect(page.get_by_role("button", name="移除", exact=False)).to_have_count(0)
    for place, name in ((1, "乙"), (2, "丙")):
        add.press("Enter")
        expect(page.locator(f'[name="holders.{place}.holder_name"]')).to_be_focused()
        page.keyboard.type(name)
    # As many as the type allows.
    expect(add).to_be_hidden()
    page.get_by_role("button", name="移除 2").press("Enter")
    assert named(page) == ["甲", "丙"]
    expect(undo).to_be_focused()
    expect(page.get_by_role("group", name="持证主体 2")).to_have_count(1)
    undo.press("Enter")
    assert named(page) == ["甲", "乙", "丙"]
    page.get_by_role("button", name="移除 1").press("Enter")
    page.get_by_role("button", name="移除 1").press("Enter")
    assert named(page) == ["丙"]
    # The last one stays: the type asks for one.
    expect(page.get_by_role("button", name="移除 1")).to_have_count(0)
    expect(page.get_by_role("group", name="持证主体", exact=True)).to_have_count(1)
    undo.press("Enter")
    assert named(page) == ["乙", "丙"]
    keep_picture(page, "single-holders")
    assert files.evaluate("input => Array.from(input.files, file => file.name)") == ["共有.pdf"]
    # Every label leads to its own input still.
    page.get_by_role("group", name="持证主体 2").get_by_role("textbox", name="持证主体代码").fill(COMPANY_CODE)
    expect(page.locator('[name="holders.1.holder_code"]')).to_have_value(COMPANY_CODE)


def test_without_a_script_holders_move_too_and_the_form_says_which_files_to_choose_again(
    desk: Watched, joint: str
) -> None:
    context = desk.context.browser.new_context(java_script_enabled=False, locale="zh-CN", base_url=desk.site.url)
    page = context.new_page()
    page.goto("/login")
    page.get_by_label("用户名").fill("lin")
    page.get_by_label("口令").fill(PASSWORD)
    page.locator("main").get_by_role("button", name="登录").click()
    page.goto(f"/register/single?type={joint}")
    page.locator('[name="holders.0.holder_name"]').fill("甲")
    page.locator("input[type=file]").set_input_files(io_file(b"%PDF-1.7\n%%EOF\n", "共有.pdf"))
    page.get_by_role("button", name="增加持证主体").click()
    expect(page.locator("#files-error")).to_contain_text("共有.pdf")
    page.locator('[name="holders.1.holder_name"]').fill("乙")
    page.get_by_role("button", name="移除 1").click()
    expect(page.locator("[name$=holder_name]")).to_have_count(1)
    expect(page.locator('[name="holders.0.holder_name"]')).to_have_value("乙")
    expect(page.locator("#files-error")).to_have_count(0)
    context.close()
