"""A small registry in memory with fixed keys and times: the stage for tests and benches of the formats."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from verifier.anchor import Anchor
from verifier.code import CodeClaims, CodeKind, Grant, GrantKind, sign_code
from verifier.commitment import Sealed, seal
from verifier.cose import Type, sign1
from verifier.digests import double_digest
from verifier.entry import Entry, Kind
from verifier.evidence import EvidenceBundle
from verifier.identifiers import make_identifier
from verifier.merkle import Frontier, inclusion_path, leaf_hash
from verifier.receipt import build_receipt, sign_root
from verifier.status import Status, StatusList
from verifier.suites import SoftwareKey
from verifier.trust import TrustBundle, sign_trust, status_subject
from verifier.trust_content import Department, Scope, TrustContent, TrustedKey, TrustedType
from verifier.venue import Venue, VenueRule

ISSUED = datetime(2026, 11, 20, 1, 0, tzinfo=UTC)
NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
ORIGIN = "suizheng.example/changning"
DEPARTMENT = "11310105MB9T00011M"
OTHER_DEPARTMENT = "12310105MB9T00038A"
FOOD = "11100000MB0341032Y002"
VENUE_ID = "01hq0000000000000000000001"
NAMES = {CodeKind.ENTERPRISE: "上海随证餐饮有限公司", CodeKind.COMPONENT: "路灯", CodeKind.DERIVED: "食品经营许可证"}
SUBJECTS = {
    CodeKind.ENTERPRISE: "91310105MA1FWT014B",
    CodeKind.VENUE: VENUE_ID,
    CodeKind.COMPONENT: "3101050110000123",
    CodeKind.DERIVED: "01hq0000000000000000000002",
}

FOOD_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "required": ["business_scope", "premises"],
    "additionalProperties": False,
    "properties": {
        "business_scope": {"type": "string", "title": "经营项目", "maxLength": 200},
        "premises": {"type": "string", "title": "经营场所", "maxLength": 200},
        "remark": {"type": "string", "title": "备注", "maxLength": 1000},
    },
}


def fixed_key(name: str) -> SoftwareKey:
    """The same Ed25519 key for the same name, for tests only."""
    return SoftwareKey.from_seed(hashlib.sha256(name.encode()).digest())


def fixed_draw(name: str) -> Callable[[int], bytes]:
    """A reproducible source of bytes."""
    return lambda count: hashlib.shake_256(name.encode()).digest(count)


def food_face(number: int, **changes: Any) -> dict[str, Any]:
    """The face of a food licence, about 1 KB of canonical JSON."""
    face = {
        "certificate_name": "食品经营许可证",
        "certificate_type_name": "食品经营许可证",
        "certificate_type_code": FOOD,
        "certificate_identifier": make_identifier(FOOD, DEPARTMENT, f"2026{number:07d}", 1),
        "certificate_number": f"JY1310105{number:07d}",
        "certificate_version": "001",
        "issuing_authority_name": "上海市长宁区市场监督管理局",
        "issuing_authority_code": DEPARTMENT,
        "issue_date": "20261120",
        "valid_from": "20261120",
        "valid_to": "20311119",
        "area_code": "310105",
        "holders": [
            {
                "holder_name": "上海随证餐饮有限公司",
                "holder_code": "91310105MA1FWT014B",
                "holder_code_type_code": "001",
            }
        ],
        "extend_info": {
            "business_scope": "热食类食品制售；冷食类食品制售；糕点类食品制售（不含裱花）",
            "premises": "上海市长宁区虹桥街道某路 1 号一层",
            "remark": "示例" * 40,
        },
    }
    return {**face, **changes}


@dataclass(frozen=True)
class World:
    """Keys, trust content and one log of food licences."""

    content: TrustContent
    department_key: SoftwareKey
    log_key: SoftwareKey
    code_key: SoftwareKey
    status_key: SoftwareKey
    root_key: SoftwareKey
    sealed: tuple[Sealed, ...]
    leaves: tuple[bytes, ...]
    signed_entries: tuple[bytes, ...]
    files: tuple[bytes, ...]

    def trust(self, **changes: Any) -> TrustBundle:
        """The trust bundle, with parts of its content changed and signed again."""
        return TrustBundle.open(sign_trust(replace(self.content, **changes), [self.root_key]))

    def with_status(self, index: int, status: Status) -> TrustBundle:
        """The trust bundle in which one item has another state."""
        states = StatusList()
        states.set(index, status)
        return self.trust(statuses={1: self.status_token(states)})

    def status_token(self, states: StatusList) -> bytes:
        """A signed token of list 1."""
        issued, expires = self.content.issued_at, self.content.expires_at
        return states.to_token(self.status_key, status_subject(ORIGIN, 1), issued, expires)

    def bundle(self, index: int) -> EvidenceBundle:
        """The evidence bundle of one licence under the newest head."""
        size = len(self.leaves)
        nodes: dict[tuple[int, int], bytes] = {}
        root = Frontier().append_many(self.leaves, lambda level, at, node: nodes.__setitem__((level, at), node)).root()
        receipt = build_receipt(
            origin=ORIGIN,
            key=self.log_key.public,
            root_signature=sign_root(root, ORIGIN, self.log_key),
            size=size,
            index=index,
            path=inclusion_path(index, size, lambda level, at: nodes[level, at]),
        )
        sealed = self.sealed[index]
        files = self.files if index == 0 else ()
        return EvidenceBundle(
            sealed.canonical, sealed.salts, self.signed_entries[index], receipt, self.content.heads[0], files
        )

    def claims(self, kind: CodeKind = CodeKind.PERSON, **changes: Any) -> CodeClaims:
        """Claims of a code issued a minute before noon."""
        claims = CodeClaims(
            kind=kind,
            code_id=bytes.fromhex("0102030405060708"),
            generation=1,
            status_list=1,
            status_index=900,
            issued_at=NOON - timedelta(seconds=60),
            expires_at=NOON + timedelta(seconds=240),
            name=NAMES.get(kind),
            subject=SUBJECTS.get(kind),
            grants=(Grant(GrantKind.PASS, VENUE_ID, 1, 901, NOON + timedelta(days=1)),)
            if kind in (CodeKind.PERSON, CodeKind.PRINTED)
            else (),
            place="仙霞路 100 号东侧" if kind is CodeKind.COMPONENT else None,
            original=(1, 903) if kind is CodeKind.DERIVED else None,
        )
        return replace(claims, **changes)

    def code(self, kind: CodeKind = CodeKind.PERSON, **changes: Any) -> str:
        """A signed code."""
        return sign_code(self.claims(kind, **changes), self.code_key)


def make_world(count: int = 5) -> World:
    """A world with `count` licences in its log; the first one carries a file."""
    names = ("department", "log", "code", "status", "root")
    department_key, log_key, code_key, status_key, root_key = (fixed_key(name) for name in names)
    files = (b"%PDF-1.7 a small attached file",)
    digest = double_digest(files[0])
    attached = [
        {
            "name": "正本.pdf",
            "media_type": "application/pdf",
            "size": len(files[0]),
            "sha256": digest.sha256.hex(),
            "sm3": digest.sm3.hex(),
        }
    ]
    sealed, signed = [], []
    for number in range(count):
        face = food_face(number, **({"files": attached} if number == 0 else {}))
        one = seal(face, fixed_draw(f"salts {number}"))
        entry = Entry(
            Kind.CERTIFICATE,
            hashlib.sha256(f"item {number}".encode()).digest()[:16],
            DEPARTMENT,
            ISSUED + timedelta(milliseconds=number),
            one.digest,
            {"type": FOOD, "type_version": 1, "version": 1, "status_list": 1, "status_index": number},
        )
        sealed.append(one)
        signed.append(sign1(entry.to_bytes(), department_key, Type.ENTRY))
    leaves = tuple(leaf_hash(one) for one in signed)
    anchor = Anchor(
        chain_id=310105,
        contract="0x" + "5a" * 20,
        log_id=hashlib.sha256(ORIGIN.encode()).digest(),
        size=count,
        root=Frontier().append_many(leaves).root(),
        block_number=7,
        block_hash=hashlib.sha256(b"block").digest(),
        block_at=ISSUED + timedelta(minutes=1),
        transaction_hash=hashlib.sha256(b"transaction").digest(),
    )
    issued_at, expires_at = ISSUED + timedelta(days=1), ISSUED + timedelta(days=8)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    token = StatusList().to_token(status_key, status_subject(ORIGIN, 1), issued_at, expires_at)
    content = TrustContent(
        registry="310105",
        version=3,
        issued_at=issued_at,
        expires_at=expires_at,
        root_threshold=1,
        root_keys=(root_key.public,),
        origin=ORIGIN,
        log_kid=log_key.public.kid,
        status_kid=status_key.public.kid,
        keys=(
            TrustedKey(department_key.public, DEPARTMENT, ("entries",), begin),
            TrustedKey(log_key.public, "registry", ("log",), begin),
            TrustedKey(status_key.public, "registry", ("status",), begin),
            TrustedKey(code_key.public, "registry", tuple(kind.purpose for kind in CodeKind), begin),
        ),
        departments=(Department(DEPARTMENT, "上海市长宁区市场监督管理局", "district"),),
        scopes=(Scope(DEPARTMENT, FOOD, begin),),
        types=(TrustedType(FOOD, 1, "食品经营许可证", False, FOOD_SCHEMA),),
        heads=(anchor,),
        venues=(Venue(VENUE_ID, "随证体育馆", "上海市长宁区某路 2 号", VenueRule((), frozenset(), True, 60)),),
        statuses={1: token},
    )
    return World(
        content,
        department_key,
        log_key,
        code_key,
        status_key,
        root_key,
        tuple(sealed),
        leaves,
        tuple(signed),
        files,
    )
