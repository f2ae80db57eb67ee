"""Anchors that outlive their listing and their chain: a real registry, its evidence, and later trust bundles."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from crash_runner import MARKET, Institution, food_licence
from log_house import NOON
from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session
from trust_house import a_certificate, export, publish

from chain.opening import Chain
from registry import migrations
from registry.certificates import service as certificates
from registry.database import migrate, open_engine
from registry.keys.rules import TRUST_ROOT
from registry.log import chains
from registry.log.anchoring import anchored_head, to_anchor
from registry.log.tables import AnchorRow, CheckpointRow
from registry.pipeline import Pipeline
from registry.work import REGISTRY
from verifier.anchor import MAX_PROOF_BYTES
from verifier.errors import Check
from verifier.evidence import EvidenceBundle, verify_evidence
from verifier.trust import TrustBundle, sign_trust
from verifier.verdict import State, Verdict

pytest_plugins = ("trust_house",)

LATER = NOON + timedelta(hours=1)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """How many heads with proofs a trust bundle lists here, so that a test need not make dozens."""
    monkeypatch.setattr(chains, "LISTED_HEADS", 3)
    return 3


def register(institution: Institution, number: int) -> str:
    """One more certificate under a head of its own."""
    with institution.registry.begin(REGISTRY) as work:
        made = certificates.register(work, food_licence(number))
    institution.settle()
    return str(made.id)


def anchor_check(verdict: Verdict) -> dict[str, Any]:
    return next(dict(result.evidence) for result in verdict.checks if result.check is Check.ANCHOR)


def move(institution: Institution, name: str) -> Chain:
    """Go on with the same registry on another, empty chain."""
    institution.chain.close()
    institution.chain = Chain(
        "embedded", institution.folder / name, origin=institution.pipeline.origin, registry_code=MARKET,
        clock=institution.clock, draw=lambda count: name.encode().ljust(count, b"x")[:count],
    )  # fmt: skip
    institution.pipeline = Pipeline(
        institution.engine, institution.keys, institution.folder / "log", institution.chain, institution.chain,
        institution.clock, lambda count: bytes(count),
        proofs=institution.chain,
    )  # fmt: skip
    return institution.chain


def test_a_bundle_says_who_sealed_the_block_that_shows_its_head(lite: Institution) -> None:
    bundle = export(lite, a_certificate(lite))
    proof = EvidenceBundle.from_bytes(bundle).proof
    assert proof is not None
    assert len(proof.chain_proof) <= MAX_PROOF_BYTES
    trust = publish(lite)
    verdict = verify_evidence(bundle, trust, LATER)
    shown = anchor_check(verdict)
    assert shown["listed"] is True
    (chain,) = trust.content.chains
    assert shown["engine"] == chain.engine == "operator"
    assert shown["sealed_by"] == ["0x" + chain.validators[0].addresses[0].hex()]
    assert shown["size"] == EvidenceBundle.from_bytes(bundle).anchor.size
    assert verdict.state is State.VALID


def test_a_trust_bundle_lists_the_newest_heads_only_and_older_evidence_holds_by_its_proof(
    lite: Institution, few: int
) -> None:
    early = export(lite, a_certificate(lite))
    for number in range(few + 2):
        register(lite, 9_000 + number)
    trust = publish(lite)
    with lite.registry.read(REGISTRY) as work:
        anchored = work.session.scalar(select(func.count()).select_from(AnchorRow))
    assert anchored is not None
    assert len(trust.content.heads) == few < anchored
    verdict = verify_evidence(early, trust, LATER)
    assert verdict.state is State.VALID, verdict.to_json()
    assert anchor_check(verdict)["listed"] is False
    # Exported again, the same certificate stands under the newest head.
    again = EvidenceBundle.from_bytes(export(lite, a_certificate(lite)))
    assert again.anchor == trust.content.heads[-1]


def test_a_head_without_a_proof_stays_listed_for_ever(lite: Institution, few: int) -> None:
    lite.pipeline = Pipeline(
        lite.engine, lite.keys, lite.folder / "log", lite.chain, lite.chain, lite.clock, lambda count: bytes(count)
    )  # fmt: skip
    without = register(lite, 8_999)
    early = export(lite, without)
    assert EvidenceBundle.from_bytes(early).proof is None
    move_back = Pipeline(
        lite.engine, lite.keys, lite.folder / "log", lite.chain, lite.chain, lite.clock, lambda count: bytes(count),
        proofs=lite.chain,
    )  # fmt: skip
    lite.pipeline = move_back
    for number in range(few + 2):
        register(lite, 9_000 + number)
    trust = publish(lite)
    assert EvidenceBundle.from_bytes(early).anchor in trust.content.heads
    assert len(trust.content.heads) == few + 1
    assert verify_evidence(early, trust, LATER).state is State.VALID


def test_a_registry_that_moves_to_another_chain_keeps_all_evidence_valid(lite: Institution) -> None:
    on_the_old = export(lite, a_certificate(lite))
    before = publish(lite)
    old_place = lite.chain.place()
    with closing(move(lite, "second")) as second:
        lite.settle()
        # The new chain begins with the present head, though nothing was registered since.
        assert second.place()[0] != old_place[0]
        assert second.latest() is not None
        assert anchored_head(lite.engine, second.place()) == anchored_head(lite.engine, old_place)
        on_the_new = export(lite, register(lite, 9_000))
        trust = publish(lite)
        named = {chain.chain_id: chain for chain in trust.content.chains}
        assert named.keys() == {old_place[0], second.place()[0]}
        assert named[old_place[0]].valid_to is not None
        assert named[second.place()[0]].valid_to is None
        places = [EvidenceBundle.from_bytes(data).anchor.chain_id for data in (on_the_old, on_the_new)]
        assert places == [old_place[0], second.place()[0]]
        bare = TrustBundle.open(resigned(lite, trust, heads=()))
        for bundle in (on_the_old, on_the_new):
            assert verify_evidence(bundle, trust, LATER).state is State.VALID
            assert verify_evidence(bundle, bare, LATER).state is State.VALID
        # Whoever still has the trust bundle of before the move does not know the new chain.
        assert verify_evidence(on_the_new, before, LATER).reason == "chain_unknown"
        assert lite.settle().idle


def test_what_is_sealed_on_a_chain_after_the_registry_left_it_proves_nothing(lite: Institution) -> None:
    bundle = export(lite, a_certificate(lite))
    trust = publish(lite)
    (chain,) = trust.content.chains
    left = replace(chain, valid_to=EvidenceBundle.from_bytes(bundle).anchor.block_at)
    closed = TrustBundle.open(resigned(lite, trust, heads=(), chains=(left,)))
    verdict = verify_evidence(bundle, closed, LATER)
    assert (verdict.state, verdict.reason) == (State.UNDECIDED, "chain_closed")


def resigned(institution: Institution, trust: TrustBundle, **changes: Any) -> bytes:
    """The trust bundle with other content, signed by the registry's root key."""
    root = institution.keys.key_for(TRUST_ROOT, institution.clock())
    return sign_trust(replace(trust.content, **changes), [root])


def test_anchors_of_earlier_versions_stay_and_stay_listed(database_url: str) -> None:
    """A database of the first schema, with one anchor in it, is brought to the present one."""
    engine = open_engine(database_url)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    checkpoint = {
        "size": 5, "root": b"r" * 32, "frontier": b"f" * 64, "note": "note", "root_signature": b"s" * 64,
        "kid": b"k" * 8, "signed_at": NOON,
    }  # fmt: skip
    anchor = {
        "size": 5, "root": b"r" * 32, "chain_id": 7, "contract": "0x" + "5a" * 20, "log_id": b"l" * 32,
        "block_number": 3, "block_hash": b"b" * 32, "block_at": NOON, "transaction_hash": b"t" * 32,
        "recorded_at": NOON,
    }  # fmt: skip
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(insert(CheckpointRow), checkpoint)
        connection.execute(insert(AnchorRow), anchor)
    migrate(engine)
    with Session(engine) as session, session.begin():
        session.execute(insert(AnchorRow), {**anchor, "chain_id": 8, "recorded_at": LATER})
        session.flush()
        listed = [to_anchor(row) for row in chains.listed_anchors(session)]
        assert [(one.size, one.chain_id, one.block_at) for one in listed] == [(5, 7, NOON), (5, 8, NOON)]
        assert chains.trusted_chains(session) == ()
    engine.dispose()
