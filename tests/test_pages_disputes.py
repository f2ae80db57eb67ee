"""A dispute in a real browser: raised at the window, answered by the issuer, told in the inbox."""

from __future__ import annotations

from datetime import date

import pytest
from pages_site import DESK, PHONE, Site, Watched, clerk_of, draft, io_file, keep_picture
from playwright.sync_api import Browser, expect
from test_pages import faults_of

from registry.calendar import service as calendars
from registry.certificates import service as certificates
from registry.work import REGISTRY

pytest_plugins = ("pages_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.slow]


def a_certificate(site: Site, number: int) -> str:
    with site.services.registry.begin(clerk_of(site.services)) as work:
        return certificates.register(work, draft(site.types[1], f"0500000020260177{number:04d}")).id


@pytest.mark.parametrize(("viewport", "name"), [(DESK, "desk"), (PHONE, "phone")])
def test_a_dispute_is_raised_at_a_window_answered_by_the_issuer_and_seen_by_all(
    browser: Browser, site: Site, viewport: dict[str, int], name: str
) -> None:
    item = a_certificate(site, len(name))
    window = Watched(browser, site, viewport)
    page = window.page
    window.log_in("wang")
    page.goto(f"/certificates/{item}")
    page.locator("summary", has_text="提出异议").click()
    page.get_by_label("哪一项不对，应是什么").fill("住所应为 5 层。")
    page.get_by_label("受持证主体委托").check()
    page.get_by_role("button", name="提出异议").click()
    expect(page.get_by_text("异议已提出，已通知颁发部门。")).to_be_visible()
    address = page.url.split("?")[0]
    assert faults_of(page) == []
    page.goto(f"/certificates/{item}")
    expect(page.get_by_text("此证照有异议正在处理")).to_be_visible()
    assert faults_of(page) == []
    keep_picture(page, f"disputed-{name}")

    issuer = Watched(browser, site, viewport)
    other = issuer.page
    issuer.log_in("lin")
    expect(other.get_by_role("heading", name="等您处理")).to_be_visible()
    keep_picture(other, f"home-{name}")
    other.goto("/notices")
    keep_picture(other, f"notices-{name}")
    other.get_by_role("button", name="有证照异议等本部门答复").first.click()
    expect(other.get_by_role("heading", name="作出处理结果")).to_be_visible()
    other.goto(address)
    other.get_by_label("处理期间暂停用证").check()
    other.get_by_role("button", name="受理", exact=True).click()
    other.get_by_label("处理结果和理由").fill("已改。")
    other.get_by_role("button", name="已更正", exact=True).click()
    expect(other.get_by_role("alert")).to_contain_text("请先登记更正后的新证照")
    assert faults_of(other) == []
    keep_picture(other, f"dispute-{name}")
    other.get_by_label("处理结果和理由").fill("经核对营业场所证明，登记无误。")
    other.get_by_role("button", name="异议不成立").click()
    expect(other.get_by_text("已记录，已通知有关部门。")).to_be_visible()

    page.goto("/disputes")
    keep_picture(page, f"disputes-{name}")
    page.goto(address)
    page.get_by_role("button", name="办结").click()
    expect(page.get_by_text("已办结").first).to_be_visible()
    assert window.complaints == issuer.complaints == []
    window.context.close()
    issuer.context.close()


def test_an_administrator_loads_a_year_and_a_wrong_line_changes_nothing(desk: Watched) -> None:
    page = desk.page
    desk.log_in("chen")
    page.goto("/calendar")
    page.get_by_label("年份").fill("2031")
    page.get_by_label("依据").fill("示例")
    page.get_by_label("放假与调休的日子").fill("2031-10-01,休,国庆节（示例）\n2031-02-30,休,没有这天")
    look, load = page.get_by_role("button", name="先看看有何变化"), page.get_by_role("button", name="载入", exact=True)
    expect(load).to_have_count(0)
    look.click()
    expect(page.get_by_role("alert")).to_contain_text("第 2 行")
    assert faults_of(page) == []
    page.get_by_label("放假与调休的日子").fill("2031-10-01,休,国庆节（示例）")
    look.click()
    expect(page.get_by_role("region", name="新增或改写 1 天，去掉 0 天")).to_contain_text("国庆节（示例）")
    with desk.site.services.registry.read(REGISTRY) as work:
        assert date(2031, 10, 1) not in calendars.calendar(work).off
    load.click()
    page.wait_for_url("**/calendar?done=calendar")
    expect(page.get_by_role("cell", name="国庆节（示例）")).to_be_visible()
    # A file as Chinese spreadsheets write it; what it says is seen before it counts, and stays to be loaded.
    page.get_by_label("年份").fill("2031")
    page.get_by_label("依据").fill("示例更正")
    sheet = "2031-10-02,休,国庆节（更正）\n2031-09-27,班,调休（示例）\n"
    page.locator("input[type=file]").set_input_files(io_file(sheet.encode("gb18030"), "2031.csv"))
    look.click()
    change = page.get_by_role("region", name="新增或改写 2 天，去掉 1 天")
    expect(change).to_contain_text("国庆节（更正）")
    expect(change).to_contain_text("国庆节（示例）")
    assert faults_of(page) == []
    keep_picture(page, "calendar")
    load.click()
    page.wait_for_url("**/calendar?done=calendar")
    with desk.site.services.registry.read(REGISTRY) as work:
        found = calendars.calendar(work)
    assert (date(2031, 10, 2) in found.off, date(2031, 10, 1) in found.off) == (True, False)
    assert date(2031, 9, 27) in found.work


def test_the_recall_list_names_the_case_and_is_for_the_issuer_only(desk: Watched) -> None:
    page = desk.page
    desk.log_in("lin")
    page.goto(f"/certificates/{desk.site.certificate_id}")
    page.get_by_role("link", name="召回清单").click()
    expect(page.get_by_text("CN20261122-0001")).to_be_visible()
    assert faults_of(page) == []
    keep_picture(page, "recall")
    page.goto("/calendar")
    expect(page.get_by_role("heading", level=1)).to_have_text("没有权限")
