"""The process that takes imports on: `python -m api.imports.process`, started by the server (api.import_worker).

A process of its own, so that a hundred thousand rows keep no desk waiting for the interpreter, and a file that breaks
its reader breaks nothing else. The first line of its input is the settings as JSON; each further line says that there
may be something new; the end of the input ends it. Each line of its output says that a step was done.
"""

from __future__ import annotations

import gc
import logging
import os
import resource
import secrets
import sys
import threading
import time
from datetime import UTC, datetime
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from api.filing import open_files, quota_of
from api.imports.running import ImportRunner
from api.imports.settings import from_line
from registry.blind import BlindIndex
from registry.database import open_engine
from registry.errors import BusyError
from registry.imports.folder import ImportFolder
from registry.work import Registry

#: How long to wait for something new before looking again, and before ending for want of work.
LOOK_EVERY_SECONDS: Final = 1.0
END_AFTER_SECONDS: Final = 30.0
_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 15.0
#: Bytes of memory of its own; a file that wants more is refused instead of taking it from the server.
_MEMORY_BYTES: Final = 1 << 30

_log = logging.getLogger("suizheng.imports")


def main() -> None:
    """Work until there is nothing to do for a while, or the server has gone."""
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES, _MEMORY_BYTES))
    # A chunk makes some hundred thousand objects that form no cycles: they are looked through once in a while.
    gc.set_threshold(500_000, 20, 20)
    settings = from_line(sys.stdin.readline())
    wanted = threading.Event()
    threading.Thread(target=_watch, args=(wanted,), daemon=True).start()
    engine = open_engine(settings.database_url, pool_size=2)
    blind = BlindIndex((settings.data / "keys" / "blind.key").read_bytes())
    registry = Registry(engine, blind, lambda: datetime.now(UTC), secrets.token_bytes)
    files = open_files(settings, engine)
    folder = ImportFolder(settings.data / "imports", files.masters)
    runner = ImportRunner(registry, folder, files, quota_of(settings))
    _work(runner, wanted)
    engine.dispose()


def _work(runner: ImportRunner, wanted: threading.Event) -> None:
    failures, idle_since = 0, time.monotonic()
    while time.monotonic() - idle_since < END_AFTER_SECONDS:
        try:
            worked = runner.step()
            failures = 0
        except (BusyError, SQLAlchemyError) as away:
            failures += 1
            # Its text may hold the rows of the statement.
            _log.warning("imports wait for the database (%s)", type(away).__name__)
            worked = False
        except Exception:  # noqa: BLE001 (the process's rim: logged with its traceback, counted, and given up in time)
            failures += 1
            _log.exception("a step of an import failed %d times in a row", failures)
            worked = False
        if worked:
            idle_since = time.monotonic()
            sys.stdout.write("step\n")
            sys.stdout.flush()
            continue
        pause = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2.0 ** (failures - 1)) if failures else 0.0
        wanted.wait(pause or LOOK_EVERY_SECONDS)
        wanted.clear()


def _watch(wanted: threading.Event) -> None:
    for _ in sys.stdin:
        wanted.set()
    # The server has gone, however it went. What is under way is rolled back, and done by whoever comes next.
    os._exit(0)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    main()
