"""A scanner types wherever the focus is, sometimes twice, sometimes nonsense; files are dropped anywhere."""

from __future__ import annotations

import pytest
from pages_site import Watched
from playwright.sync_api import LocatorAssertions, Page, expect

pytest_plugins = ("pages_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.slow]


def scan(page: Page, text: str) -> None:
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def verdict_of(page: Page) -> LocatorAssertions:
    return expect(page.locator("#verdict-word"))


def open_page(desk: Watched, address: str) -> None:
    desk.page.goto(address)
    desk.scripted()


@pytest.mark.parametrize("address", ["/", "/verify"])
def test_a_scan_while_the_focus_is_nowhere_lands_in_the_field_for_scans(desk: Watched, address: str) -> None:
    open_page(desk, address)
    desk.page.evaluate("document.activeElement.blur()")
    scan(desk.page, desk.site.code_text)
    verdict_of(desk.page).to_have_text("有效")


def test_after_a_verdict_the_next_scan_counts_even_from_an_opened_list_of_checks(desk: Watched) -> None:
    page = desk.page
    open_page(desk, "/verify")
    scan(page, "SZ1:AB")
    verdict_of(page).to_have_text("无效")
    desk.scripted()
    page.locator("details.more summary").click()
    scan(page, desk.site.code_text)
    verdict_of(page).to_have_text("有效")


def test_a_trigger_pulled_twice_is_one_scan(desk: Watched) -> None:
    open_page(desk, "/verify")
    scan(desk.page, desk.site.code_text * 2)
    verdict_of(desk.page).to_have_text("有效")


def test_the_rest_of_a_second_pull_leaves_the_verdict_and_a_whole_scan_replaces_it(desk: Watched) -> None:
    page = desk.page
    open_page(desk, "/verify")
    scan(page, desk.site.code_text)
    verdict_of(page).to_have_text("有效")
    desk.scripted()
    scan(page, desk.site.code_text[-40:])
    expect(page.locator("#code")).to_have_value("")
    verdict_of(page).to_have_text("有效")
    scan(page, "SZ1:AB")
    verdict_of(page).to_have_text("无效")


def test_a_scan_into_the_case_number_or_the_list_of_matters_moves_to_its_own_field(desk: Watched) -> None:
    page, text = desk.page, desk.site.code_text
    desk.log_in("wang")
    open_page(desk, "/use?matter=CN-FOOD-01")
    expect(page.locator("#f-case_no")).to_be_focused()
    page.keyboard.type("CN-SCAN-1" + text)
    expect(page.locator("#f-case_no")).to_have_value("CN-SCAN-1")
    expect(page.locator("#f-text")).to_have_value(text)
    page.locator("#f-text").fill("")
    page.locator("#f-matter").focus()
    scan(page, text)
    expect(page.get_by_role("heading", level=1)).to_have_text("食品经营许可变更")


def test_a_scan_on_a_page_without_a_field_for_scans_is_verified_and_presses_no_button(desk: Watched) -> None:
    page, text = desk.page, desk.site.code_text
    desk.log_in("wang")
    open_page(desk, "/codes")
    page.get_by_role("button", name="制码").focus()
    scan(page, text)
    verdict_of(page).to_have_text("有效")
    open_page(desk, "/codes")
    page.locator("#f-holder_code").fill("310105")
    page.get_by_role("button", name="制码").focus()
    scan(page, text)
    expect(page.locator("#f-holder_code")).to_have_value("310105")
    expect(page.get_by_role("heading", level=1)).to_have_text("制码")
    page.keyboard.press("Enter")
    expect(page.locator("#f-holder_code")).to_have_attribute("aria-invalid", "true")


def test_a_scan_into_a_field_that_is_not_for_scans_fills_and_sends_nothing(desk: Watched) -> None:
    page, text = desk.page, desk.site.code_text
    desk.log_in("chen")
    open_page(desk, "/components")
    page.locator("#f-q").focus()
    scan(page, text)
    verdict_of(page).to_have_text("有效")
    open_page(desk, "/components")
    page.locator("#f-q").focus()
    page.keyboard.type("虹桥路")
    scan(page, text)
    expect(page.locator("#f-q")).to_have_value("虹桥路")
    page.keyboard.press("Enter")
    page.wait_for_url("**/components?q=*")
    assert "SZ1" not in page.url
    open_page(desk, f"/venues/{desk.site.venue_id}/posters")
    page.locator("#f-count").focus()
    scan(page, text)
    verdict_of(page).to_have_text("有效")


def test_a_megabyte_in_a_field_is_refused_in_words(desk: Watched) -> None:
    page = desk.page
    open_page(desk, "/verify")
    page.locator("#code").evaluate("field => { field.value = 'SZ1:' + 'A'.repeat(1_000_000); }")
    page.locator("#code").press("Enter")
    expect(page.locator("main")).to_contain_text("有一栏的内容超过 64 KB")


@pytest.mark.parametrize("address", ["/", "/verify"])
def test_a_document_dropped_anywhere_is_neither_good_nor_bad_and_says_what_to_bring(
    desk: Watched, address: str
) -> None:
    open_page(desk, address)
    desk.page.evaluate(
        """() => {
          const carried = new DataTransfer();
          carried.items.add(new File(["%PDF-1.7 a copy on paper"], "copy.pdf"));
          const drop = new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true });
          document.querySelector("h1").dispatchEvent(drop);
        }"""
    )
    verdict_of(desk.page).to_have_text("无法判定")
    expect(desk.page.locator(".notice")).to_contain_text("证据包")
