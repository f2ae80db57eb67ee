"""What a desk does after a refusal or an answer, in a real browser: the same case and the same list go on."""

from __future__ import annotations

import re

import pytest
from pages_site import COMPANY_CODE, HANDLER_DEVICE, LAMP, Site, Watched, clerk_of, delegate, draft, keep_picture
from playwright.sync_api import Page, expect
from test_pages import faults_of

from api.pages.use_page import MOST_ITEMS
from registry.certificates import service as certificates
from registry.codes import service as codes
from registry.codes.rules import CodeRequest
from registry.components import service as components
from registry.delegations import service as delegations
from registry.disputes import service as disputes
from registry.keys import rules as keys
from registry.posters import service as posters
from verifier.code import CodeKind

pytest_plugins = ("pages_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.slow]


OTHER_COMPANY = "91310105MA1FWT0226"
CHAIN = "91310105MA1FWT0907"


def a_licence(site: Site, number: str) -> str:
    with site.services.registry.begin(clerk_of(site.services)) as work:
        return certificates.register(work, draft(site.types[1], number)).id


def find_what_the_company_has(page: Page, case_no: str, company: str = COMPANY_CODE) -> None:
    page.goto("/use")
    page.get_by_label("办理事项").select_option("CN-FOOD-01")
    page.get_by_label("办件编号").fill(case_no)
    page.get_by_label("证件类型").select_option("001")
    page.get_by_label("证件号码").fill(company)
    page.get_by_role("button", name="查找可用的证照").click()


def test_a_refused_use_leads_back_to_its_case_by_one_key_and_the_case_then_says_why(desk: Watched) -> None:
    page, number = desk.page, "05000000202601880001"
    item = a_licence(desk.site, number)
    desk.log_in("wang")
    find_what_the_company_has(page, "CN-BACK-1")
    line = page.locator(".pick", has_text=number)
    expect(line).not_to_contain_text("有异议在处理")
    # Between the look and the click the issuer takes up a dispute and holds all reuse.
    with desk.site.services.registry.begin(clerk_of(desk.site.services)) as work:
        disputes.accept(work, disputes.raise_dispute(work, item, "住所有误。", for_holder=True).id, holds=True)
    line.get_by_role("button", name="用于本办件").click()
    expect(page.get_by_role("alert")).to_contain_text("颁发部门已暂停用证")
    expect(page.locator("main")).to_contain_text("急办的，请申请人改用其他材料")
    assert faults_of(page) == []
    expect(page.get_by_role("button", name="返回本办件，另选证照")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("食品经营许可变更")
    expect(page.locator("main")).to_contain_text("CN-BACK-1")
    expect(line).to_contain_text("有异议在处理")
    expect(line).to_contain_text("颁发部门已暂停用证")
    expect(line.get_by_role("button")).to_have_count(0)
    assert faults_of(page) == []


def test_a_dispute_that_holds_nothing_is_shown_and_the_case_goes_on_after_a_use(desk: Watched) -> None:
    page, number = desk.page, "05000000202601880002"
    item = a_licence(desk.site, number)
    with desk.site.services.registry.begin(clerk_of(desk.site.services)) as work:
        disputes.raise_dispute(work, item, "经营范围有误。", for_holder=True)
    desk.log_in("wang")
    find_what_the_company_has(page, "CN-BACK-2")
    line = page.locator(".pick", has_text=number)
    expect(line).to_contain_text("有异议在处理")
    line.get_by_role("button", name="用于本办件").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("已用于本办件")
    desk.scripted()
    expect(page).to_have_url(re.compile(r"/uses/[0-9a-z]{26}$"))
    page.get_by_role("button", name="本办件再用一份").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("食品经营许可变更")
    expect(page.locator("main")).to_contain_text("CN-BACK-2")
    # What the browser goes back to is the receipt: the use is not sent a second time.
    desk.scripted()
    page.go_back()
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("已用于本办件")
    expect(page.get_by_role("button", name="本办件再用一份")).to_have_count(0)


def test_what_is_revoked_between_the_scan_and_the_use_refuses_it_and_says_whose_code_helps(desk: Watched) -> None:
    page, services = desk.page, desk.site.services
    with services.registry.begin(clerk_of(services)) as work:
        key = services.keys.key_for(keys.CODES, services.clock())
        codes.issue(work, CodeRequest(CodeKind.ENTERPRISE, subject=OTHER_COMPANY, name="长宁区示例糕点店"), key)
        licence = draft(desk.site.types[1], "05000000202601880003", OTHER_COMPANY)
        certificates.register(work, licence)
        handler = delegate(work, key, OTHER_COMPANY)
        chain = delegations.chain_of(work, handler)
    desk.log_in("wang")
    page.goto("/use")
    page.get_by_label("办理事项").select_option("CN-FOOD-01")
    page.get_by_label("办件编号").fill("CN-BACK-3")
    page.locator("#f-text").fill(chain.show(HANDLER_DEVICE, services.clock()))
    page.keyboard.press("Enter")
    expect(page.get_by_text("凭企业授权码办理")).to_be_visible()
    with services.registry.begin(clerk_of(services)) as work:
        delegations.revoke(work, str(delegations.get(work, handler).parent_id), "证照管理员离职")
    page.get_by_role("button", name="用于本办件").first.click()
    expect(page.get_by_role("alert")).to_contain_text("不能用证")
    expect(page.locator("main")).to_contain_text("其他在任经办人出示企业授权码")
    expect(page.get_by_role("button", name="返回本办件，另选证照")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_text("凭企业授权码办理")).to_be_visible()


def test_a_fault_without_its_handling_is_asked_for_in_the_list_and_keeps_its_place(desk: Watched) -> None:
    page = desk.page
    with desk.site.services.registry.begin(clerk_of(desk.site.services)) as work:
        fault = components.report_fault(work, LAMP, "灯杆倾斜，走廊里也能看见").id
    desk.log_in("chen")
    page.goto("/components/faults")
    card = page.locator(f"#fault-{fault}")
    card.get_by_label("处置情况").fill("   ")
    card.get_by_role("button", name="已处置").click()
    expect(card).to_contain_text("处置情况应为 1 至 500 个字")
    expect(card.get_by_label("处置情况")).to_be_focused()
    assert faults_of(page) == []
    card.get_by_label("处置情况").fill("已扶正")
    page.keyboard.press("Enter")
    expect(card).to_contain_text("处置情况：已扶正")


def test_a_line_of_a_list_says_itself_what_it_did_not_take_and_keeps_what_was_written(desk: Watched) -> None:
    page = desk.page
    with desk.site.services.registry.begin(clerk_of(desk.site.services)) as work:
        key = desk.site.services.keys.key_for(keys.CODES, desk.site.services.clock())
        (poster,) = posters.make(work, desk.site.venue_id, 1, key)
        place, geohash = f"#place-{poster.number}", f"#geohash-{poster.number}"
        alarm = posters.report(work, poster.code_id, "covered", "被广告盖住").id
    desk.log_in("chen")
    page.goto(f"/venues/{desk.site.venue_id}/posters")
    card = page.locator("li.card", has=page.locator(place))
    card.locator("summary").click()
    card.locator(place).fill("东门立柱")
    card.locator(geohash).fill("东门")
    card.get_by_role("button", name="登记张贴位置").click()
    expect(page.locator(geohash)).to_be_focused()
    expect(page.locator(geohash)).to_have_attribute("aria-invalid", "true")
    expect(page.locator(place)).to_have_value("东门立柱")
    assert faults_of(page) == []
    page.goto("/venues/alarms")
    outcome = page.locator(f"#outcome-{alarm}")
    line = page.locator("li.card", has=outcome)
    line.get_by_label("停用这张海报的码").check()
    outcome.fill("  ")
    line.get_by_role("button", name="办结").click()
    expect(outcome).to_be_focused()
    expect(line).to_contain_text("说明应为 1 至 300 个字")
    expect(line.get_by_label("停用这张海报的码")).to_be_checked()
    outcome.fill("已更换")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("告警已办结")


@pytest.mark.parametrize(
    ("path", "field", "button"),
    [
        ("/relatives", "#search-code", "查已绑定的亲属"), ("/scans", "#f-holder_code", "查找"),
        ("/codes?kind=printed", "#lost-code", "挂失"),
    ],
)  # fmt: skip
def test_a_number_with_a_slip_is_pointed_out_and_stays_to_be_mended(
    desk: Watched, path: str, field: str, button: str
) -> None:
    page, number = desk.page, "310105189912319990"
    desk.log_in("chen")
    page.goto(path)
    form = page.locator("form", has=page.locator(field))
    page.locator(field).fill(number)
    for choice in form.get_by_role("checkbox").all():
        choice.check()
    form.get_by_role("button", name=button).click()
    expect(page.locator(field)).to_have_attribute("aria-invalid", "true")
    expect(page.locator(field)).to_have_value(number)
    expect(page.locator("[aria-invalid=true]")).to_have_count(1)
    assert faults_of(page) == []


def test_the_codes_that_were_issued_lately_are_those_of_the_kind_that_is_looked_at(desk: Watched) -> None:
    desk.log_in("chen")
    desk.page.goto("/codes?kind=enterprise")
    kinds = desk.page.locator("main table tbody td:nth-child(2)")
    expect(kinds.first).to_be_visible()
    assert {text.strip() for text in kinds.all_inner_texts()} == {"企业码"}


def test_of_very_many_items_some_are_listed_and_any_is_found_by_its_number(desk: Watched) -> None:
    page, site = desk.page, desk.site
    numbers = [f"0500000020260977{number:04d}" for number in range(MOST_ITEMS + 2)]
    with site.services.registry.begin(clerk_of(site.services)) as work:
        for number in numbers:
            certificates.register(work, draft(site.types[1], number, CHAIN))
    desk.log_in("wang")
    find_what_the_company_has(page, "CN-MANY-1", CHAIN)
    expect(page.locator(".pick")).to_have_count(MOST_ITEMS)
    expect(page.locator("main")).to_contain_text(f"只列出 {MOST_ITEMS} 份")
    assert faults_of(page) == []
    keep_picture(page, "use-very-many")
    for number, found in ((numbers[0], 1), ("05000000202609779999", 0), ("", MOST_ITEMS)):
        page.get_by_label("证照编号").fill(number)
        page.get_by_label("证照编号").press("Enter")
        expect(page.get_by_label("证照编号")).to_have_value(number)
        expect(page.locator(".pick")).to_have_count(found)
        expect(page.locator("main")).to_contain_text("没有编号为" if not found else number or "只列出")
    # What is done with a found item carries its number along: the page would show the fifty again.
    page.get_by_label("证照编号").fill(numbers[0])
    page.get_by_label("证照编号").press("Enter")
    expect(page.locator(".pick input[name=number]")).to_have_value(numbers[0])
    keep_picture(page, "use-found-by-number")
    page.get_by_role("button", name="用于本办件").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("已用于本办件")
