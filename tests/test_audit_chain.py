"""The auditor finds what contradicts the chain; and of a registry that nobody touched it finds nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import audit_world as world
import pytest
import registry_house as house
from audit_world import LOG_ALONE, MARKET_KEY, Copy, Plant, appended, signed_by

from api.audit.auditing import audit
from api.audit.catalogue import FAULTS
from chain.opening import Chain
from verifier.merkle import consistency_path, leaf_hash, root_of

pytest_plugins = ("audit_fixtures",)

LONG_AGO = "1999-01-01 00:00:00.000000"


def anchor(column: str, value: Any) -> Callable[[Copy], None]:
    return lambda copied: copied.execute(
        f"UPDATE anchors SET {column} = ? WHERE size = (SELECT max(size) FROM anchors)", value
    )


def every(table: str, column: str, value: Any) -> Callable[[Copy], None]:
    return lambda copied: copied.execute(f"UPDATE {table} SET {column} = ?", value)


# ---- The chain ------------------------------------------------------------------------------------------------------


def advance(copied: Copy, entries: list[bytes]) -> None:
    """Put a head of these entries on the chain, by the registry's own account."""
    hashes = [leaf_hash(entry) for entry in entries]
    chain = Chain(
        "embedded", copied.folder / "chain", origin=world.origin_of(copied), registry_code=operator(copied),
        clock=lambda: house.NOON + timedelta(hours=2), draw=os.urandom,
    )  # fmt: skip
    try:
        present = chain.latest()
        assert present is not None
        old = present[0]
        proof = consistency_path(old, len(hashes), lambda level, at: root_of(hashes[at << level : at + 1 << level]))
        chain.anchor(len(hashes), root_of(hashes), old, proof)
    finally:
        chain.close()


def operator(copied: Copy) -> str:
    return str(copied.ask("SELECT code FROM departments WHERE operator")[0])


def hidden_on_chain(copied: Copy) -> None:
    advance(copied, [*world.entries_of(copied), b"an entry that is not shown"])


def contradicted_on_chain(copied: Copy) -> None:
    entries = world.entries_of(copied)
    advance(copied, [*entries, b"one"])
    signed = appended(signed_by(MARKET_KEY))
    signed(copied)


def consumed_behind_the_back(copied: Copy) -> None:
    chain = Chain(
        "embedded", copied.folder / "chain", origin=world.origin_of(copied), registry_code=operator(copied),
        clock=lambda: house.NOON + timedelta(hours=2), draw=os.urandom,
    )  # fmt: skip
    try:
        chain.consume(b"n" * 32, b"c" * 32)
    finally:
        chain.close()


def invented_anchor(copied: Copy) -> None:
    root = root_of([leaf_hash(entry) for entry in world.entries_of(copied)[:100]])
    copied.execute(
        "INSERT INTO anchors (size, root, chain_id, contract, log_id, block_number, block_hash, block_at, "
        "transaction_hash, recorded_at) SELECT 100, ?, chain_id, contract, log_id, block_number, block_hash, "
        "block_at, transaction_hash, recorded_at FROM anchors LIMIT 1",
        root,
    )


ON_THE_CHAIN = {
    "a head on the chain whose entries are not shown": Plant("chain_ahead", hidden_on_chain, LOG_ALONE),
    "a head on the chain that the log contradicts": Plant("chain_head_differs", contradicted_on_chain, LOG_ALONE),
    "an anchor that the chain never took": Plant("anchor_not_on_chain", invented_anchor),
    "an anchor's block altered": Plant("anchor_proof_differs", anchor("block_number", 1)),
    "an anchor's time altered": Plant("anchor_differs_from_chain", anchor("block_at", LONG_AGO)),
    "an anchor's transaction altered": Plant("anchor_differs_from_chain", anchor("transaction_hash", b"t" * 32)),
    "who used first altered": Plant("consumption_not_on_chain", every("consumptions", "chain_by", house.MARKET)),
    "what the chain said erased": Plant("consumption_not_on_chain", every("consumptions", "chain_at", None)),
    "a first use that is not registered": Plant("consumption_missing", consumed_behind_the_back),
}


@pytest.mark.parametrize("name", ON_THE_CHAIN)
def test_an_auditor_with_the_chain_finds(name: str, copied: Copy) -> None:
    plant = ON_THE_CHAIN[name]
    plant.tamper(copied)
    report = audit(copied.with_chain(**plant.given))
    assert [found.code for found in report.findings.divergences] == [plant.code]


# ---- And nothing else -----------------------------------------------------------------------------------------------


def test_a_clean_registry_passes_with_everything_looked_at(original: Copy) -> None:
    report = audit(original.with_chain(all_of_them=True))
    assert report.findings.divergences == [] and report.findings.unchecked == []
    checked = report.findings.checked
    assert checked["条目"] == checked["条目签名"] == checked["数据库条目"] == world.size_of(original)
    assert min(checked[word] for word in ("瓦片", "日志头", "证照", "材料", "状态事件", "用证", "码", "链上占用")) > 0


def test_all_divergences_are_listed_on_demand(copied: Copy) -> None:
    bundle = copied.log / "tile/entries/000"
    data = bytearray(bundle.read_bytes())
    data[5_000] ^= 1
    bundle.write_bytes(data)
    copied.execute("DELETE FROM consumptions")
    codes = {found.code for found in copied.audit(all_of_them=True).findings.divergences}
    assert {"entry_tile_differs", "entry_row_differs", "use_unconsumed"} <= codes


def test_every_divergence_is_told_with_its_meaning_and_what_to_do() -> None:
    assert all(all(fault) for fault in FAULTS.values())
