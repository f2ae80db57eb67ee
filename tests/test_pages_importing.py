"""Imports in a real browser: columns told what they are, progress that survives a broken line, taking back, phones."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from pages_site import LICENCE_HEADERS, PHONE, Site, Watched, licence_row
from playwright.sync_api import Browser, Page, expect
from test_pages import faults_of

pytest_plugins = ("pages_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.slow]


def sheet(
    folder: Path, *rows: tuple[str, ...], headers: tuple[str, ...] = LICENCE_HEADERS, name: str = "册.csv"
) -> Path:
    text = io.StringIO()
    csv.writer(text).writerows([headers, *rows])
    path = folder / "册.csv"
    path.write_bytes(text.getvalue().encode("gb18030"))
    return path


def send(page: Page, site: Site, *files: Path, dry_run: bool = False) -> None:
    page.goto(f"/register?type={site.types[1]}")
    page.locator("input[type=file]").set_input_files(list(files))
    if dry_run:
        page.get_by_label("只检查，不登记").check()
    page.get_by_role("button", name="上传并登记").click()


def ends_with(page: Page, headline: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(headline)


def test_unknown_columns_are_told_what_they_are_and_not_asked_for_again(desk: Watched, tmp_path: Path) -> None:
    page = desk.page
    desk.log_in("lin")
    headers = ("证照编号", "企业名称", "统一社会信用代码", *LICENCE_HEADERS[3:])
    send(page, desk.site, sheet(tmp_path, licence_row("05000000202608010001"), headers=headers))
    ends_with(page, "请核对列的对应")
    expect(page.get_by_label("“企业名称”读作")).to_have_value("holders.0.holder_name")
    page.get_by_label("“统一社会信用代码”读作").select_option("")
    page.get_by_role("button", name="按此对应继续").click()
    expect(page.get_by_role("alert").first).to_contain_text("持证主体代码")
    page.get_by_label("“企业名称”读作").select_option("holders.0.holder_name")
    page.get_by_label("“统一社会信用代码”读作").select_option("holders.0.holder_code")
    assert faults_of(page) == []
    page.get_by_role("button", name="按此对应继续").click()
    ends_with(page, "1 行全部登记成功")
    send(page, desk.site, sheet(tmp_path, licence_row("05000000202608010002"), headers=headers))
    ends_with(page, "1 行全部登记成功")


def test_a_dry_run_leads_to_the_real_one_and_that_can_be_taken_back(desk: Watched, tmp_path: Path) -> None:
    page = desk.page
    desk.log_in("lin")
    rows = [licence_row(f"0500000020260802{number:04d}") for number in range(3)]
    send(page, desk.site, sheet(tmp_path, *rows, licence_row("05000000202608029999", valid_to="昨天")), dry_run=True)
    ends_with(page, "试运行：4 行中有 1 行需要修改")
    expect(page.get_by_text("整批撤回")).to_have_count(0)
    assert faults_of(page) == []
    page.get_by_role("button", name="按此文件正式登记").click()
    ends_with(page, "4 行中有 1 行需要修改")
    page.get_by_role("link", name="已登记 3").click()
    page.locator("tbody a").first.click()
    expect(page.get_by_role("article", name="营业执照")).to_be_visible()
    page.go_back()
    page.locator("summary", has_text="整批撤回").click()
    page.get_by_label("事由").fill("整批误登记")
    page.get_by_label("我已核实").check()
    assert faults_of(page) == []
    page.locator("form button", has_text="整批撤回").click()
    ends_with(page, "已撤回 3 件证照")


def test_progress_goes_on_after_a_broken_line_and_the_list_knows_every_job(
    desk: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each stream ends after its first events; the browser comes back for the rest, without a complaint.
    monkeypatch.setattr("api.http.import_events._LONGEST_SECONDS", 0.2)
    page = desk.page
    desk.log_in("lin")
    streams: list[str] = []
    page.on("request", lambda request: streams.append(request.url) if request.url.endswith("/events") else None)
    rows = [licence_row(f"05000000202609{number:06d}") for number in range(6000)]
    send(page, desk.site, sheet(tmp_path, *rows))
    ends_with(page, "6,000 行全部登记成功")
    assert len(streams) >= 2
    page.get_by_role("link", name="导入任务").click()
    expect(page.locator("tbody tr").first).to_contain_text("6,000")
    assert faults_of(page) == []


def test_on_a_phone_a_job_can_be_paused_and_goes_on(browser: Browser, site: Site, tmp_path: Path) -> None:
    watched = Watched(browser, site, PHONE)
    page = watched.page
    watched.log_in("lin")
    rows = [licence_row(f"05000000202610{number:06d}") for number in range(9000)]
    send(page, site, sheet(tmp_path, *rows))
    page.get_by_role("button", name="暂停").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("已暂停")
    assert faults_of(page) == []
    page.get_by_role("button", name="继续").click()
    ends_with(page, "9,000 行全部登记成功")
    assert faults_of(page) == []
    watched.context.close()
    assert watched.complaints == []


def test_the_list_of_a_department_without_jobs_says_how_to_begin(desk: Watched) -> None:
    page = desk.page
    desk.log_in("lin")
    page.goto("/imports?cursor=0")
    expect(page.get_by_role("heading", name="还没有导入过文件")).to_be_visible()
    assert faults_of(page) == []
