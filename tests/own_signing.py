"""A registry with a department that signs itself: CARE, whose private keys exist in the tests alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from crash_runner import CARE, FOOD, MARKET, Institution, food_licence
from log_house import NOON, Clock
from sqlalchemy import select

from registry.blind import BlindIndex
from registry.catalogue import service as catalogue
from registry.certificates import service as certificates
from registry.database import migrate, open_engine
from registry.departments import service as departments
from registry.evidence import service as evidence
from registry.keys import own
from registry.keys.service import KeyService
from registry.log.tables import LogEntry
from registry.pipeline import Pipeline
from registry.signing import service as signing
from registry.trust import service as trust
from registry.work import REGISTRY, Actor, Registry
from verifier import cose
from verifier.evidence import verify_evidence
from verifier.suites import SoftwareKey, Suite
from verifier.trust import TrustBundle
from verifier.verdict import Verdict

SYSTEM = Actor("token:care", "system", CARE, frozenset(("registrar", "window")))
OTHER = Actor("token:market", "system", MARKET, frozenset(("registrar",)))


class Place(Institution):
    """What the registry and the department's own machine do, one short word each."""

    def __init__(self, folder: Path, url: str, *, chained: bool) -> None:
        if chained:
            super().__init__(folder, url)
            return
        self.folder, self.clock, self.engine = folder, Clock(NOON), open_engine(url)
        migrate(self.engine)
        self.keys = KeyService(folder / "keys", self.engine)
        self.registry = Registry(self.engine, BlindIndex(b"k" * 32), self.clock, os.urandom)
        self.pipeline = Pipeline(self.engine, self.keys, folder / "log", None, None, self.clock, os.urandom)

    def close(self) -> None:
        if hasattr(self, "chain"):
            self.chain.close()
        self.engine.dispose()

    def furnish(self) -> Place:
        with self.registry.begin(REGISTRY) as work:
            departments.install_operator(work, MARKET, "上海市长宁区市场监督管理局（示例）")
            departments.register(work, CARE, "上海市长宁区养老服务中心（示例）", "养老中心")
            catalogue.install_builtin(work)
            for code in (CARE, MARKET):
                departments.grant_scope(work, code, FOOD, "issue")
                departments.grant_scope(work, code, FOOD, "use")
        self.settle()
        return self

    def do(self, use_case: Any, *args: Any, who: Actor = REGISTRY, **named: Any) -> Any:
        with self.registry.begin(who) as work:
            return use_case(work, *args, **named)

    def see(self, use_case: Any, *args: Any) -> Any:
        with self.registry.read(REGISTRY) as work:
            return use_case(work, *args)

    def hold(self, key: SoftwareKey, **window: Any) -> None:
        """Register a key with its proof and wait until it is in force."""
        asked = self.do(
            own.ask_for_proof, CARE, key.public.suite.name, key.public.raw.hex(), window.get("valid_from"),
            window.get("valid_to"), who=SYSTEM,
        )  # fmt: skip
        self.do(own.prove, CARE, asked.row.id, key.sign(asked.to_be_signed), who=SYSTEM)
        self.do(own.install, asked.row.id)
        self.clock.at += timedelta(seconds=5)

    def register(self, number: int, department: str = CARE) -> str:
        draft = replace(food_licence(number), department=department)
        return str(self.do(certificates.register, draft, who=SYSTEM if department == CARE else OTHER).id)

    def prepare(self, limit: int = 500) -> signing.Prepared:
        prepared: signing.Prepared = self.do(signing.prepare, limit, who=SYSTEM)
        return prepared

    def commit(self, prepared: signing.Prepared, key: SoftwareKey) -> list[signing.Signed]:
        signatures = [(one.entry_id, key.sign(one.to_be_signed)) for one in prepared.entries]
        signed: list[signing.Signed] = self.do(signing.commit, prepared.preparation.id, signatures, who=SYSTEM)
        return signed

    def sign_all(self, key: SoftwareKey) -> int:
        """Until nothing is left, as the command does."""
        count = 0
        while (prepared := self.prepare()).entries:
            assert {one.outcome for one in self.commit(prepared, key)} == {"signed"}
            count += len(prepared.entries)
        return count

    def bundle(self) -> TrustBundle:
        return TrustBundle.open(self.do(trust.publish, self.keys))

    def verdict(self, certificate_id: str) -> Verdict:
        with self.registry.read(REGISTRY) as work:
            data = evidence.export(work, self.pipeline.log, certificate_id)
        return verify_evidence(data, self.bundle(), self.clock.at)

    def rows(self, item: str) -> list[LogEntry]:
        return self.see(
            lambda work: list(
                work.session.scalars(select(LogEntry).where(LogEntry.item == item).order_by(LogEntry.id))
            )
        )  # fmt: skip

    def signer_of(self, row: LogEntry) -> bytes:
        assert row.signed is not None
        return cose.open1(row.signed, limit=8192).kid


def new_key(suite: Suite = Suite.ED25519) -> SoftwareKey:
    return SoftwareKey.generate(suite)


@contextmanager
def opened(folder: Path, url: str, *, chained: bool = False) -> Iterator[Place]:
    place = Place(folder, url, chained=chained)
    try:
        yield place.furnish()
    finally:
        place.close()
