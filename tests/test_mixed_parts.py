"""Genuine parts in the wrong company: of all bundles that can be put together from them, only the whole ones hold."""

from __future__ import annotations

from collections import Counter

import pytest
from conftest import missing
from mixing import mixed
from pages_site import Watched
from playwright.sync_api import Page
from test_reader_evidence import ours, theirs
from wallet_stage import VENDOR
from world import NOON, make_world

from verifier import verify

pytest_plugins = ("pages_fixtures",)


def test_parts_of_different_items_logs_and_moments_make_no_valid_bundle() -> None:
    world = make_world(4)
    trust, reasons = world.trust(), Counter[str]()
    for names, data, is_genuine in mixed(world):
        verdict = verify(data, trust, NOON)
        assert (str(verdict.state) == "valid") is is_genuine, names
        reasons[verdict.reason] += 1
    assert {"digest_differs", "wrong_signature", "unknown_log_key", "anchor_differs", "head_unknown"} <= reasons.keys()
    assert {"unknown_key", "head_contradicted", "file_count", "ok"} <= reasons.keys()


@pytest.fixture
def page(desk: Watched) -> Page:
    if not (VENDOR / "schema.js").exists():
        missing("web parts (make web)")
    desk.page.goto("/verify")
    return desk.page


@pytest.mark.browser
@pytest.mark.slow
def test_the_browser_judges_every_mixture_as_the_verifier_does(page: Page) -> None:
    world = make_world(4)
    trust, cases = world.trust(), {data: names for names, data, _ in mixed(world)}
    found = theirs(page, trust, [(data, NOON) for data in cases])
    assert len(found) > 300
    for (data, names), judged in zip(cases.items(), found, strict=True):
        assert judged == ours(trust, data, NOON), names
