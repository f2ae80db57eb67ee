"""Work on what strangers hand in, in a process that may be lost.

One that crashes, hangs or wants all memory ends nothing but itself. A room's `ask` starts `python -P -m MODULE`, which
calls `bound` before it looks at what it was given. It is no sandbox: what takes the process over has the rights of
whoever started it.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from codes.processes import surroundings

_SECONDS: Final = 40.0
"""On the clock: of a machine that has much else to do."""
_FILES: Final = 64
_NICENESS: Final = 5


class TooManyError(Exception):
    """So many are at work or wait already: to be asked again later."""


@dataclass(frozen=True, slots=True)
class Done:
    """What the process wrote until its end, whatever that was. status: as of `subprocess`; None after too long."""

    written: bytes
    status: int | None


class Room:
    """How many processes of one sort this one has at once, how many may wait for their turn, and how long."""

    def __init__(self, at_once: int, places: int, seconds: float) -> None:
        self._turns = threading.BoundedSemaphore(at_once)
        self._places = threading.BoundedSemaphore(places)
        self._seconds = seconds

    def ask(self, module: str, arguments: Sequence[str], data: bytes) -> Done:
        """Let the module work on the data in a process of its own. Raises TooManyError."""
        if not self._places.acquire(blocking=False):
            raise TooManyError
        try:
            if not self._turns.acquire(timeout=self._seconds):
                raise TooManyError
            try:
                return _run(module, arguments, data)
            finally:
                self._turns.release()
        finally:
            self._places.release()


def _run(module: str, arguments: Sequence[str], data: bytes) -> Done:
    # -P: nothing is imported from the folder that the command happens to be run in.
    command = [sys.executable, "-P", "-m", module, *arguments]
    try:
        done = subprocess.run(  # noqa: S603 this interpreter
            command, input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=_SECONDS, check=False,
            env=surroundings(),
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        return Done(late.stdout or b"", None)
    return Done(done.stdout, done.returncode)


def bound(seconds: int, memory: int) -> None:
    """Bound this process: seconds of the processor, bytes of memory, few files, none of them written."""
    if importlib.util.find_spec("resource") is None:
        return  # Not a system of the POSIX family: the clock is the only bound.
    import resource

    for what, limit in (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_NOFILE, _FILES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (limit, limit))
    # Those who wait at a desk come first.
    os.nice(_NICENESS)
