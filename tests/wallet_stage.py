"""A phone beside a real server: enrolled at the window's page, and a camera whose picture is a file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import missing
from pages_site import DESK, PERSON_CODE, Site, Watched
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from codes import picture

VENDOR = Path(__file__).parents[1] / "api/pages/static/vendor"


@pytest.fixture(scope="module")
def clerk(browser: Browser, site: Site) -> Iterator[Watched]:
    """At a window, logged in; ends with no complaint of the browser."""
    if not (VENDOR / "qr.js").exists():
        missing("web parts (make web)")
    desk = Watched(browser, site, DESK)
    desk.log_in("wang")
    yield desk
    desk.context.close()
    assert desk.complaints == []


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


def film(path: Path, *texts: str, frames: int = 6, share: float = 0.6) -> None:
    """A camera's file: JPEG pictures one after another, 1280 by 720, with a code turned a little in each."""
    side = int(720 * share)
    with path.open("wb") as file:
        for n in range(max(frames, len(texts))):
            png = picture.draw_png(texts[n % len(texts)], "M", 8)
            code = Image.open(io.BytesIO(png)).convert("L").convert("RGB").resize((side, side))
            frame = Image.new("RGB", (1280, 720), (96, 104, 110))
            turned = code.rotate(2 * n % 16 - 8, expand=True, fillcolor=(96, 104, 110))
            frame.paste(turned, ((1280 - turned.width) // 2 + 3 * n % 30, (720 - turned.height) // 2))
            frame.save(file, "JPEG", quality=85)


def camera_flags(path: Path) -> list[str]:
    """Chromium's flags for a camera whose picture is this file."""
    return [
        "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={path}",
    ]  # fmt: skip
