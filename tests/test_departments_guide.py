"""The guide for a department's developer, run literally: its commands in bash, against a real server with its chain."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from api_office import PASSWORD
from conftest import missing
from killable_server import Server

GUIDE = Path(__file__).parent.parent / "docs" / "departments.md"


@dataclass(frozen=True)
class Followed:
    """A folder in which the guide was followed, and what its commands printed."""

    folder: Path
    printed: str

    def file(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text())


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    for program in ("bash", "curl", "jq", "openssl"):
        if not shutil.which(program):
            missing(program)
    server = Server(tmp_path_factory.mktemp("server"), chain="embedded")
    server.start()
    folder = tmp_path_factory.mktemp("developer")
    commands = "\n".join(re.findall(r"^```sh\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL))
    given = {"BASE": f"http://127.0.0.1:{server.port}", "FIRST": server.first_password, "MINE": PASSWORD}
    given["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    try:
        done = subprocess.run(
            ["bash", "-c", commands], cwd=folder, env={**os.environ, **given}, capture_output=True, text=True,
            timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        yield Followed(folder, done.stdout)
    finally:
        server.close()


def test_the_administrator_gets_a_department_with_its_scope(followed: Followed) -> None:
    assert "password due: false" in followed.printed
    assert followed.file("department.json")["code"] == "12310105MB9T00038A"
    scope = followed.file("scope.json")
    assert (scope["action"], scope["valid_from_on"], scope["valid_to_on"]) == ("issue", "2020-01-01", None)
    ended = followed.file("ended-scope.json")
    assert ended["id"] == followed.file("other-scope.json")["id"]
    assert ended["valid_to_on"] and ended["ended_because"] == "职责划转。"


def test_what_is_sent_again_under_its_key_is_the_same_certificate(followed: Followed) -> None:
    first, again = followed.file("registered.json"), followed.file("again.json")
    assert first == again and first["duplicate"] is False
    assert "idempotency-replayed: true" in (followed.folder / "again.headers").read_text().lower()


def test_a_wrong_draft_is_refused_with_the_name_of_its_field(followed: Followed) -> None:
    refused = followed.file("refused.json")
    assert refused["status"] == 422
    assert any(error["field"] == "valid_to" and error["message"] for error in refused["errors"])


def test_the_receipt_is_under_an_anchored_head(followed: Followed) -> None:
    receipt = followed.file("receipt.json")
    assert 0 <= receipt["index"] < receipt["anchor"]["size"] and receipt["anchor"]["block_number"] > 0


def test_a_suspension_changes_today_and_not_the_days_before(followed: Followed) -> None:
    stood = [followed.file(f"{name}.json") for name in ("before", "then", "now")]
    assert [one["in_force"] for one in stood] == [False, True, False]
    assert stood[1]["status"] == "valid" and stood[2]["status"] == "suspended"
    assert followed.file("event.json")["to_status"] == "suspended"


def test_the_department_signs_itself_by_hand_and_by_the_command(followed: Followed) -> None:
    assert followed.file("approved.json")["state"] == "approved"
    assert followed.file("committed.json")["items"][0]["outcome"] == "signed"
    assert "✓ 已签署 1 条，尚余 0 条" in followed.printed
    receipt = followed.file("own-receipt.json")
    assert 0 <= receipt["index"] < receipt["anchor"]["size"]
    keys = followed.file("keys.json")
    assert keys["signs_itself"] and [key["own"] for key in keys["items"]] == [True, False]
    # What the entry says is the registry's time of handing it out, and the key's.
    prepared = followed.file("prepared.json")
    assert prepared["kid"] == keys["items"][0]["kid"] and prepared["recorded_at"] > keys["items"][0]["valid_from"]


def test_secrets_stay_out_of_what_is_printed_and_out_of_the_reach_of_others(followed: Followed) -> None:
    header = followed.folder / "token.header"
    assert header.read_text().startswith("Authorization: Bearer szt_") and header.stat().st_mode & 0o077 == 0
    assert "szt_" not in followed.printed and PASSWORD not in followed.printed
    assert not (followed.folder / "admin.cookies").exists()
    assert (followed.folder / "department.pem").stat().st_mode & 0o077 == 0
