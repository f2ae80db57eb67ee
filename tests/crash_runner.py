"""A registry with its embedded chain that is killed at chosen moments, and examined by a fresh process afterwards.

    python tests/crash_runner.py FOLDER MOMENTS [POSTGRES_URL]

One warmed-up process prepares a registry once, rehearses its life to count the moments, and then, for each chosen
moment, copies the prepared state and forks processes one after another: the one that dies, every other time one that
dies while recovering, and one that recovers and examines. Each line on stdout is a JSON object. The moments are watched
in the dying processes alone; what runs is the product's own code.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import kill_tally
from forking import run_forked
from log_house import CARE, MARKET, NOON, Clock, check_log
from sqlalchemy import Engine, func, select
from sqlalchemy.engine import make_url

from chain.node import Node
from chain.opening import Chain
from chain.outbox import Outbox
from chain.record import Deployment
from chain.store import BlockStore
from registry.authorisations import service as authorisations
from registry.authorisations.rules import AuthorisationDraft
from registry.blind import BlindIndex
from registry.catalogue import service as catalogue
from registry.catalogue.rules import Slot
from registry.certificates import service as certificates
from registry.certificates.holders import HolderDraft
from registry.certificates.outcomes import Registered
from registry.certificates.rules import CertificateDraft
from registry.certificates.tables import Certificate
from registry.database import migrate, open_engine
from registry.departments import service as departments
from registry.errors import ReuseRefusedError
from registry.governance.service import Declarer
from registry.keys.service import KeyService
from registry.log.anchoring import anchored_head
from registry.log.service import open_log
from registry.log.tables import LogEntry
from registry.materials import service as materials
from registry.materials.rules import MaterialDraft
from registry.pipeline import Pipeline, Progress
from registry.statuses import service as statuses
from registry.uses import service as uses
from registry.uses.rules import ReuseRequest
from registry.uses.tables import Consumption, Use
from registry.work import REGISTRY, Actor, Registry
from verifier.entry import Kind

FOOD = "11100000MB0341032Y002"
PROOF = "11310105MB9T00011M901"
MATTER = "CN-310105-0001"
PURPOSE = "办理老年人居家照护补贴"
RESIDENT = ("111", "310105189901010014")
RESTAURANT = ("001", "91310105MA1FWT014B")
WINDOW = Actor("window-care", "staff", CARE, frozenset(("window",)))

TURNS = 2
ROWS = 100
PREPARED_ROWS = 90
#: In the folder of a process: what it was about to do, or had done, when it killed itself.
TOLD = "told"
KILLS_FROM_OUTSIDE = 6
_STATEMENTS = ("INSERT", "UPDATE", "DELETE")


class Institution:
    """Everything that the composition root would open, from a folder and a database."""

    def __init__(self, folder: Path, url: str, hours: int = 0, where: str = "embedded") -> None:
        self.folder = folder
        self.clock = Clock(NOON + timedelta(hours=hours))
        self.engine = open_engine(url)
        migrate(self.engine)
        self.keys = KeyService(folder / "keys", self.engine)
        self.registry = Registry(self.engine, BlindIndex(b"k" * 32), self.clock, os.urandom)
        origin = open_log(self.engine, os.urandom)
        self.chain = Chain(
            where, folder / "chain", origin=origin, registry_code=MARKET, clock=self.clock, draw=os.urandom
        )  # fmt: skip
        self.pipeline = Pipeline(
            self.engine, self.keys, folder / "log", self.chain, self.chain, self.clock, os.urandom,
            proofs=self.chain, declarer=Declarer(self.engine, self.chain),
            monotonic=lambda: self.clock.at.timestamp(),
        )  # fmt: skip

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def settle(self) -> Progress:
        for _ in range(30):
            progress = self.pipeline.tick()
            if progress.idle:
                return progress
            if progress.problems:
                self.clock.at += timedelta(minutes=1)
        raise AssertionError(f"not idle: {progress}")

    def close(self) -> None:
        self.chain.close()
        self.engine.dispose()


def food_licence(number: int) -> CertificateDraft:
    return CertificateDraft(
        type_code=FOOD, number=f"JY2310105{number:07d}", issue_date="20261120", valid_from="20261120",
        valid_to="20311119", department=MARKET,
        holders=(HolderDraft("上海随证餐饮有限公司", RESTAURANT[1], RESTAURANT[0]),),
        extend_info={
            "legal_representative": "测试员", "premises": "上海市长宁区示例路 1 号", "main_category": "餐饮服务经营者",
            "items": ["热食类食品制售"], "supervising_body": "示例监督所",
        },
    )  # fmt: skip


def prepare(folder: Path, url: str, where: str = "embedded") -> None:
    """A registry with departments, types, some certificates in the log, and one-time proofs that nobody has used."""
    institution = Institution(folder, url, where=where)
    with institution.registry.begin(REGISTRY) as work:
        departments.install_operator(work, MARKET, "上海市长宁区市场监督管理局（示例）")
        departments.register(work, CARE, "上海市长宁区养老服务中心（示例）", "养老中心")
        catalogue.install_builtin(work)
        departments.grant_scope(work, MARKET, FOOD, "issue")
        departments.grant_scope(work, MARKET, PROOF, "issue")
        departments.grant_scope(work, CARE, PROOF, "use")
        catalogue.register_matter(
            work, MATTER, "居家照护补贴", CARE, PURPOSE, (Slot("S001", "居住情况证明", (PROOF,)),)
        )
    with institution.registry.begin(REGISTRY) as work:
        drafts = [food_licence(number) for number in range(PREPARED_ROWS)]
        assert all(isinstance(outcome, Registered) for outcome in certificates.register_many(work, drafts))
        proofs = [_proof(work, turn) for turn in range(TURNS)]
    with institution.registry.begin(REGISTRY) as work:
        allowed = authorisations.grant(
            work,
            AuthorisationDraft(
                route="holder", grantee=CARE, matter_code=MATTER, purpose=PURPOSE, valid_from_at=NOON,
                valid_to_at=NOON + timedelta(days=90), type_code=PROOF, subject=RESIDENT,
            ),
        )  # fmt: skip
    (folder / "facts.json").write_text(json.dumps({"proofs": proofs, "authorisation": allowed.id}))
    assert institution.settle().anchored_size > PREPARED_ROWS
    institution.close()


def _proof(work: Any, turn: int) -> str:
    draft = MaterialDraft(
        type_code=PROOF, title="居住情况证明", valid_from="20261120", valid_to="20270519", department=MARKET,
        holders=(HolderDraft("测试员", RESIDENT[1], RESIDENT[0]),),
        data={"address": "上海市长宁区示例路 1 号", "issued_for": f"用途 {turn}"},
    )  # fmt: skip
    return materials.register(work, draft).id


def live(institution: Institution, said: Callable[[str, str], None]) -> None:
    """A few turns of registering, granting, using a one-time proof, suspending, and ticking; safe to begin again."""
    facts = json.loads((institution.folder / "facts.json").read_text())
    for turn in range(TURNS):
        first = PREPARED_ROWS + turn * ROWS
        with institution.registry.begin(REGISTRY) as work:
            drafts = [food_licence(number) for number in range(first, first + ROWS)]
            outcomes = certificates.register_many(work, drafts)
            # What the governors of the chain have to be told.
            departments.grant_scope(work, CARE, FOOD, "use", date(2027, 1, 1 + turn), date(2027, 6, 30))
        for outcome in outcomes:
            assert isinstance(outcome, Registered)
            said("certificate", outcome.id)
        institution.pipeline.tick()
        said("use", _use(institution, facts["proofs"][turn], facts["authorisation"], turn))
        _suspend(institution, outcomes[0].id)  # type: ignore[union-attr]
        institution.pipeline.tick()


def _use(institution: Institution, proof: str, authorisation: str, turn: int) -> str:
    """The use of the proof, made now or before."""
    try:
        with institution.registry.begin(WINDOW) as work:
            request = ReuseRequest(
                item_kind="material", item_id=proof, matter_code=MATTER, case_no=f"CASE-{turn}", purpose=PURPOSE,
                authorisation_id=authorisation, subject_index=uses.subject_index(work, *RESIDENT), operator="w-1",
                device="d-1",
            )  # fmt: skip
            return uses.reuse(work, request).id
    except ReuseRefusedError as refused:
        assert refused.reason == "already_used"
        return str(refused.evidence["first_use_id"])


def _suspend(institution: Institution, certificate_id: str) -> None:
    """A second entry about the item, which the log has to link to the first."""
    with institution.registry.begin(REGISTRY) as work:
        if not statuses.events_of(work, certificate_id):
            certificates.change_status(work, certificate_id, "suspend", "示例", MARKET, work.at)


def examine(institution: Institution, acknowledged: list[tuple[str, str]]) -> int:
    """Every promise, checked from what is stored, published and on chain; the size of the log."""
    live(institution, lambda _kind, _id: None)
    progress = institution.settle()
    size = check_log(institution)  # type: ignore[arg-type]
    assert size == progress.anchored_size == progress.size
    head = anchored_head(institution.engine)
    assert institution.chain.latest() == (head.size, head.root)
    with institution.registry.read(REGISTRY) as work:
        rows = work.session.execute(select(LogEntry.kind, LogEntry.item)).tuples().all()
        entries = Counter(item for kind, item in rows if kind == Kind.CERTIFICATE)
        known = set(work.session.scalars(select(Certificate.id)))
        used = set(work.session.scalars(select(Use.id)))
        consumed = list(work.session.scalars(select(Consumption)))
        # Nothing lost, nothing doubled: the numbers are those of an undisturbed life.
        assert entries.keys() == known
        assert set(entries.values()) == {1}
        assert len(known) == PREPARED_ROWS + TURNS * ROWS
        assert len(used) == TURNS == len(consumed)
        assert {item for kind, item in rows if kind == Kind.USE} == used
        assert sum(kind == Kind.STATUS for kind, _ in rows) == TURNS
        assert all(consumption.chain_first for consumption in consumed)
        assert work.session.scalar(select(func.count()).select_from(LogEntry)) == size
    _check_declared(institution)
    for kind, item in acknowledged:
        assert item in (known if kind == "certificate" else used), f"an acknowledged {kind} is lost: {item}"
    return size


def _check_declared(institution: Institution) -> None:
    """Each grant is on the chain once, and the comparison of this fresh process with the chain has nothing to say."""
    scopes = institution.chain.members().scopes(CARE, FOOD)
    assert len({scope.window for scope in scopes}) == len(scopes) == TURNS
    assert institution.pipeline.tick().problems == []


@dataclass
class Moments:
    """Counts what a process does to disk, database and chain, and ends it at the n-th, telling its kind; 0 is never."""

    last: int = 0
    told: Path | None = None
    passed: int = 0

    def __post_init__(self) -> None:
        self.kinds: list[str] = []

    def pass_one(self, kind: str) -> None:
        self.passed += 1
        self.kinds.append(kind)
        if self.passed == self.last:
            if self.told:
                self.told.write_text(kind)
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: Any, name: str, kind: str) -> None:
        """Watch the moments before and after each call."""
        act = getattr(owner, name)

        def watched(*arguments: Any, **more: Any) -> Any:
            self.pass_one(f"before {kind}")
            answer = act(*arguments, **more)
            self.pass_one(f"after {kind}")
            return answer

        setattr(owner, name, watched)

    def watch(self, engine: Engine) -> None:
        """Watch this process from now on."""
        for name in ("do_execute", "do_executemany"):
            self._watch_statements(engine.dialect, name)
        self.around(engine.dialect, "do_commit", "commit")
        self.around(os, "fsync", "fsync")
        self.around(os, "replace", "rename")
        self.around(BlockStore, "commit", "block")
        self.around(Outbox, "add", "chain outbox")
        self.around(Outbox, "settle", "chain outbox")
        self.around(Node, "send", "transaction")
        self.around(Deployment, "write", "deployment")

    def _watch_statements(self, dialect: Any, name: str) -> None:
        act = getattr(dialect, name)

        def watched(cursor: Any, statement: str, parameters: Any, context: Any = None) -> Any:
            verb, *words = statement.split(None, 2)
            table = words[-1].split()[0] if verb == "INSERT" else (words or [""])[0]
            answer = act(cursor, statement, parameters, context)
            if verb in _STATEMENTS:
                self.pass_one(f"{verb} {table}")
            return answer

        setattr(dialect, name, watched)


class Runner:
    """Prepares once, then kills, recovers and examines as often as asked."""

    def __init__(self, folder: Path, postgres: str | None) -> None:
        self._folder = folder
        self._postgres = postgres
        self._template = folder / "prepared"
        self._template.mkdir(parents=True)

    def prepare(self) -> None:
        """Make the state that every killed process begins with."""
        if self._postgres:
            self._administer("CREATE DATABASE prepared")
        # In this process: what it loads and compiles on the way, every forked one has already.
        prepare(self._template, self._url(self._template))

    def rehearse(self) -> tuple[list[str], float]:
        """The kinds of all moments of one undisturbed life, in order, and how many seconds it took."""
        folder = self._copy("rehearsal")
        moments = Moments()
        begun = time.monotonic()

        def run() -> None:
            institution = Institution(folder, self._url(folder), hours=1)
            moments.watch(institution.engine)
            live(institution, lambda _kind, _id: None)
            (folder / "moments.json").write_text(json.dumps(moments.kinds))

        assert self._in_child(run, folder) == 0
        seconds = time.monotonic() - begun
        kinds: list[str] = json.loads((folder / "moments.json").read_text())
        self._drop(folder)
        return kinds, seconds

    def kill_at(self, moment: int, again_at: int, *, drawn: bool) -> dict[str, Any]:
        """Die at one moment, if `again_at` die again that far into the recovery, then examine."""
        folder = self._copy(f"moment-{moment}")
        ended = [self._die_at(folder, moment, hours=1, drawn=drawn)]
        if again_at:
            ended.append(self._die_at(folder, again_at, hours=2, drawn=True))
        return {"moment": moment, **self._examined(folder, ended)}

    def _die_at(self, folder: Path, moment: int, *, hours: int, drawn: bool) -> int:
        ended = self._in_child(lambda: self._live_and_die(folder, moment, hours), folder)
        if ended == signal.SIGKILL:
            kill_tally.count("registry", ended, drawn=drawn, writing=is_amid_a_write((folder / TOLD).read_text()))
        return ended

    def kill_after(self, number: int, seconds: float) -> dict[str, Any]:
        """Be killed from outside, wherever the process is by then, amid a write or between two; then examine."""
        folder = self._copy(f"after-{number}")
        ended = self._in_child(lambda: self._live_and_die(folder, 0, hours=1), folder, seconds)
        kill_tally.count("registry", ended, drawn=True)
        return {"after": seconds, **self._examined(folder, [ended])}

    def _examined(self, folder: Path, signals: list[int]) -> dict[str, Any]:
        spoken = folder / "said"
        # A line that the kill cut off was no acknowledgement.
        lines = spoken.read_text().splitlines(keepends=True) if spoken.exists() else []
        acknowledged = [(kind, item) for kind, item in (line.split() for line in lines if line.endswith("\n"))]
        status = self._in_child(lambda: self._examine(folder, acknowledged), folder)
        failure = (folder / "failure").read_text() if (folder / "failure").exists() else ""
        if status == 0:
            self._drop(folder)
        return {"signals": signals, "acknowledged": len(acknowledged), "status": status, "failure": failure}

    def _live_and_die(self, folder: Path, moment: int, hours: int) -> None:
        moments = Moments(moment, folder / TOLD)
        with (folder / "said").open("a", encoding="utf-8") as file:

            def said(kind: str, item: str) -> None:
                file.write(f"{kind} {item}\n")
                file.flush()

            institution = Institution(folder, self._url(folder), hours=hours)
            moments.watch(institution.engine)
            live(institution, said)
            institution.settle()

    def _examine(self, folder: Path, acknowledged: list[tuple[str, str]]) -> None:
        institution = Institution(folder, self._url(folder), hours=3)
        examine(institution, acknowledged)
        institution.close()

    @staticmethod
    def _in_child(run: Callable[[], None], folder: Path, kill_after: float | None = None) -> int:
        """Run in a forked process; the signal that ended it, or 0. A failure is 256 and its story is in the folder."""

        def life() -> None:
            code = 1
            try:
                run()
                code = 0
            except BaseException:  # noqa: BLE001 (the process ends here; the story is told in the file)
                (folder / "failure").write_text(traceback.format_exc())
            finally:
                os._exit(code)

        if kill_after is None:
            status = run_forked(life)
        else:
            child = os.fork()
            if child == 0:
                life()
            time.sleep(kill_after)
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
        return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 256 * os.WEXITSTATUS(status)

    def _url(self, folder: Path) -> str:
        if self._postgres is None:
            return f"sqlite:///{folder / 'registry.db'}"
        return make_url(self._postgres).set(database=_database(folder)).render_as_string(hide_password=False)

    def _copy(self, name: str) -> Path:
        folder = self._folder / name
        shutil.copytree(self._template, folder)
        if self._postgres:
            self._administer(f'CREATE DATABASE "{_database(folder)}" TEMPLATE prepared')
        return folder

    def _drop(self, folder: Path) -> None:
        shutil.rmtree(folder)
        if self._postgres:
            self._administer(f'DROP DATABASE "{_database(folder)}" WITH (FORCE)')

    def _administer(self, statement: str) -> None:
        import psycopg

        server = make_url(self._postgres or "").set(drivername="postgresql", database="postgres")
        with psycopg.connect(server.render_as_string(hide_password=False), autocommit=True) as connection:
            connection.execute(statement)


def _database(folder: Path) -> str:
    return folder.name.replace("-", "_")


def is_amid_a_write(kind: str) -> bool:
    """Whether something was written at such a moment and its fsync, rename or COMMIT had yet to come."""
    return kind in ("before commit", "before fsync", "before rename", "before block") or kind.split()[0] in _STATEMENTS


def choose(kinds: list[str], count: int, draws: random.Random) -> dict[int, bool]:
    """`count` moments (from 1) and whether each was drawn: one of every kind if that many are asked for, then draws."""
    chosen = {kinds.index(kind) + 1: False for kind in set(kinds)} if count > len(set(kinds)) else {}
    others = [moment for moment in range(1, len(kinds) + 1) if moment not in chosen]
    return chosen | dict.fromkeys(draws.sample(others, count - len(chosen)), True)


def main(folder: Path, count: int, postgres: str | None) -> None:
    runner = Runner(folder, postgres)
    runner.prepare()
    kinds, seconds = runner.rehearse()
    draws = kill_tally.chance(f"pipeline {'on PostgreSQL' if postgres else ''}")
    moments = choose(kinds, count, draws)
    # Flushed before every fork: a child that dies must not repeat what this process had not written yet.
    print(json.dumps({"moments": len(kinds), "kinds": Counter(kinds), "chosen": len(moments)}), flush=True)
    for place, (moment, drawn) in enumerate(sorted(moments.items())):
        found = runner.kill_at(moment, draws.randint(1, 40) if place % 2 else 0, drawn=drawn)
        print(json.dumps({"kind": kinds[moment - 1], **found}), flush=True)
    for number in range(0 if postgres else KILLS_FROM_OUTSIDE):
        print(json.dumps({"kind": "from outside", **runner.kill_after(number, draws.uniform(0, seconds))}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None)
