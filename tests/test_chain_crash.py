"""Processes killed while they work on the embedded chain: nothing acknowledged is lost, nothing happens twice."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import kill_tally
import pytest
from chain_crashes import COMMITMENT, ITEMS, SIZES, die_at, live, open_chain
from chain_world import account, file_node, uniform_root

# What the whole life sends: five contracts, handing over (2), log and member together, and one for each head and item.
DEPLOYING, WORKING = 8, len(SIZES) + len(ITEMS)
# Moments of one transaction: two each around keeping, sending, writing and settling, and one amid the writing.
MOMENTS = 9
OPENING_MOMENTS = 3 + DEPLOYING * MOMENTS + 2


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("deployed")
    chain = open_chain(folder)
    chain.open()
    chain.close()
    return folder


def _live_on(folder: Path, speak: Path) -> list[str]:
    """Open the chain again, finish its life, and check everything that was ever acknowledged."""
    chain = open_chain(folder)
    said: list[str] = []
    live(chain, said.append)
    acknowledged = speak.read_text(encoding="utf-8").splitlines() if speak.exists() else []
    assert acknowledged == said[: len(acknowledged)]
    for size in SIZES:
        assert chain.find(size, uniform_root(size)) is not None
    assert chain.status().state == "up"
    assert chain.status().unconfirmed == 0
    chain.close()
    node = file_node(folder)
    assert node.next_nonce(account(1).address) == DEPLOYING + WORKING
    assert node.height() == DEPLOYING + WORKING
    node.close()
    return acknowledged


@pytest.mark.parametrize("moment", range(1, OPENING_MOMENTS + 1, 4))
def test_killed_while_opening(moment: int, tmp_path: Path) -> None:
    assert die_at(tmp_path / "chain", moment, tmp_path / "said") == signal.SIGKILL
    assert _live_on(tmp_path / "chain", tmp_path / "said") == []


@pytest.mark.parametrize("moment", [*range(1, MOMENTS + 1), *range(MOMENTS + 1, WORKING * MOMENTS + 1, 4)])
def test_killed_while_working(deployed: Path, moment: int, tmp_path: Path) -> None:
    shutil.copytree(deployed, tmp_path / "chain")
    assert die_at(tmp_path / "chain", moment, tmp_path / "said") == signal.SIGKILL
    _live_on(tmp_path / "chain", tmp_path / "said")


def test_a_life_that_is_not_cut_short_has_no_more_moments(deployed: Path, tmp_path: Path) -> None:
    shutil.copytree(deployed, tmp_path / "chain")
    assert die_at(tmp_path / "chain", WORKING * MOMENTS + 1, tmp_path / "said") == 0
    assert len(_live_on(tmp_path / "chain", tmp_path / "said")) == 1 + WORKING


def test_killed_again_and_again_by_another_process(deployed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "chain"
    shutil.copytree(deployed, folder)
    node = file_node(folder)
    chain_id, genesis = node.chain_id(), node.block(0)
    node.close()
    acknowledged: dict[str, str] = {}
    draws = kill_tally.chance("chain of another process")
    for _ in range(3):
        before = len(acknowledged)
        acknowledged.update(_use_until_killed(folder, draws.uniform(0, 1)))
        assert len(acknowledged) > before
    chain = open_chain(folder)
    for item, at in acknowledged.items():
        first = chain.find_first_use(bytes.fromhex(item))
        assert first is not None
        assert (first.commitment, first.at) == (COMMITMENT, datetime.fromisoformat(at))
    chain.consume(b"\x99" * 32, COMMITMENT)
    chain.close()
    node = file_node(folder)
    assert (node.chain_id(), node.block(0)) == (chain_id, genesis)
    # One block for each transaction, and at most one use per life that was done and not acknowledged.
    uses = node.height() - DEPLOYING
    assert len(acknowledged) + 1 <= uses <= len(acknowledged) + 1 + 3
    assert node.next_nonce(account(1).address) == DEPLOYING + uses
    node.close()


def _use_until_killed(folder: Path, seconds: float) -> dict[str, str]:
    """Items and times that a real process acknowledged before it was killed, so long after its first."""
    here = Path(__file__).parent
    command = [sys.executable, str(here / "chain_crashes.py"), str(folder)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=here.parent, env={"PYTHONPATH": str(here.parent)}
    )
    assert process.stdout is not None
    lines = [process.stdout.readline()]
    time.sleep(seconds)
    process.kill()
    lines += process.stdout.read().splitlines(keepends=True)
    kill_tally.count("chain", -process.wait(), drawn=True)
    # A line cut off by the kill was not an acknowledgement.
    return dict(line.split() for line in lines if line.endswith("\n"))
