"""What every batch of thousands does: let the collector rest, draw its random bytes at once."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """The block without the cyclic collector.

    A batch makes some hundred thousand objects that live to its end and form no cycles: looking for garbage among them
    again and again would cost a tenth of the time. Whoever found the collector running starts it again.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def pool_of(draw: Callable[[int], bytes], size: int) -> Callable[[int], bytes]:
    """Random bytes in small pieces out of one draw of `size`; each byte is given once."""
    drawn, at = draw(size), 0

    def piece(count: int) -> bytes:
        nonlocal at
        at += count
        if at > size:
            raise ValueError("more random bytes were asked for than drawn")
        return drawn[at - count : at]

    return piece
