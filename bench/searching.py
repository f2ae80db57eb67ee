"""Bench of the list of certificates at a million of them, on PostgreSQL."""

from __future__ import annotations

import os
import random
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text

from api.composition import now
from bench.measure import Result, seconds
from chain.network.ports import free_ports
from registry.blind import BlindIndex
from registry.certificates.searching import Search, list_page
from registry.certificates.tables import CertificateHolder
from registry.database import migrate, open_engine
from registry.work import REGISTRY, Registry
from verifier.status import Status

ROWS: Final = 1_000_000
ASKED: Final = 200
PAGE_ROWS: Final = 25
#: p95 of the slowest kind of search.
GOAL_MS: Final = 50.0
DEPARTMENTS, TYPES = 40, 12
#: Days of issue are spread over ten years, in no order of registration: what is old is registered late.
FIRST_DAY, DAYS = date(2016, 1, 1), 3650
#: A department that issued a fortieth of all, but nothing in the last year: its period is walked in vain.
IDLE: Final = "D" + "0" * 17
#: One certificate in so many has a holder whose number the bench knows.
KNOWN_EVERY: Final = 5_000

_ALWAYS_FOUND: Final = frozenset(("identifier", "number", "holder", "all", "department", "type", "year"))
_NEVER_FOUND: Final = "nothing found"

_ID = "lpad(n::text, 26, '0')"
_LOAD = f"""
INSERT INTO certificates (id, type_code, type_version, department, identifier, number, version, status, status_list,
  status_index, issued_on, valid_from_on, valid_to_on, registered_at, registered_by, face, salts, sha256, sm3)
SELECT {_ID}, 'T' || lpad((hashint4(n) & 65535) % {TYPES} || '', 20, '0'), 1,
  'D' || lpad((hashint4(n + 7) & 65535) % {DEPARTMENTS} || '', 17, '0'), '1.2.156.3005.2.' || n, 'N' || n, '001',
  CASE WHEN n % 50 = 0 THEN {int(Status.CANCELLED)} WHEN n % 997 = 0 THEN {int(Status.SUSPENDED)} ELSE 0 END,
  1, n, DATE '{FIRST_DAY}' + (hashint4(n + 3) & 1048575) % {DAYS}, DATE '{FIRST_DAY}', NULL,
  TIMESTAMPTZ '2026-01-01' + n * INTERVAL '20 seconds', 'bench',
  convert_to(repeat(md5(n::text), 22), 'UTF8'), sha256(n::text::bytea), sha256(n::text::bytea), sha256(n::text::bytea)
FROM generate_series(1, {ROWS}) n
"""
_LOAD_HOLDERS = f"""
INSERT INTO certificate_holders (holder_index, certificate_id, position)
SELECT sha256((n % 400000)::text::bytea), {_ID}, 0 FROM generate_series(1, {ROWS}) n WHERE n % {KNOWN_EVERY} <> 0
"""
_IDLE = "UPDATE certificates SET issued_on = issued_on - 366 WHERE department = :idle AND issued_on >= :since"


def search_1m() -> Result:
    """The slowest kind of search by its p95: a page of 25 through the registry's own use case, each in a transaction.

    The limit is the p95 of a bare look-up of one row by its primary key over the same driver, taken right after.
    `spread` tells p50/p95/p99 in milliseconds of every kind. The cluster is made for the run, with the settings that
    PostgreSQL comes with but for fsync, which only loading feels.
    """
    with _cluster() as url:
        engine = open_engine(url)
        migrate(engine)
        registry = Registry(engine, BlindIndex(b"k" * 32), now, os.urandom)
        _load(registry)
        draw = random.Random(1)
        found = {name: _times(registry, name, make) for name, make in _kinds(draw).items()}
        bare = [_bare(registry, _id(draw.randint(1, ROWS))) for _ in range(ASKED)]
        engine.dispose()
    worst = max(_at(times, 95) for times in found.values())
    limit = _at(bare, 95)
    spread = "; ".join(
        f"{name} {'/'.join(f'{_at(times, part):.2f}' for part in (50, 95, 99))}" for name, times in found.items()
    )
    return Result(
        "search_1m", round(worst, 3), "ms", round(limit, 3), round(worst / limit, 2), f"≤ {GOAL_MS:g} ms",
        worst <= GOAL_MS, spread,
    )  # fmt: skip


def _kinds(draw: random.Random) -> dict[str, Callable[[], tuple[Search, str | None]]]:
    def department() -> str:
        return "D" + str(draw.randrange(DEPARTMENTS)).zfill(17)

    def type_code() -> str:
        return "T" + str(draw.randrange(TYPES)).zfill(20)

    def known() -> str:
        return str(draw.randrange(1, ROWS // KNOWN_EVERY + 1))

    def some_page() -> str:
        return _id(draw.randint(1000, ROWS))

    def in_period(days: int, narrowed: Search, *, inside: bool = True) -> tuple[Search, str | None]:
        begin = FIRST_DAY + timedelta(days=draw.randrange(DAYS - days))
        end = begin + timedelta(days=days)
        search = replace(narrowed, issued_from=begin, issued_to=end)
        return search, f"{end.isoformat()}.{some_page()}" if inside else None

    return {
        "identifier": lambda: (Search(identifier=f"1.2.156.3005.2.{draw.randint(1, ROWS)}"), None),
        "number": lambda: (Search(number=f"N{draw.randint(1, ROWS)}"), None),
        "holder": lambda: (Search(holder=("111", known())), None),
        "all": lambda: (Search(), some_page()),
        "department": lambda: (Search(department=department()), some_page()),
        "type": lambda: (Search(type_code=type_code()), some_page()),
        "status": lambda: (Search(status=Status.SUSPENDED), some_page()),
        "department+type": lambda: (Search(department=department(), type_code=type_code()), some_page()),
        "department+status": lambda: (Search(department=department(), status=Status.SUSPENDED), some_page()),
        "department+type+status": lambda: (
            Search(department=department(), type_code=type_code(), status=Status.SUSPENDED), some_page()
        ),
        "day": lambda: in_period(0, Search()),
        "year": lambda: in_period(365, Search()),
        "department+month": lambda: in_period(30, Search(department=department())),
        "type+month": lambda: in_period(30, Search(type_code=type_code())),
        "department+type+ten years": lambda: in_period(
            DAYS - 1, Search(department=department(), type_code=type_code())
        ),
        "status+month": lambda: in_period(30, Search(status=Status.SUSPENDED)),
        "department+status+year": lambda: in_period(
            365, Search(department=department(), status=Status.CANCELLED)
        ),
        "holder+year": lambda: in_period(365, Search(holder=("111", known())), inside=False),
        "idle department+last year": lambda: (
            Search(department=IDLE, issued_from=FIRST_DAY + timedelta(days=DAYS - 365)), None
        ),
        _NEVER_FOUND: lambda: (Search(number=f"X{draw.randint(1, ROWS)}"), None),
    }  # fmt: skip


def _times(registry: Registry, name: str, make: Callable[[], tuple[Search, str | None]]) -> list[float]:
    """Milliseconds of each search, after one that opens the connection. What is there must be found."""
    asked = [make() for _ in range(ASKED + 1)]

    def ask(search: Search, cursor: str | None) -> None:
        with registry.read(REGISTRY) as work:
            found = list_page(work, search, cursor, PAGE_ROWS).certificates
        if (name in _ALWAYS_FOUND and not found) or (name == _NEVER_FOUND and found):
            raise AssertionError(f"a search by {name} found {len(found)} certificates")

    return [seconds(partial(ask, *one)) * 1000 for one in asked][1:]


def _bare(registry: Registry, certificate_id: str) -> float:
    def look_up() -> None:
        connection = registry.engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute("SELECT * FROM certificates WHERE id = %s", (certificate_id,))
            if len(cursor.fetchall()) != 1:
                raise AssertionError("a row that was loaded is not there")
            connection.rollback()
        finally:
            connection.close()

    return seconds(look_up) * 1000


def _at(times: list[float], part: int) -> float:
    return statistics.quantiles(times, n=100, method="inclusive")[part - 1]


def _id(number: int) -> str:
    return str(number).zfill(26)


def _load(registry: Registry) -> None:
    with registry.begin(REGISTRY) as work:
        work.session.execute(text(_LOAD))
        work.session.execute(text(_LOAD_HOLDERS))
        work.session.execute(text(_IDLE), {"idle": IDLE, "since": FIRST_DAY + timedelta(days=DAYS - 365)})
        known: list[dict[str, Any]] = [
            {"holder_index": work.blind.of("111", str(number)), "certificate_id": _id(number * KNOWN_EVERY),
             "position": 0}
            for number in range(1, ROWS // KNOWN_EVERY + 1)
        ]  # fmt: skip
        work.session.bulk_insert_mappings(CertificateHolder.__mapper__, known)
    with registry.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE certificates"))
        connection.execute(text("VACUUM ANALYZE certificate_holders"))


@contextmanager
def _cluster() -> Iterator[str]:
    """The URL of an empty database in a cluster of its own on loopback. Raises FileNotFoundError without PostgreSQL."""
    folder = Path(tempfile.mkdtemp(prefix="suizheng-bench-"))
    owner = "postgres" if os.geteuid() == 0 else None
    if owner:
        shutil.chown(folder, owner)
    (port,) = free_ports(1)

    def run(name: str, *arguments: str) -> None:
        subprocess.run([_binary(name), *arguments], check=True, user=owner, cwd=folder, stdout=subprocess.DEVNULL)

    data = str(folder / "data")
    run("initdb", "-D", data, "-U", "suizheng", "-A", "trust", "-E", "UTF8", "--no-locale")
    options = f"-p {port} -h 127.0.0.1 -k {folder} -c fsync=off -c max_wal_size=4GB"
    run("pg_ctl", "-D", data, "-o", options, "-l", str(folder / "log"), "-w", "start")
    try:
        yield f"postgresql+psycopg://suizheng@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


def _binary(name: str) -> str:
    found = shutil.which(name) or next(iter(sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))), None)
    if found is None:
        raise FileNotFoundError(f"{name} of PostgreSQL is not installed")
    return str(found)
