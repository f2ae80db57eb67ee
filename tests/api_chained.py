"""A pytest plugin for tests that need a chain: one office for all of them, since opening a chain takes seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from api_office import OpenOffice, open_office, settings_in

from api.settings import EMBEDDED


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenOffice]:
    """One office on an embedded chain for all tests that leave it as good as they found it."""
    with open_office(settings_in(tmp_path_factory.mktemp("office"), chain=EMBEDDED)) as office:
        yield office
