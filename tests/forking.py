"""Forking from a process with threads: a lock that another thread holds at that moment stays locked in the child.

Such a child stands still for ever. It is ended like any killed process, and another is forked.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

_TRIES = 5
_LOOKS_EVERY_SECONDS = 0.005


def run_forked(life: Callable[[], None], patience_seconds: float = 60.0) -> int:
    """Run a life, which ends its process itself, in a forked process; its wait status."""
    for _ in range(_TRIES):
        child = os.fork()
        if child == 0:
            try:
                life()
            finally:
                os._exit(1)
        status = wait_for(child, patience_seconds)
        if status is not None:
            return status
    raise AssertionError(f"{_TRIES} processes stood still")


def wait_for(child: int, patience_seconds: float = 60.0) -> int | None:
    """The wait status of a child; None if it stood still for so long and was ended."""
    deadline = time.monotonic() + patience_seconds
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status
        time.sleep(_LOOKS_EVERY_SECONDS)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None
