"""Bench of a decision about many certificates: 100,000 of them, online part by part."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sqlalchemy import func, select

from bench.issuing import CLERK, ROWS, draft_batch, open_registry
from bench.measure import Result, seconds
from registry.certificates import changing
from registry.certificates import service as certificates
from registry.certificates.tables import Certificate
from registry.statuses.tables import StatusValue
from registry.work import REGISTRY, Registry
from verifier.status import Status

CHANGED = 100_000
GOAL_SECONDS = 10.0


def status_change() -> Result:
    """100,000 certificates suspended by one decision, on SQLite; the limit is the time that is allowed.

    Judged one by one, an event and a log entry each, committed in parts as the API does, durable and in the status list
    when it ends: from then on whoever asks the server is answered by it. The next trust bundle carries it to those who
    ask nobody.
    """
    with tempfile.TemporaryDirectory(prefix="suizheng-bench-") as name:
        registry = open_registry(Path(name) / "registry.db")
        for batch in range(CHANGED // ROWS):
            with registry.begin(CLERK) as work:
                certificates.register_many(work, draft_batch(batch))
        with registry.read(REGISTRY) as work:
            ids = list(work.session.scalars(select(Certificate.id)))
        took = seconds(lambda: _suspend(registry, ids))
        _check(registry)
    ratio = round(took / GOAL_SECONDS, 3)
    return Result(
        "status_change", round(took, 2), "s", GOAL_SECONDS, ratio, "≤ 1", ratio <= 1, "one run"
    )  # fmt: skip


def _suspend(registry: Registry, ids: list[str]) -> None:
    effective_at = registry.clock()
    for some in changing.parts(ids):
        with registry.begin(CLERK) as work:
            changing.change_many(work, some, "suspend", "专项检查", effective_at=effective_at)


def _check(registry: Registry) -> None:
    with registry.read(REGISTRY) as work:
        suspended = int(Status.SUSPENDED)
        online = work.session.scalar(select(func.count()).where(Certificate.status == suspended))
        listed = work.session.scalar(select(func.count()).where(StatusValue.value == suspended))
    if not online == listed == CHANGED:
        raise AssertionError(f"{online} certificates and {listed} slots of {CHANGED} changed")
