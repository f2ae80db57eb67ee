"""A phone beside a real server: enrolled at the window's page."""

from __future__ import annotations

from pathlib import Path

from pages_site import PERSON_CODE, Watched
from playwright.sync_api import Page, expect

VENDOR = Path(__file__).parents[1] / "api/pages/static/vendor"


def window_ticket(desk: Watched, holder: str = PERSON_CODE) -> tuple[str, str]:
    """The link and the PIN that the window's page shows; the clerk is logged in already."""
    page = desk.page
    page.goto("/devices")
    form = page.locator("form[action='/devices']")
    form.get_by_label("证件类型").select_option("111")
    form.get_by_label("证件号码").fill(holder)
    form.locator("input[name=venues]").first.check()
    form.get_by_role("button").click()
    link = page.locator("[data-ticket]").get_attribute("href") or ""
    return link, page.locator("[data-pin]").inner_text()


def enrol(phone: Page, ticket: tuple[str, str]) -> None:
    """What the person does: opens the link and types the PIN."""
    phone.goto(ticket[0])
    phone.get_by_label("口令").fill(ticket[1])
    phone.get_by_role("button", name="登记").click()
    expect(phone.locator("body")).to_have_attribute("data-state", "ready")
    phone.locator("[data-part=code][data-text]").wait_for()


def shown(phone: Page) -> str:
    """What the QR on the phone holds now."""
    return phone.locator("[data-part=code]").get_attribute("data-text") or ""
