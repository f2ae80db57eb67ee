"""The whole server while other governors have something to decide: it works on, and says what is waited for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_office import OpenOffice, open_office, settings_in
from chain_world import account

from api.settings import EMBEDDED
from chain import changes

NEW = {"code": "91310105MA1FWT0226", "name": "示例企业", "short_name": "示例", "level": "unit"}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[OpenOffice]:
    with open_office(settings_in(tmp_path, chain=EMBEDDED)) as office:
        yield office


def wait_for(office: OpenOffice, reason: str | None) -> dict[str, object]:
    """The standing once its worker gives this reason."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        standing: dict[str, dict[str, object]] = office.client.get("/api/v1/status").json()
        if standing["worker"]["reason"] == reason:
            return standing["worker"]
        time.sleep(0.05)
    raise AssertionError(f"not {reason} in a minute: {standing}")


def test_the_status_says_that_other_governors_have_to_approve(office: OpenOffice) -> None:
    office.settle()
    wait_for(office, None)
    chain = office.services.chain
    assert chain is not None
    council = [*chain.governors().council().accounts, account(2).address, account(3).address]
    chain.governors().carry_out([changes.change_governors(council, 2)])
    assert office.send("POST", "/api/v1/departments", json=NEW).status_code == 201
    worker = wait_for(office, "awaiting_governors")
    assert "待其他治理成员批准（1/2）" in str(worker["message"])
    assert worker["state"] == "working"
    # Registering and anchoring go on.
    office.settle()
    assert office.client.get("/healthz").status_code == 200
    shown = office.client.get("/status").text
    assert "待治理成员处理" in shown
    assert "suizheng governance approve" in shown
