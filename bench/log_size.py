"""Benches of a log of ten million entries: proofs, memory, and whether its last million took longer than the second.

One process of its own grows the log from nothing and is measured; the three benches share its run.

    python -m bench.log_size FOLDER SIZE
"""

from __future__ import annotations

import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from bench.logging import DEPARTMENT, Log
from bench.measure import Result, seconds
from registry.log.published import PublishedLog
from registry.log.sequencing import sequence
from registry.upserts import execute_many
from verifier.merkle import leaf_hash

SMALL, LARGE = 10_000, 10_000_000
STEP = 50_000
PROOFS = 300
TRIES = 3
COLD_PROOFS = 100
#: What is dropped once only: among so many, hardly two proofs read the same.
_LEAVES = ("0", "entries")
_FEW_TILES = 100
MEMORY_LIMIT_MB = 300
_SEALED = (
    "INSERT INTO log_entries (item, kind, department, recorded_at, payload_digest, signed, leaf_hash)"
    " VALUES (?, 1, ?, '2026-11-22 04:00:00.000000', ?, ?, ?)"
)


def log_proof() -> Result:
    """An inclusion proof at 10^7 leaves against one at 10^4, from disk: nothing is kept in memory between two proofs.

    Each reads its head from the database and its tiles from their files, compares every tile with the one above it, and
    checks the path against the root. The files of both logs are in the system's cache when the clock runs, as the few
    of the small one always are; a file that is not costs what the disk takes, once.
    """
    measured = _measured()
    small, large, ratio = measured["proof_small"], measured["proof_large"], measured["proof_ratio"]
    return Result(
        "log_proof", round(large, 1), "µs", round(small, 1), round(ratio, 3), "≤ 2.5", ratio <= 2.5,
        str(measured["proof_ratios"]),
    )  # fmt: skip


def log_proof_cold() -> Result:
    """As `log_proof`, but with nothing of either log in the system's cache: the disk reads what a proof reads."""
    measured = _measured()
    small, large, ratio = measured["cold_small"], measured["cold_large"], measured["cold_ratio"]
    return Result(
        "log_proof_cold", round(large, 1), "µs", round(small, 1), round(ratio, 3), "≤ 2.5", ratio <= 2.5,
        str(measured["cold_ratios"]),
    )  # fmt: skip


def log_memory() -> Result:
    """The most memory the process ever had while it grew a log to 10^7 entries, published it and proved from it."""
    peak = _measured()["memory_mb"]
    goal = f"≤ {MEMORY_LIMIT_MB} MB"
    ratio = round(peak / MEMORY_LIMIT_MB, 3)
    return Result("log_memory", round(peak), "MB", MEMORY_LIMIT_MB, ratio, goal, peak <= MEMORY_LIMIT_MB, "")


def log_growth() -> Result:
    """Entries a processor's second that the log takes in its last million of ten against those in its second.

    Sequenced and published by the log's own functions, in steps of 50,000; entries lie in the outbox already signed.
    Processor time, because the run takes minutes and a machine is not equally busy all the time.
    """
    rates = [round(rate) for rate in _measured()["rates"]]
    early, late = rates[min(1, len(rates) - 1)], rates[-1]
    ratio = round(late / early, 3)
    return Result("log_growth", late, "1/s", early, ratio, "≥ 0.8", ratio >= 0.8, f"{min(rates):,}–{max(rates):,}")


@cache
def _measured() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="suizheng-bench-") as folder:
        command = [sys.executable, "-m", "bench.log_size", folder, str(LARGE)]
        run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    measured: dict[str, Any] = json.loads(run.stdout)
    return measured


def _measure(folder: Path, size: int) -> dict[str, Any]:
    small, large = Log(folder / "small"), Log(folder / "large")
    _fill(small, 0, SMALL)
    _grow(small)
    rates = []
    for million in range(0, size, size // 10):
        spent = 0.0
        for low in range(million, million + size // 10, STEP):
            _fill(large, low, low + STEP)
            spent += _processor_seconds(lambda: _grow(large))
        rates.append(size // 10 / spent)
        print(f"{million + size // 10:,} entries, {rates[-1]:,.0f}/s, {_memory():.0f} MB", file=sys.stderr, flush=True)
    chosen = random.Random(size)
    proofs = [(_prove(small, SMALL, chosen), _prove(large, size, chosen)) for _ in range(PROOFS)]
    for log in (small, large):
        _drop(log, everything=True)
    cold = [(_prove_cold(small, SMALL, chosen), _prove_cold(large, size, chosen)) for _ in range(COLD_PROOFS)]
    # A process that starts looks the whole folder over; what it holds meanwhile counts as well.
    start = seconds(PublishedLog(large.engine, folder / "large" / "log").publish)
    return {
        "rates": rates,
        "memory_mb": _memory(),
        **_summary("proof", proofs),
        **_summary("cold", cold),
        "start_seconds": start,
        "database_mb": (folder / "large" / "registry.db").stat().st_size / 1e6,
    }


def _summary(name: str, pairs: list[tuple[float, float]]) -> dict[str, Any]:
    ratios = [of_large / of_small for of_small, of_large in pairs]
    low_end, *_, high_end = statistics.quantiles(ratios, n=20)
    return {
        f"{name}_small": statistics.median(of_small for of_small, _ in pairs),
        f"{name}_large": statistics.median(of_large for _, of_large in pairs),
        f"{name}_ratio": statistics.median(ratios),
        f"{name}_ratios": f"{low_end:.2f}–{high_end:.2f}",
    }


def _fill(log: Log, low: int, high: int) -> None:
    """Entries in the outbox, as they lie there when they are signed; of the size of a certificate's."""
    rows = []
    for number in range(low, high):
        signed = number.to_bytes(8, "big") + os.urandom(200)
        rows.append((f"{number:026}", DEPARTMENT, signed[8:40], signed, leaf_hash(signed)))
    with log.engine.begin() as connection:
        execute_many(connection, _SEALED, rows)


def _grow(log: Log) -> None:
    sequence(log.engine, log.keys, log.at, STEP)
    log.pipeline.log.publish()


def _prove(log: Log, size: int, chosen: random.Random) -> float:
    """Microseconds of one proof, with nothing kept in memory from another; the best of a few."""
    index, published = chosen.randrange(size), log.pipeline.log
    taken = []
    for _ in range(TRIES):
        published.forget()
        taken.append(seconds(lambda: published.inclusion(index, size)) * 1e6)
    return min(taken)


def _prove_cold(log: Log, size: int, chosen: random.Random) -> float:
    """Microseconds of one proof whose files the disk has to read."""
    index, published = chosen.randrange(size), log.pipeline.log
    _drop(log, everything=False)
    published.forget()
    return seconds(lambda: published.inclusion(index, size)) * 1e6


def _drop(log: Log, *, everything: bool) -> None:
    """Have the system forget the log's files: everything, or what another proof may have read since."""
    tiles = log.folder / "log" / "tile"
    levels = tiles.iterdir() if everything else [level for level in tiles.iterdir() if level.name not in _LEAVES]
    few = [tiles / "0"] if not everything and len(list((tiles / "0").iterdir())) < _FEW_TILES else []
    for path in [log.folder / "registry.db", *(file for level in [*levels, *few] for file in level.rglob("*"))]:
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def _processor_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    print(json.dumps(_measure(Path(sys.argv[1]), int(sys.argv[2]))))
