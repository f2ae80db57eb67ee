"""The gate in the browser: alone at the door, killed and started again, and its visits in the registry at last."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import chromium_path
from pages_own import own_code, own_token, own_venue
from pages_site import FLAGS, PHONE, Site, Watched, io_file, start, wait_until
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect
from sqlalchemy import select
from test_reader import decided, open_gate, type_code

from registry.venues.tables import VisitRow
from registry.work import REGISTRY
from verifier.code import show_code
from verifier.suites import SoftwareKey, Suite
from verifier.visit import Visit, check_chain

pytest_plugins = ("pages_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.slow]

#: Every visit that is still on the device, in order.
KEPT = """async (gate) => {
  const { transact } = await import('/static/js/core/store.js');
  return transact(['visits'], 'readonly', (table) => table('visits').getAll());
}"""


@pytest.fixture
def phone() -> SoftwareKey:
    return SoftwareKey.generate(Suite.ES256)


@pytest.fixture
def door(browser: Browser, site: Site) -> Iterator[Watched]:
    watched = Watched(browser, site, PHONE)
    yield watched
    watched.context.close()
    assert watched.complaints == []


def now_shown(static: str, phone: SoftwareKey, seconds: int = 0) -> str:
    return show_code(static, phone, datetime.now(UTC) + timedelta(seconds=seconds))


def give_token(page: Page, token: str) -> None:
    page.get_by_label("上交用的令牌").fill(token)
    page.get_by_role("button", name="保存").click()


def waiting(page: Page) -> str:
    return page.locator("[data-part=waiting]").inner_text()


def rows_of(site: Site, venue: str) -> list[VisitRow]:
    with site.services.registry.read(REGISTRY) as work:
        query = select(VisitRow).where(VisitRow.venue_id == venue).order_by(VisitRow.sequence)
        return list(work.session.scalars(query))


def test_visits_are_the_verifiers_own_and_reach_the_registry_once_though_the_answer_got_lost(
    door: Watched, site: Site, phone: SoftwareKey
) -> None:
    venue, page = own_venue(site), door.page
    static = own_code(site, venue, phone)
    open_gate(page, venue)
    shown = now_shown(static, phone)
    assert type_code(page, shown) == ("valid", "pass")
    assert type_code(page, shown) == ("invalid", "replayed")
    assert type_code(page, "https://example.invalid/menu") == ("invalid", "not_ours")
    page.keyboard.press("Escape")
    expect(page.locator("[data-part=waiting]")).to_have_text("3")
    expect(page.locator("[data-part=door]")).to_have_attribute("data-state", "no_token")
    visits = [Visit.from_json(one) for one in page.evaluate(KEPT)]
    assert check_chain(visits) == visits[-1].digest()
    assert [(one.admitted, one.reason) for one in visits] == [
        (True, "pass"), (False, "replayed"), (False, "not_ours"),
    ]  # fmt: skip
    assert visits[2].code_id is None and visits[0].code_id == visits[1].code_id

    sent: list[str] = []

    def lose(route: Any) -> None:
        sent.append(route.request.headers["idempotency-key"])
        if len(sent) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/visits", lose)
    give_token(page, own_token(site, "gate"))
    expect(page.locator("[data-part=door]")).to_have_attribute("data-state", "waiting")
    assert len(rows_of(site, venue)) == 3 and waiting(page) == "3"
    page.get_by_role("button", name="立即上交").click()
    expect(page.locator("[data-part=door]")).to_have_attribute("data-state", "done")
    assert len(sent) == 2 and sent[0] == sent[1]
    assert [row.event_id for row in rows_of(site, venue)] == [one.event_id for one in visits]
    assert page.evaluate(KEPT) == [] and waiting(page) == "0"
    # The chain goes on behind what was deleted here.
    assert type_code(page, now_shown(static, phone, 2)) == ("valid", "pass")
    expect(page.locator("[data-part=recorded]")).to_have_text("4")
    expect(page.locator("[data-part=waiting]")).to_have_text("0")
    assert len(rows_of(site, venue)) == 4
    door.complaints[:] = [one for one in door.complaints if "ERR_FAILED" not in one]


def test_a_gate_records_without_a_network_and_hands_in_when_it_is_back(
    door: Watched, site: Site, phone: SoftwareKey
) -> None:
    venue, page = own_venue(site), door.page
    static = own_code(site, venue, phone)
    open_gate(page, venue)
    give_token(page, own_token(site, "gate"))
    door.context.set_offline(True)
    assert type_code(page, now_shown(static, phone)) == ("valid", "pass")
    page.keyboard.press("Escape")
    expect(page.locator("[data-part=door]")).to_have_attribute("data-state", "waiting")
    assert rows_of(site, venue) == []
    door.context.set_offline(False)
    expect(page.locator("[data-part=door]")).to_have_attribute("data-state", "done")
    assert [row.reason for row in rows_of(site, venue)] == ["pass"]
    door.complaints[:] = [one for one in door.complaints if "ERR_INTERNET_DISCONNECTED" not in one]


def test_a_refused_token_loses_nothing_and_another_one_helps(door: Watched, site: Site, phone: SoftwareKey) -> None:
    venue, page = own_venue(site), door.page
    static = own_code(site, venue, phone)
    open_gate(page, venue)
    give_token(page, own_token(site, "auditor"))
    assert type_code(page, now_shown(static, phone)) == ("valid", "pass")
    page.keyboard.press("Escape")
    expect(page.locator("[data-part=door]")).to_have_attribute("data-state", "refused")
    expect(page.locator("[data-part=door-line]")).to_contain_text("登记处没有接收")
    assert len(page.evaluate(KEPT)) == 1 and rows_of(site, venue) == []
    page.get_by_role("button", name="删除令牌").click()
    give_token(page, own_token(site, "gate"))
    expect(page.locator("[data-part=door]")).to_have_attribute("data-state", "done")
    assert len(rows_of(site, venue)) == 1


def test_what_a_scanner_types_is_taken_wherever_the_focus_is(door: Watched, site: Site, phone: SoftwareKey) -> None:
    page, venue = door.page, own_venue(site)
    static = own_code(site, venue, phone)
    open_gate(page, None)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.type(now_shown(static, phone))
    page.keyboard.press("Enter")
    assert decided(page)[0] == "valid"
    page.keyboard.press("Escape")
    page.get_by_label("在哪里验").select_option(venue)
    page.get_by_label("在哪里验").focus()
    page.keyboard.type(now_shown(static, phone))
    page.keyboard.press("Enter")
    assert decided(page) == ("valid", "pass")


def test_a_fallback_number_is_sent_to_the_server_by_words_and_no_visit_is_recorded(door: Watched, site: Site) -> None:
    page, venue = door.page, own_venue(site)
    open_gate(page, venue)
    page.keyboard.type("1234 5678")
    page.keyboard.press("Enter")
    expect(page.locator("[data-part=line]")).to_contain_text("备用号须联网核验")
    expect(page.locator("[data-part=verdict]")).to_be_hidden()
    assert page.evaluate(KEPT) == []


def test_two_tabs_are_not_two_gates_of_one_venue(door: Watched, site: Site, phone: SoftwareKey) -> None:
    venue, page = own_venue(site), door.page
    static = own_code(site, venue, phone)
    open_gate(page, venue)
    second = door.context.new_page()
    open_gate(second, venue)
    # Not for a moment is it a mere check: who is judged while the journal is asked for waits for it.
    assert type_code(second, now_shown(static, phone)) == ("undecided", "journal_in_use")
    expect(second.locator("[data-part=door]")).to_have_attribute("data-state", "in_use")
    assert type_code(page, now_shown(static, phone)) == ("valid", "pass")


def test_a_clock_set_back_opens_nothing(door: Watched, site: Site, phone: SoftwareKey) -> None:
    venue, page = own_venue(site), door.page
    static = own_code(site, venue, phone)
    page.clock.install()
    page.clock.resume()
    open_gate(page, venue)
    assert type_code(page, now_shown(static, phone)) == ("valid", "pass")
    page.clock.set_system_time(datetime.now(UTC) - timedelta(seconds=50))
    assert type_code(page, now_shown(static, phone, -45))[0] != "valid"
    page.clock.set_system_time(datetime.now(UTC) - timedelta(hours=2))
    assert type_code(page, now_shown(static, phone, -7200)) == ("undecided", "clock_went_back")


def profile(site: Site, browser: Browser, folder: Path) -> BrowserContext:
    return browser.browser_type.launch_persistent_context(
        folder, executable_path=chromium_path(), args=FLAGS, viewport=PHONE, locale="zh-CN", base_url=site.url
    )  # type: ignore[arg-type]


def test_what_was_decided_before_the_browser_was_killed_is_known_after_it(
    browser: Browser, site: Site, phone: SoftwareKey, tmp_path: Path
) -> None:
    venue = own_venue(site, anti_passback_seconds=3600)
    static = own_code(site, venue, phone)
    context = profile(site, browser, tmp_path)
    page = context.pages[0]
    open_gate(page, venue)
    shown = now_shown(static, phone)
    assert type_code(page, shown) == ("valid", "pass")
    session = (
        browser.new_browser_cdp_session() if context.browser is None else context.browser.new_browser_cdp_session()
    )
    running = session.send("SystemInfo.getProcessInfo")["processInfo"]
    os.kill(next(one["id"] for one in running if one["type"] == "browser"), signal.SIGKILL)
    # Whether the driver has seen the death yet differs from run to run.
    with suppress(Error):
        context.close()
    context = profile(site, browser, tmp_path)
    try:
        page = context.pages[0]
        open_gate(page, venue)
        expect(page.locator("[data-part=recorded]")).to_have_text("1")
        assert type_code(page, shown) == ("invalid", "replayed")
        page.keyboard.press("Escape")
        give_token(page, own_token(site, "gate"))
        wait_until(lambda: len(rows_of(site, venue)) == 2, 20)
        assert [row.reason for row in rows_of(site, venue)] == ["pass", "replayed"]
    finally:
        context.close()


def test_bundles_and_codes_are_judged_with_the_server_gone(
    browser: Browser, tmp_path: Path, phone: SoftwareKey
) -> None:
    running = start(tmp_path)
    own = next(running)
    desk = Watched(browser, own)
    desk.log_in("chen")
    bundle = desk.context.request.get(f"{own.url}/certificates/{own.certificate_id}/evidence").body()
    venue = own_venue(own)
    static = own_code(own, venue, phone)
    page = desk.page
    open_gate(page, None)
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    next(running, None)
    page.reload()
    expect(page.locator("body")).to_have_attribute("data-state", "ready")
    files = page.locator("[data-part=files-box] input")
    for data, expected in ((bundle, ("valid", "ok")), (bundle[:-40] + bytes(40), None)):
        asked: list[str] = []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        files.set_input_files(io_file(data, "证照.szb"))
        state, reason = decided(page)
        assert (state, reason) == expected if expected else state == "invalid"
        assert asked == []
        page.keyboard.press("Escape")
    page.get_by_label("在哪里验").select_option(venue)
    assert type_code(page, now_shown(static, phone)) == ("valid", "pass")
    desk.context.close()
