"""Bench of registering in bulk: the registry's own path against a bare SQLite bulk insert of the same bytes."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Any

from api.demo.files import MARKET
from api.demo.people import company_code, company_name, person_name
from bench.measure import Result, at_least, for_information, in_turns
from registry.blind import BlindIndex
from registry.catalogue.service import install_builtin
from registry.certificates import service as certificates
from registry.certificates.drafts import parse_draft
from registry.certificates.outcomes import Registered
from registry.certificates.rules import CertificateDraft
from registry.database import migrate, open_engine
from registry.departments import service as departments
from registry.log.service import open_log
from registry.work import REGISTRY, Actor, Registry, Work

ROWS = 10_000
ROUNDS = 5
CLERK = Actor(id="bench", kind="system", department=MARKET, roles=frozenset(("registrar",)))


def issue_durable() -> Result:
    """10,000 business licences of about 1 KB: validated, canonicalised, salted, digested twice, stored durably.

    The limit inserts the very rows that came of it, ready made, into the same three tables with the same indexes, by
    bare SQLite in one transaction with the same journal and fsync.
    """
    return at_least("issue_durable", _pairs(_same_tables), ROWS, 0.25)


def issue_durable_heap() -> Result:
    """The same work against a harder limit, for information: the same bytes, one row a certificate, no indexes."""
    return for_information("issue_durable_heap", _pairs(_one_table), ROWS)


#: Makes the limit of one round after another from the database that the subject has written to.
_Limit = Callable[[Path, Path], Callable[[], object]]


def _pairs(limit: _Limit) -> list[tuple[float, float]]:
    with tempfile.TemporaryDirectory(prefix="suizheng-bench-") as name:
        folder = Path(name)
        registry = open_registry(folder / "registry.db")
        batches = count(1)

        def issue() -> None:
            with registry.begin(CLERK) as work:
                outcomes = certificates.register_many(work, waiting.pop())
            if not all(isinstance(outcome, Registered) for outcome in outcomes):
                raise AssertionError(f"a row of the bench was refused: {outcomes[0]}")

        waiting = [draft_batch(next(batches)) for _ in range(ROUNDS + 1)]
        for _ in range(ROUNDS + 1):
            issue()
        # The rows of these rounds are the limit's; the subject goes on with others, so that both databases grow alike.
        bare = limit(folder / "registry.db", folder / "bare.db")
        registry.engine.dispose()
        registry = open_registry(folder / "subject.db")
        waiting += [draft_batch(next(batches)) for _ in range(ROUNDS + 1)]
        return in_turns(issue, bare, ROUNDS)


def draft_batch(batch: int) -> list[CertificateDraft]:
    """The drafts of one batch; no two batches share a number."""
    return [_draft(batch * ROWS + number) for number in range(ROWS)]


def open_registry(path: Path) -> Registry:
    """A furnished registry in a new SQLite file."""
    engine = open_engine(f"sqlite:///{path}")
    migrate(engine)
    open_log(engine, os.urandom)
    registry = Registry(engine, BlindIndex(os.urandom(32)), lambda: datetime.now(UTC), os.urandom)
    with registry.begin(REGISTRY) as work:
        departments.install_operator(work)
        install_builtin(work)
        furnish(work)
    return registry


def furnish(work: Work) -> None:
    """A department that may issue business licences."""
    departments.register(work, MARKET, "上海市长宁区市场监督管理局（示例）", "区市场监管局", "district")
    departments.grant_scope(work, MARKET, "11100000MB0341032Y001", "issue", date(2026, 1, 1))


def _draft(number: int) -> CertificateDraft:
    return parse_draft(facts_of(number))


def facts_of(number: int) -> dict[str, Any]:
    """The facts of a business licence, as they are handed in."""
    return {
        "certificate_type_code": "11100000MB0341032Y001",
        "certificate_number": f"050000002026{number:08d}",
        "issue_date": "20260302",
        "valid_from": "20260302",
        "valid_to": "长期",
        "holders": [
            {
                "holder_name": company_name(number % 90_000),
                "holder_code": company_code(number % 90_000),
                "holder_code_type_code": "001",
            }
        ],
        "extend_info": {
            "entity_type": "有限责任公司（自然人投资或控股）",
            "legal_representative": person_name(number),
            "registered_capital": "人民币 100 万元整",
            "established_on": "20260302",
            "address": f"上海市长宁区示例路 {number} 号",
            "business_scope": "餐饮服务；食品销售；技术开发、技术咨询、技术服务。" * 2,
        },
    }


_TABLES = ("certificates", "certificate_holders", "log_entries")


def _same_tables(source: Path, target: Path) -> Callable[[], object]:
    rounds: list[list[tuple[str, list[Any]]]] = []
    bare = _bare(target)
    with closing(sqlite3.connect(source)) as stored:
        made = "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL ORDER BY type DESC"
        for table in _TABLES:
            for (statement,) in stored.execute(made, (table,)).fetchall():
                bare.execute(statement)
        # The catalogue's own entries came first.
        last = stored.execute("SELECT max(id) FROM log_entries").fetchone()[0]
        first = last - (ROUNDS + 1) * ROWS + 1
        for start in range(first, last, ROWS):
            rounds.append([_rows(stored, table, start) for table in _TABLES])

    def insert() -> None:
        bare.execute("BEGIN IMMEDIATE")
        for statement, rows in rounds.pop(0):
            bare.executemany(statement, rows)
        bare.execute("COMMIT")

    return insert


def _rows(stored: sqlite3.Connection, table: str, start: int) -> tuple[str, list[Any]]:
    """The statement and the rows of one round in a table, in the order in which the registry inserts them."""
    items = "SELECT item FROM log_entries WHERE id BETWEEN ? AND ?"
    column, order = {
        "certificates": ("id", "id"),
        "certificate_holders": ("certificate_id", "certificate_id"),
        "log_entries": ("item", "id"),
    }[table]
    found = stored.execute(
        f"SELECT * FROM {table} WHERE {column} IN ({items}) ORDER BY {order}",
        (start, start + ROWS - 1),
    )
    marks = ", ".join("?" * len(found.description))
    return f"INSERT INTO {table} VALUES ({marks})", found.fetchall()


def _one_table(source: Path, target: Path) -> Callable[[], object]:
    with closing(sqlite3.connect(source)) as stored:
        found = stored.execute(
            "SELECT c.face, c.salts, c.sha256, c.sm3, c.identifier, h.holder_index, e.payload FROM certificates c"
            " JOIN certificate_holders h ON h.certificate_id = c.id JOIN log_entries e ON e.item = c.id LIMIT ?",
            (ROWS,),
        )
        rows = [(b"".join(part.encode() if isinstance(part, str) else part for part in row),) for row in found]
    bare = _bare(target)
    bare.execute("CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")

    def insert() -> None:
        bare.execute("BEGIN IMMEDIATE")
        bare.executemany("INSERT INTO bodies (body) VALUES (?)", rows)
        bare.execute("COMMIT")

    return insert


def _bare(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    return connection
