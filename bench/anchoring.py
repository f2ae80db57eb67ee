"""Bench of the way onto the chain: from an acknowledged registration to its anchor, on four real validators."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from api.demo.files import MARKET
from api.worker import Worker
from bench.issuing import CLERK, _draft, open_registry
from bench.measure import Result
from chain.network import Network
from chain.opening import Chain
from registry.certificates import service as certificates
from registry.certificates.outcomes import Registered
from registry.keys.service import KeyService
from registry.log.anchoring import anchored_head
from registry.log.service import open_log
from registry.pipeline import Pipeline
from registry.work import Registry

SMALL, LARGE = 100, 10_000
ROUNDS = 5
GOAL_SECONDS, GOAL_RATIO = 10.0, 2.0
_WAIT_SECONDS = 120.0


def anchor_lag() -> Result:
    """Seconds from the commit of a batch to its anchor on a network with blocks every second; batches take turns.

    value is the slowest of all batches, limit the median of the small ones, ratio the medians of large over small.
    """
    with tempfile.TemporaryDirectory(prefix="suizheng-bench-") as folder:
        network = Network.make(Path(folder) / "network")
        try:
            network.up()
            pairs = _measure(Path(folder), network.urls[0])
        finally:
            network.down()
    small, large = (statistics.median(side) for side in zip(*pairs, strict=True))
    worst = max(max(pair) for pair in pairs)
    ratios = [slow / quick for quick, slow in pairs]
    return Result(
        "anchor_lag",
        round(worst, 2),
        "s",
        round(small, 2),
        round(large / small, 3),
        f"< {GOAL_SECONDS:g} s, ≤ {GOAL_RATIO:g}",
        worst < GOAL_SECONDS and large / small <= GOAL_RATIO,
        f"{min(ratios):.2f}–{max(ratios):.2f}",
    )


def _measure(folder: Path, url: str) -> list[tuple[float, float]]:
    """The lag of a small and of a large batch, round by round, after one warm-up of both."""
    registry = open_registry(folder / "registry.db")
    keys = KeyService(folder / "keys", registry.engine)
    keys.prepare(_now())
    origin = open_log(registry.engine, os.urandom)
    chain = Chain(url, folder / "chain", origin=origin, registry_code=MARKET, clock=_now, draw=os.urandom)
    pipeline = Pipeline(registry.engine, keys, folder / "log", chain, chain, _now, os.urandom)
    worker = Worker(pipeline.tick, (), _now)
    worker.start()
    rows = count()
    lag = _lag(registry, worker, rows)
    try:
        lag(SMALL), lag(LARGE)
        return [(lag(SMALL), lag(LARGE)) for _ in range(ROUNDS)]
    finally:
        worker.stop()
        chain.close()
        registry.engine.dispose()


def _lag(registry: Registry, worker: Worker, rows: count[int]) -> Callable[[int], float]:
    reader = registry.engine

    def lag(size: int) -> float:
        drafts = [_draft(next(rows)) for _ in range(size)]
        before = anchored_head(reader).size
        with registry.begin(CLERK) as work:
            outcomes = certificates.register_many(work, drafts)
        acknowledged = time.monotonic()
        if not all(isinstance(outcome, Registered) for outcome in outcomes):
            raise AssertionError(f"a row of the bench was refused: {outcomes[0]}")
        worker.wake()
        while anchored_head(reader).size < before + size:
            if time.monotonic() - acknowledged > _WAIT_SECONDS:
                raise AssertionError(f"not anchored in {_WAIT_SECONDS:g} s: {worker.report()}")
            time.sleep(0.01)
        return time.monotonic() - acknowledged

    return lag


def _now() -> datetime:
    return datetime.now(UTC)
