"""The frame of the pages at every width: one line, whatever the language and the print size."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pages_site import DESK, PHONE, Site, Watched
from playwright.sync_api import Browser, expect

pytest_plugins = ("pages_fixtures",)
pytestmark = pytest.mark.browser

WIDTHS = (390, 768, 1024, 1104, 1106, 1160, 1264, 1266, 1280, 1366, 1440, 1680)
# Whether the ways are behind the menu's button, whether they stand in one line, and whether all keep inside the row.
MEASURED = """() => {
  const row = document.querySelector('.site-row'), button = document.querySelector('.menu-button');
  const isMenu = getComputedStyle(button).display !== 'none', edge = row.getBoundingClientRect().right;
  const parts = isMenu ? [button] : [...row.querySelectorAll('.nav > *, .tools > *')];
  const boxes = parts.map((part) => part.getBoundingClientRect());
  const order = boxes.every((box, n) => !n || box.left >= boxes[n - 1].right - 1);
  const isLow = row.offsetHeight <= 4.1 * parseFloat(getComputedStyle(row).fontSize);
  return [isMenu, order && isLow && boxes.at(-1).right <= edge];
}"""


@pytest.fixture(scope="module")
def staff(browser: Browser, site: Site) -> Iterator[Watched]:
    watched = Watched(browser, site, DESK)
    watched.log_in("chen")
    yield watched
    watched.context.close()


@pytest.mark.parametrize("setting", ["zh.normal", "en.normal", "zh.large", "en.large"])
def test_the_ways_stand_in_one_line_or_behind_the_menu(staff: Watched, setting: str) -> None:
    page, wide = staff.page, []
    staff.context.add_cookies([{"name": "suizheng_view", "value": setting, "url": staff.site.url}])
    page.goto("/disputes")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        is_menu, is_in_line = page.evaluate(MEASURED)
        assert is_in_line, width
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        wide += [] if is_menu else [width]
    assert wide == ([1680] if setting.endswith("large") else [width for width in WIDTHS if width > 1104])


def test_the_menu_opens_from_its_button_and_leads_on(staff: Watched) -> None:
    page = staff.page
    staff.context.add_cookies([{"name": "suizheng_view", "value": "en.normal", "url": staff.site.url}])
    page.set_viewport_size(PHONE)
    page.goto("/disputes")
    staff.scripted()
    expect(page.locator(".nav")).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    page.locator(".nav").get_by_text("Issuing", exact=True).click()
    page.locator(".nav").get_by_role("link", name="Certificates", exact=True).click()
    page.wait_for_url("**/certificates")
