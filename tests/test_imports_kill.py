"""An import is killed, with the server or by itself, and goes on by itself: nothing lost, nothing doubled.

SUIZHENG_IMPORT_ROWS sets another number of rows than the usual one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import import_crashes
import kill_tally
import pytest
from api_office import Office, furnish, settings_in
from fastapi.testclient import TestClient
from httpx import Client
from import_files import csv_of, hand_in, job_of, licence_row, wait_for
from killable_server import Server, is_importer
from sqlalchemy import func, select

from api.app import create_app
from api.composition import compose
from registry.certificates.tables import Certificate, CertificateHolder
from registry.database import open_engine
from registry.imports import rules
from registry.imports.tables import ImportChunk, ImportJob
from registry.log.tables import LogEntry
from verifier.entry import Kind

pytestmark = pytest.mark.slow
ROWS = int(os.environ.get("SUIZHENG_IMPORT_ROWS", "20000"))
#: Every so many rows one is wrong.
WRONG_EVERY = 1_000
#: Of the process of imports, at random moments.
KILLS = 15


@pytest.fixture
def server(tmp_path: Path, database_url: str) -> Iterator[Server]:
    server = Server(tmp_path, database_url)
    server.start()
    yield server
    server.close()


def test_a_killed_import_goes_on_and_has_lost_nothing_and_doubled_nothing(server: Server, database_url: str) -> None:
    changes = {"有效期截止": "昨天"}
    data = csv_of(*(licence_row(n, **(changes if n % WRONG_EVERY == 7 else {})) for n in range(ROWS)))
    with Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client:
        office = Office(client, has_chain=False)
        furnish(office, server.first_password)
        job = hand_in(office, data)
        # Early, so that much is left to do, however late the kill comes.
        at = reach(office, job["id"], ROWS // 10)
        kill_importer(server)
        at = reach(office, job["id"], max(at + 1, ROWS // 5))
        orphan = importer_of(server)
        kill_tally.count("registry", server.kill(), drawn=False)
        wait_gone(orphan)
        server.start()
        assert at <= job_of(office, job["id"])["done"] < ROWS, "the kill came too late to interrupt anything"
        done = wait_for(office, job["id"], seconds=600)
        wrong = len(range(7, ROWS, WRONG_EVERY))
        assert (done["total"], done["accepted"], done["duplicate"], done["refused"]) == (ROWS, ROWS - wrong, 0, wrong)
        office.settle()
        check(database_url, [job["id"]], ROWS, ROWS - wrong)


def test_the_process_of_imports_is_killed_again_and_again_and_every_row_is_there_once(tmp_path: Path) -> None:
    here = Path(__file__).parent
    paths = os.pathsep.join((str(here.parent), str(here)))
    command = [sys.executable, str(here / "import_crashes.py"), str(tmp_path), str(KILLS)]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": paths}, stdout=subprocess.PIPE, text=True, timeout=600, check=True
    )
    assert done.stdout.splitlines() == ["9"] * KILLS
    settings = settings_in(tmp_path / "registry")
    with TestClient(create_app(compose(settings))) as client:
        Office(client, has_chain=False).settle()
    engine = open_engine(settings.database_url)
    with engine.connect() as connection:
        jobs = connection.execute(select(ImportJob.id, ImportJob.state, ImportJob.accepted)).tuples().all()
    engine.dispose()
    rows = import_crashes.ROWS
    assert {(state, accepted) for _, state, accepted in jobs} == {("done", rows)}
    check(settings.database_url, [job for job, *_ in jobs], rows, len(jobs) * rows)


def reach(office: Office, job_id: str, rows: int) -> int:
    deadline = time.monotonic() + 300
    while (job := job_of(office, job_id))["done"] < rows:
        assert time.monotonic() < deadline and job["state"] in ("reading", "waiting", "running"), job
        time.sleep(0.01)
    done: int = job["done"]
    return done


def importer_of(server: Server) -> int:
    importer = server.importer
    assert importer is not None, "there is no process of imports"
    return importer


def kill_importer(server: Server) -> None:
    os.kill(importer_of(server), signal.SIGKILL)


def wait_gone(pid: int) -> None:
    """The process of imports ends with its server, even a killed one."""
    deadline = time.monotonic() + 120
    while is_importer(pid):
        assert time.monotonic() < deadline, "the process of imports outlived its server"
        time.sleep(0.02)


def check(database_url: str, jobs: list[str], rows: int, registered: int) -> None:
    """One certificate, one holder, one place in the log for every good row, and each report names each row once."""
    engine = open_engine(database_url)
    with engine.connect() as connection:

        def one(query: Any) -> Any:
            return connection.execute(query).scalar_one()

        assert one(select(func.count()).select_from(Certificate)) == registered
        assert one(select(func.count(Certificate.number.distinct()))) == registered
        assert one(select(func.count()).select_from(CertificateHolder)) == registered
        of_certificates = LogEntry.kind == int(Kind.CERTIFICATE)
        assert one(select(func.count()).select_from(LogEntry).where(of_certificates)) == registered
        assert one(select(func.count(LogEntry.log_index.distinct())).where(of_certificates)) == registered
        ids: set[str] = set()
        for job in jobs:
            chunks = connection.execute(
                select(ImportChunk.results).where(ImportChunk.job_id == job).order_by(ImportChunk.number)
            )
            results = [result for (packed,) in chunks for result in rules.unpack(packed)]
            assert [result.row for result in results] == list(range(2, rows + 2))
            ids |= {result.id for result in results if result.outcome == "accepted"}
        assert ids == set(connection.execute(select(Certificate.id)).scalars())
    engine.dispose()
