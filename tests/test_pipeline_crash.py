"""SIGKILL at chosen moments of a registry's life: nothing acknowledged is lost, nothing is doubled, heads agree."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from crash_runner import KILLS_FROM_OUTSIDE, Institution, examine, prepare
from sqlalchemy import delete, update

from registry.log.errors import LogContradictionError
from registry.log.tables import LogEntry

# Steps of the pipeline that must be among the moments, whatever else is.
STEPS = {
    "INSERT log_entries",
    "UPDATE log_entries",
    "INSERT checkpoints",
    "before commit",
    "after commit",
    "before fsync",
    "after fsync",
    "before rename",
    "after rename",
    "before transaction",
    "after transaction",
    "before block",
    "after block",
    "INSERT anchors",
    "INSERT consumptions",
    "UPDATE consumptions",
}


def _run(folder: Path, count: int, *postgres: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The runner's first line, and one line for every death; shown as it goes (pytest -s)."""
    here = Path(__file__).parent
    paths = os.pathsep.join((str(here.parent), str(here)))
    command = [sys.executable, str(here / "crash_runner.py"), str(folder), str(count), *postgres]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=here.parent, env={**os.environ, "PYTHONPATH": paths}
    ) as process:
        assert process.stdout is not None
        lines = []
        for text in process.stdout:
            lines.append(json.loads(text))
            print(f"\r{len(lines) - 1:3} deaths, last: {lines[-1].get('kind', '')}          ", end="", flush=True)
    assert process.returncode == 0
    return lines[0], lines[1:]


def _judge(deaths: list[dict[str, Any]]) -> None:
    for death in deaths:
        assert death["status"] == 0, death["failure"]
    chosen = [death for death in deaths if "moment" in death]
    assert all(death["signals"][0] == 9 for death in chosen)
    assert any(len(death["signals"]) == 2 for death in chosen)


@pytest.mark.slow
def test_killed_at_any_of_sixty_moments_it_recovers_by_itself(tmp_path: Path) -> None:
    rehearsal, deaths = _run(tmp_path / "crashes", 56)
    assert rehearsal["kinds"].keys() >= STEPS
    assert len({death["moment"] for death in deaths if "moment" in death}) >= 50
    assert len(deaths) == rehearsal["chosen"] + KILLS_FROM_OUTSIDE
    assert {death["kind"] for death in deaths} >= STEPS
    # Some died with everything acknowledged, some with nothing: the moments lie all over the life.
    assert min(death["acknowledged"] for death in deaths) == 0
    assert max(death["acknowledged"] for death in deaths) > 200
    _judge(deaths)


@pytest.mark.slow
@pytest.mark.postgres
def test_killed_on_postgresql_it_recovers_as_well(postgres_server: str, tmp_path: Path) -> None:
    _, deaths = _run(tmp_path / "crashes", 8, f"{postgres_server}/postgres")
    assert len(deaths) == 8
    _judge(deaths)


def test_the_examination_notices_a_lost_and_a_doubled_entry(tmp_path: Path) -> None:
    """Otherwise the tests above would prove nothing."""
    whole = tmp_path / "whole"
    whole.mkdir()
    prepare(whole, f"sqlite:///{whole / 'registry.db'}")
    finished = Institution(whole, f"sqlite:///{whole / 'registry.db'}", hours=1)
    examine(finished, [])
    finished.close()
    harms = {
        "lost": delete(LogEntry).where(LogEntry.log_index == 17),
        "moved": update(LogEntry).where(LogEntry.log_index == 17).values(item="0" * 26),
    }
    for name, harm in harms.items():
        shutil.copytree(whole, tmp_path / name)
        harmed = Institution(tmp_path / name, f"sqlite:///{tmp_path / name / 'registry.db'}", hours=2)
        with harmed.engine.begin() as connection:
            connection.execute(harm)
        with pytest.raises((AssertionError, LogContradictionError)):
            examine(harmed, [])
        harmed.close()
    intact = Institution(whole, f"sqlite:///{whole / 'registry.db'}", hours=2)
    with pytest.raises(AssertionError, match="is lost"):
        examine(intact, [("certificate", "0" * 26)])
    intact.close()
