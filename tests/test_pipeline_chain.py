"""The pipeline on the embedded chain and on four validators: anchors, first uses, and a chain that is away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from crash_runner import CARE, MARKET, PREPARED_ROWS, ROWS, TURNS, Institution, examine, food_licence, live, prepare
from sqlalchemy import select

from chain.opening import Chain
from registry.certificates import service as certificates
from registry.ids import id_bytes
from registry.items import find_item
from registry.log.anchoring import to_anchor
from registry.log.tables import AnchorRow
from registry.uses import rules as use_rules
from registry.uses import service as uses
from registry.uses.tables import Consumption
from registry.work import REGISTRY

pytest_plugins = ["network_stage"]


@pytest.fixture
def institution(tmp_path: Path) -> Iterator[Institution]:
    url = f"sqlite:///{tmp_path / 'registry.db'}"
    prepare(tmp_path, url)
    opened = Institution(tmp_path, url, hours=1)
    yield opened
    opened.close()


@pytest.fixture(params=["embedded", "network"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Institution]:
    """An institution on the embedded chain, and one on four validators."""
    network = request.getfixturevalue("four_validators") if request.param == "network" else None
    where = network.urls[1] if network else "embedded"
    url = f"sqlite:///{tmp_path / 'registry.db'}"
    prepare(tmp_path, url, where)
    opened = Institution(tmp_path, url, hours=1, where=where)
    yield opened
    opened.close()


def test_an_undisturbed_life_keeps_every_promise(institution: Institution) -> None:
    live(institution, lambda _kind, _id: None)
    size = examine(institution, [])
    assert size > PREPARED_ROWS + TURNS * ROWS


def test_recorded_anchors_are_those_that_the_chain_gives(institution: Institution) -> None:
    live(institution, lambda _kind, _id: None)
    institution.settle()
    with institution.registry.read(REGISTRY) as work:
        recorded = [to_anchor(row) for row in work.session.scalars(select(AnchorRow).order_by(AnchorRow.size))]
    assert len(recorded) >= 2
    for anchor in recorded:
        assert institution.chain.find(anchor.size, anchor.root) == anchor


def test_a_one_time_item_used_elsewhere_first_is_told_so(anywhere: Institution) -> None:
    """Another registry of the network was faster; ours says so and keeps the evidence."""
    institution = anywhere
    facts = json.loads((institution.folder / "facts.json").read_text())
    with institution.registry.read(REGISTRY) as work:
        item = find_item(work, "material", facts["proofs"][0])
        assert item is not None
        assert item.salts is not None
        nullifier = use_rules.nullifier(id_bytes(item.id), item.salts)
    elsewhere = institution.chain.consume(nullifier, b"e" * 32)
    live(institution, lambda _kind, _id: None)
    institution.settle()
    with institution.registry.read(REGISTRY) as work:
        lost = uses.consumption_of(work, "material", facts["proofs"][0])
        won = uses.consumption_of(work, "material", facts["proofs"][1])
    assert lost is not None
    assert won is not None
    assert (lost.chain_first, lost.chain_by, lost.chain_commitment) == (False, MARKET, b"e" * 32)
    assert lost.chain_at == elsewhere.at
    assert (won.chain_first, won.department, won.chain_commitment) == (True, CARE, won.commitment)


def test_a_chain_held_by_another_process_is_waited_for_and_caught_up_with_in_one_transaction(
    institution: Institution,
) -> None:
    institution.settle()
    institution.chain.close()
    holder = Chain(
        "embedded", institution.folder / "chain", origin=institution.pipeline.origin, registry_code=MARKET,
        clock=institution.clock, draw=lambda count: bytes(count),
    )  # fmt: skip
    holder.open()
    before = holder.height()
    for turn in range(8):
        with institution.registry.begin(REGISTRY) as work:
            certificates.register_many(work, [food_licence(5_000 + turn * 30 + row) for row in range(30)])
        progress = institution.pipeline.tick()
        assert progress.chain_down
        assert progress.published_size == progress.size > progress.anchored_size
    holder.close()
    progress = institution.settle()
    assert progress.anchored_size == progress.size
    assert before is not None
    assert institution.chain.height() == before + 1


def test_first_uses_wait_for_the_chain_too(institution: Institution) -> None:
    institution.settle()
    institution.chain.close()
    holder = Chain(
        "embedded", institution.folder / "chain", origin=institution.pipeline.origin, registry_code=MARKET,
        clock=institution.clock, draw=lambda count: bytes(count),
    )  # fmt: skip
    holder.open()
    live(institution, lambda _kind, _id: None)
    with institution.registry.read(REGISTRY) as work:
        assert set(work.session.scalars(select(Consumption.chain_first))) == {None}
    holder.close()
    institution.settle()
    with institution.registry.read(REGISTRY) as work:
        assert set(work.session.scalars(select(Consumption.chain_first))) == {True}
