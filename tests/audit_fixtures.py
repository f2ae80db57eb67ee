"""The registry that the auditor's tests share, and a fresh copy of it for whoever changes something."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import audit_world as world
import pytest
from audit_world import Copy


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return world.make(tmp_path_factory.mktemp("audit") / "data")


@pytest.fixture
def copied(original: Copy, tmp_path: Path) -> Iterator[Copy]:
    yield world.copy(original, tmp_path / "data")
    shutil.rmtree(tmp_path / "data")
