"""Work that is cheaper together: what arrives while a group is being handled makes the next group."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

_Item = TypeVar("_Item")
_Outcome = TypeVar("_Outcome")

_log = logging.getLogger("suizheng.together")


class Together(Generic[_Item, _Outcome]):
    """One thread that handles items in groups, in the order in which they came; each gets its own outcome.

    `handle` gives an outcome or an exception for every item of a group, in their order. Nobody waits for a group to
    fill: an item that comes alone is handled alone, at once. At most `most` items make a group.
    """

    def __init__(
        self, name: str, handle: Callable[[Sequence[_Item]], Sequence[_Outcome | Exception]], most: int
    ) -> None:
        self._name = name
        self._handle = handle
        self._most = most
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting[_Item, _Outcome]] = deque()
        self._thread: threading.Thread | None = None

    async def do(self, item: _Item) -> _Outcome:
        """The item's own outcome; raises if that is an exception. Whoever stops waiting does not stop the work."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(item, loop, loop.create_future())
        with self._changed:
            self._waiting.append(waiting)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=f"suizheng-{self._name}", daemon=True)
                self._thread.start()
            self._changed.notify()
        outcome: _Outcome = await waiting.future
        return outcome

    def close(self, timeout_seconds: float = 30.0) -> None:
        """Handle what waits and end the thread; an item that comes later starts another one."""
        with self._changed:
            thread, self._thread = self._thread, None
            self._changed.notify_all()
        if thread is not None:
            thread.join(timeout_seconds)

    def _run(self) -> None:
        while group := self._next_group():
            _tell(group, self._outcomes(group))

    def _next_group(self) -> list[_Waiting[_Item, _Outcome]]:
        """The next group; empty when there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._thread is not threading.current_thread())
            return [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]

    def _outcomes(self, group: Sequence[_Waiting[_Item, _Outcome]]) -> Sequence[_Outcome | Exception]:
        try:
            return self._handle([waiting.item for waiting in group])
        except Exception as error:  # noqa: BLE001 (the thread's rim: it must outlive every error, which all of the group get)
            _log.debug("a group of %d failed in %s", len(group), self._name, exc_info=error)
            return [error] * len(group)


class _Waiting(NamedTuple, Generic[_Item, _Outcome]):
    item: _Item
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[_Outcome]


def _tell(group: Sequence[_Waiting[_Item, _Outcome]], outcomes: Sequence[_Outcome | Exception]) -> None:
    """Give each its outcome, in its own loop: one call into each loop for the whole group."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[_Outcome], _Outcome | Exception]]] = {}
    for waiting, outcome in zip(group, outcomes, strict=True):
        by_loop.setdefault(waiting.loop, []).append((waiting.future, outcome))
    for loop, told in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle, told)
        except RuntimeError:
            # The loop has ended, and with it whoever asked.
            continue


def _settle(told: Sequence[tuple[asyncio.Future[_Outcome], _Outcome | Exception]]) -> None:
    for future, outcome in told:
        if future.done():
            # Whoever asked has gone.
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
