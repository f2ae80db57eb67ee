"""A log that is killed at chosen moments and inside commits, and examined by a fresh process afterwards.

    python tests/log_crashes.py FOLDER MOMENTS INSIDE

One warmed-up process prepares a log, rehearses its life to count the moments, then copies the prepared state for every
death and forks: one process that dies, and one that lives the same life again and examines. MOMENTS deaths are before
and after statements, commits, fsyncs and renames; INSIDE deaths are inside commits, where only a kill from outside, a
random fraction of a millisecond after the commit began, can be. Each line on stdout is a JSON object.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
import select
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import kill_tally
from crash_runner import TOLD, Moments, choose, is_amid_a_write
from log_house import CARE, MARKET, NOON, House
from sqlalchemy import select as query

from registry.log.service import submit_many
from registry.log.tables import LogEntry
from registry.work import REGISTRY
from verifier.digests import double_digest
from verifier.entry import Entry, Kind

#: The prepared log ends before its first full tile; the turns take it over that, and some about one item.
PREPARED = 235
TURNS = (40, 3, 1, 30)


def entries_of(turn: int, count: int) -> list[Entry]:
    """The same entries at every call: a life that is lived again submits them again."""
    department = CARE if turn % 2 else MARKET
    return [
        Entry(
            Kind.CERTIFICATE,
            hashlib.sha256(b"item %d" % (0 if count == 3 else turn * 1000 + place)).digest()[:16],
            department,
            NOON + timedelta(milliseconds=turn * 1000 + place),
            double_digest(b"%d %d" % (turn, place)),
        )
        for place in range(count)
    ]


def live(house: House, said: Callable[[str], None]) -> None:
    """Submit and tick; an entry is acknowledged, with the id of its row, when its transaction is committed."""
    for turn, count in enumerate(TURNS):
        entries = entries_of(turn, count)
        with house.registry.begin(REGISTRY) as work:
            ids = submit_many(work, entries)
        for entry, row_id in zip(entries, ids, strict=True):
            said(f"{digest_of(entry)} {row_id}")
        house.pipeline.tick()


def digest_of(entry: Entry) -> str:
    """What names a submission."""
    return hashlib.sha256(entry.to_bytes()).hexdigest()


def examine(house: House, acknowledged: dict[str, int], published: str) -> None:
    """Live the same life again: everything has the ids it got first, is in the log once, and no head is taken back."""
    again: dict[str, int] = {}

    def said(line: str) -> None:
        digest, row_id = line.split()
        again[digest] = int(row_id)

    live(house, said)
    size = house.settle().size
    assert size == PREPARED + sum(TURNS) == house.check()
    assert acknowledged.items() <= again.items(), "a replayed submission has another id"
    with house.registry.read(REGISTRY) as work:
        rows = work.session.execute(query(LogEntry.payload_digest, LogEntry.id)).tuples()
        assert again.items() <= {digest.hex(): row_id for digest, row_id in rows}.items()
    if published:
        _, old_size, old_root, *_ = published.split("\n")
        assert house.pipeline.log.root_at(int(old_size)) == base64.b64decode(old_root)


class Runner:
    """Prepares once, then kills and examines as often as asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._template = folder / "prepared"
        self._template.mkdir(parents=True)
        house = open_house(self._template)
        house.submit(PREPARED)
        house.settle()
        house.engine.dispose()

    def rehearse(self) -> list[str]:
        """The kinds of all moments of one undisturbed life, in order."""
        folder = self._copy("rehearsal")

        def run() -> None:
            house = open_house(folder)
            moments = watch(house, Moments())
            live(house, lambda _line: None)
            (folder / "moments.json").write_text(json.dumps(moments.kinds))

        assert _in_child(run, folder) == 0
        kinds: list[str] = json.loads((folder / "moments.json").read_text())
        shutil.rmtree(folder)
        return kinds

    def kill_at(self, moment: int, *, drawn: bool) -> dict[str, Any]:
        """Die at one moment, then examine."""
        folder = self._copy(f"moment-{moment}")
        moments = Moments(moment, folder / TOLD)
        ended = _in_child(lambda: _live_and_die(folder, lambda house: watch(house, moments)), folder)
        if ended == signal.SIGKILL:
            kill_tally.count("log", ended, drawn=drawn, writing=is_amid_a_write((folder / TOLD).read_text()))
        return {"signal": ended, **self._examined(folder)}

    def kill_inside(self, number: int, commit: int, seconds: float) -> dict[str, Any]:
        """Be killed that long after the n-th commit began, then examine."""
        folder = self._copy(f"commit-{number}")
        begins, began = os.pipe()

        def tell(house: House) -> None:
            dialect, commits = house.engine.dialect, itertools.count(1)
            do_commit = dialect.do_commit

            def told(connection: Any) -> None:
                is_chosen = next(commits) == commit
                if is_chosen:
                    os.write(began, b"(")
                do_commit(connection)
                if is_chosen:
                    os.write(began, b")")

            dialect.do_commit = told  # type: ignore[method-assign]

        def kill(child: int) -> None:
            if select.select([begins], [], [], 30)[0]:
                end = time.perf_counter() + seconds
                while time.perf_counter() < end:
                    pass
            os.kill(child, signal.SIGKILL)

        ended = _in_child(lambda: _live_and_die(folder, tell), folder, kill)
        os.close(began)
        kill_tally.count("log", ended, drawn=True, writing=os.read(begins, 2) == b"(")
        os.close(begins)
        return {"signal": ended, **self._examined(folder)}

    def _examined(self, folder: Path) -> dict[str, Any]:
        spoken = folder / "said"
        # A line that the kill cut off was no acknowledgement.
        lines = spoken.read_text().splitlines(keepends=True) if spoken.exists() else []
        acknowledged = {line.split()[0]: int(line.split()[1]) for line in lines if line.endswith("\n")}
        checkpoint = folder / "log" / "checkpoint"
        published = checkpoint.read_text() if checkpoint.exists() else ""
        status = _in_child(lambda: examine(open_house(folder), acknowledged, published), folder)
        failure = (folder / "failure").read_text() if (folder / "failure").exists() else ""
        if status == 0:
            shutil.rmtree(folder)
        return {"acknowledged": len(acknowledged), "status": status, "failure": failure}

    def _copy(self, name: str) -> Path:
        return Path(shutil.copytree(self._template, self._folder / name))


def open_house(folder: Path) -> House:
    """The log in this folder."""
    return House(f"sqlite:///{folder / 'registry.db'}", folder)


def watch(house: House, moments: Moments) -> Moments:
    """Watch what this process does to database and files from now on."""
    for name in ("do_execute", "do_executemany"):
        moments._watch_statements(house.engine.dialect, name)
    moments.around(house.engine.dialect, "do_commit", "commit")
    moments.around(os, "fsync", "fsync")
    moments.around(os, "replace", "rename")
    moments.around(os, "unlink", "unlink")
    return moments


def _live_and_die(folder: Path, prepare: Callable[[House], object]) -> None:
    with (folder / "said").open("a", encoding="utf-8") as file:

        def said(line: str) -> None:
            file.write(line + "\n")
            file.flush()

        house = open_house(folder)
        prepare(house)
        live(house, said)


def _in_child(run: Callable[[], None], folder: Path, kill: Callable[[int], None] | None = None) -> int:
    """Run in a forked process; the signal that ended it, or 0. A failure is 256 and its story is in the folder."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            run()
            code = 0
        except BaseException:  # noqa: BLE001 (the process ends here; the story is told in the file)
            (folder / "failure").write_text(traceback.format_exc())
        finally:
            os._exit(code)
    if kill is not None:
        with suppress(ProcessLookupError):
            kill(child)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 256 * os.WEXITSTATUS(status)


def main(folder: Path, count: int, inside: int) -> None:
    runner = Runner(folder)
    kinds = runner.rehearse()
    commits = kinds.count("before commit")
    draws = kill_tally.chance("log")
    moments = choose(kinds, count, draws)
    # Flushed before every fork: a child that dies must not repeat what this process had not written yet.
    print(json.dumps({"moments": len(kinds), "kinds": Counter(kinds), "commits": commits}), flush=True)
    for moment, drawn in sorted(moments.items()):
        found = runner.kill_at(moment, drawn=drawn)
        # How many writes are under way side by side differs: a life may be over some moments before the rehearsed one.
        while not found["signal"] and moment > 1:
            moment = max(1, moment - 3)
            found = runner.kill_at(moment, drawn=drawn)
        print(json.dumps({"kind": kinds[moment - 1], **found}), flush=True)
    killed = tried = 0
    while killed < inside:
        found = runner.kill_inside(tried, draws.randint(1, commits), draws.uniform(0, 0.002))
        tried += 1
        # On a busy machine a life may be over before its kill comes; it is examined like any.
        killed += found["signal"] == signal.SIGKILL
        print(json.dumps({"kind": "inside a commit", **found}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
