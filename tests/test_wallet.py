"""The code on the phone, in a real browser: enrolled, shown, renewed, kept without a network, ended when lost."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import missing
from pages_site import DESK, PERSON_CODE, PHONE, Site, Watched, clerk_of, keep_picture, start
from PIL import Image
from playwright.sync_api import Browser, expect
from wallet_stage import VENDOR, enrol, shown, window_ticket

from codes import picture
from registry.venues import service as venues
from verifier import State, verify
from verifier.code import open_code

pytest_plugins = ("pages_fixtures", "wallet_stage")
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def phone(browser: Browser, site: Site) -> Iterator[Watched]:
    made = Watched(browser, site, PHONE)
    yield made
    made.context.close()
    assert made.complaints == []


def judged(site: Site, text: str, seconds: float = 0) -> tuple[State, str]:
    verdict = verify(text.encode(), site.services.trust.bundle(), datetime.now(UTC) + timedelta(seconds=seconds))
    return verdict.state, verdict.reason


def test_a_phone_enrolled_at_the_window_shows_a_code_that_holds_now_and_not_a_minute_later(
    clerk: Watched, phone: Watched, site: Site
) -> None:
    page = phone.page
    page.goto("/wallet")
    expect(page.get_by_role("heading", name="这部手机还没有登记")).to_be_visible()
    ticket = window_ticket(clerk)
    enrol(page, ticket)
    assert "#" not in page.url
    expect(page.get_by_role("radio", name="长宁区第一中学体育场（示例）")).to_be_checked()
    text = shown(page)
    assert judged(site, text) == (State.VALID, "ok")
    assert judged(site, text, 41) == (State.NOT_IN_FORCE, "proof_expired")
    drawn = page.locator("[data-part=code]").screenshot()
    assert picture.read(drawn) == [text]
    page.get_by_text("使用记录").click()
    # Other tests of the same site may have used what this person holds.
    expect(page.get_by_text("还没有使用记录。").or_(page.get_by_text("使用了").first)).to_be_visible()


def test_of_several_things_the_phone_shows_the_one_that_is_chosen_and_remembers_it(
    clerk: Watched, phone: Watched, site: Site
) -> None:
    second = second_pass(site)
    page, desk = phone.page, clerk.page
    desk.goto("/devices")
    form = desk.locator("form[action='/devices']")
    form.get_by_label("证件类型").select_option("111")
    form.get_by_label("证件号码").fill(PERSON_CODE)
    for venue in (site.venue_id, second):
        form.locator(f"input[value='{venue}']").check()
    form.get_by_role("button").click()
    page.goto(desk.locator("[data-ticket]").get_attribute("href") or "")
    page.get_by_label("口令").fill(desk.locator("[data-pin]").inner_text())
    page.get_by_role("button", name="登记").click()
    expect(page.get_by_text("请先选择要出示的一项")).to_be_visible()
    expect(page.locator("[data-part=code]")).to_be_hidden()
    assert Axe().run(page).response["violations"] == []
    keep_picture(page, "wallet-choose")
    for name, refs in (("虹桥图书馆", [second]), ("长宁区第一中学体育场", [site.venue_id]), ("只出示本人的码", [])):
        before = shown(page)
        page.get_by_role("radio", name=name).check()
        page.locator("[data-part=code][data-text]").wait_for()
        expect(page.locator("[data-part=code]")).not_to_have_attribute("data-text", before)
        text = shown(page)
        assert judged(site, text) == (State.VALID, "ok")
        assert [grant.ref for grant in open_code(text)[2].grants] == refs
    before = shown(page)
    page.get_by_role("radio", name="虹桥图书馆").check()
    # The choice is kept before the code is shown under it.
    expect(page.locator("[data-part=code]")).not_to_have_attribute("data-text", before)
    page.reload()
    expect(page.get_by_role("radio", name="虹桥图书馆")).to_be_checked()
    page.locator("[data-part=code][data-text]").wait_for()
    keep_picture(page, "wallet-chosen")
    assert picture.read(page.locator("[data-part=code]").screenshot()) == [shown(page)]


def second_pass(site: Site) -> str:
    """Another venue, for which the same person has a pass; its id."""
    with site.services.registry.begin(clerk_of(site.services)) as work:
        rule = {"hours": [], "admit": {"types": [], "pass": True}, "anti_passback_seconds": 0}
        venue = venues.register(
            work, "虹桥图书馆（示例）", "上海市长宁区虹桥路 1010 号", "310105", "12310105MB9T00038A", rule
        )
        venues.grant_pass(work, venue.id, "111", PERSON_CODE, work.at, work.at + timedelta(days=30))
        return venue.id


def test_the_key_never_leaves_the_browser_and_survives_a_reload(clerk: Watched, phone: Watched) -> None:
    page = phone.page
    enrol(page, window_ticket(clerk))
    export = """async () => {
      const { get } = await import('/static/js/core/store.js');
      const { keys } = await get('wallet');
      const tried = [];
      for (const form of ['jwk', 'pkcs8', 'raw']) {
        const outcome = crypto.subtle.exportKey(form, keys.privateKey).then(() => 'out', (error) => error.name);
        tried.push(await outcome);
      }
      return [keys.privateKey.extractable, ...tried];
    }"""
    assert page.evaluate(export) == [False, "InvalidAccessError", "InvalidAccessError", "InvalidAccessError"]
    page.reload()
    page.locator("[data-part=code][data-text]").wait_for()


def test_it_is_renewed_every_half_minute(clerk: Watched, phone: Watched, site: Site) -> None:
    page = phone.page
    page.clock.install()
    enrol(page, window_ticket(clerk))
    first = shown(page)
    page.clock.fast_forward(20_000)
    assert shown(page) == first
    page.clock.fast_forward(12_000)
    expect(page.locator("[data-part=code]")).not_to_have_attribute("data-text", first)
    assert judged(site, shown(page), 32) == (State.VALID, "ok")


def test_a_wrong_pin_is_said_and_the_right_one_then_works(clerk: Watched, phone: Watched) -> None:
    page, (link, pin) = phone.page, window_ticket(clerk)
    page.goto(link)
    page.get_by_label("口令").fill("000000" if pin != "000000" else "111111")
    page.get_by_role("button", name="登记").click()
    expect(page.get_by_role("status").first).to_contain_text("还可以再试 4 次")
    page.get_by_label("口令").fill(pin)
    page.get_by_role("button", name="登记").click()
    expect(page.locator("body")).to_have_attribute("data-state", "ready")


def test_a_number_on_the_phone_is_said_at_the_window_and_holds_once(clerk: Watched, phone: Watched) -> None:
    enrol(phone.page, window_ticket(clerk))
    phone.page.locator("summary", has_text="备用号").click()
    number = phone.page.locator("[data-part=number]")
    expect(number).to_have_text(re.compile(r"^\d{4} \d{4}$"))
    for heading in ("有效", "核验"):
        clerk.page.goto("/verify")
        clerk.page.keyboard.type(number.inner_text())
        clerk.page.keyboard.press("Enter")
        expect(clerk.page.get_by_role("heading", level=1)).to_have_text(heading)
    expect(clerk.page.get_by_role("alert")).to_contain_text("已用过")


def test_a_lost_phone_ends_at_once_and_the_next_one_works(
    clerk: Watched, phone: Watched, browser: Browser, site: Site
) -> None:
    enrol(phone.page, window_ticket(clerk))
    text = shown(phone.page)
    desk = clerk.page
    desk.goto("/devices")
    search = desk.locator("form[action='/devices/search']")
    search.get_by_label("证件类型").select_option("111")
    search.get_by_label("证件号码").fill("31010518991231999X")
    search.get_by_role("button").click()
    desk.get_by_role("button", name="挂失").click()
    expect(desk.get_by_role("status")).to_contain_text("手机已停用")
    assert judged(site, text) == (State.NOT_IN_FORCE, "status_lost")
    phone.page.get_by_role("button", name="联网更新").click()
    expect(phone.page.get_by_role("heading", name="这部手机已停用")).to_be_visible()
    expect(phone.page.get_by_text("已按挂失处理")).to_be_visible()
    other = Watched(browser, site, PHONE)
    enrol(other.page, window_ticket(clerk))
    assert judged(site, shown(other.page)) == (State.VALID, "ok")
    other.context.close()


def test_wallet_and_gate_go_on_when_the_server_is_stopped(browser: Browser, tmp_path: Path) -> None:
    if not (VENDOR / "qr.js").exists():
        missing("web parts (make web)")
    running = start(tmp_path)
    site = next(running)
    trust = site.services.trust.bundle()
    clerk, phone, door = Watched(browser, site, DESK), Watched(browser, site, PHONE), Watched(browser, site, PHONE)
    clerk.log_in("wang")
    enrol(phone.page, window_ticket(clerk))
    # After the enrolment, so that the door knows the list in which the code's state stands.
    door.page.goto("/gate")
    for watched in (phone, door):
        expect(watched.page.locator("html")).to_have_attribute("data-script", "on")
        watched.page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    next(running, None)
    phone.page.reload()
    phone.page.locator("[data-part=code][data-text]").wait_for()
    text = shown(phone.page)
    assert verify(text.encode(), trust, datetime.now(UTC)).state is State.VALID
    phone.page.get_by_role("button", name="联网更新").click()
    expect(phone.page.get_by_role("status").first).to_contain_text("连接不上服务器")
    door.page.reload()
    expect(door.page.locator("body")).to_have_attribute("data-state", "ready")
    door.page.locator("[data-part=typed]").fill(text)
    door.page.locator("[data-part=typed]").press("Enter")
    expect(door.page.locator("[data-part=word]")).to_have_text("有效")
    for watched in (clerk, phone, door):
        watched.context.close()


def test_the_wallet_is_readable_for_everybody(clerk: Watched, phone: Watched) -> None:
    page = phone.page
    page.goto("/wallet")
    page.get_by_role("heading", name="这部手机还没有登记").wait_for()
    states = ["none"]
    assert Axe().run(page).response["violations"] == []
    page.goto(window_ticket(clerk)[0])
    states.append(page.locator("body").get_attribute("data-state") or "")
    assert Axe().run(page).response["violations"] == []
    enrol(page, window_ticket(clerk))
    assert Axe().run(page).response["violations"] == []
    assert states == ["none", "enrolling"]


def test_large_print_enlarges_the_wallet_and_is_remembered(clerk: Watched, phone: Watched) -> None:
    page = phone.page
    enrol(page, window_ticket(clerk))
    page.get_by_role("button", name="大字版").click()
    page.reload()
    assert page.locator("html").get_attribute("data-print") == "large"
    page.locator("[data-part=code][data-text]").wait_for()
    assert Image.open(io.BytesIO(page.screenshot())).width == PHONE["width"]
