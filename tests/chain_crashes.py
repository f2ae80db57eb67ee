"""Processes that work on an embedded chain and are killed at a chosen moment."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kill_tally
from chain_world import ORIGIN, REGISTRY, MovingClock, drawing, uniform_proof, uniform_root
from forking import run_forked

from chain.node import Node
from chain.opening import Chain
from chain.outbox import Outbox
from chain.record import Deployment
from chain.store import BlockStore

# The life of a chain in a test: heads of these sizes, then a use of each item.
SIZES = (5, 9, 100)
ITEMS = tuple(number.to_bytes(32) for number in range(1, 4))
COMMITMENT = b"\x44" * 32


def open_chain(folder: Path) -> Chain:
    """The chain of this folder; its account has the key 1."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "account.key").exists():
        (folder / "account.key").write_text((1).to_bytes(32).hex(), encoding="ascii")
    return Chain("embedded", folder, origin=ORIGIN, registry_code=REGISTRY, clock=MovingClock(), draw=drawing("chain"))


def live(chain: Chain, said: Callable[[str], None]) -> None:
    """The whole life; safe to begin again. Says what was acknowledged, when it was."""
    chain.open()
    said("opened")
    for old_size, size in zip((0, *SIZES), SIZES, strict=False):
        anchor = chain.find(size, uniform_root(size))
        if anchor is None and (chain.latest() or (0,))[0] < size:
            anchor = chain.anchor(size, uniform_root(size), old_size, uniform_proof(old_size, size) if old_size else [])
        assert anchor is not None
        said(f"anchored {size} {anchor.block_number} {anchor.transaction_hash.hex()}")
    for item in ITEMS:
        said(f"used {item.hex()} {chain.consume(item, COMMITMENT).at.isoformat()}")


def die_at(folder: Path, moment: int, speak: Path) -> int:
    """Fork a process that lives on this chain and kills itself at its n-th moment.

    Moments are before and after each write to a file or to the chain, and in the middle of the write of a block.
    Returns the signal that ended the process; 0 if its life was over before.
    """

    def life() -> None:
        _count_moments(moment)
        with speak.open("a", encoding="utf-8") as file:

            def said(line: str) -> None:
                file.write(line + "\n")
                file.flush()

            chain = open_chain(folder)
            live(chain, said)
            chain.close()
        os._exit(0)

    status = run_forked(life)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"the process failed with {status}"
    if not os.WIFSIGNALED(status):
        return 0
    kill_tally.count("chain", os.WTERMSIG(status), drawn=False)
    return os.WTERMSIG(status)


def _count_moments(last: int) -> None:
    passed = 0

    def pass_moment() -> bool:
        nonlocal passed
        passed += 1
        return passed == last

    def around(owner: type, name: str) -> None:
        act = getattr(owner, name)

        def watched(self: Any, *arguments: Any, **more: Any) -> Any:
            if pass_moment():
                _die()
            answer = act(self, *arguments, **more)
            if pass_moment():
                _die()
            return answer

        setattr(owner, name, watched)

    commit = BlockStore.commit

    def watched_commit(self: BlockStore) -> None:
        if pass_moment():
            # Every few instructions of SQLite's machine: in the middle of writing the block.
            self._connection.set_progress_handler(_die, 200)
        commit(self)

    BlockStore.commit = watched_commit  # type: ignore[method-assign]
    for owner, name in (
        (BlockStore, "commit"),
        (Outbox, "add"),
        (Outbox, "settle"),
        (Node, "send"),
        (Deployment, "write"),
    ):
        around(owner, name)


def _die() -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


if __name__ == "__main__":
    # Uses items without end, saying each when it was acknowledged; the parent decides when that is over.
    chain = open_chain(Path(sys.argv[1]))
    chain.open()
    while True:
        item = os.urandom(32)
        first = chain.consume(item, COMMITMENT)
        sys.stdout.write(f"{item.hex()} {first.at.isoformat()}\n")
        sys.stdout.flush()
