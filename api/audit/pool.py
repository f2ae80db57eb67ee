"""Signatures are nearly all of the work: several processes examine bundles of entries; answers come in order."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from types import TracebackType

from api.audit.entries import Examined, KeyRing, examine

#: Fewer entries than this are not worth starting processes for.
WORTH_PROCESSES = 4_096

_ring: KeyRing | None = None


class Examiners:
    """`jobs` processes, or this one alone. Use it in a `with` block. keep: entries are wanted back, not only judged."""

    def __init__(self, ring: KeyRing | None, jobs: int, *, keep: bool) -> None:
        self._ring = ring
        self._keep = keep
        # Not forked: threads and connections of this process are none of theirs.
        context = multiprocessing.get_context("spawn")
        self._pool = (
            ProcessPoolExecutor(jobs, mp_context=context, initializer=_begin, initargs=(ring,)) if jobs > 1 else None
        )
        #: Bundles that may wait for their answer at once.
        self.ahead = 8 * jobs if jobs > 1 else 1

    def submit(self, first: int, entries: Sequence[bytes]) -> Callable[[], Examined]:
        """Begin to examine entries; the answer when it is called for."""
        if self._pool is None:
            return lambda: examine(first, entries, self._ring, keep=self._keep)
        return self._pool.submit(_examine, first, entries, self._keep).result

    def __enter__(self) -> Examiners:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


def _begin(ring: KeyRing | None) -> None:
    global _ring
    _ring = ring


def _examine(first: int, entries: Sequence[bytes], keep: bool) -> Examined:
    return examine(first, entries, _ring, keep=keep)
