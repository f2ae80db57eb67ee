"""The auditor and a network of four validators, asked by JSON-RPC as anybody outside would ask it."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from api_office import open_office, register, settings_in
from chain_world import HANGS_AFTER_SECONDS

from api.audit.auditing import AuditRequest, audit
from api.audit.chainside import Place
from api.stores.folder import FolderStore
from chain.network import Network
from chain.node import connect
from chain.record import Deployment
from registry.files.masters import FileMasters
from verifier import TrustBundle

pytest_plugins = ["network_stage"]


def test_heads_anchors_and_proofs_on_a_real_network_are_those_of_the_log(
    four_validators: Network, tmp_path: Path
) -> None:
    settings = settings_in(tmp_path, chain=four_validators.urls[0])
    with open_office(settings) as office:
        for number in (1, 2):
            register(office, number)
            office.settle()
        # Whoever is asked later must have what the registry's own node had.
        four_validators.wait_for_agreement(
            connect(four_validators.urls[0]).height(), timeout_seconds=HANGS_AFTER_SECONDS
        )
        trust = TrustBundle.open(office.client.get("/api/v1/trust").content)
    deployment = Deployment.read(settings.data / "chain" / "deployment.json")
    assert deployment is not None
    # Another validator than the one that the registry speaks to.
    request = AuditRequest(
        now=datetime.now(UTC), log=str(settings.data / "log"), database=settings.database_url, trust=trust,
        files=FolderStore(settings.data / "files"), file_keys=FileMasters(settings.data / "keys"),
        rpc=four_validators.urls[2],
        place=Place(deployment.heads, deployment.uses, deployment.first_block), all_of_them=True,
    )  # fmt: skip
    report = audit(request)
    assert (report.state, report.findings.divergences, report.findings.unchecked) == ("clean", [], [])
    assert report.findings.checked["链上日志头"] >= 2 and report.findings.checked["链上证明"] >= 2
    with sqlite3.connect(settings.data / "registry.db") as connection:
        connection.execute("UPDATE anchors SET transaction_hash = zeroblob(32)")
    connection.close()
    assert {found.code for found in audit(request).findings.divergences} == {"anchor_differs_from_chain"}
