"""The process of imports, killed at random moments of reading, of a chunk's transaction, and between.

    python tests/import_crashes.py FOLDER KILLS

One warmed-up process puts files into the queue of a registry, then forks the product's own process of imports again and
again: it is killed so long after its start as drawn, up to twice what a file takes undisturbed. Where nothing was left
to do by then the kill came too late, and is repeated with more files. The last one lives until all is done. Each line
on stdout is the signal that ended one.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import IO

import kill_tally
from api_office import ISSUER, LICENCE, settings_in
from forking import run_forked
from import_files import csv_of, licence_row
from sqlalchemy import func, select

from api.composition import compose
from api.imports import process
from api.imports.settings import to_line
from registry.database import open_engine
from registry.departments import service as departments
from registry.imports import service
from registry.imports.rules import DUE
from registry.imports.service import JobDraft
from registry.imports.tables import ImportJob
from registry.work import REGISTRY, Actor

#: Each file is read in one step and registered in another.
ROWS, FILES = 250, 10
REGISTRAR = Actor("registrar", "system", ISSUER, frozenset(("registrar",)))


def prepare(folder: Path, numbers: Iterable[int]) -> None:
    """A registry with the files of these numbers in the queue."""
    services = compose(settings_in(folder))
    with services.registry.begin(REGISTRY) as work:
        departments.grant_scope(work, ISSUER, LICENCE, "issue", date(2020, 1, 1))
    for number in numbers:
        rows = (licence_row(number * ROWS + row) for row in range(ROWS))
        sha256 = services.import_folder.keep(ISSUER, io.BytesIO(csv_of(*rows)))
        with services.registry.begin(REGISTRAR) as work:
            service.create(work, JobDraft(LICENCE, f"{number}.csv", sha256))
    services.close()


class Importer:
    """The process of imports over a folder; it goes on until its files are done or it is killed."""

    def __init__(self, folder: Path) -> None:
        read_here, write_there = os.pipe()
        read_there, write_here = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.dup2(read_there, 0)
            os.dup2(write_there, 1)
            for end in (read_here, write_there, read_there, write_here):
                os.close(end)
            try:
                process.main()
            finally:
                os._exit(1)
        os.close(read_there)
        os.close(write_there)
        self._steps: IO[bytes] = os.fdopen(read_here, "rb")
        self._wishes: IO[bytes] = os.fdopen(write_here, "wb")
        self._wishes.write(to_line(settings_in(folder)))
        self._wishes.flush()

    def finish(self, folder: Path) -> None:
        """Wait until nothing is left to do."""
        while is_something_due(folder):
            assert self._steps.readline() == b"step\n", "the process of imports ended by itself"

    def kill(self) -> int:
        """The signal that ended it."""
        os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        self._steps.close()
        self._wishes.close()
        return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def is_something_due(folder: Path) -> bool:
    if not (folder / "registry.db").exists():
        return False
    engine = open_engine(settings_in(folder).database_url)
    with engine.connect() as connection:
        count = connection.scalar(select(func.count()).select_from(ImportJob).where(ImportJob.state.in_(DUE)))
    engine.dispose()
    return bool(count)


def in_child(act: Callable[[], None]) -> None:
    """Do something in a process of its own: it starts threads, and who has some does not fork well."""

    def life() -> None:
        act()
        os._exit(0)

    assert run_forked(life) == 0


def undisturbed_seconds(folder: Path) -> float:
    """How long the process of imports needs for its start and one file."""
    in_child(lambda: prepare(folder, (0,)))
    begun = time.monotonic()
    importer = Importer(folder)
    importer.finish(folder)
    seconds = time.monotonic() - begun
    importer.kill()
    return seconds


def main(folder: Path, kills: int) -> None:
    rehearsal, registry = folder / "rehearsal", folder / "registry"
    rehearsal.mkdir()
    registry.mkdir()
    seconds = undisturbed_seconds(rehearsal)
    draws = kill_tally.chance("imports")
    killed = files = 0
    while killed < kills:
        if not is_something_due(registry):
            numbers = range(files, files + FILES)
            in_child(lambda numbers=numbers: prepare(registry, numbers))  # type: ignore[misc]
            files += FILES
        importer = Importer(registry)
        time.sleep(draws.uniform(0, 2 * seconds))
        ended_by = importer.kill()
        if is_something_due(registry):
            killed += 1
            kill_tally.count("registry", ended_by, drawn=True)
            print(ended_by, flush=True)
    importer = Importer(registry)
    importer.finish(registry)
    importer.kill()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
