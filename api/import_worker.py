"""Keeps the process of imports going while there is something to import, and starts it again when it has died.

What is to be done stands in the database alone: this thread only looks, starts, and passes on that something is new.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from api.imports.settings import to_line
from api.settings import Settings
from codes.processes import surroundings
from registry.imports import service
from registry.work import REGISTRY, Registry

LOOK_EVERY_SECONDS: Final = 2.0
#: How long the process may take to let go of its transaction before it is killed.
END_WITHIN_SECONDS: Final = 5.0
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 30.0

_log = logging.getLogger("suizheng.imports")


def environment() -> dict[str, str]:
    """What the process of imports gets: our own settings come as a line, those of the libraries for databases, stores
    and tokens are theirs to read."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("SUIZHENG_")}
    return {**others, **surroundings()}


class ImportWorker:
    """Runs `python -m api.imports.process` under the same settings. `on_step` hears of each step."""

    def __init__(self, registry: Registry, settings: Settings, on_step: Callable[[], object]) -> None:
        self._registry = registry
        self._given = to_line(settings)
        self._on_step = on_step
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._failures = 0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look; harmless when it does already."""
        if self._thread is None or not self._thread.is_alive():
            self._stopping.clear()
            self._thread = threading.Thread(target=self._run, name="suizheng-imports", daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """There is something to do."""
        self._wanted.set()

    def stop(self) -> None:
        """End the process; what it was doing is rolled back and done by the next one."""
        self._stopping.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join(END_WITHIN_SECONDS)
        self._end()

    @property
    def pid(self) -> int | None:
        """The process at work, for those who watch it or kill it."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look()
            except (OSError, SQLAlchemyError):
                _log.exception("imports could not be looked after")
            pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** (self._failures - 1))
            self._wanted.wait(pause if self._failures else LOOK_EVERY_SECONDS)
            self._wanted.clear()

    def _look(self) -> None:
        if self._process is not None and self._process.poll() is not None:
            failed = self._process.returncode != 0
            self._failures = self._failures + 1 if failed else 0
            if failed:
                _log.error("the process of imports ended with status %d", self._process.returncode)
            self._end()
        if self._process is not None:
            self._tell()
            return
        with self._registry.read(REGISTRY) as work:
            due = service.due(work) is not None
        if due and not self._stopping.is_set():
            self._begin()

    def _begin(self) -> None:
        process = self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "api.imports.process"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=environment(),
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(self._given)
        process.stdin.flush()
        threading.Thread(target=self._listen, args=(process,), name="suizheng-imports-steps", daemon=True).start()

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        for _ in process.stdout:
            self._failures = 0
            self._on_step()
        # It has ended: whether that was in order is looked at right away.
        self._wanted.set()

    def _tell(self) -> None:
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(b"new\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            # It is ending; the next look starts another.
            self._wanted.set()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        deadline = time.monotonic() + END_WITHIN_SECONDS
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
