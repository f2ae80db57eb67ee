"""Dual control and departments' own keys in a real browser, on a site of their own: once bound, two have to decide."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages_site import PASSWORD, PHONE, Site, Watched, io_file, start
from playwright.sync_api import Browser, expect
from test_pages_trusted import pem

from registry.accounts import service as accounts
from registry.catalogue import drafting
from registry.catalogue import service as catalogue
from registry.departments import service as departments
from registry.work import REGISTRY
from verifier.suites import SoftwareKey

pytest_plugins = ("pages_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.slow]

CARE, NAME = "12310105MB9T00038A", "上海市长宁区民生服务中心（示例）"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with a department and a registrar of it; chen is its one administrator still."""
    for site in start(tmp_path_factory.mktemp("two")):
        with site.services.registry.begin(REGISTRY) as work:
            departments.register(work, CARE, NAME, "民生中心")
            accounts.create_staff(work, "zhou", "周敏", ["registrar"], CARE, password=PASSWORD)
        yield site


def opened(browser: Browser, site: Site, username: str, **options: dict[str, int]) -> Watched:
    watched = Watched(browser, site, **options)
    watched.log_in(username)
    return watched


def shoot(watched: Watched, name: str) -> None:
    """Keep a picture where the environment says so, for people to look at."""
    folder = os.environ.get("SUIZHENG_SHOTS")
    if folder:
        watched.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_a_department_proves_its_key_and_an_administrator_admits_it(browser: Browser, house: Site) -> None:
    zhou, key = opened(browser, house, "zhou"), SoftwareKey.generate()
    page = zhou.page
    page.goto("/signing-keys")
    expect(page.locator("main")).to_contain_text("密钥服务代签")
    page.get_by_label("公钥").fill("00")
    page.get_by_role("button", name="下一步：证明持有").click()
    expect(page.locator("#public-error")).to_contain_text("十六进制")
    page.get_by_label("公钥").fill(key.public.raw.hex())
    page.get_by_role("button", name="下一步：证明持有").click()
    asked = base64.b64decode(page.locator("#to-be-signed").inner_text())
    shoot(zhou, "prove-desk")
    signature, reason = page.get_by_label("签名", exact=False).last, page.get_by_label("理由")
    signature.fill(base64.b64encode(SoftwareKey.generate().sign(asked)).decode())
    reason.fill("本部门自建签名系统")
    page.get_by_role("button", name="提交证明").click()
    expect(page.locator("#signature-error")).to_contain_text("私钥")
    # What was sent is still there, and so is the challenge.
    assert base64.b64decode(page.locator("#to-be-signed").inner_text()) == asked
    page.locator("#f-signature").fill(base64.b64encode(key.sign(asked)).decode())
    page.get_by_role("button", name="提交证明").click()
    page.wait_for_url("**/signing-keys?*done=proposed*")

    chen = opened(browser, house, "chen")
    chen.page.goto("/proposals")
    card = chen.page.get_by_role("article").filter(has_text=NAME)
    expect(card).to_contain_text(key.public.kid.hex())
    expect(card).to_contain_text("本部门自建签名系统")
    shoot(chen, "proposals-desk")
    card.get_by_role("button", name="通过，立即生效").press("Enter")
    chen.page.wait_for_url("**/proposals?done=proposal_approved")
    page.wait_for_timeout(3500)
    page.goto("/signing-keys")
    expect(page.locator("main")).to_contain_text("自行签署")
    expect(page.get_by_role("article").filter(has_text=key.public.kid.hex())).to_contain_text("在用")
    shoot(zhou, "signing-keys-desk")
    phone = opened(browser, house, "zhou", viewport=PHONE)
    phone.page.goto("/signing-keys")
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    shoot(phone, "signing-keys-phone")
    for watched in (zhou, chen, phone):
        watched.context.close()
        assert watched.complaints == []


def test_a_registrar_sees_what_waits_and_takes_it_back(browser: Browser, house: Site) -> None:
    zhou, key = opened(browser, house, "zhou", viewport=PHONE), SoftwareKey.generate()
    page = zhou.page
    page.goto("/signing-keys")
    # Folded for who signs themselves already.
    if not page.get_by_label("公钥").is_visible():
        page.locator("main summary", has_text="登记").first.click()
    page.get_by_label("公钥").fill(key.public.raw.hex())
    page.get_by_role("button", name="下一步：证明持有").click()
    asked = base64.b64decode(page.locator("#to-be-signed").inner_text())
    page.locator("#f-signature").fill(base64.b64encode(key.sign(asked)).decode())
    page.locator("#f-reason").fill("换一把，又不换了")
    page.get_by_role("button", name="提交证明").click()
    page.wait_for_url("**/signing-keys?*done=proposed*")
    card = page.get_by_role("article").filter(has_text="换一把，又不换了")
    expect(card).to_contain_text("待复核")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    shoot(zhou, "own-waiting-phone")
    card.get_by_role("button", name="撤回申请").press("Enter")
    page.wait_for_url("**/signing-keys?*done=proposal_withdrawn*")
    expect(page.get_by_role("article").filter(has_text="换一把，又不换了")).to_have_count(0)
    zhou.context.close()
    assert zhou.complaints == []


def test_with_two_administrators_one_proposes_and_the_other_decides(browser: Browser, house: Site) -> None:
    with house.services.registry.begin(REGISTRY) as work:
        accounts.create_staff(work, "second", "吴启", ["administrator"], None, password=PASSWORD)
    chen, second = opened(browser, house, "chen"), opened(browser, house, "second", viewport=PHONE)
    page = chen.page
    page.goto("/departments")
    page.locator("summary", has_text="授予权限").click()
    page.get_by_label("所属部门").select_option(CARE)
    page.get_by_label("证照类型").select_option(index=1)
    page.locator("#why-grant").fill("承接新业务")
    page.get_by_role("button", name="授予", exact=True).click()
    page.wait_for_url("**/proposals?done=proposed")
    mine = page.get_by_role("article").filter(has_text="承接新业务")
    expect(mine).to_contain_text("须由另一名管理员复核")
    expect(mine.get_by_role("button", name="通过，立即生效")).to_have_count(0)
    shoot(chen, "own-proposal-desk")

    other = second.page
    other.goto("/proposals")
    assert other.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    card = other.get_by_role("article").filter(has_text="承接新业务")
    shoot(second, "proposals-phone")
    card.locator("summary", has_text="退回").click()
    card.get_by_label("退回理由").fill("依据不足")
    card.get_by_role("button", name="退回").click()
    other.wait_for_url("**/proposals?done=proposal_refused")
    other.locator("summary", has_text="授予权限").first.click()
    expect(other.locator("main")).to_contain_text("依据不足")
    shoot(second, "decided-phone")

    page.goto("/accounts")
    shoot(chen, "accounts-desk")
    page.locator("summary", has_text="新建账号").click()
    page.get_by_label("用户名").fill("third")
    page.get_by_label("姓名").fill("示例丁")
    page.locator("input[name=roles][value=administrator]").last.check()
    page.locator("#why-staff").fill("轮岗")
    page.get_by_role("button", name="创建账号").click()
    page.wait_for_url("**/proposals?done=proposed")
    other.goto("/proposals")
    other.get_by_role("article").filter(has_text="third").get_by_role("button", name="通过，立即生效").click()
    expect(other.locator("#secret")).to_contain_text("Sz1-")
    # Shown this once.
    other.goto("/proposals")
    expect(other.locator("#secret")).to_have_count(0)
    for watched in (chen, second):
        watched.context.close()
        assert watched.complaints == []


def test_a_type_waits_for_the_second_administrator_who_looks_at_it_first(browser: Browser, house: Site) -> None:
    with house.services.registry.begin(REGISTRY) as work:
        for name in ("fifth", "sixth"):
            accounts.create_staff(work, name, f"示例{name}", ["administrator"], None, password=PASSWORD)
        draft = drafting.start(work, house.types[2]).id
    first, second = opened(browser, house, "fifth"), opened(browser, house, "sixth", viewport=PHONE)
    page, address = first.page, f"/types/drafts/{draft}/publish"
    page.goto(address)
    page.get_by_label("理由").fill("   ")
    page.get_by_role("button", name="提请复核后发布").click()
    expect(page.locator("#why-publish-error")).to_be_visible()
    page.get_by_label("理由").fill("按新规调整字段")
    page.get_by_role("button", name="提请复核后发布").click()
    page.wait_for_url("**/proposals?done=proposed")
    page.goto(address)
    expect(page.locator("main")).to_contain_text("已提请发布，待另一名管理员复核")
    expect(page.get_by_role("button", name="提请复核后发布")).to_have_count(0)
    shoot(first, "type-waits-desk")

    other = second.page
    other.goto("/proposals")
    card = other.get_by_role("article").filter(has_text="按新规调整字段")
    shoot(second, "type-proposal-phone")
    assert other.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    card.get_by_role("link", name="查看将发布的内容").click()
    expect(other.get_by_role("button", name="提请复核后发布")).to_have_count(0)
    other.goto("/proposals")
    card.get_by_role("button", name="通过，立即生效").click()
    other.wait_for_url("**/proposals?done=proposal_approved")
    with house.services.registry.read(REGISTRY) as work:
        assert catalogue.get_type(work, house.types[2]).version > 1
    assert page.request.get(address).status == 404
    for watched in (first, second):
        watched.context.close()
        assert watched.complaints == []


def test_anothers_certificate_waits_where_it_will_be_listed(browser: Browser, house: Site) -> None:
    with house.services.registry.begin(REGISTRY) as work:
        for name in ("seventh", "eighth"):
            accounts.create_staff(work, name, f"示例{name}", ["administrator"], None, password=PASSWORD)
    first, second = opened(browser, house, "seventh"), opened(browser, house, "eighth")
    page, data = first.page, pem("示例制章人（两人）")
    page.goto("/trusted")
    page.get_by_label("用于").select_option("seal_maker")
    page.locator("input[type=file]").set_input_files(io_file(data, "maker.pem"))
    page.get_by_role("button", name="先看看是什么").click()
    page.get_by_label("信任的依据").fill("示例〔2026〕8号")
    page.get_by_role("button", name="提请复核").click()
    page.wait_for_url("**/trusted?done=proposed")
    card = page.get_by_role("article", name="示例制章人（两人）")
    expect(card).to_contain_text("待复核")
    fingerprint = card.locator("[data-fingerprint]").inner_text()
    second.page.goto("/proposals")
    waiting = second.page.get_by_role("article").filter(has_text="示例〔2026〕8号")
    # In the same groups, to be compared with what its owner reads aloud.
    expect(waiting).to_contain_text(fingerprint)
    waiting.get_by_role("button", name="通过，立即生效").click()
    second.page.wait_for_url("**/proposals?done=proposal_approved")
    page.goto("/trusted")
    expect(card).to_contain_text("信任中")
    for watched in (first, second):
        watched.context.close()
        assert watched.complaints == []


SEND = """([action, reason]) => {
  const form = document.querySelector(`form[action="${action}"]`);
  for (const one of form.elements) if (one.tagName === 'SELECT') one.selectedIndex = one.options.length - 1;
  form.elements.reason.removeAttribute('maxlength');
  form.elements.reason.value = reason;
  HTMLFormElement.prototype.submit.call(form);
}"""


def test_a_reason_that_is_refused_comes_back_in_its_own_form(browser: Browser, house: Site) -> None:
    with house.services.registry.begin(REGISTRY) as work:
        for name in ("ninth", "tenth"):
            accounts.create_staff(work, name, f"示例{name}", ["administrator"], None, password=PASSWORD)
    watched, reason = opened(browser, house, "ninth"), "长" * 201
    page = watched.page
    for address, action in (
        ("/keys", "/keys/rotate"),
        ("/departments", "/departments/scopes"),
        ("/accounts", "/accounts"),
        ("/accounts", "/tokens"),
    ):
        page.goto(address)
        with page.expect_navigation() as answered:
            # As if the browser held nothing back; without the page's script nothing asks first.
            page.evaluate(SEND, [action, reason])
        assert answered.value.status == 422
        form = page.locator(f"form[action='{action}']")
        expect(form.locator("[name=reason]")).to_have_value(reason)
    watched.context.close()
    assert watched.complaints == []
