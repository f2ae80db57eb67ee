"""Delegations in a real browser: granted, shown as a tree, used by a shown code, revoked with everything below."""

from __future__ import annotations

import pytest
from pages_site import COMPANY_CODE, DESK, HANDLER_DEVICE, PERSON_CODE, PHONE, Site, Watched, keep_picture
from playwright.sync_api import Browser, Page, expect
from test_pages import faults_of

from registry.delegations import service as delegations
from registry.work import REGISTRY
from verifier.suites import SoftwareKey

pytest_plugins = ("pages_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.slow]


def find(page: Page) -> None:
    page.goto("/delegations")
    page.get_by_label("统一社会信用代码").fill(COMPANY_CODE)
    page.get_by_role("button", name="查找").click()


def shown(site: Site) -> str:
    with site.services.registry.read(REGISTRY) as work:
        chain = delegations.chain_of(work, site.delegation_id)
    return chain.show(HANDLER_DEVICE, site.services.clock())


@pytest.mark.parametrize(("viewport", "name"), [(DESK, "desk"), (PHONE, "phone")])
def test_the_tree_and_the_verdict_say_who_acts_for_whom_on_desk_and_phone(
    browser: Browser, site: Site, viewport: dict[str, int], name: str
) -> None:
    watched = Watched(browser, site, viewport)
    page = watched.page
    watched.log_in("wang")
    find(page)
    expect(page.get_by_role("link", name="张*丰 证照管理员")).to_be_visible()
    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
    assert faults_of(page) == []
    keep_picture(page, f"delegations-{name}")
    page.get_by_role("link", name="李* 经办人").first.click()
    expect(page.get_by_text("→ 张*丰 证照管理员 → 李* 经办人，限 食品经营许可变更")).to_be_visible()
    assert faults_of(page) == []
    keep_picture(page, f"delegation-{name}")
    page.goto("/verify")
    page.get_by_label("用途").fill("受理食品经营许可变更")
    page.locator("#code").fill(shown(site))
    page.locator("#code").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("有效")
    expect(page.get_by_text("→ 证照管理员 → 经办人，限")).to_be_visible()
    expect(page.get_by_text("张*丰 证照管理员、李* 经办人")).to_be_visible()
    keep_picture(page, f"verdict-{name}")
    assert watched.complaints == []
    watched.context.close()


def test_a_window_uses_what_the_shown_code_covers_and_sees_why_not_the_rest(desk: Watched) -> None:
    page = desk.page
    desk.log_in("wang")
    page.goto("/use")
    page.get_by_label("事项").select_option("CN-FOOD-01")
    page.get_by_label("办件编号").fill("CN20261122-0300")
    page.locator("#f-text").fill(shown(desk.site))
    page.get_by_role("button", name="查找可用").click()
    expect(page.get_by_text("凭企业授权码办理")).to_be_visible()
    keep_picture(page, "use-delegated-desk")
    page.get_by_role("button", name="用于本办件").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("已用于本办件")
    expect(page.get_by_text("委托授权")).to_be_visible()


def test_a_manager_is_recorded_delegates_further_and_takes_everything_along_when_revoked(desk: Watched) -> None:
    page = desk.page
    desk.log_in("wang")
    manager, handler = SoftwareKey.generate(), SoftwareKey.generate()
    find(page)
    page.get_by_text("登记新的委托").click()
    fill(page, "王五", manager)
    page.get_by_label("委托书编号").fill("委托书 2026-002")
    page.get_by_role("button", name="登记委托").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("王* 证照管理员")
    manager_page = page.url
    page.get_by_text("再委托下一级").click()
    fill(page, "赵六", handler)
    page.get_by_role("button", name="登记委托").click()
    asked = page.locator("#to-be-signed").inner_text()
    keep_picture(page, "delegation-awaiting-desk")
    page.get_by_label("签名").fill("00" * 64)
    page.get_by_role("button", name="提交签名").click()
    expect(page.locator("#signature-error")).to_contain_text("签名不是上级设备")
    page.get_by_label("签名").fill(manager.sign(bytes.fromhex(asked)).hex())
    page.get_by_role("button", name="提交签名").click()
    expect(page.get_by_role("link", name="下载委托链文件")).to_be_visible()
    page.goto(manager_page)
    expect(page.get_by_text("以下 1 项下级委托一并失效")).to_be_visible()
    keep_picture(page, "delegation-revoke-desk")
    desk.scripted()
    page.get_by_label("撤销事由").fill("证照管理员离职")
    page.locator("main form[data-confirm] button").click()
    page.locator("dialog[open]").get_by_role("button", name="撤销委托").click()
    expect(page.get_by_text("委托已撤销，其下一并失效。")).to_be_visible()


def fill(page: Page, name: str, device: SoftwareKey) -> None:
    form = page.locator("form[action='/delegations']")
    form.get_by_label("被委托人姓名").fill(name)
    form.get_by_label("证件号码").fill(PERSON_CODE)
    form.get_by_label("设备公钥").fill(f"ED25519:{device.public.raw.hex()}")


def test_the_chain_is_told_in_english_too(desk: Watched) -> None:
    desk.log_in("chen")
    desk.context.add_cookies([{"name": "suizheng_view", "value": "en.normal", "url": desk.site.url}])
    desk.page.goto(f"/delegations/{desk.site.delegation_id}")
    words = desk.page.locator(".lead")
    expect(words).to_contain_text("manager → ")
    expect(words).to_contain_text("handler, for 食品经营许可变更, until ")
