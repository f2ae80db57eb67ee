"""A delegate's phone in a real browser: its key, its delegation, the code without a network, signing, the end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from delegation_world import HANDLER
from pages_site import COMPANY_CODE, PERSON_CODE, PHONE, PICTURES, Site, Watched, clerk_of
from playwright.sync_api import Browser, Page, expect
from wallet_stage import shown

from codes import picture
from registry.delegations import service as delegations
from verifier import State, verify
from verifier.cose import Type, protected_header, to_be_signed
from verifier.delegated_code import MAX_SHOWN_CHARS, open_delegated
from verifier.delegation import Role
from verifier.suites import Suite, public_key

pytest_plugins = ("pages_fixtures", "wallet_stage")
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def phones(browser: Browser, site: Site) -> Iterator[tuple[Watched, Watched]]:
    made = Watched(browser, site, PHONE), Watched(browser, site, PHONE)
    yield made
    for one in made:
        one.context.close()
    assert [one.complaints for one in made] == [[], []]


def look(page: Page, name: str) -> None:
    """No fault that axe-core finds; a picture where a folder for pictures is given."""
    assert Axe().run(page).response["violations"] == []
    if PICTURES:
        page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True)


def key_of(phone: Page) -> str:
    """What the phone shows of its key after making it: the text, which its QR holds too."""
    phone.goto("/wallet/delegated")
    phone.get_by_role("button", name="在本机生成密钥").click()
    expect(phone.locator("[data-part=key]")).to_have_text(re.compile("^ES256:[0-9A-F]{66}$"))
    key = phone.locator("[data-part=key]").inner_text()
    assert picture.read_all(phone.locator("[data-part=key-code]").screenshot()) == [key]
    return key


def grant(clerk: Watched, parent: str | None, name: str, key: str) -> str:
    """What the clerk does: records a delegation to the phone of this key; its page."""
    page = clerk.page
    if parent is None:
        page.goto("/delegations")
        page.get_by_label("统一社会信用代码").fill(COMPANY_CODE)
        page.get_by_role("button", name="查找").click()
        page.get_by_text("登记新的委托").click()
        page.get_by_label("委托书编号").fill("委托书 2026-077")
    else:
        page.goto(parent)
        page.get_by_text("再委托下一级").click()
    form = page.locator("form[action='/delegations']")
    form.get_by_label("被委托人姓名").fill(name)
    form.get_by_label("证件号码").fill(PERSON_CODE)
    form.get_by_label("设备公钥").fill(key)
    if parent is not None:
        form.get_by_label("办理食品经营许可变更").or_(form.get_by_label("食品经营许可变更")).first.check()
    form.get_by_role("button", name="登记委托").click()
    expect(page.get_by_text("委托已登记。")).to_be_visible()
    return page.url.partition("?")[0]


def judged(site: Site, text: str, seconds: float = 0) -> tuple[State, str]:
    verdict = verify(text.encode(), site.services.trust.bundle(), datetime.now(UTC) + timedelta(seconds=seconds))
    return verdict.state, verdict.reason


def wait_for_code(phone: Page) -> str:
    expect(phone.locator("body")).to_have_attribute("data-state", "ready")
    phone.locator("[data-part=code][data-text]").wait_for()
    return shown(phone)


def test_a_manager_and_a_handler_get_show_sign_and_lose_their_delegations_on_their_phones(
    clerk: Watched, phones: tuple[Watched, Watched], site: Site
) -> None:
    manager, handler = (one.page for one in phones)
    manager.goto("/wallet/delegated")
    look(manager, "delegate-none")
    first = grant(clerk, None, "孙七", key_of(manager))
    look(manager, "delegate-key")
    look(clerk.page, "delegation-link-desk")
    manager.goto(clerk.page.locator("#take-link").inner_text())
    text = wait_for_code(manager)
    assert "#" not in manager.url
    assert judged(site, text) == (State.VALID, "ok")
    assert judged(site, text, 61) == (State.NOT_IN_FORCE, "proof_expired")
    assert picture.read(manager.locator("[data-part=code]").screenshot()) == [text]
    look(manager, "delegate-ready")
    # The handler's waits for the manager's signature, on the manager's phone.
    second = grant(clerk, first, "周八", key_of(handler))
    handler.get_by_role("button", name="联网更新").click()
    expect(handler.get_by_role("heading", name="待委托人签署")).to_be_visible()
    manager.get_by_role("button", name="联网更新").click()
    card = manager.get_by_role("region", name="待您签署")
    expect(card.get_by_text("周* 经办人")).to_be_visible()
    expect(card.get_by_text("CN-FOOD-01")).to_be_visible()
    look(manager, "delegate-sign")
    card.get_by_role("button", name="签署").click()
    expect(card).to_be_hidden()
    handler.get_by_role("button", name="联网更新").click()
    longer = wait_for_code(handler)
    assert judged(site, longer) == (State.VALID, "ok")
    assert [link.role for link in open_delegated(longer).claims] == [Role.MANAGER, Role.HANDLER]
    assert len(longer) <= MAX_SHOWN_CHARS
    side = handler.evaluate(
        """async (text) => {
          const { encodeQR } = await import('/static/vendor/qr.js');
          return encodeQR(text, 'raw', { ecc: 'medium', border: 1, encoding: 'alphanumeric' }).length - 2;
        }""",
        longer,
    )
    assert (side - 17) // 4 <= 20
    assert picture.read(handler.locator("[data-part=code]").screenshot()) == [longer]
    # Without a network the page opens again, by the kept key, and shows a fresh proof.
    handler.wait_for_function("navigator.serviceWorker.controller !== null || navigator.serviceWorker.ready")
    handler.evaluate("navigator.serviceWorker.ready")
    phones[1].context.set_offline(True)
    handler.reload()
    again = wait_for_code(handler)
    assert judged(site, again) == (State.VALID, "ok")
    look(handler, "delegate-offline")
    phones[1].context.set_offline(False)
    # Revoking the manager's ends the handler's: both phones see it.
    end(site, first)
    for page in (manager, handler):
        page.get_by_role("button", name="联网更新").click()
        expect(page.get_by_role("heading", name="委托已撤销")).to_be_visible()
        expect(page.get_by_text("证照管理员离职")).to_be_visible()
        expect(page.locator("[data-part=code]")).to_be_hidden()
    look(handler, "delegate-revoked")
    assert judged(site, again)[1] == "delegation_revoked"
    assert second != first


def end(site: Site, page: str) -> None:
    with site.services.registry.begin(clerk_of(site.services)) as work:
        delegations.revoke(work, page.rpartition("/")[2], "证照管理员离职")


def test_the_key_cannot_be_taken_out_of_the_browser_and_a_strangers_link_is_named(
    clerk: Watched, phones: tuple[Watched, Watched]
) -> None:
    owner, stranger = (one.page for one in phones)
    page = grant(clerk, None, "吴九", key_of(owner))
    export = """async () => {
      const { get } = await import('/static/js/core/store.js');
      const { keys } = await get('delegate'), tried = [];
      for (const form of ['jwk', 'pkcs8', 'raw']) {
        tried.push(await crypto.subtle.exportKey(form, keys.privateKey).then(() => 'out', (error) => error.name));
      }
      return [keys.privateKey.extractable, ...tried];
    }"""
    assert owner.evaluate(export) == [False, "InvalidAccessError", "InvalidAccessError", "InvalidAccessError"]
    key_of(stranger)
    stranger.goto(f"/wallet/delegated#{page.rpartition('/')[2]}")
    expect(
        stranger.get_by_text("还没有登记给本机的委托。").or_(stranger.get_by_text("不是登记给这部手机"))
    ).to_be_visible()
    expect(stranger.locator("[data-part=code]")).to_be_hidden()


def test_nothing_but_a_link_of_its_own_is_signed(clerk: Watched, phones: tuple[Watched, Watched]) -> None:
    """A server that asks for a signature under something else, which a phone also signs with this key, gets none."""
    page = phones[0].page
    key = key_of(page)
    grant(clerk, None, "郑十", key)
    public = public_key(int(Suite.ES256), bytes.fromhex(key.partition(":")[2]))
    other = to_be_signed(protected_header(public, Type.DELEGATED_CODE), HANDLER.to_bytes(), bytes(32))
    asked = {"items": [], "to_sign": [{"id": "0" * 26, "words": "某公司 → 经办人", "to_be_signed": other.hex()}]}

    def answer(route: object) -> None:
        route.fulfill(json=asked)  # type: ignore[attr-defined]

    page.route("**/api/v1/devices/delegations", answer)
    page.get_by_role("button", name="联网更新").click()
    expect(page.get_by_text("服务器要求签署的不是委托，已拒绝。")).to_be_visible()
    expect(page.get_by_role("button", name="签署")).to_be_hidden()
