"""Whether everybody can read and work every page: without a script, with a keyboard, in both languages and prints."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from pages_site import (
    DESK,
    PASSWORD,
    PHONE,
    Site,
    Watched,
    io_file,
    licence_row,
    pages_of,
    variants_of,
    verdict,
    workbook,
)
from playwright.sync_api import Browser, Page, expect

pytest_plugins = ("pages_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.slow]


# ---- Without a script, with a keyboard, for everybody ---------------------------------------------------------------


def test_everything_important_works_without_a_script(browser: Browser, site: Site) -> None:
    context = browser.new_context(java_script_enabled=False, base_url=site.url, locale="zh-CN")
    page = context.new_page()
    page.goto("/verify")
    page.locator("#code").fill(site.code_text)
    page.locator("#code").press("Enter")
    assert verdict(page) == "有效"
    page.goto("/login")
    page.locator("#f-username").fill("lin")
    page.locator("#f-password").fill(PASSWORD)
    page.locator("main button").click()
    page.goto(f"/register?type={site.types[1]}")
    page.locator("input[type=file]").set_input_files(io_file(workbook(licence_row("05000000202607010001"))))
    page.locator("main button").click()
    # The page asks for itself again until the work is done.
    expect(page.get_by_role("heading", level=1)).to_have_text("1 行全部登记成功")
    page.locator("button[name=language]").click()
    assert page.locator("html").get_attribute("lang") == "en"
    context.close()


def test_the_skip_link_is_first_and_focus_can_be_seen(desk: Watched) -> None:
    page = desk.page
    page.goto("/status")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="跳到正文")
    expect(skip).to_be_focused()
    assert skip.evaluate("node => getComputedStyle(node).outlineStyle") != "none"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_language_and_print_size_are_kept_in_the_cookie(desk: Watched) -> None:
    page = desk.page
    page.goto("/verify")
    before = page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)")
    with page.expect_navigation():
        page.get_by_role("button", name="大字版").click()
    expect(page).to_have_url(f"{desk.site.url}/verify")
    after = page.evaluate("parseFloat(getComputedStyle(document.documentElement).fontSize)")
    assert (before, after) == (16, 21)
    # So large, the ways of a desk stand behind the menu.
    page.get_by_role("button", name="菜单").click()
    with page.expect_navigation():
        page.get_by_role("button", name="English").click()
    page.goto("/status")
    expect(page.get_by_role("heading", level=1)).to_have_text("Status")
    assert page.locator("html").get_attribute("data-print") == "large"


#: Both sizes, both languages and both prints, in pairs.
VIEWS = {
    "zh-desk": (DESK, "zh.normal"),
    "en-phone": (PHONE, "en.normal"),
    "zh-phone-large": (PHONE, "zh.large"),
    "en-desk-large": (DESK, "en.large"),
}


@pytest.mark.parametrize("name", VIEWS)
def test_every_page_is_accessible_fits_its_screen_and_speaks_to_nobody_else(
    browser: Browser, site: Site, name: str
) -> None:
    viewport, view = VIEWS[name]
    watched = Watched(browser, site, viewport)
    watched.log_in("chen")
    watched.context.add_cookies([{"name": "suizheng_view", "value": view, "url": site.url}])
    faults = []
    pages = pages_of(site) | (variants_of(site) if name == "zh-desk" else {})
    for page_name, address in pages.items():
        watched.page.goto(address)
        watched.page.evaluate("document.querySelectorAll('details').forEach(more => { more.open = true; })")
        faults += [f"{page_name}: {fault}" for fault in faults_of(watched.page)]
    watched.page.goto("/verify")
    watched.page.locator("#code").fill(site.code_text)
    watched.page.locator("#code").press("Enter")
    faults += [f"verdict: {fault}" for fault in faults_of(watched.page)]
    watched.context.clear_cookies(name="suizheng_session")
    for address in ("/login", "/"):
        watched.page.goto(address)
        faults += [f"{address}: {fault}" for fault in faults_of(watched.page)]
    watched.context.close()
    assert faults == []
    assert watched.complaints == []


def faults_of(page: Page) -> list[str]:
    """What axe finds, and whether the page is wider than the screen."""
    # Wrapped, so that the browser does not send the whole library back as the value of the expression.
    page.evaluate(f"() => {{ {Axe().axe_script} }}")
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']}).then(done => done.violations)")
    faults = [f"{violation['id']} {[node['html'][:120] for node in violation['nodes'][:2]]}" for violation in found]
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    if wide > 0:
        faults.append(f"{wide} px wider than the screen")
    return faults
