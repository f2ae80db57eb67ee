"""Logging in with a second factor, on the pages: setting it up, the code, a recovery code, and a log-in that asks."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from pages_site import PASSWORD, PHONE, Site, Watched, keep_picture
from playwright.sync_api import Browser, Page, expect
from test_pages import faults_of

from codes import picture
from registry.accounts import service as accounts
from registry.departments import service as departments
from registry.factors import rules
from registry.factors import service as factors
from registry.work import REGISTRY

pytest_plugins = ("pages_fixtures",)
pytestmark = pytest.mark.browser


def clerk(site: Site, username: str) -> str:
    with site.services.registry.begin(REGISTRY) as work:
        operator = departments.operator(work).code
        return str(accounts.create_staff(work, username, "两步登录员", ["window"], operator, PASSWORD).staff.id)


def code_now(secret: bytes, later: int = 0) -> str:
    return rules.code_of(secret, rules.step_at(datetime.now(UTC)) + later)


def with_recovery_code(page: Page, code: str) -> None:
    page.locator("summary", has_text="手机不在身边").click()
    page.get_by_label("备用码").fill(code)
    page.get_by_label("备用码").press("Enter")


def enrolled(site: Site, account_id: str) -> tuple[bytes, list[str]]:
    registry, masters = site.services.registry, site.services.files.masters
    begun = factors.begin_enrolment(registry, masters, account_id, PASSWORD)
    done = factors.confirm_enrolment(registry, masters, account_id, code_now(begun.secret))
    return begun.secret, list(done.recovery_codes)


@contextmanager
def asking(site: Site) -> Iterator[None]:
    """The site as if it had been started with SUIZHENG_SECOND_FACTOR=all."""
    before = site.app.state.services
    site.app.state.services = replace(before, settings=replace(before.settings, second_factor="all"))
    yield
    site.app.state.services = before


@pytest.fixture(params=["desk", "phone"])
def screen(request: pytest.FixtureRequest, browser: Browser, site: Site) -> Iterator[Watched]:
    watched = Watched(browser, site, PHONE) if request.param == "phone" else Watched(browser, site)
    yield watched
    watched.context.close()
    assert watched.complaints == []


def looked_at(page: Page, name: str, size: int) -> None:
    keep_picture(page, f"{name}-{size}")
    assert faults_of(page) == []


def test_an_app_is_set_up_and_asked_for_and_a_recovery_code_stands_in(screen: Watched) -> None:
    page, size = screen.page, screen.page.viewport_size["width"]  # type: ignore[index]
    username = f"walker{size}"
    account_id = clerk(screen.site, username)
    screen.log_in(username)
    page.goto("/second-factor")
    looked_at(page, "factor-off", size)
    expect(page.get_by_label("口令")).to_be_focused()
    page.get_by_label("口令").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="用验证器扫码")).to_be_visible()
    looked_at(page, "factor-setup", size)
    # What an app reads from the QR is what it may be given by hand.
    (uri,) = picture.read_all(page.locator(".qr svg").screenshot())
    typed = page.locator("#secret").inner_text().replace(" ", "")
    assert f"secret={typed}&" in uri and username in uri
    secret = base64.b32decode(typed)
    field = page.get_by_label("6 位验证码")
    expect(field).to_be_focused()
    assert [field.get_attribute(name) for name in ("inputmode", "autocomplete")] == ["numeric", "one-time-code"]
    field.fill("12345")
    field.press("Enter")
    expect(page.get_by_text("验证码不正确，或已经用过")).to_be_visible()
    assert page.locator("#secret").inner_text().replace(" ", "") == typed
    page.get_by_label("6 位验证码").fill(code_now(secret))
    page.get_by_label("6 位验证码").press("Enter")
    expect(page.get_by_role("heading", name="备用码")).to_be_visible()
    looked_at(page, "factor-codes", size)
    codes = page.locator("#recovery-codes li").all_inner_texts()
    assert len(codes) == 10
    page.get_by_role("link", name="已保存，继续").click()
    # The session is a new one, and works; the password alone opens no other.
    page.goto("/materials")
    expect(page.get_by_role("heading", level=1)).to_have_text("电子材料")
    page.context.clear_cookies()
    screen.say_password(username)
    looked_at(page, "factor-code", size)
    expect(page.get_by_label("6 位验证码")).to_be_focused()
    page.goto("/materials")
    expect(page.get_by_role("heading", level=1)).to_have_text("登录")
    screen.say_password(username)
    page.get_by_label("6 位验证码").fill(code_now(secret, 1))
    page.keyboard.press("Enter")
    page.wait_for_url("**/")
    page.goto("/second-factor")
    expect(page.get_by_text("已启用", exact=True)).to_be_visible()
    looked_at(page, "factor-on", size)
    page.context.clear_cookies()
    screen.say_password(username)
    with_recovery_code(page, "11111-11111")
    expect(page.get_by_text("验证码不正确，或已经用过")).to_be_visible()
    looked_at(page, "factor-recovery", size)
    page.get_by_label("备用码").fill(codes[3].lower())
    page.get_by_label("备用码").press("Enter")
    page.wait_for_url("**/")
    with screen.site.services.registry.read(REGISTRY) as work:
        assert factors.standing(work, account_id).recovery_codes == 9


def test_what_was_typed_before_the_session_ended_outlives_a_log_in_with_a_code(desk: Watched) -> None:
    page = desk.page
    secret, codes = enrolled(desk.site, clerk(desk.site, "keeps"))
    desk.say_password("keeps")
    with_recovery_code(page, codes[0])
    page.wait_for_url("**/")
    page.goto("/venues/applications")
    form = page.locator("form[action='/venues/applications']")
    if not form.is_visible():
        page.locator("summary", has_text="收件").click()
    for name in ("name", "address", "unit", "applicant_code", "document"):
        form.locator(f"[name={name}]").fill(f"两步之后 {name}")
    session = next(one["name"] for one in desk.context.cookies() if "session" in one["name"])
    desk.context.clear_cookies(name=session)
    form.get_by_role("button", name="提交申请").click()
    page.get_by_label("用户名").fill("keeps")
    page.get_by_label("口令").fill(PASSWORD)
    page.get_by_label("口令").press("Enter")
    page.get_by_label("6 位验证码").fill(code_now(secret, 1))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("继续提交")
    expect(page.locator("textarea[name=name]")).to_have_value("两步之后 name")


def test_an_administrator_takes_it_off_for_a_lost_phone(desk: Watched) -> None:
    page, account_id = desk.page, clerk(desk.site, "lostphone")
    enrolled(desk.site, account_id)
    desk.log_in("chen")
    page.goto("/accounts")
    desk.scripted()
    row = page.locator("tr", has_text="lostphone")
    expect(row).to_contain_text("双重验证")
    page.get_by_role("button", name="解除双重验证 lostphone").click()
    expect(page.get_by_role("dialog")).to_contain_text("lostphone")
    page.get_by_role("dialog").get_by_role("button", name="解除双重验证").click()
    page.wait_for_url("**/accounts?done=factor_removed")
    with desk.site.services.registry.read(REGISTRY) as work:
        found = factors.standing(work, account_id)
    assert found.since_at is None and [one.what for one in found.events] == ["removed", "enrolled"]


def test_who_is_asked_sets_it_up_first_and_then_goes_on(desk: Watched) -> None:
    clerk(desk.site, "asked")
    with asking(desk.site):
        page = desk.page
        desk.say_password("asked")
        expect(page.get_by_text("请先设置双重验证")).to_be_visible()
        looked_at(page, "factor-due", 1440)
        page.goto("/materials")
        expect(page.get_by_text("请先设置")).to_be_visible()
        page.goto("/second-factor?next=/materials")
        page.get_by_label("口令").fill(PASSWORD)
        page.keyboard.press("Enter")
        secret = base64.b32decode(page.locator("#secret").inner_text().replace(" ", ""))
        page.get_by_label("6 位验证码").fill(code_now(secret))
        page.keyboard.press("Enter")
        page.get_by_role("link", name="已保存，继续").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("电子材料")
