"""Bench of importing 100,000 rows: a real server and its process of imports, from the upload to anchored receipts."""

from __future__ import annotations

import csv
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from api_office import Office, furnish
from httpx import Client
from import_files import HEADERS, job_of
from killable_server import Server
from postgres_cluster import make_postgres_database, running_cluster

from api.cli.import_client import ImportClient
from api.demo.people import company_code, company_name, person_name
from bench.measure import Result, seconds
from registry.database import migrate, open_engine
from registry.imports.rules import CHUNK_ROWS

ROWS = 100_000
ROUNDS = 2
GOAL_PER_SECOND = 5_000
MEMORY_GOAL_MB = 400
TYPE, ISSUER = "11100000MB0341032Y001", "11310105MB9T00011M"
_TABLES = {"certificates": "id", "certificate_holders": "certificate_id", "log_entries": "item"}


class Measured(NamedTuple):
    """Seconds of every round of the subject and of its limit; the peak memory of the processes in MB."""

    pairs: list[tuple[float, float]]
    importer_mb: float
    server_mb: float


def import_100k() -> Result:
    """100,000 business licences of twelve columns as CSV, on SQLite, with the embedded chain.

    From the first byte of the upload until every entry is in the log, published and anchored, so that each receipt can
    be had: parsed, validated row by row, looked for twice in the file, salted, digested, stored, signed by the
    department, sequenced. The limit parses the same file with the csv module and inserts the very rows that came of it
    into the same tables with the same indexes, in transactions of the same size, by the driver alone.
    """
    return _result("import_100k", measured("sqlite"))


def import_100k_postgresql() -> Result:
    """The same on PostgreSQL; the limit copies the rows in their binary form."""
    return _result("import_100k_postgresql", measured("postgresql"))


def import_memory() -> Result:
    """The peak memory of the process that takes in the 100,000 rows on SQLite; the server's own is in the spread."""
    found = measured("sqlite")
    return Result(
        "import_memory", found.importer_mb, "MB", MEMORY_GOAL_MB, round(found.importer_mb / MEMORY_GOAL_MB, 3),
        f"≤ {MEMORY_GOAL_MB} MB", found.importer_mb <= MEMORY_GOAL_MB, f"server {found.server_mb:.0f} MB",
    )  # fmt: skip


def _result(name: str, found: Measured) -> Result:
    rates = [ROWS / mine for mine, _ in found.pairs]
    ratios = [theirs / mine for mine, theirs in found.pairs]
    rate = statistics.median(rates)
    limit = statistics.median(ROWS / theirs for _, theirs in found.pairs)
    return Result(
        name, round(rate), "1/s", round(limit), round(statistics.median(ratios), 3), f"≥ {GOAL_PER_SECOND:,} 1/s",
        rate >= GOAL_PER_SECOND, f"{min(ratios):.2f}–{max(ratios):.2f}",
    )  # fmt: skip


@cache
def measured(database: str) -> Measured:
    """Both rounds on one server, whose database grows."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="suizheng-bench-")))
        if database == "sqlite":
            url, bare = f"sqlite:///{folder / 'registry.db'}", f"sqlite:///{folder / 'bare.db'}"
        else:
            cluster = stack.enter_context(running_cluster())
            url, bare = make_postgres_database(cluster), make_postgres_database(cluster)
        files = [_file(folder, number) for number in range(ROUNDS)]
        server = Server(folder / "data", url, chain="embedded")
        server.start()
        try:
            mine, importer_mb, server_mb = _import(server, files)
        finally:
            server.close()
        insert = (_sqlite_rows if database == "sqlite" else _postgres_rows)(url, bare)
        theirs = [seconds(partial(_bare, path, insert)) for path in files]
    return Measured(list(zip(mine, theirs, strict=True)), importer_mb, server_mb)


def _file(folder: Path, number: int) -> Path:
    path = folder / f"{number}.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*HEADERS, "注册资本"])
        for row in range(number * ROWS, (number + 1) * ROWS):
            writer.writerow(_row(row))
    return path


def _row(number: int) -> list[str]:
    return [
        f"050000002026{number:08d}", company_name(number % 90_000), company_code(number % 90_000), "20260302",
        "20260302", "长期", "有限责任公司（自然人投资或控股）", person_name(number), "20260302",
        f"上海市长宁区示例路 {number} 号", "餐饮服务；食品销售；技术开发、技术咨询、技术服务。" * 2,
        "人民币 100 万元整",
    ]  # fmt: skip


def _import(server: Server, files: list[Path]) -> tuple[list[float], float, float]:
    with Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as client, _watching(server) as peaks:
        office = Office(client, has_chain=True)
        furnish(office, server.first_password)
        office.settle()
        return [seconds(partial(_take_in, office, server, path)) for path in files], *peaks()


def _take_in(office: Office, server: Server, path: Path) -> None:
    client = ImportClient(f"http://127.0.0.1:{server.port}", office.tokens["registrar", ISSUER])
    sha256 = client.upload(path, lambda sent, size: None)
    job = client.post("/api/v1/imports", {"type_code": TYPE, "file_name": path.name, "sha256": sha256})
    while job["state"] in ("reading", "waiting", "running"):
        time.sleep(0.2)
        job = job_of(office, job["id"])
    if (job["state"], job["accepted"]) != ("done", ROWS):
        raise AssertionError(f"the import did not take every row: {job}")
    office.settle()


@contextmanager
def _watching(server: Server) -> Iterator[Callable[[], tuple[float, float]]]:
    """The peak resident memory in MB of the process of imports and of the server, as the kernel keeps it."""
    peaks = [0.0, 0.0]
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.25):
            for place, pid in enumerate((server.importer, server.pid)):
                peaks[place] = max(peaks[place], _peak_mb(pid))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield lambda: (round(peaks[0], 1), round(peaks[1], 1))
    finally:
        ended.set()
        thread.join()


def _peak_mb(pid: int | None) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM")), 0.0)


def _bare(path: Path, insert: Callable[[], None]) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        for _ in csv.reader(file):
            pass
    insert()


def _sqlite_rows(source: str, target: str) -> Callable[[], None]:
    """Inserts the next 100,000 of the certificates that came of the rounds, with their holders and entries."""
    _migrated(target)
    stored = sqlite3.connect(source.removeprefix("sqlite:///"))
    bare = sqlite3.connect(target.removeprefix("sqlite:///"), isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "wal_autocheckpoint=8192"):
        bare.execute(f"PRAGMA {pragma}")
    chunks: list[list[tuple[str, list[Any]]]] = []
    for first, last in _ids(stored.execute("SELECT id FROM certificates ORDER BY id").fetchall()):
        chunk = []
        for table, key in _TABLES.items():
            query = f"SELECT * FROM {table} WHERE {key} BETWEEN ? AND ? ORDER BY {key}"
            found = stored.execute(query, (first, last))
            marks = ", ".join("?" * len(found.description))
            chunk.append((f"INSERT INTO {table} VALUES ({marks})", found.fetchall()))
        chunks.append(chunk)
    stored.close()

    def insert() -> None:
        for _ in range(ROWS // CHUNK_ROWS):
            bare.execute("BEGIN IMMEDIATE")
            for statement, rows in chunks.pop(0):
                bare.executemany(statement, rows)
            bare.execute("COMMIT")

    return insert


def _postgres_rows(source: str, target: str) -> Callable[[], None]:
    _migrated(target)
    chunks: list[list[tuple[str, bytes]]] = []
    with closing(psycopg.connect(source.replace("+psycopg", ""))) as stored:
        for first, last in _ids(stored.execute("SELECT id FROM certificates ORDER BY id").fetchall()):
            chunk = []
            for table, key in _TABLES.items():
                rows = f"SELECT * FROM {table} WHERE {key} BETWEEN '{first}' AND '{last}'"
                with stored.cursor().copy(f"COPY ({rows}) TO STDOUT (FORMAT BINARY)") as copy:
                    chunk.append((f"COPY {table} FROM STDIN (FORMAT BINARY)", b"".join(copy)))
            chunks.append(chunk)
    bare = psycopg.connect(target.replace("+psycopg", ""))

    def insert() -> None:
        for _ in range(ROWS // CHUNK_ROWS):
            for statement, data in chunks.pop(0):
                with bare.cursor().copy(statement) as copy:
                    copy.write(data)
            bare.commit()

    return insert


def _ids(rows: list[Any]) -> Iterator[tuple[str, str]]:
    """First and last id of every chunk."""
    for start in range(0, len(rows), CHUNK_ROWS):
        yield rows[start][0], rows[min(start + CHUNK_ROWS, len(rows)) - 1][0]


def _migrated(url: str) -> None:
    engine = open_engine(url)
    migrate(engine)
    engine.dispose()
