"""The explorer: what everybody may see of the log, and a proof that a person can follow and recompute."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pages_site import COMPANY, COMPANY_CODE, DESK, PHONE, Site, Watched, wait_until
from playwright.sync_api import Browser, expect
from test_pages import faults_of

from api.pages.proof_tree import WIDTH, draw, meetings_of, script_of, siblings_of
from registry.log.tables import LogEntry
from registry.work import REGISTRY
from verifier import merkle

pytest_plugins = ("pages_fixtures",)

MOST_LEAVES = 200
LEAVES = [merkle.leaf_hash(bytes((number,))) for number in range(MOST_LEAVES)]


def path_of(index: int, size: int) -> list[bytes]:
    return merkle.inclusion_path(index, size, node_of(LEAVES[:size]))


def node_of(leaves: list[bytes]) -> Callable[[int, int], bytes]:
    return lambda level, at: merkle.root_of(leaves[at << level : (at + 1) << level])


@st.composite
def places(draw_from: st.DrawFn) -> tuple[int, int]:
    size = draw_from(st.integers(1, MOST_LEAVES))
    return draw_from(st.integers(0, size - 1)), size


# ---- The drawing, without a browser ---------------------------------------------------------------------------------


@given(places())
def test_the_steps_lead_from_the_leaf_to_the_root(place: tuple[int, int]) -> None:
    index, size = place
    meetings = meetings_of(index, size, LEAVES[index], path_of(index, size))
    node = LEAVES[index]
    for meeting in meetings:
        assert meeting.own == node and meeting.parent == merkle.node_hash(meeting.left, meeting.right)
        assert meeting.given == merkle.root_of(LEAVES[meeting.first : meeting.last + 1])
        node = meeting.parent
    assert node == merkle.root_of(LEAVES[:size])


@given(places())
def test_the_given_hashes_stand_for_every_other_entry_once(place: tuple[int, int]) -> None:
    index, size = place
    covered = sorted(at for first, end in siblings_of(index, size) for at in range(first, end))
    assert covered == [at for at in range(size) if at != index]


@given(places())
def test_no_two_nodes_are_drawn_over_each_other_and_sides_are_true(place: tuple[int, int]) -> None:
    index, size = place
    meetings = meetings_of(index, size, LEAVES[index], path_of(index, size))
    drawing = draw(index, size, LEAVES[index], meetings)
    assert len(drawing.boxes) == 1 + 2 * len(meetings) and len(drawing.edges) == 2 * len(meetings)
    places_taken = {(box.x, box.y) for box in drawing.boxes}
    assert len(places_taken) == len(drawing.boxes)
    assert all(box.x >= 0 and box.x + 150 <= WIDTH and box.y + 46 <= drawing.height for box in drawing.boxes)
    rows: dict[int, list[tuple[int, int]]] = {}
    for box in drawing.boxes:
        rows.setdefault(box.y, []).append((box.x, box.first))
    assert all([first for _, first in sorted(row)] == sorted(first for _, first in row) for row in rows.values())


@pytest.mark.parametrize(("index", "size"), [(0, 1), (0, 2), (6, 7), (17, 100), (199, 200)])
def test_the_script_that_is_shown_computes_the_root(index: int, size: int) -> None:
    meetings = meetings_of(index, size, LEAVES[index], path_of(index, size))
    run = subprocess.run(["bash", "-c", script_of(LEAVES[index], meetings)], capture_output=True, check=True, text=True)
    assert run.stdout.strip() == merkle.root_of(LEAVES[:size]).hex()


# ---- The pages ------------------------------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.slow
def test_anyone_walks_from_the_list_to_an_entry_and_follows_its_proof(desk: Watched) -> None:
    page = desk.page
    page.goto("/explore")
    expect(page.get_by_role("heading", level=1)).to_have_text("存证浏览")
    page.locator(".explore-entries tbody th a").first.click()
    expect(page.locator(".tree")).to_be_visible()
    steps = page.locator(".meetings li[id^=step-]")
    path = page.locator(".tree a.tree-given")
    assert path.count() == steps.count() - 2 > 0
    # Each node leads to the step that it takes part in.
    path.first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".meetings li:target")).to_be_visible()
    made = page.locator(".meetings .made dd").last.inner_text()
    assert made == page.locator("#step-root p.mono").inner_text()
    page.get_by_role("link", name="前一条").click()
    expect(page.locator("h1")).to_have_text(re.compile(r"条目 \d+"))


@pytest.mark.browser
@pytest.mark.slow
def test_the_commands_for_a_terminal_lead_from_the_published_files_to_the_signed_root(desk: Watched) -> None:
    page = desk.page
    page.goto("/explore/3")
    page.locator("details.more summary").first.click()
    leaf, root = (page.locator("pre.command").nth(number).inner_text() for number in (0, 1))
    assert "curl -s http://127.0.0.1:" in leaf
    run = subprocess.run(["bash", "-c", leaf], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == page.locator("#step-leaf .made dd").inner_text()
    run = subprocess.run(["bash", "-c", root], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == page.locator("#step-root p.mono").inner_text()


@pytest.mark.browser
@pytest.mark.slow
def test_an_entry_is_found_by_its_index_and_by_its_leaf_hash(desk: Watched, site: Site) -> None:
    with site.services.registry.read(REGISTRY) as work:
        row = work.session.query(LogEntry).filter(LogEntry.log_index == 5).one()
    page = desk.page
    for wanted in ("5", row.leaf_hash.hex(), f" 0x{row.leaf_hash.hex().upper()}"):
        page.goto("/explore")
        page.get_by_label("查找条目").fill(wanted)
        page.get_by_label("查找条目").press("Enter")
        expect(page.locator("h1")).to_have_text("条目 5")
    page.goto("/explore")
    page.get_by_label("查找条目").fill("张三")
    page.get_by_label("查找条目").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("没有找到这个条目")
    expect(page.get_by_label("查找条目")).to_have_value("张三")


@pytest.mark.browser
@pytest.mark.slow
def test_the_list_is_turned_over_without_losing_or_repeating_an_entry(desk: Watched, site: Site) -> None:
    page, seen = desk.page, []
    page.goto("/explore?before=9#entries")
    while True:
        seen += [int(text.replace(",", "")) for text in page.locator(".explore-entries tbody th").all_inner_texts()]
        older = page.get_by_role("link", name="较旧")
        if not older.count():
            break
        older.click()
    assert seen == list(range(8, -1, -1))


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("address", ["/explore/999999", "/explore/-1", "/explore/x", f"/explore/{10**30}"])
def test_an_entry_that_does_not_exist_is_told_with_the_way_back(desk: Watched, address: str) -> None:
    desk.page.goto(address)
    expect(desk.page.locator("main")).to_contain_text("没有这个序号的条目")
    expect(desk.page.locator("main").get_by_role("link", name="存证浏览")).to_be_visible()


@pytest.mark.browser
@pytest.mark.slow
def test_a_certificate_leads_to_its_entry_in_the_explorer(desk: Watched, site: Site) -> None:
    desk.log_in("chen")
    desk.page.goto(f"/certificates/{site.certificate_id}")
    desk.page.evaluate("document.querySelectorAll('details').forEach(more => { more.open = true; })")
    desk.page.get_by_role("link", name="在存证浏览中逐步验算").click()
    expect(desk.page.locator(".tree")).to_be_visible()


@pytest.mark.browser
@pytest.mark.slow
def test_nothing_personal_is_in_any_page_of_the_explorer(desk: Watched, site: Site) -> None:
    size = site.services.pipeline.log.publish().size
    for address in ("/explore", *(f"/explore/{index}" for index in range(size))):
        desk.page.goto(address)
        text = desk.page.content()
        assert COMPANY not in text and COMPANY_CODE not in text and "陆文清" not in text, address


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize(
    ("viewport", "view"), [(DESK, "zh.normal"), (PHONE, "en.normal"), (PHONE, "zh.large")], ids=("desk", "en", "large")
)
def test_axe_finds_nothing_and_no_page_is_wider_than_the_screen(
    browser: Browser, site: Site, viewport: dict[str, int], view: str
) -> None:
    watched = Watched(browser, site, viewport)
    watched.context.add_cookies([{"name": "suizheng_view", "value": view, "url": site.url}])
    faults = []
    for address in ("/explore", "/explore/0", "/explore/7", "/explore?q=nothing", "/explore/999999"):
        watched.page.goto(address)
        watched.page.evaluate("document.querySelectorAll('details').forEach(more => { more.open = true; })")
        faults += [f"{address}: {fault}" for fault in faults_of(watched.page)]
    watched.context.close()
    assert faults == [] and watched.complaints == []


@pytest.mark.browser
@pytest.mark.slow
def test_the_explorer_works_without_a_script(browser: Browser, site: Site) -> None:
    wait_until(lambda: site.services.pipeline.log.publish().size > 8)
    context = browser.new_context(java_script_enabled=False, base_url=site.url, locale="zh-CN")
    page = context.new_page()
    page.goto("/explore")
    page.locator("#f-q").fill("8")
    page.locator("#f-q").press("Enter")
    assert page.locator("h1").inner_text() == "条目 8"
    assert page.locator(".tree-leaf").count() == 1
    context.close()
