"""A witness that is killed at random moments, at its first start and while it cosigns; what it then says is compared.

    python tests/witness_crashes.py FOLDER DEATHS

One JSON object a line on stdout: {"kind", "acknowledged", "remembered"} of each death. Raises where two cosignatures of
one key contradict each other, or where the memory is behind what was cosigned.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import time
from pathlib import Path

import kill_tally
from witness_house import Department, Tree

MOST = 300


def die(work: object, after_seconds: float) -> bytes:
    """Run `work(write)` in a child and kill it; what it had written by then."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        work(lambda text: os.write(writing, text.encode()))  # type: ignore[operator]
        os._exit(0)
    os.close(writing)
    said = b""
    ends_at = time.monotonic() + after_seconds
    while (left := ends_at - time.monotonic()) > 0:
        if select.select([reading], [], [], left)[0]:
            more = os.read(reading, 65536)
            if not more:
                break
            said += more
    os.kill(child, signal.SIGKILL)
    while more := os.read(reading, 65536):
        said += more
    os.close(reading)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        kill_tally.count("witness", os.WTERMSIG(status), drawn=True)
    return said


def first_starts(folder: Path, deaths: int, chance: random.Random) -> None:
    """Killed while the key is made: the next start completes it, and no key that was shown is ever replaced."""
    begins_at = time.monotonic()
    die(lambda write: write(Department(folder / "rehearsal").identity.vkey), 10)
    takes_seconds = time.monotonic() - begins_at
    for number in range(deaths):
        place = folder / f"start-{number}"

        def start(write: object, place: Path = place) -> None:
            write(Department(place).identity.vkey)  # type: ignore[operator]

        shown = die(start, chance.uniform(0, 2 * takes_seconds)).decode()
        again = Department(place).identity.vkey
        assert shown in ("", again), (shown, again)
        assert Department(place, None).identity.vkey == again
        print(json.dumps({"kind": "start", "acknowledged": bool(shown), "remembered": 0}), flush=True)


def cosigning(folder: Path, deaths: int, chance: random.Random) -> None:
    """Killed while two branches of one log are put to it in turns: it stays with one of them."""
    branches = {name: Tree(MOST, branch=name, fork_at=20) for name in ("left", "right")}
    place = folder / "cosigning"
    seen: dict[int, str] = {}
    newest = 0
    for number in range(deaths):

        def cosign(write: object, turn: int = number) -> None:
            department, source = Department(place), random.Random(turn)
            while (size := department.size()) < MOST:
                name = source.choice(("left", "right"))
                to = source.randint(size, min(MOST, size + 2))
                if department.ask(branches[name], size, to).status == 200:
                    write(f"{to} {branches[name].head(to).root.hex()}\n")  # type: ignore[operator]

        said = die(cosign, chance.uniform(0, 0.08)).decode()
        for line in said.splitlines():
            size, root = line.split(" ")
            assert seen.setdefault(int(size), root) == root, f"two roots of size {size}"
            assert int(size) >= newest, f"went back from {newest} to {size}"
            newest = int(size)
        remembered = Department(place).size()
        assert remembered >= newest
        print(json.dumps({"kind": "cosign", "acknowledged": newest, "remembered": remembered}), flush=True)


if __name__ == "__main__":
    where, count, source = Path(sys.argv[1]), int(sys.argv[2]), kill_tally.chance("witness")
    first_starts(where, count // 3, source)
    cosigning(where, count - count // 3, source)
