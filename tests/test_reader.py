"""The reader in the browser: the same verdicts as the verifier's, a camera at the door, and no network."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from code_vectors import FILE
from conftest import chromium_path, missing
from pages_own import own_code, own_venue
from pages_site import FLAGS, PHONE, Site, Watched
from playwright.sync_api import Browser, Page, expect
from test_codes_outsiders import trusting
from test_trust_roots import FIRST, PUBLISHERS, ROOTS, SECOND, THIRD, WORLD, bundle, root, signed
from wallet_stage import VENDOR, camera_flags, film
from world import NOON, fixed_key, make_world

from codes import payload
from verifier import verify
from verifier.code import CodeKind, show_code
from verifier.errors import VerificationError
from verifier.suites import SoftwareKey, Suite
from verifier.trust import TrustBundle, sign_trust

pytest_plugins = ("pages_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.slow]

FOLDER = Path(__file__).parent / "vectors"
VECTORS: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
#: Judges texts by a trust bundle at times: [[text, seconds]] -> [[state, reason]].
JUDGE = """async ([trust, cases]) => {
  const { openTrust } = await import('/static/js/core/trust.js');
  const { verify } = await import('/static/js/core/presented.js');
  const opened = await openTrust(trust), found = [];
  for (const [text, at] of cases) { const one = await verify(text, opened, at); found.push([one.state, one.reason]); }
  return found;
}"""


@pytest.fixture
def page(desk: Watched) -> Page:
    desk.page.goto("/verify")
    return desk.page


def ask(page: Page, trust: TrustBundle, cases: list[tuple[str, float]]) -> list[tuple[str, str]]:
    return [tuple(one) for one in page.evaluate(JUDGE, [trust.data.decode(), cases])]


def ours(trust: TrustBundle, text: str, at: datetime) -> tuple[str, str]:
    verdict = verify(text.encode(), trust, at)
    return str(verdict.state), verdict.reason


def test_every_published_code_gets_the_published_verdict_in_the_browser_too(page: Page) -> None:
    expected = {n: one for n, one in json.loads((FOLDER / "verdicts.json").read_text()).items() if n.endswith(".txt")}
    assert len(expected) >= 15
    for believed in {one.get("trust", "trust.json") for one in expected.values()}:
        under = {n: one for n, one in expected.items() if one.get("trust", "trust.json") == believed}
        cases = [((FOLDER / n).read_text(), datetime.fromisoformat(one["at"]).timestamp()) for n, one in under.items()]
        trust = TrustBundle.open((FOLDER / believed).read_bytes())
        assert ask(page, trust, cases) == [(one["state"], one["reason"]) for one in under.values()]


def test_every_vector_of_every_kind_and_suite_is_judged_alike(page: Page) -> None:
    if not (VENDOR / "sm.js").exists():
        missing("web parts (make web)")
    trust = trusting(*VECTORS["valid"], *VECTORS["presented"])
    at = datetime.fromisoformat(VECTORS["at"])
    texts = [one["text"] for group in ("valid", "presented", "refused") for one in VECTORS[group]]
    texts += [one[name] for one in VECTORS["presented"] for name in ("static_text", "shown_a_minute_ago")]
    assert Suite.SM2 in {one["suite"] for one in VECTORS["valid"]}
    found = ask(page, trust, [(text, at.timestamp()) for text in texts])
    for text, mine in zip(texts, found, strict=True):
        assert mine == ours(trust, text, at), text


def test_sm2_is_undecided_where_its_part_is_not_installed(browser: Browser, site: Site) -> None:
    bare = Watched(browser, site)
    bare.page.route("**/vendor/sm.js", lambda route: route.abort())
    bare.page.goto("/verify")
    one = next(one for one in VECTORS["valid"] if one["suite"] == Suite.SM2)
    at = datetime.fromisoformat(VECTORS["at"]).timestamp()
    assert ask(bare.page, trusting(*VECTORS["valid"]), [(one["text"], at)]) == [("undecided", "sm2_unavailable")]
    bare.context.close()


def test_altered_presentations_are_judged_as_the_verifier_judges_them(page: Page) -> None:
    world, phone, chance = make_world(1), SoftwareKey.generate(Suite.ES256), random.Random(7)
    trust = world.trust()
    good = payload.decode(show_code(world.code(device_key=phone.public), phone, NOON))
    altered = []
    for _ in range(400):
        changed = bytearray(good)
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        if chance.random() < 0.2:
            del changed[chance.randrange(len(changed)) :]
        if changed:
            altered.append(payload.encode(bytes(changed)))
    found = ask(page, trust, [(text, NOON.timestamp()) for text in altered])
    assert [state for state, _ in found] == [ours(trust, text, NOON)[0] for text in altered]
    assert "valid" not in {state for state, _ in found}
    times = [-11, -10, 0, 39, 40]
    cases = [(payload.encode(good), NOON.timestamp() + seconds) for seconds in times]
    assert ask(page, trust, cases) == [
        ours(trust, payload.encode(good), NOON + timedelta(seconds=seconds)) for seconds in times
    ]


def test_a_kept_trust_bundle_is_succeeded_only_by_one_its_roots_hold(page: Page) -> None:
    world = make_world(1)
    kept, newer = world.trust(), world.trust(version=4)
    taken = """async ([first, second]) => {
      const { openTrust, acceptTrust } = await import('/static/js/core/trust.js');
      const succeeded = acceptTrust(await openTrust(first), second);
      return succeeded.then((one) => `version ${one.version}`, (error) => error.reason);
    }"""
    stranger = replace(world, root_key=SoftwareKey.from_seed(b"x" * 32))
    usurped = stranger.trust(root_keys=(stranger.root_key.public,), version=5)
    flipped = newer.data.decode().replace('"version":4', '"version":6')
    for first, second, outcome in (
        (kept.data, newer.data, "version 4"),
        (newer.data, kept.data, "rolled_back"),
        (kept.data, usurped.data, "below_threshold"),
        (kept.data, flipped.encode(), "wrong_signature"),
        (kept.data, world.trust(registry="310104", version=9).data, "wrong_registry"),
        (kept.data, kept.data[:-1], "not_json"),
    ):
        assert page.evaluate(taken, [first.decode(), second.decode()]) == outcome


def test_a_bundle_from_the_future_is_not_taken_in(page: Page) -> None:
    data = make_world(1).trust().data.decode()
    asked = """async ([text, ahead]) => {
      const { openTrust, checkBegun } = await import('/static/js/core/trust.js');
      const trust = await openTrust(text);
      try { return checkBegun(trust, trust.issuedAt - ahead) === trust; } catch (error) { return error.reason; }
    }"""
    assert page.evaluate(asked, [data, 3600]) is True
    assert page.evaluate(asked, [data, 3601]) == "issued_in_future"


def test_root_documents_bind_the_browser_as_they_bind_the_verifier(page: Page) -> None:
    usurper = fixed_key("usurper")
    bare = replace(WORLD.content, version=5, root_keys=(PUBLISHERS[0].public,))
    named = replace(WORLD.content, version=5, root_chain=(FIRST,), root_keys=(usurper.public,), root_threshold=1)
    branch = signed(root(2, ROOTS[:3], PUBLISHERS[2:3]), *ROOTS[:3], before=FIRST)
    forged = signed(root(2, ROOTS[:3], [usurper]), ROOTS[0])
    first, second = bundle([FIRST], PUBLISHERS[0]), bundle([FIRST, SECOND], PUBLISHERS[1])
    taken = """async ([first, second]) => {
      const { openTrust, acceptTrust } = await import('/static/js/core/trust.js');
      const succeeded = acceptTrust(await openTrust(first), second);
      return succeeded.then((one) => `version ${one.version}`, (error) => error.reason);
    }"""
    for kept, newer, outcome in (
        (first, bundle([FIRST, SECOND, THIRD], PUBLISHERS[2], 4), "version 4"),
        (second, bundle([THIRD], PUBLISHERS[1], 5), "version 5"),
        (first, sign_trust(bare, [PUBLISHERS[0]]), "root_missing"),
        (first, sign_trust(named, [usurper, PUBLISHERS[0]]), "not_the_publishers"),
        (first, bundle([FIRST, forged], usurper, 4), "below_threshold"),
        (first, bundle([THIRD], PUBLISHERS[1], 5), "root_does_not_follow"),
        (second, bundle([FIRST], PUBLISHERS[0], 9), "root_rolled_back"),
        (second, bundle([FIRST, branch], PUBLISHERS[2], 9), "other_root"),
    ):
        mine = page.evaluate(taken, [kept.decode(), newer.decode()])
        assert mine == outcome
        try:
            theirs = f"version {TrustBundle.open(kept).accept(newer).content.version}"
        except VerificationError as wrong:
            theirs = wrong.reason
        assert mine == theirs


def test_no_bundle_outlives_its_root_document_in_the_browser_either(page: Page) -> None:
    ended = signed(replace(root(1, ROOTS[:3], PUBLISHERS[:1]), expires_at=NOON - timedelta(seconds=1)), *ROOTS[:2])
    trust = TrustBundle.open(bundle([ended], PUBLISHERS[0]))
    text = WORLD.code(CodeKind.PERSON)
    assert ask(page, trust, [(text, NOON.timestamp())]) == [("undecided", "root_expired")] == [ours(trust, text, NOON)]


@pytest.fixture(scope="module")
def phone() -> SoftwareKey:
    return SoftwareKey.generate(Suite.ES256)


def open_gate(page: Page, venue: str | None) -> None:
    page.goto("/gate")
    expect(page.locator("body")).to_have_attribute("data-state", "ready")
    expect(page.locator("[data-part=trust]")).to_contain_text("信任包第")
    if venue:
        page.get_by_label("在哪里验").select_option(venue)


RECORD_VERDICTS = """() => {
  const panel = document.querySelector('[data-part=verdict]'), word = document.querySelector('[data-part=word]');
  const told = () => [panel.dataset.state, panel.dataset.reason, word.textContent];
  window.verdicts = [];
  new MutationObserver(() => panel.hidden || window.verdicts.push(told())).observe(panel, { attributes: true });
}"""


def decided(page: Page) -> tuple[str, str]:
    panel = page.locator("[data-part=verdict]")
    panel.wait_for()
    return panel.get_attribute("data-state") or "", panel.get_attribute("data-reason") or ""


def type_code(page: Page, text: str) -> tuple[str, str]:
    """As a keyboard-wedge scanner does it; what stood there before is put away first."""
    if page.locator("[data-part=verdict]").is_visible():
        page.get_by_role("button", name="继续").click()
    field = page.locator("[data-part=typed]")
    field.fill(text)
    field.press("Enter")
    return decided(page)


def test_a_gate_sees_the_code_by_camera_once_and_refuses_it_again_and_its_screenshot(
    browser: Browser, site: Site, phone: SoftwareKey, tmp_path: Path
) -> None:
    if not (VENDOR / "zxing-reader.js").exists():
        missing("web parts (make web)")
    venue = own_venue(site, dynamic_only=True)
    static = own_code(site, venue, phone)
    text = show_code(static, phone, datetime.now(UTC))
    film(tmp_path / "camera.mjpeg", text)
    flags = [*FLAGS, *camera_flags(tmp_path / "camera.mjpeg")]
    filmed = browser.browser_type.launch(executable_path=chromium_path(), args=flags)
    try:
        door = Watched(filmed, site, PHONE)
        page = door.page
        page.clock.install()
        page.clock.resume()
        open_gate(page, venue)
        # The camera looks on: a crowded machine sees the code again before anybody asks for the first verdict.
        page.evaluate(RECORD_VERDICTS)
        page.get_by_role("button", name="摄像头验码").click()
        page.locator("[data-part=verdict]").wait_for()
        page.locator("[data-part=camera]").evaluate("button => button.click()")
        assert page.evaluate("verdicts[0]") == ["valid", "pass", "请进"]
        assert type_code(page, text) == ("invalid", "replayed")
        page.reload()
        open_gate(page, venue)
        assert type_code(page, text) == ("invalid", "replayed")
        assert type_code(page, static) == ("invalid", "proof_missing")
        later = show_code(static, phone, datetime.now(UTC))
        page.clock.fast_forward(42_000)
        assert type_code(page, later) == ("not_in_force", "proof_expired")
        assert door.complaints == []
        door.context.close()
    finally:
        filmed.close()


def test_a_gate_goes_on_without_a_network(browser: Browser, site: Site, phone: SoftwareKey) -> None:
    venue, other = own_venue(site, dynamic_only=True), SoftwareKey.generate(Suite.ES256)
    static = own_code(site, venue, other)
    door = Watched(browser, site, PHONE)
    page = door.page
    open_gate(page, venue)
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    door.context.set_offline(True)
    page.reload()
    expect(page.locator("body")).to_have_attribute("data-state", "ready")
    page.get_by_label("在哪里验").select_option(venue)
    assert type_code(page, show_code(static, other, datetime.now(UTC))) == ("valid", "pass")
    assert type_code(page, site.code_text) == ("invalid", "wrong_kind")
    page.get_by_role("button", name="继续").click()
    page.get_by_label("在哪里验").select_option("")
    assert type_code(page, site.code_text) == ("valid", "ok")
    assert type_code(page, "https://example.invalid/menu") == ("invalid", "not_ours")
    expect(page.locator("[data-part=word]")).to_have_text("不属本系统")
    door.context.close()


def test_the_reader_is_readable_for_everybody(browser: Browser, site: Site) -> None:
    door = Watched(browser, site, PHONE)
    open_gate(door.page, None)
    assert Axe().run(door.page).response["violations"] == []
    type_code(door.page, site.code_text)
    assert Axe().run(door.page).response["violations"] == []
    assert door.complaints == []
    door.context.close()


def test_webassembly_is_allowed_to_the_decoder_alone(browser: Browser, site: Site) -> None:
    door = Watched(browser, site)
    for path, allowed in (
        ("/static/js/reader/decoder.js", True),
        ("/gate", False),
        ("/static/js/reader/gate.js", False),
    ):
        answer = door.context.request.get(site.url + path)
        assert ("wasm-unsafe-eval" in answer.headers["content-security-policy"]) is allowed
        assert "unsafe-inline" not in answer.headers["content-security-policy"]
    door.context.close()
