"""Benches of the reader in the browser: Chromium, headless; the camera is a file."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from conftest import chromium_path
from pages_own import own_code
from pages_site import FLAGS, Site, start
from playwright.sync_api import Page, sync_playwright
from wallet_stage import camera_flags, film
from world import NOON, make_world

from bench.measure import Result
from verifier.code import show_code
from verifier.suites import SoftwareKey, Suite

ROUNDS, PHONES, FRAMES = 7, 300, 40

_JUDGE_ALL = """async ([trust, texts, at]) => {
  const { openTrust } = await import('/static/js/core/trust.js');
  const { verify } = await import('/static/js/core/presented.js');
  const opened = await openTrust(trust), begun = performance.now();
  for (const text of texts) if ((await verify(text, opened, at)).state !== 'valid') throw new Error('not valid');
  return performance.now() - begun;
}"""
_MEASURED = "performance.getEntriesByName('camera_to_verdict').map((one) => one.duration)"


def browser_verify() -> Result:
    """Dynamic codes, each of another phone of P-256: text to verdict with both signatures, one after another."""
    world = make_world()
    phones = [SoftwareKey.generate(Suite.ES256) for _ in range(PHONES)]
    texts = [show_code(world.code(device_key=phone.public), phone, NOON) for phone in phones]
    with _site() as site, _page(site, FLAGS) as page:
        page.goto("/gate")
        given = [world.trust().data.decode(), texts, NOON.timestamp()]
        rates = []
        for _ in range(ROUNDS + 1):
            # The keys of phones are met for the first time at a door: nothing may be kept from the round before.
            page.reload()
            rates.append(PHONES / page.evaluate(_JUDGE_ALL, given) * 1000)
    return _at_least("browser_verify", rates[1:], 2000)


def camera_to_verdict() -> Result:
    """From a frame of 1280 by 720 to the verdict on the screen: read the picture, judge, show; the 95th percentile."""
    phone = SoftwareKey.generate(Suite.ES256)
    with _site() as site, tempfile.TemporaryDirectory() as folder:
        path, code = Path(folder) / "camera.mjpeg", own_code(site, site.venue_id, phone)
        # Every picture shows another code: what stays before the camera is judged once.
        film(path, *(show_code(code, phone, datetime.now(UTC) + timedelta(seconds=n)) for n in range(-5, 9)))
        with _page(site, [*FLAGS, *camera_flags(path)]) as page:
            page.goto("/gate")
            page.locator("[data-part=camera]").click()
            page.wait_for_function(f"{_MEASURED}.length >= {FRAMES + 5}", timeout=60_000)
            # The first frames load the library.
            took = sorted(page.evaluate(_MEASURED)[5:])
    value = took[int(len(took) * 0.95) - 1]
    spread = f"{took[0]:.1f}–{took[-1]:.1f}"
    return Result("camera_to_verdict", round(value, 1), "ms", 60, round(value / 60, 3), "≤ 1", value <= 60, spread)


def _at_least(name: str, rates: list[float], limit: float) -> Result:
    value = statistics.median(rates)
    spread = f"{min(rates) / limit:.2f}–{max(rates) / limit:.2f}"
    return Result(name, round(value), "1/s", limit, round(value / limit, 3), "≥ 1", value >= limit, spread)


@contextmanager
def _site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory() as folder:
        running = start(Path(folder))
        yield next(running)
        next(running, None)


@contextmanager
def _page(site: Site, flags: list[str]) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=flags)
        yield browser.new_context(
            viewport={"width": 390, "height": 844}, locale="zh-CN", base_url=site.url, bypass_csp=True
        ).new_page()
        browser.close()
