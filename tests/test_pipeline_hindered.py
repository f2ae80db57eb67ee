"""What the chain refuses, and for how long it was away: the pipeline goes on, tells, and catches up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from log_house import NOON, House, Ledger
from sqlalchemy import create_engine, event, func, insert, select

from chain.errors import ChainError, ChainUnavailableError, TransactionRejectedError, WrongContractError
from chain.uses import FirstUse
from registry.log.sequencing import sequence
from registry.log.tables import CheckpointRow
from registry.pipeline import CONSUME_BATCH
from registry.uses.tables import Consumption

US = "11310105MB9T00011M"


class Registrar:
    """First uses in memory; refuses what it is told to, and counts what it is asked."""

    def __init__(self) -> None:
        self.refused: set[bytes] = set()
        self.suspended = False
        self.error: ChainError | None = None
        self.batches: list[int] = []
        self.first: dict[bytes, FirstUse] = {}

    def consume_many(self, claims: Sequence[tuple[bytes, bytes]]) -> list[FirstUse | ChainError]:
        self.batches.append(len(claims))
        if self.error is not None:
            raise self.error
        return [self._one(*claim) for claim in claims]

    def _one(self, nullifier: bytes, commitment: bytes) -> FirstUse | ChainError:
        if self.suspended:
            return TransactionRejectedError("uses: not an active member", "本单位已被暂停")
        if nullifier in self.refused:
            return TransactionRejectedError("uses: refused", "合约拒绝")
        return self.first.setdefault(nullifier, FirstUse(US, commitment, NOON))


class Place:
    """A registry with a chain and first uses that wait for it."""

    def __init__(self, folder: Path) -> None:
        url = f"sqlite:///{folder / 'registry.db'}"
        self.registrar = Registrar()
        self.house = House(url, folder)
        self.ledger = Ledger(self.house.clock)
        self.house = House(url, folder, anchors=self.ledger, uses=self.registrar)
        self.house.submit(1)
        self.house.settle()

    def claim(self, count: int, begin: int = 0) -> list[bytes]:
        """Consumptions as `reuse` leaves them behind, without the certificates around them."""
        rows = [
            {
                "item_kind": "material", "item_id": f"{number:026d}", "use_id": f"{number:026d}", "department": US,
                "consumed_at": NOON + timedelta(seconds=number), "nullifier": number.to_bytes(32),
                "commitment": (number + 1).to_bytes(32),
            }
            for number in range(begin, begin + count)
        ]  # fmt: skip
        # A plain connection, which does not look for the uses that these rows belong to.
        plain = create_engine(self.house.engine.url)
        with plain.begin() as connection:
            connection.execute(insert(Consumption), rows)
        plain.dispose()
        return [row["nullifier"] for row in rows]  # type: ignore[misc]

    def waiting(self) -> int:
        with self.house.engine.connect() as connection:
            return int(
                connection.scalar(select(func.count()).select_from(Consumption).where(Consumption.chain_at.is_(None)))
                or 0
            )

    def later(self, seconds: float) -> datetime:
        self.house.clock.at += timedelta(seconds=seconds)
        return self.house.clock.at


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_claims_go_to_the_chain_in_batches(place: Place) -> None:
    place.claim(CONSUME_BATCH * 2 + 5)
    place.house.settle()
    assert (place.waiting(), place.registrar.batches) == (0, [CONSUME_BATCH, CONSUME_BATCH, 5])


def test_a_refused_claim_steps_aside_for_the_others_and_the_log_goes_on(place: Place) -> None:
    bad, *_ = place.claim(5)
    place.registrar.refused = {bad}
    place.house.submit(1)
    progress = place.house.pipeline.tick()
    assert (progress.consumed, place.waiting()) == (4, 1)
    assert [(one.step, one.reason) for one in progress.problems] == [("consume", "uses: refused")]
    assert progress.anchored_size == progress.size == 2
    asked = len(place.registrar.batches)
    for _ in range(60):
        place.later(1)
        assert place.house.pipeline.tick().problems
    assert len(place.registrar.batches) - asked < 12
    place.registrar.refused = set()
    place.later(700)
    place.house.settle()
    assert place.waiting() == 0


def test_a_claim_behind_many_refused_ones_is_not_starved(place: Place) -> None:
    place.registrar.refused = set(place.claim(CONSUME_BATCH + 10))
    place.claim(1, begin=500)
    for _ in range(20):
        place.house.pipeline.tick()
        place.later(1)
    assert (500).to_bytes(32) in place.registrar.first


def test_a_suspended_member_is_told_so_goes_on_registering_and_catches_up_when_it_is_back(place: Place) -> None:
    place.registrar.suspended = True
    place.claim(150)
    for turn in range(30):
        place.house.submit(1)
        progress = place.house.pipeline.tick()
        assert "uses: not an active member" in {one.reason for one in progress.problems}
        assert (progress.published_size, progress.anchored_size) == (turn + 2, turn + 2)
        place.later(1)
    assert len(place.registrar.batches) < 12
    place.registrar.suspended = False
    place.later(40)
    place.house.settle()
    assert place.waiting() == 0


@pytest.mark.parametrize(
    "error", [ChainUnavailableError("node_unreachable", "没有应答"), WrongContractError("链标识", "1", "2")]
)
def test_a_chain_that_goes_away_or_is_another_one_before_claims_only_pauses_them(
    place: Place, error: ChainError
) -> None:
    place.claim(3)
    place.registrar.error = error
    progress = place.house.pipeline.tick()
    assert [one.reason for one in progress.problems] == [error.reason]
    assert (progress.anchoring_stopped is not None) == isinstance(error, WrongContractError)
    place.registrar.error = None
    place.later(2)
    place.house.settle()
    assert place.waiting() == 0


def test_five_thousand_entries_under_five_hundred_heads_without_a_chain_take_one_transaction(place: Place) -> None:
    place.ledger.down = True
    before = place.ledger.sent
    place.house.fill(5_000)
    # The commits need not each wait for the disk here.
    event.listen(place.house.engine, "checkout", lambda one, *_: one.execute("PRAGMA synchronous=OFF"))
    for _ in range(500):
        sequence(place.house.engine, place.house.keys, place.house.clock(), 10)
    with place.house.engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(CheckpointRow)) == 501
    progress = place.house.pipeline.tick()
    assert (progress.chain_down, progress.published_size, progress.anchored_size) == (True, 5_001, 1)
    place.later(86_400 * 3)
    place.ledger.down = False
    assert place.house.settle().anchored_size == 5_001
    assert place.ledger.sent == before + 1
