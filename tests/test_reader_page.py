"""What the reader's page shows beside the verdict: what is left open, how old its trust is, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import missing
from pages_site import PHONE, Site, Watched, io_file
from playwright.sync_api import Browser, Page, expect
from test_reader import decided, open_gate, type_code
from test_reader_evidence import PDF, copy_bundle
from wallet_stage import VENDOR
from world import NOON, make_world

from verifier.code import CodeKind
from verifier.trust import TrustBundle

pytest_plugins = ("pages_fixtures",)
pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def reader(browser: Browser, site: Site) -> Iterator[Watched]:
    if not (VENDOR / "sm.js").exists():
        missing("web parts (make web)")
    watched = Watched(browser, site, PHONE)
    yield watched
    watched.context.close()
    assert watched.complaints == []


def at_noon(page: Page, trust: TrustBundle, at: datetime = NOON) -> None:
    """The reader as it stands at a time with this trust bundle."""
    page.clock.install(time=at)
    page.route("**/api/v1/trust*", lambda route: route.fulfill(body=trust.data, content_type="application/json"))
    open_gate(page, None)


def test_the_code_of_a_copy_tells_what_it_leaves_open_and_takes_the_file(reader: Watched) -> None:
    world, page = make_world(2), reader.page
    (trust, bundle), (_, another) = copy_bundle(world), copy_bundle(world, copy_id="01hq0000000000000000000009")
    at_noon(page, trust)
    remarks, compare = page.locator("[data-part=remarks]"), page.locator("[data-part=compare]")
    bundle_file, pdf_file = io_file(bundle, "加注件.szb"), io_file(PDF, "加注件.pdf")
    for files, expected, said in (
        ([bundle_file, pdf_file], ("valid", "ok"), "与制作时一致"),
        ([bundle_file, io_file(PDF + b" ", "加注件.pdf")], ("invalid", "file_differs"), ""),
        ([io_file(another, "加注件.szb"), pdf_file], ("invalid", "copy_of_another"), ""),
    ):
        assert type_code(page, world.code(CodeKind.DERIVED)) == ("valid", "ok")
        expect(remarks).to_contain_text("纸面内容是否被改动")
        compare.locator("input").set_input_files(files)  # type: ignore[arg-type]
        page.wait_for_function("shown => document.querySelector('[data-part=compare]').hidden === shown", arg=True)
        assert decided(page) == expected
        expect(remarks).to_contain_text(said) if said else expect(remarks).to_be_hidden()
    page.keyboard.press("Escape")
    page.locator("[data-part=files-box] input").set_input_files([bundle_file])  # type: ignore[arg-type, list-item]
    assert decided(page) == ("valid", "ok")
    with page.expect_download() as download:
        page.get_by_role("link", name="打开制作时的 PDF").click()
    assert download.value.path().read_bytes() == PDF
    assert Axe().run(page).response["violations"] == []


def test_files_that_cannot_be_judged_alone_are_named_with_what_to_do(reader: Watched) -> None:
    page = reader.page
    at_noon(page, make_world(1).trust())
    line, files = page.locator("[data-part=line]"), page.locator("[data-part=files-box] input")
    for data, name, said in ((PDF, "a.pdf", "一起选择"), (bytes(9000), "a.bin", "本页不能核验")):
        files.set_input_files(io_file(data, name))  # type: ignore[arg-type]
        expect(line).to_contain_text(said)
        expect(page.locator("[data-part=verdict]")).to_be_hidden()


@pytest.mark.parametrize(
    ("days", "state", "said"), [(1, "fresh", ""), (4, "late", "尽快联网"), (7, "ended", "无法判定")]
)
def test_the_page_warns_before_its_trust_bundle_ends_and_judges_nothing_after(
    reader: Watched, days: int, state: str, said: str
) -> None:
    world, page = make_world(1), reader.page
    at = NOON + timedelta(days=days)
    at_noon(page, world.trust(), at)
    expect(page.locator("[data-part=trust-line]")).to_have_attribute("data-state", state)
    line = page.locator("[data-part=trust-late]")
    expect(line).to_contain_text(said) if said else expect(line).to_be_hidden()
    code = world.code(issued_at=at - timedelta(seconds=60), expires_at=at + timedelta(seconds=240))
    assert type_code(page, code) == (("undecided", "trust_expired") if state == "ended" else ("valid", "ok"))


def test_an_older_bundle_of_the_server_is_refused_and_the_kept_one_stays(reader: Watched) -> None:
    world, page = make_world(1), reader.page
    at_noon(page, world.trust(version=7))
    page.unroute("**/api/v1/trust*")
    page.route("**/api/v1/trust*", lambda route: route.fulfill(body=world.trust(version=6).data))
    page.reload()
    expect(page.locator("[data-part=line]")).to_contain_text("旧于本机用过的版本")
    expect(page.locator("[data-part=trust]")).to_contain_text("第 7 版")
    assert type_code(page, world.code()) == ("valid", "ok")


def test_a_camera_that_is_not_allowed_is_told_in_plain_words(reader: Watched) -> None:
    if not (VENDOR / "zxing-reader.js").exists():
        missing("web parts (make web)")
    page = reader.page
    at_noon(page, make_world(1).trust())
    for name, said in (
        ("NotAllowedError", "改为允许"),
        ("NotFoundError", "没有找到摄像头"),
        ("NotReadableError", "其他程序"),
    ):
        page.evaluate(
            "name => { navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', name)); }", name
        )
        page.locator("[data-part=camera]").click()
        expect(page.locator("[data-part=line]")).to_contain_text(said)


def test_the_readers_settings_stay_on_the_device(reader: Watched) -> None:
    page = reader.page
    at_noon(page, make_world(1).trust())
    page.get_by_role("button", name="大字").click()
    page.get_by_role("button", name="提示音").click()
    page.reload()
    expect(page.locator("body")).to_have_attribute("data-state", "ready")
    expect(page.locator("html")).to_have_attribute("data-print", "large")
    expect(page.get_by_role("button", name="提示音")).to_have_attribute("aria-pressed", "true")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert Axe().run(page).response["violations"] == []
