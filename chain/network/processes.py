"""One background process per folder: started, found again by another process, paused, stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from codes.processes import surroundings

_PID, _LOG = "process.pid", "node.log"
_POLL_SECONDS = 0.05
# The kernel ends a killed process when it gets its turn and its disk has answered.
_GONE_SECONDS = 60.0

State = Literal["running", "suspended", "stopped"]


class Process:
    """The process of a folder. The pid file names its pid and its start time, so that a reused pid is not ours."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """Where its output goes."""
        return self.folder / _LOG

    def start(self, command: Sequence[str | Path]) -> None:
        """Start it in the background, in its folder; it outlives us. Harmless while it runs."""
        if self.state() != "stopped":
            return
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603 the operator's own program
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env=surroundings(),
            )  # fmt: skip
        (self.folder / _PID).write_text(f"{self._child.pid} {_started(self._child.pid)}\n", encoding="ascii")

    def state(self) -> State:
        """Whether it runs; a process that ended and was not waited for counts as stopped."""
        if self._child is not None and self._child.poll() is not None:
            return "stopped"
        pid = self.pid()
        if pid is None:
            return "stopped"
        return "suspended" if _field(pid, 0) == "T" else "running"

    def pid(self) -> int | None:
        """Its pid while it exists."""
        try:
            pid, started = (self.folder / _PID).read_text(encoding="ascii").split()
        except (FileNotFoundError, ValueError):
            return None
        alive = _started(int(pid)) == started and _field(int(pid), 0) not in ("Z", "X")
        return int(pid) if alive else None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens if it is gone."""
        pid = self.pid()
        if pid is not None:
            # It may go between the look and the signal.
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self, grace_seconds: float = 15.0) -> None:
        """Ask it to end, and end it when it does not; returns when it is gone."""
        self.signal(signal.SIGTERM)
        # One that is suspended hears nothing until it goes on.
        self.signal(signal.SIGCONT)
        if not self._ends_within(grace_seconds):
            self.kill()
        (self.folder / _PID).unlink(missing_ok=True)

    def kill(self) -> None:
        """End it at once; returns when it is gone."""
        self.signal(signal.SIGKILL)
        self._ends_within(_GONE_SECONDS)

    def _ends_within(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while self.state() != "stopped":
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True


def _field(pid: int, place: int) -> str | None:
    """A field of the kernel's record of a process, counted after its name; None if there is no such process."""
    try:
        record = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return record.rpartition(")")[2].split()[place]


def _started(pid: int) -> str | None:
    return _field(pid, 19)
