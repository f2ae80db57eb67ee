"""Many quick deaths: processes forked from a warm one work on a chain and are killed at random moments.

Two lives are lived. On the embedded chain, chain and sender die together, and some die inside a commit of one of their
SQLite files: a kill may come after any few instructions of SQLite's machine. On a node, the node lives on in the parent
and only the sender dies, wherever it is by then.
"""

from __future__ import annotations

import os
import random
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kill_tally
from forking import wait_for

from chain.outbox import Outbox
from chain.store import BlockStore

Say = Callable[[str], None]


def fork(life: Callable[[Say], None], spoken: Path) -> int:
    """A child that lives this life, telling what was acknowledged; its process id, when it has begun."""
    readable, writable = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(readable)
            with spoken.open("a", encoding="utf-8", buffering=1) as file:
                os.write(writable, b".")
                life(lambda line: print(line, file=file))
            code = 0
        finally:
            os._exit(code)
    os.close(writable)
    select.select([readable], [], [], 10)
    os.close(readable)
    return child


def end(child: int, area: str, *, writing: bool) -> int:
    """The signal that ended a child; 0 if its life was over before. Raises AssertionError if it failed by itself."""
    status = wait_for(child)
    if status is None:
        # It stood still, which is no life to be killed in.
        return int(signal.SIGKILL)
    if os.WIFSIGNALED(status):
        kill_tally.count(area, os.WTERMSIG(status), drawn=True, writing=writing)
        return os.WTERMSIG(status)
    assert os.WEXITSTATUS(status) == 0, "the process failed by itself"
    return 0


def kill_after(child: int, seconds: float, area: str) -> int:
    """Kill a child so long after it began, unless it died inside a commit before."""
    deadline = time.monotonic() + seconds
    while not (has_ended := _has_ended(child)) and time.monotonic() < deadline:
        time.sleep(max(0.0, min(0.002, deadline - time.monotonic())))
    if not has_ended:
        os.kill(child, signal.SIGKILL)
    return end(child, area, writing=has_ended)


def _has_ended(child: int) -> bool:
    """Whether it has, leaving it to be waited for."""
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def die_inside_commits(probability: float, draws: random.Random) -> None:
    """From now on, in this process: any commit of the chain or the outbox may be the last, and end in its middle."""

    def watch(owner: type, name: str) -> None:
        act = getattr(owner, name)

        def watched(self: Any, *arguments: Any, **more: Any) -> Any:
            if draws.random() < probability:
                self._connection.set_progress_handler(_die, draws.randint(1, 120))
            answer = act(self, *arguments, **more)
            self._connection.set_progress_handler(None, 0)
            return answer

        setattr(owner, name, watched)

    watch(BlockStore, "commit")
    for name in ("add", "add_attempt", "settle", "mark"):
        watch(Outbox, name)


def _die() -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def wait_for_a_line(spoken: Path, patience_seconds: float = 60.0) -> None:
    """Until one thing more is acknowledged, or for so long: a forked process may stand still, see `forking`."""
    before, deadline = len(lines_of(spoken)), time.monotonic() + patience_seconds
    while len(lines_of(spoken)) == before and time.monotonic() < deadline:
        time.sleep(0.01)


def lines_of(spoken: Path) -> list[str]:
    """What was acknowledged; a line that the kill cut off was not."""
    lines = spoken.read_text(encoding="utf-8").splitlines(keepends=True) if spoken.exists() else []
    return [line.rstrip("\n") for line in lines if line.endswith("\n")]
