"""The pages that stand alone, in both languages: changed without a network, nothing lost, remembered, told later."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import missing
from pages_site import DESK, PHONE, Site, Watched
from playwright.sync_api import Browser, Page, expect
from test_reader import open_gate, type_code
from wallet_stage import VENDOR, enrol, shown, window_ticket

pytest_plugins = ("pages_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.slow]

CHINESE = re.compile("[\u3400-\u9fff]")
# What a page says in the language of its root, without what is marked as another's and without the names of venues.
SPOKEN = """() => {
  const said = [document.title], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const { data, parentElement: place } = walk.currentNode;
    if (!data.trim() || place.closest('noscript, option:not([value=""])')) continue;
    if (place.closest('[lang]') === document.documentElement) said.push(data.trim());
  }
  const named = document.querySelectorAll('[aria-label], [download]');
  for (const place of named) said.push(place.ariaLabel ?? place.download);
  return said;
}"""


@pytest.fixture
def phone(browser: Browser, site: Site) -> Iterator[Watched]:
    if not (VENDOR / "qr.js").exists():
        missing("web parts (make web)")
    made = Watched(browser, site, PHONE)
    yield made
    made.context.close()
    assert made.complaints == []


@pytest.fixture(scope="module")
def clerk(browser: Browser, site: Site) -> Iterator[Watched]:
    desk = Watched(browser, site, DESK)
    desk.log_in("wang")
    yield desk
    desk.context.close()


def change(page: Page, name: str, tag: str) -> None:
    page.get_by_role("button", name=name).click()
    expect(page.locator("html")).to_have_attribute("lang", tag)


def ready(page: Page) -> None:
    page.locator("html[data-script=on]").wait_for(state="attached")


@pytest.mark.parametrize("path", ["/wallet", "/wallet/delegated", "/gate"])
def test_every_word_of_a_page_changes_its_language_in_place_and_back(phone: Watched, path: str) -> None:
    page = phone.page
    page.goto(path)
    ready(page)
    chinese, head = page.evaluate(SPOKEN), page.locator(".app-head").bounding_box()
    change(page, "English", "en")
    assert [text for text in page.evaluate(SPOKEN) if CHINESE.search(text)] == []
    assert page.locator(".app-head").bounding_box() == head
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert Axe().run(page).response["violations"] == []
    change(page, "中文", "zh-CN")
    assert page.evaluate(SPOKEN) == chinese
    assert Axe().run(page).response["violations"] == []


def test_the_code_shown_and_the_digits_typed_outlive_the_change(clerk: Watched, phone: Watched) -> None:
    page = phone.page
    link, pin = window_ticket(clerk)
    page.goto(link)
    page.get_by_label("口令").fill("00")
    change(page, "English", "en")
    expect(page.get_by_label("PIN")).to_have_value("00")
    page.get_by_label("PIN").fill("000000" if pin != "000000" else "111111")
    page.get_by_role("button", name="Enrol", exact=True).click()
    line = page.get_by_role("status").first
    expect(line).to_contain_text("Wrong PIN")
    change(page, "中文", "zh-CN")
    expect(line).to_contain_text("口令不对")
    enrol(page, (link, pin))
    text = shown(page)
    change(page, "English", "en")
    expect(page.locator("[data-part=until]")).to_contain_text("Works without a network until")
    expect(page.get_by_role("radio", name="until").first).to_be_visible()
    assert shown(page) == text


def test_without_a_network_the_language_changes_stays_and_is_told_later(phone: Watched) -> None:
    page = phone.page
    page.goto("/wallet")
    ready(page)
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    phone.context.set_offline(True)
    page.reload()
    ready(page)
    change(page, "English", "en")
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_role("heading", name="This phone is not enrolled")).to_be_visible()
    phone.context.set_offline(False)
    with page.expect_response("**/settings"):
        page.goto("/gate")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.goto("/verify")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    # The other way round the site's own toggle is followed.
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("button", name="中文").click()
    page.goto("/wallet")
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")


def test_a_verdict_at_the_gate_is_told_anew_in_the_other_language(phone: Watched, site: Site) -> None:
    page = phone.page
    open_gate(page, None)
    found = type_code(page, site.code_text)
    word, reason = page.locator("[data-part=word]"), page.locator("[data-part=reason]")
    said = word.inner_text(), reason.inner_text()
    assert CHINESE.search("".join(said))
    # Under the verdict, as a keyboard reaches it.
    page.locator("[data-part=language]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(word).not_to_have_text(said[0])
    assert not CHINESE.search(word.inner_text() + reason.inner_text())
    labels = page.locator("[data-part=facts] dt, [data-part=checks] b, [data-part=checks] span").all_inner_texts()
    assert labels and not CHINESE.search("".join(labels))
    assert type_code_again(page, site.code_text) == found


def type_code_again(page: Page, text: str) -> tuple[str | None, str | None]:
    page.get_by_role("button", name="Next").click()
    page.locator("[data-part=typed]").fill(text)
    page.locator("[data-part=typed]").press("Enter")
    panel = page.locator("[data-part=verdict]")
    panel.wait_for()
    assert not CHINESE.search(page.locator("[data-part=word]").inner_text())
    return panel.get_attribute("data-state"), panel.get_attribute("data-reason")
