"""The tally of kills counts what was really killed, and fails a whole run that killed too little."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import kill_tally
import pytest
from kill_tally import AREAS, LEAST, LEAST_EACH, AtRandom, Kill

ENOUGH = {Kill(area, True, area == "log"): LEAST // len(AREAS) for area in AREAS}


def counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, child_ends: bool, number: signal.Signals) -> Counter[Kill]:
    file = tmp_path / "kills"
    file.touch()
    monkeypatch.setenv("SUIZHENG_KILL_TALLY", str(file))
    child = os.fork()
    if child == 0:
        if not child_ends:
            signal.pause()
        os._exit(0)
    if child_ends:
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    os.kill(child, number)
    _, status = os.waitpid(child, 0)
    kill_tally.count("log", -os.waitstatus_to_exitcode(status), drawn=True)
    return kill_tally.read(file)


def test_a_killed_process_counts_and_one_that_was_done_before_or_ended_otherwise_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert counted(tmp_path, monkeypatch, False, signal.SIGKILL) == {Kill("log", True, False): 1}
    assert counted(tmp_path, monkeypatch, True, signal.SIGKILL) == {Kill("log", True, False): 1}
    assert counted(tmp_path, monkeypatch, False, signal.SIGTERM) == {Kill("log", True, False): 1}


def test_a_run_is_short_of_the_whole_of_an_area_and_of_kills_amid_a_write() -> None:
    assert AtRandom.of(ENOUGH).shortfall is None
    one_less = AtRandom.of({**ENOUGH, Kill("sender", True, False): LEAST // len(AREAS) - 1}).shortfall
    assert one_less == f"too few kills at random moments: {LEAST - 1} of {LEAST} in all"
    area = AtRandom.of({**ENOUGH, Kill("chain", True, False): 39, Kill("witness", True, False): LEAST}).shortfall
    assert area == f"too few kills at random moments: chain 39 of {LEAST_EACH}"
    unwritten = AtRandom.of({kill._replace(writing=False): number for kill, number in ENOUGH.items()}).shortfall
    assert unwritten == f"too few kills at random moments: amid a write 0 of {LEAST_EACH}"
    # What was not drawn does not count.
    assert AtRandom.of({kill._replace(drawn=False): number for kill, number in ENOUGH.items()}).total == 0


def test_the_same_seed_draws_the_same_and_each_name_draws_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUIZHENG_KILL_SEED", "1")
    one = kill_tally.chance("log").random()
    assert (one == kill_tally.chance("log").random(), one == kill_tally.chance("chain").random()) == (True, False)
    monkeypatch.setenv("SUIZHENG_KILL_SEED", "2")
    assert one != kill_tally.chance("log").random()


KILLING = """
import os, signal
import kill_tally

def test_kills():
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    kill_tally.count("log", os.WTERMSIG(status), drawn=True)
"""


@pytest.mark.parametrize(
    ("arguments", "required", "status"),
    [
        ([], "1", 1),
        (["-n2"], "1", 1),
        ([], "", 0),
        (["inside/test_one.py"], "1", 0),
        (["-k", "kills"], "1", 0),
    ],
    ids=["whole", "whole, side by side", "nothing required", "a file", "a word"],
)
def test_only_a_whole_run_that_requires_every_service_fails(
    arguments: list[str], required: str, status: int, tmp_path: Path
) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "test_one.py").write_text(KILLING)
    (tmp_path / "inside" / "conftest.py").write_text('pytest_plugins = ["kill_tally"]\n')
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = inside\n")
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parent),
        "SUIZHENG_REQUIRE_SERVICES": required,
        "SUIZHENG_KILL_SEED": "7",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "xdist", *arguments]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stdout
    assert "killed 1 times at random moments: log 1;" in done.stdout and "SUIZHENG_KILL_SEED=7" in done.stdout
    assert (f"1 of {LEAST} in all" in done.stdout) == (status == 1)
    assert "1 passed" in done.stdout


def test_every_test_that_the_page_of_faults_names_exists() -> None:
    here = Path(__file__).parent
    page = (here.parent / "docs" / "faults.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+\.py)(?:::(test_\w+))?`", page)
    assert len(named) > 20
    for file, name in named:
        assert f"def {name}(" in (here / file).read_text(encoding="utf-8") if name else (here / file).is_file(), name
