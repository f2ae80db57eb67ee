"""A small real registry to audit: one of everything in a database, a log, an embedded chain and a file store."""

from __future__ import annotations

import io
import os
import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import audit_lives
import registry_house as house
from sqlalchemy import select

from api.audit.auditing import AuditReport, AuditRequest, audit
from api.audit.chainside import Place
from api.composition import Services, compose
from api.settings import Settings
from api.stores.folder import FolderStore
from chain.record import Deployment
from registry.authorisations import service as authorisations
from registry.authorisations.rules import AuthorisationDraft
from registry.catalogue import service as catalogue
from registry.catalogue.rules import Slot
from registry.certificates import service as certificates
from registry.codes import service as codes
from registry.codes.rules import CodeRequest
from registry.departments import service as departments
from registry.files import service as files
from registry.files.masters import FileMasters
from registry.files.service import AttachedFile
from registry.keys import rules as key_rules
from registry.log.tables import CheckpointRow
from registry.log.tiles import TILE_WIDTH, pack_entries, tile_path, unpack_entries
from registry.materials import service as materials
from registry.uses import service as uses
from registry.venues import service as venues
from registry.witnesses.tables import CosignatureRow, WitnessRow
from registry.work import REGISTRY
from verifier import cose
from verifier.code import CodeKind
from verifier.cosignature import cosign
from verifier.digests import double_digest
from verifier.entry import Entry, Kind
from verifier.merkle import leaf_hash, root_of
from verifier.note import Checkpoint, sign_checkpoint
from verifier.suites import SoftwareKey
from verifier.trust import TrustBundle

MARKET_KEY = key_rules.department_purpose(house.MARKET)
CARE_KEY = key_rules.department_purpose(house.CARE)

#: Enough for a full tile of leaves, so that there are tiles of two levels.
CERTIFICATES = 270


@dataclass(frozen=True)
class Copy:
    """A registry's data folder with nobody at work in it."""

    folder: Path

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def database(self) -> Path:
        return self.folder / "registry.db"

    @property
    def trust(self) -> TrustBundle:
        return TrustBundle.open((self.folder / "trust.json").read_bytes())

    def request(self, **changes: Any) -> AuditRequest:
        """An audit of everything but the chain."""
        facts: dict[str, Any] = {
            "now": house.NOON + timedelta(days=1), "log": str(self.log), "database": f"sqlite:///{self.database}",
            "trust": self.trust, "files": FolderStore(self.folder / "files"),
            "file_keys": FileMasters(self.folder / "keys"),
        }  # fmt: skip
        return AuditRequest(**{**facts, **changes})

    def with_chain(self, **changes: Any) -> AuditRequest:
        """An audit of everything."""
        deployment = Deployment.read(self.folder / "chain" / "deployment.json")
        assert deployment is not None
        place = Place(deployment.heads, deployment.uses, deployment.first_block)
        return self.request(rpc=str(self.folder / "chain"), place=place, **changes)

    def audit(self, **changes: Any) -> AuditReport:
        return audit(self.request(**changes))

    def execute(self, statement: str, *values: Any) -> int:
        """Change rows behind everybody's back; how many."""
        with sqlite3.connect(self.database) as connection:
            changed = connection.execute(statement, values).rowcount
        connection.close()
        return changed

    def ask(self, statement: str, *values: Any) -> Any:
        with sqlite3.connect(self.database) as connection:
            found = connection.execute(statement, values).fetchone()
        connection.close()
        return found

    def all(self, statement: str) -> list[Any]:
        with sqlite3.connect(self.database) as connection:
            found = connection.execute(statement).fetchall()
        connection.close()
        return found


#: What an auditor from outside has.
LOG_ALONE: dict[str, Any] = {"database": None, "files": None}
DATABASE_ALONE: dict[str, Any] = {"log": None, "trust": None, "files": None}


class Plant(NamedTuple):
    """What is done to a copy, what the auditor must call it, and what it is given to see it."""

    code: str
    tamper: Callable[[Copy], object]
    given: dict[str, Any] = {}  # noqa: RUF012 (never changed)


def make(folder: Path, url: str | None = None) -> Copy:
    """Live through everything once, and shut the registry down."""
    clock = house.Clock()
    url = url or f"sqlite:///{folder / 'registry.db'}"
    services = compose(Settings(data=folder, database_url=url), clock=clock)
    try:
        furnish(services)
        _settle(services)
        # The market department signs with a new key from here on.
        clock.pass_by(minutes=1)
        services.keys.rotate(key_rules.department_purpose(house.MARKET), clock())
        clock.pass_by(minutes=1)
        _live(services)
        audit_lives.live(services)
        _settle(services)
        _cosign(services)
        clock.pass_by(minutes=5)
        (folder / "trust.json").write_bytes(services.trust.data())
    finally:
        services.close()
    return Copy(folder)


def copy(world: Copy, folder: Path) -> Copy:
    shutil.copytree(world.folder, folder)
    return Copy(folder)


def _settle(services: Services) -> None:
    for _ in range(50):
        if services.pipeline.tick().idle:
            return
    raise AssertionError("the pipeline does not come to rest")


def _cosign(services: Services) -> None:
    """A witness has cosigned the newest head."""
    key, at = SoftwareKey.generate(), services.clock().replace(microsecond=0)
    with services.registry.begin(REGISTRY) as work:
        newest = work.session.scalars(select(CheckpointRow).order_by(CheckpointRow.size.desc()).limit(1)).one()
        head = Checkpoint(services.pipeline.origin, newest.size, newest.root)
        line = cosign(head, "witness.example/w1", key, at).removesuffix("\n")
        facts = {"kid": key.public.kid, "name": "witness.example/w1", "public": key.public.raw}
        work.session.add(
            WitnessRow(**facts, url="http://127.0.0.1:1/", valid_from=at - timedelta(days=1), distrusted=False)
        )
        work.session.flush()
        work.session.add(CosignatureRow(size=head.size, kid=key.public.kid, line=line, cosigned_at=at))
    services.pipeline.log.show_cosignatures()


def furnish(services: Services) -> None:
    with services.registry.begin(REGISTRY) as work:
        departments.register(work, house.MARKET, "上海市长宁区市场监督管理局", "区市场监管局")
        departments.register(work, house.CARE, "上海市长宁区示例养老服务中心", "养老服务中心", "unit")
        for kind in catalogue.list_types(work):
            departments.grant_scope(work, house.MARKET, kind.code, "issue")
            departments.grant_scope(work, house.CARE, kind.code, "use")
        accepts = (house.BUSINESS, house.FOOD, house.SENIOR, house.PROOF)
        slot = Slot("CL01", "主体资格证明", accepts)
        catalogue.register_matter(work, house.MATTER, "食品经营许可", house.CARE, house.PURPOSE, (slot,))
    stored = services.files.put(io.BytesIO(b"%PDF-1.7 a licence as it was printed"))
    with services.registry.begin(house.actor()) as work:
        files.register(work, stored)
        certificates.register(work, house.senior())
        certificates.register(work, house.food(9_000), files=(AttachedFile("证照.pdf", stored.sha256),))


def _live(services: Services) -> None:
    with services.registry.begin(house.actor()) as work:
        registered = certificates.register_many(work, [house.food(number) for number in range(1, CERTIFICATES + 1)])
        first, second = registered[0].id, registered[1].id
    _settle(services)
    with services.registry.begin(house.actor()) as work:
        certificates.change_status(work, second, "suspend", "限期整改")
    _settle(services)
    with services.registry.begin(house.actor()) as work:
        certificates.change_status(work, second, "return", "整改完成")
        proof = materials.register(work, house.proof())
    with services.registry.begin(house.actor(house.CARE)) as work:
        grants = [_grant(work, "certificate", first), _grant(work, "material", proof.id)]
        uses.reuse(work, house.request(first, grants[0]))
        uses.reuse(work, house.request(proof.id, grants[1], item_kind="material", case_no="2026-000002"))
        key = services.keys.key_for(key_rules.CODES, services.clock())
        codes.issue(work, CodeRequest(CodeKind.ENTERPRISE, subject=house.COMPANY, name="上海随证餐饮有限公司"), key)
        open_all_week = [{"days": [1, 2, 3, 4, 5, 6, 7], "from": "08:00", "to": "21:00"}]
        rule = {"hours": open_all_week, "admit": {"types": [], "pass": True}, "anti_passback_seconds": 60}
        venues.register(work, "示例体育场", "示例路 1 号", "310105", house.CARE, rule)


def _grant(work: Any, kind: str, item: str) -> str:
    row = authorisations.grant(
        work,
        AuthorisationDraft(
            "function", house.CARE, house.MATTER, house.PURPOSE, work.at - timedelta(days=1),
            work.at + timedelta(days=30), item_kind=kind, item_id=item,
        ),
    )  # fmt: skip
    return str(row.id)


def entries_of(world: Copy) -> list[bytes]:
    """Every entry as it is published."""
    entries: list[bytes] = []
    size = size_of(world)
    for number in range(-(-size // TILE_WIDTH)):
        width = min(TILE_WIDTH, size - number * TILE_WIDTH)
        bundle = (world.log / tile_path("entries", number, width)).read_bytes()
        entries += unpack_entries(bundle) or []
    return entries


def size_of(world: Copy) -> int:
    return int((world.log / "checkpoint").read_text().split("\n")[1])


def origin_of(world: Copy) -> str:
    return (world.log / "checkpoint").read_text().split("\n")[0]


def key_of(world: Copy, purpose: str, *, newest: bool = True) -> SoftwareKey:
    """The private key of a purpose: the newest or the first one."""
    order = "DESC" if newest else "ASC"
    (kid,) = world.ask(f"SELECT kid FROM keys WHERE purpose = ? ORDER BY valid_from {order}", purpose)
    return SoftwareKey.from_pem((world.folder / "keys" / f"{kid.hex()}.pem").read_bytes())


def publish(world: Copy, entries: list[bytes], *, key: SoftwareKey | None = None) -> bytes:
    """Make the published log one of these entries, tiles and signed head and all; the root."""
    shutil.rmtree(world.log / "tile")
    for number in range(-(-len(entries) // TILE_WIDTH)):
        own = entries[number * TILE_WIDTH : (number + 1) * TILE_WIDTH]
        put(world.log / tile_path("entries", number, len(own)), pack_entries(own))
    level, hashes = 0, [leaf_hash(entry) for entry in entries]
    root = root_of(hashes)
    while hashes:
        for number in range(-(-len(hashes) // TILE_WIDTH)):
            own = hashes[number * TILE_WIDTH : (number + 1) * TILE_WIDTH]
            put(world.log / tile_path(level, number, len(own)), b"".join(own))
        whole = len(hashes) // TILE_WIDTH
        hashes = [root_of(hashes[at * TILE_WIDTH : (at + 1) * TILE_WIDTH]) for at in range(whole)]
        level += 1
    sign(world, len(entries), root, key=key)
    return root


def sign(world: Copy, size: int, root: bytes, *, key: SoftwareKey | None = None, origin: str | None = None) -> None:
    head = Checkpoint(origin or origin_of(world), size, root)
    (world.log / "checkpoint").write_text(sign_checkpoint(head, key or key_of(world, key_rules.LOG)))


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def appended(make: Callable[[Copy, Entry], bytes]) -> Callable[[Copy], None]:
    """The honest log with one more entry, made after the pattern of the last certificate's."""

    def tamper(copied: Copy) -> None:
        entries = entries_of(copied)
        payloads = [cose.open_typed(signed, cose.Type.ENTRY, limit=8192)[1] for signed in entries]
        pattern = next(e for e in map(Entry.from_bytes, reversed(payloads)) if e.kind is Kind.CERTIFICATE)
        fresh = replace(pattern, item=bytes(16), digest=double_digest(b"fresh"))
        publish(copied, [*entries, make(copied, fresh)])

    return tamper


def signed_by(purpose: str, *, newest: bool = True, **changes: Any) -> Callable[[Copy, Entry], bytes]:
    def make(copied: Copy, entry: Entry) -> bytes:
        key = key_of(copied, purpose, newest=newest)
        return cose.sign1(replace(entry, **changes).to_bytes(), key, cose.Type.ENTRY)

    return make


def signed_entries(copied: Copy, count: int) -> list[bytes]:
    """Entries that the market department signed, and nobody registered."""
    key = key_of(copied, MARKET_KEY)
    at = house.NOON + timedelta(minutes=3)
    facts = {"type": house.FOOD, "type_version": 1, "status_list": 1, "status_index": 1}
    digests = [double_digest(os.urandom(8)) for _ in range(count)]
    made = [Entry(Kind.CERTIFICATE, os.urandom(16), house.MARKET, at, digest, facts) for digest in digests]
    return [cose.sign1(entry.to_bytes(), key, cose.Type.ENTRY) for entry in made]
