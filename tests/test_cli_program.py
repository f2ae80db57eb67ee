"""Commands that the program tells people: as its caller would have to type them."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from api.cli.program import called, copyable, with_data

SCRIPT = Path(sys.executable).parent / "suizheng"


def started_as(monkeypatch: pytest.MonkeyPatch, name: str, *, path: str = "") -> str:
    monkeypatch.setattr(sys, "argv", [name])
    monkeypatch.setenv("PATH", path)
    return called()


def test_a_program_outside_the_search_path_is_named_by_its_way_from_here(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "my venv/bin/suizheng"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert started_as(monkeypatch, str(program)) == "'my venv/bin/suizheng'"
    assert started_as(monkeypatch, ".venv/bin/suizheng") == ".venv/bin/suizheng"
    assert started_as(monkeypatch, str(program), path=str(program.parent)) == "suizheng"
    # Another program of that name comes first.
    assert started_as(monkeypatch, "../other/bin/suizheng", path=str(program.parent)) == "../other/bin/suizheng"


def test_a_module_is_named_with_its_interpreter_and_anything_else_by_its_plain_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(Path(sys.executable).parents[1])
    assert started_as(monkeypatch, "/somewhere/api/cli/__main__.py") == f"bin/{Path(sys.executable).name} -m api.cli"
    assert started_as(monkeypatch, "/usr/bin/pytest") == "suizheng"


def test_only_commands_in_a_message_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [".venv/bin/suizheng"])
    monkeypatch.setenv("PATH", "")
    for said, meant in (
        ("请用 suizheng keys list 查看", "请用 .venv/bin/suizheng keys list 查看"),
        ("SUIZHENG_CHAIN=x suizheng serve", "SUIZHENG_CHAIN=x .venv/bin/suizheng serve"),
        ("pip install suizheng", "pip install suizheng"),
        ("/opt/suizheng data", "/opt/suizheng data"),
    ):
        assert copyable(said) == meant
    monkeypatch.setenv("SUIZHENG_DATA", "my data")
    assert with_data("suizheng serve") == "SUIZHENG_DATA='my data' suizheng serve"
    monkeypatch.delenv("SUIZHENG_DATA")
    assert with_data("suizheng serve") == "suizheng serve"


def test_what_an_error_tells_to_do_can_be_done(tmp_path: Path) -> None:
    if not SCRIPT.exists():
        pytest.skip("not installed as a program")
    environment = {**os.environ, "PATH": "/usr/bin:/bin"}
    told = subprocess.run(
        [SCRIPT, "trust", "update", "--trust", "none.json", "--server", "http://127.0.0.1:9"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    ).stderr  # fmt: skip
    command = told.partition("请用 ")[2].split(" 取得")[0]
    assert command.endswith("trust export")
    asked = subprocess.run(
        [*shlex.split(command), "--help"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert asked.returncode == 0 and "用法" in asked.stdout
