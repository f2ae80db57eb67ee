"""Throws altered and random bytes at everything that reads what strangers present (`python tests/fuzz.py --count N`).

Two laws, for every input: nothing but an error of our own leaves a reader, and nothing altered is accepted. Inputs are
altered golden vectors and files (bits, bytes, cuts, copies, splices, texts) and plain noise, in proportions that keep
slow readers from eating the time. A fault stops the run, says kind and seed, and leaves the input in a file.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from fuzz_mutations import Target, mutate
from fuzz_targets import targets

#: No reader may take more of the processor over one input.
SLOWEST_SECONDS = 5.0
_SAY_EVERY_SECONDS = 60.0


@dataclass
class Tally:
    """How many inputs of each kind were tried, and the slowest of them."""

    tried: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)

    def say(self, seconds: float) -> str:
        """One line."""
        total = sum(self.tried.values())
        return f"{total:,} inputs in {seconds:,.0f} s, {total / max(seconds, 1e-9):,.0f} a second"


class FaultError(AssertionError):
    """An input that broke one of the laws."""

    def __init__(self, target: Target, data: bytes, what: str) -> None:
        super().__init__(f"{target.name}: {what}")
        self.data = data


def try_one(target: Target, data: bytes, seed: bytes) -> bool:
    """Whether the input was refused with an error of ours. Raises FaultError for a broken law."""
    try:
        accepted = target.accepts(data)
    except target.ours:
        return True
    except Exception as error:
        raise FaultError(target, data, f"raised {traceback.format_exc(limit=-6)}") from error
    # A splice may bring forth another seed as it is.
    if accepted and data not in target.seeds and not target.same(data, seed):
        raise FaultError(target, data, "accepted what was altered")
    return False


def _seconds_of(target: Target, data: bytes) -> float:
    start = time.process_time()
    try_one(target, data, data)
    return time.process_time() - start


def run(count: int, seed: int, chosen: list[Target], seconds: float | None = None, *, loud: bool = False) -> Tally:
    """Try that many inputs, or as many as fit into the time. Raises FaultError."""
    chance, tally, began = random.Random(seed), Tally(), time.monotonic()
    said, weights = began, [target.weight for target in chosen]
    for target in chosen:
        for one in target.seeds:
            try_one(target, one, one)
    done = 0
    while done < count and (seconds is None or time.monotonic() - began < seconds):
        for target in chance.choices(chosen, weights, k=min(256, count - done)):
            origin = chance.choice(target.seeds)
            if chance.randrange(32) == 0:
                data = chance.randbytes(chance.choice((0, 1, 5, 40, 200, 1000)))
            else:
                data = target.alter(chance, origin) if target.alter else mutate(chance, origin, target.seeds)
            start = time.process_time()
            tally.refused[target.name] += try_one(target, data, origin)
            took = time.process_time() - start
            tally.tried[target.name] += 1
            if took > tally.slowest.get(target.name, 0.0):
                tally.slowest[target.name] = took
                # A machine that stalls is not a slow reader: only what is slow again counts.
                if took > SLOWEST_SECONDS and _seconds_of(target, data) > SLOWEST_SECONDS:
                    raise FaultError(target, data, f"took {took:.1f} s")
            done += 1
        if loud and time.monotonic() - said > _SAY_EVERY_SECONDS:
            said = time.monotonic()
            print(tally.say(said - began), flush=True)
    if loud:
        print(tally.say(time.monotonic() - began), flush=True)
    return tally


def main() -> int:
    """Run as asked; 1 after a fault."""
    parser = argparse.ArgumentParser(description="throw altered and random bytes at every reader")
    parser.add_argument("--count", type=int, default=100_000, help="how many inputs")
    parser.add_argument("--seconds", type=float, help="stop after so long")
    parser.add_argument("--seed", type=int, help="repeat a run; a new one by default")
    parser.add_argument("--only", help="one kind")
    options = parser.parse_args()
    seed = random.SystemRandom().randrange(2**32) if options.seed is None else options.seed
    chosen = [target for target in targets() if options.only in (None, target.name)]
    print(f"seed {seed}", flush=True)
    try:
        tally = run(options.count, seed, chosen, options.seconds, loud=True)
    except FaultError as fault:
        path = Path(f"fuzz-fault-{seed}.bin")
        path.write_bytes(fault.data)
        print(f"FAULT {fault}\ninput in {path}", file=sys.stderr)
        return 1
    slowest = {name: round(took * 1000, 1) for name, took in tally.slowest.items()}
    print(json.dumps({"seed": seed, "tried": tally.tried, "refused": tally.refused, "slowest_ms": slowest}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
