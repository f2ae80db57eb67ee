"""The whole way on four real validators: register, anchor, prove, hand out; and verify when no node is left."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import missing
from crash_runner import MARKET, Institution, food_licence, prepare
from sqlalchemy import select

from chain.network import Network
from chain.opening import Chain
from registry.certificates import service as certificates
from registry.certificates.tables import Certificate
from registry.evidence import service as evidence
from registry.log.tables import AnchorRow
from registry.pipeline import Pipeline
from registry.trust import service as trust_service
from registry.work import REGISTRY
from verifier.anchor import MAX_PROOF_BYTES
from verifier.chain_proof import ChainProof
from verifier.evidence import EvidenceBundle

pytest_plugins = ["network_stage"]

AT = "2026-11-22T13:00:00+08:00"
OFFLINE = ["unshare", "--map-root-user", "--net", "--"]


@pytest.fixture
def institution(tmp_path: Path, four_validators: Network) -> Iterator[Institution]:
    """A registry that has moved to the network; what it prepared before is anchored on its embedded chain."""
    url = f"sqlite:///{tmp_path / 'registry.db'}"
    prepare(tmp_path, url)
    opened = Institution(tmp_path, url, hours=1)
    opened.chain.close()
    opened.chain = Chain(
        four_validators.urls[0], tmp_path / "network-chain", origin=opened.pipeline.origin, registry_code=MARKET,
        clock=opened.clock, draw=os.urandom,
    )  # fmt: skip
    opened.pipeline = Pipeline(
        opened.engine,
        opened.keys,
        opened.log,
        opened.chain,
        opened.chain,
        opened.clock,
        os.urandom,
        proofs=opened.chain,
        monotonic=lambda: opened.clock.at.timestamp(),
    )
    yield opened
    opened.close()


def export(institution: Institution, certificate: str) -> bytes:
    with institution.registry.read(REGISTRY) as work:
        return evidence.export(work, institution.pipeline.log, certificate)


def register(institution: Institution, number: int) -> str:
    with institution.registry.begin(REGISTRY) as work:
        made = certificates.register(work, food_licence(number))
    institution.settle()
    return str(made.id)


def verify_offline(folder: Path, bundle: bytes, trust: bytes) -> dict[str, Any]:
    """The verdict of a process of its own, without a network."""
    if shutil.which("unshare") is None or subprocess.run([*OFFLINE, "true"], check=False).returncode:
        missing("a network namespace")
    (folder / "bundle.szb").write_bytes(bundle)
    (folder / "trust.json").write_bytes(trust)
    command = [sys.executable, "-m", "api.cli", "verify", str(folder / "bundle.szb"), "--json", "--at", AT]
    done = subprocess.run(
        [*OFFLINE, *command, "--trust", str(folder / "trust.json")], capture_output=True, text=True, check=False
    )
    verdict: dict[str, Any] = json.loads(done.stdout)
    return verdict


def proof_shown(verdict: dict[str, Any]) -> dict[str, Any]:
    (anchor,) = (check for check in verdict["checks"] if check["check"] == "anchor")
    shown: dict[str, Any] = anchor["evidence"]
    return shown


@pytest.mark.slow
def test_evidence_outlives_the_network_that_anchored_it(institution: Institution, four_validators: Network) -> None:
    with institution.registry.read(REGISTRY) as work:
        earlier = work.session.scalars(select(Certificate.id).order_by(Certificate.id)).all()[7]
        (embedded,) = set(work.session.scalars(select(AnchorRow.chain_id)))
    before = export(institution, earlier)
    bundle = export(institution, register(institution, 9_000))
    # One validator dead: the other three still are a majority, and each seals one of the next blocks.
    four_validators.kill(3)
    with_three = export(institution, register(institution, 9_001))
    with institution.registry.begin(REGISTRY) as work:
        trust = trust_service.publish(work, institution.keys)
    four_validators.down()

    validators = {member.address.lower() for member in four_validators.layout.members}
    for one in (bundle, with_three):
        parts = EvidenceBundle.from_bytes(one)
        assert parts.proof is not None
        assert len(parts.proof.chain_proof) <= MAX_PROOF_BYTES
        assert len(ChainProof.from_bytes(parts.proof.chain_proof).headers) >= 3
        verdict = verify_offline(institution.folder, one, trust)
        assert verdict["state"] == "valid", verdict
        proof = proof_shown(verdict)
        assert (proof["engine"], proof["block_number"]) == ("clique", parts.anchor.block_number)
        assert len(proof["sealed_by"]) == 3
        assert set(proof["sealed_by"]) < validators
    # What was anchored before the move is as good as it was.
    verdict = verify_offline(institution.folder, before, trust)
    assert (verdict["state"], proof_shown(verdict)["chain_id"]) == ("valid", embedded)
