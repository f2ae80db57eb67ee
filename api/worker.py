"""The worker: one thread that takes acknowledged entries through the pipeline, publishes trust, and cleans up.

It never ends by itself: whatever a step raises is logged with its traceback and tried again after a pause that grows.
A log that contradicts itself halts it, which `report` tells, while requests go on being served; a chain that is away,
refuses or is not ours only keeps heads from being anchored.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

from chain.errors import ChainError, WrongContractError
from registry.log.errors import LogContradictionError
from registry.pipeline import Progress

#: How long the worker sleeps when there is nothing to do and nobody wakes it.
IDLE_SECONDS: Final = 1.0
#: At least so long after a tick nothing new is begun, so that what comes in meanwhile is taken together: a tick has its
#: price, and holds up whoever wants to write. Who comes after a quiet time waits for nothing.
GATHER_SECONDS: Final = 0.1
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 30.0
CHORES_EVERY_SECONDS: Final = 3_600.0
#: A tick that takes longer than this without an end is told as stuck.
STUCK_AFTER_SECONDS: Final = 300.0

State = Literal["starting", "working", "retrying", "halted", "stopped"]
#: Nothing may be signed or anchored any more until a person has looked and started the process again.
_HALTING: Final = (LogContradictionError, WrongContractError)

_log = logging.getLogger("suizheng.worker")


@dataclass(frozen=True, slots=True)
class Report:
    """How the worker is doing. `reason` and `message` tell what keeps it from working, if anything does."""

    state: State
    alive: bool
    ticks: int
    failures_in_a_row: int
    began_at: datetime | None
    ended_at: datetime | None
    reason: str | None = None
    message: str | None = None
    chain_down: bool = False
    progress: Progress | None = None
    #: How long the present tick has taken so far, by the monotonic clock: a wall clock may jump.
    in_tick_seconds: float = 0.0

    @property
    def is_well(self) -> bool:
        """Whether the worker does its work: alive, not halted, and not stuck in one tick."""
        return self.alive and self.state not in ("halted", "stopped") and self.in_tick_seconds <= STUCK_AFTER_SECONDS


class Worker:
    """Runs `tick` and, now and then, `chores` in a thread of its own. `wake` makes it look at once."""

    def __init__(
        self,
        tick: Callable[[], Progress],
        chores: Sequence[Callable[[], object]],
        clock: Callable[[], datetime],
        *,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._tick = tick
        self._chores = tuple(chores)
        self._clock = clock
        self._idle_seconds = idle_seconds
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._chores_due = time.monotonic()
        self._tick_began: float | None = None
        self._thread: threading.Thread | None = None
        self._report = Report("starting", False, 0, 0, None, None)

    def start(self) -> None:
        """Begin to work; harmless when it works already."""
        if self._thread is None or not self._thread.is_alive():
            self._stopping.clear()
            self._report = Report("starting", False, 0, 0, None, None)
            self._thread = threading.Thread(target=self._run, name="suizheng-worker", daemon=True)
            self._thread.start()

    def wake(self) -> None:
        """There is something to do."""
        self._wanted.set()

    def stop(self, timeout_seconds: float = 30.0) -> bool:
        """End after the present tick; whether it ended in time. What is not done is done by the next process."""
        self._stopping.set()
        self._wanted.set()
        thread = self._thread
        if thread is not None:
            thread.join(timeout_seconds)
        return thread is None or not thread.is_alive()

    def report(self) -> Report:
        """How it is doing at this moment."""
        alive = self._thread is not None and self._thread.is_alive()
        began = self._tick_began
        return replace(self._report, alive=alive, in_tick_seconds=time.monotonic() - began if began else 0.0)

    def _run(self) -> None:
        while not self._stopping.is_set():
            pause_seconds = self._step()
            if self._report.state == "halted":
                self._stopping.wait()
            elif pause_seconds > 0:
                self._rest(pause_seconds)
        self._report = replace(self._report, state="stopped")

    def _rest(self, pause_seconds: float) -> None:
        if self._report.failures_in_a_row:
            # A failing step is not hurried by new work; only the end of the process is.
            self._stopping.wait(pause_seconds)
        elif not self._stopping.wait(min(GATHER_SECONDS, pause_seconds)):
            self._wanted.wait(pause_seconds)
        self._wanted.clear()

    def _step(self) -> float:
        """One tick and its consequences; how long to pause afterwards."""
        self._report = replace(self._report, began_at=self._clock())
        self._tick_began = time.monotonic()
        try:
            progress = self._tick()
            self._do_chores()
        except _HALTING as halt:
            return self._fail(halt, "halted")
        except Exception as error:  # noqa: BLE001 (the thread's rim: it must outlive every error; logged with its traceback)
            return self._fail(error, "retrying")
        finally:
            self._tick_began = None
        problem = progress.problems[0] if progress.problems else None
        self._report = replace(
            self._report, state="working", failures_in_a_row=0, ticks=self._report.ticks + 1, ended_at=self._clock(),
            reason=problem.reason if problem else None, message=problem.message if problem else None,
            chain_down=progress.chain_down, progress=progress,
        )  # fmt: skip
        if progress.more:
            return 0.0
        return self._idle_seconds

    def _fail(self, error: Exception, state: State) -> float:
        failures = self._report.failures_in_a_row + 1
        pause_seconds = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** (failures - 1))
        _log.error("worker is %s after failure %d in a row", state, failures, exc_info=error)
        self._report = replace(
            self._report, state=state, failures_in_a_row=failures, ended_at=self._clock(),
            reason=str(getattr(error, "reason", type(error).__name__)), message=_message(error),
            chain_down=isinstance(error, ChainError),
        )  # fmt: skip
        return pause_seconds

    def _do_chores(self) -> None:
        now = time.monotonic()
        if now < self._chores_due:
            return
        self._chores_due = now + CHORES_EVERY_SECONDS
        for chore in self._chores:
            chore()


def _message(error: Exception) -> str:
    return str(getattr(error, "message", "后台处理出错，正在重试；详情见日志。"))
