"""The site and the browser that all tests of pages share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from conftest import chromium_path
from pages_site import FLAGS, Site, Watched, start
from playwright.sync_api import Browser, sync_playwright


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from start(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def desk(browser: Browser, site: Site) -> Iterator[Watched]:
    watched = Watched(browser, site)
    yield watched
    watched.context.close()
    assert watched.complaints == []
