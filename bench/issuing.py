"""Bench of registering in bulk: the registry's own path against a bare SQLite bulk insert of the same bytes."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path

from api.demo.files import MARKET
from api.demo.people import company_code, company_name, person_name
from bench.measure import Result, at_least, in_turns
from registry.blind import BlindIndex
from registry.catalogue.service import install_builtin
from registry.certificates import service as certificates
from registry.certificates.drafts import parse_draft
from registry.certificates.outcomes import Registered
from registry.certificates.rules import CertificateDraft
from registry.database import migrate, open_engine
from registry.departments import service as departments
from registry.log.service import open_log
from registry.work import REGISTRY, Actor, Registry

ROWS = 10_000
ROUNDS = 5
CLERK = Actor(id="bench", kind="system", department=MARKET, roles=frozenset(("registrar",)))


def issue_durable() -> Result:
    """10,000 business licences of about 1 KB: validated, canonicalised, salted, digested twice, stored durably.

    The limit inserts the same bytes (face, salts, digests, identifier, holder's index, log entry) as one row a
    certificate into one table without indexes, in one transaction, with the same journal and fsync.
    """
    with tempfile.TemporaryDirectory(prefix="suizheng-bench-") as folder:
        registry = _open(Path(folder) / "registry.db")
        batches = count(1)
        bodies: list[bytes] = []

        def prepare() -> list[CertificateDraft]:
            first = next(batches) * ROWS
            return [_draft(first + number) for number in range(ROWS)]

        waiting = [prepare() for _ in range(ROUNDS + 1)]

        def issue() -> None:
            drafts = waiting.pop()
            with registry.begin(CLERK) as work:
                outcomes = certificates.register_many(work, drafts)
            if not all(isinstance(outcome, Registered) for outcome in outcomes):
                raise AssertionError(f"a row of the bench was refused: {outcomes[0]}")

        issue()
        bodies += _stored(Path(folder) / "registry.db")
        waiting.append(prepare())
        pairs = in_turns(issue, _bare_insert(Path(folder), bodies), ROUNDS)
    return at_least("issue_durable", pairs, ROWS, 0.25)


def _open(path: Path) -> Registry:
    engine = open_engine(f"sqlite:///{path}")
    migrate(engine)
    open_log(engine, os.urandom)
    registry = Registry(engine, BlindIndex(os.urandom(32)), lambda: datetime.now(UTC), os.urandom)
    with registry.begin(REGISTRY) as work:
        departments.install_operator(work)
        install_builtin(work)
        departments.register(work, MARKET, "上海市长宁区市场监督管理局（示例）", "区市场监管局", "district")
        departments.grant_scope(work, MARKET, "11100000MB0341032Y001", "issue", date(2026, 1, 1))
    return registry


def _draft(number: int) -> CertificateDraft:
    return parse_draft(
        {
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
    )


def _stored(path: Path) -> list[bytes]:
    with sqlite3.connect(path) as connection:
        rows = connection.execute(
            "SELECT c.face, c.salts, c.sha256, c.sm3, c.identifier, h.holder_index, e.payload FROM certificates c"
            " JOIN certificate_holders h ON h.certificate_id = c.id JOIN log_entries e ON e.item = c.id"
        )
        return [b"".join(part.encode() if isinstance(part, str) else part for part in row) for row in rows]


def _bare_insert(folder: Path, bodies: list[bytes]) -> Callable[[], object]:
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE bodies (id INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    rows = [(body,) for body in bodies]

    def insert() -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO bodies (body) VALUES (?)", rows)
        connection.execute("COMMIT")

    return insert
