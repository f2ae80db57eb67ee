"""The log: outbox, sealing, sequencing. Real databases, both kinds."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from log_house import CARE, MARKET, House
from sqlalchemy import func, select, text, update

from registry.errors import KeyUnavailableError
from registry.keys.rules import LOG, department_purpose
from registry.log import rules, service
from registry.log.errors import LogContradictionError
from registry.log.sealing import seal, store_seals
from registry.log.sequencing import sequence
from registry.log.tables import CheckpointRow, LogEntry
from registry.work import REGISTRY
from verifier import cose, merkle
from verifier.entry import Entry


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> House:
    return House(database_url, tmp_path)


@pytest.fixture
def lite(tmp_path: Path) -> House:
    """On SQLite only, where the database makes no difference."""
    return House(f"sqlite:///{tmp_path / 'registry.db'}", tmp_path)


def count(house: House, *where: object) -> int:
    with house.registry.read(REGISTRY) as work:
        return work.session.scalar(select(func.count()).select_from(LogEntry).where(*where)) or 0


def test_entries_get_contiguous_indices_in_the_order_of_submission(house: House) -> None:
    ids = house.submit(300) + house.submit(7, CARE) + house.submit(1)
    assert ids == sorted(set(ids))
    progress = house.pipeline.tick()
    assert (progress.sealed, progress.sequenced, progress.size, progress.published_size) == (308, 308, 308, 308)
    with house.registry.read(REGISTRY) as work:
        by_index = list(work.session.scalars(select(LogEntry.id).order_by(LogEntry.log_index)))
    assert by_index == ids
    assert house.check() == 308


def test_an_entry_of_a_transaction_that_was_rolled_back_never_enters_the_log(house: House) -> None:
    with pytest.raises(ZeroDivisionError), house.registry.begin(REGISTRY) as work:
        service.submit(work, house.entries(1)[0])
        raise ZeroDivisionError
    house.submit(2)
    assert house.settle().size == 2
    assert house.check() == 2


def test_the_same_payload_is_taken_once_and_another_about_the_same_item_as_well(house: House) -> None:
    entry = house.entries(1)[0]
    with house.registry.begin(REGISTRY) as work:
        first = service.submit(work, entry)
    with house.registry.begin(REGISTRY) as work:
        assert service.submit(work, entry) == first
        changed = service.submit(work, replace(entry, recorded_at=entry.recorded_at + timedelta(milliseconds=1)))
        assert changed != first
    assert house.settle().size == 2
    with house.registry.begin(REGISTRY) as work:
        assert service.submit(work, entry) == first
    assert house.settle().size == 2
    assert house.check() == 2


def test_a_bulk_of_nothing_is_nothing(lite: House) -> None:
    with lite.registry.begin(REGISTRY) as work:
        assert service.submit_many(work, []) == []


def test_the_log_links_each_entry_to_the_items_earlier_one(house: House) -> None:
    """Within one transaction, within one tick, and across ticks; checked entry by entry in `check`."""
    with house.registry.begin(REGISTRY) as work:
        first = house.entries(1)[0]
        service.submit_many(work, [first, *house.entries(2, item=first.item)])
    house.submit(1, item=first.item)
    house.pipeline.tick()
    house.submit(2, CARE, item=first.item)
    house.settle()
    assert house.check() == 6


def test_a_link_that_the_caller_gives_is_kept(lite: House) -> None:
    first, second = lite.entries(2)
    second = replace(second, item=first.item, previous=b"p" * 32)
    with lite.registry.begin(REGISTRY) as work:
        service.submit_many(work, [first, second])
    lite.settle()
    with lite.registry.read(REGISTRY) as work:
        signed = work.session.scalars(select(LogEntry.signed).order_by(LogEntry.log_index.desc())).first()
    assert Entry.from_bytes(cose.open1(signed or b"", limit=8192).payload or b"").previous == b"p" * 32


def test_two_processes_that_seal_and_sequence_at_once_give_no_index_twice(database_url: str, tmp_path: Path) -> None:
    houses = [House(database_url, tmp_path) for _ in range(3)]
    failures: list[BaseException] = []

    def work(house: House) -> None:
        item = house.entries(1)[0].item
        try:
            for turn in range(6):
                house.submit(40, MARKET if turn % 2 else CARE)
                house.submit(1, item=item)
                house.pipeline.tick()
        except BaseException as failure:  # noqa: BLE001 (a thread's failure must reach the test)
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(house,)) for house in houses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert houses[0].settle().size == 3 * 6 * 41
    assert count(houses[0]) == 3 * 6 * 41
    assert houses[0].check() == 3 * 6 * 41


def _rows(house: House) -> list[LogEntry]:
    with house.registry.read(REGISTRY) as work:
        return list(work.session.scalars(select(LogEntry).order_by(LogEntry.log_index)))


def test_a_department_without_its_key_waits_and_the_others_go_on(house: House) -> None:
    house.submit(1)
    house.submit(1, CARE)
    house.settle()
    (care,) = house.keys.periods(department_purpose(CARE))
    hidden = house.folder / "keys" / f"{care.kid.hex()}.pem"
    hidden.rename(house.folder / "aside")
    reopened = House(str(house.engine.url.render_as_string(hide_password=False)), house.folder)
    reopened.submit(3, CARE)
    reopened.submit(4)
    progress = reopened.pipeline.tick()
    assert (progress.sequenced, [problem.reason for problem in progress.problems]) == (4, ["key_file_missing"])
    assert not progress.idle
    (house.folder / "aside").rename(hidden)
    assert reopened.settle().size == 9
    assert reopened.check() == 9


def test_a_later_entry_about_an_item_waits_for_the_earlier_one(lite: House) -> None:
    lite.submit(1, CARE)
    lite.settle()
    (care,) = lite.keys.periods(department_purpose(CARE))
    hidden = lite.folder / "keys" / f"{care.kid.hex()}.pem"
    hidden.rename(lite.folder / "aside")
    reopened = House(str(lite.engine.url), lite.folder)
    blocked = reopened.entries(1, CARE)[0]
    with reopened.registry.begin(REGISTRY) as work:
        service.submit(work, blocked)
    reopened.submit(1, MARKET, item=blocked.item)
    reopened.submit(1, MARKET)
    assert reopened.pipeline.tick().sequenced == 1
    (lite.folder / "aside").rename(hidden)
    assert reopened.settle().size == 4
    assert reopened.check() == 4


def test_nothing_is_signed_on_top_of_a_head_that_was_altered(house: House) -> None:
    house.submit(5)
    house.settle()
    house.submit(1)
    with house.engine.begin() as connection:
        connection.execute(update(CheckpointRow).values(root=b"x" * 32))
    with pytest.raises(LogContradictionError) as stopped:
        house.pipeline.tick()
    assert stopped.value.reason == "stored_head_differs"
    assert stopped.value.ours.root == b"x" * 32
    assert stopped.value.theirs.root != b"x" * 32
    assert str(stopped.value.evidence["ours"]).startswith("5@7878")
    assert count(house, LogEntry.log_index.is_(None)) == 1


def test_nothing_is_signed_when_the_newest_entries_were_cut_off(lite: House) -> None:
    lite.submit(5)
    lite.settle()
    with lite.engine.begin() as connection:
        connection.execute(text("DELETE FROM log_entries WHERE log_index = 4"))
    lite.submit(1)
    with pytest.raises(LogContradictionError, match="4@"):
        lite.pipeline.tick()


def test_of_two_passes_that_sign_the_same_only_one_is_stored(house: House) -> None:
    house.submit(3)
    first, second = (seal(house.engine, house.keys, 0, 10) for _ in range(2))
    assert sequence(house.engine, house.keys, house.clock(), 10, first.seals).sequenced == 3
    stored = [row.signed for row in _rows(house)]
    late = sequence(house.engine, house.keys, house.clock(), 10, second.seals)
    assert (late.sealed, late.sequenced, late.more) == (0, 0, True)
    assert not store_seals(house.engine, second.seals)
    assert [row.signed for row in _rows(house)] == stored
    assert house.settle().size == 3
    assert house.check() == 3


def test_small_batches_end_at_the_same_log(house: House) -> None:
    house.submit(11)
    position = 0
    while (outcome := seal(house.engine, house.keys, position, 3)).more:
        assert store_seals(house.engine, outcome.seals)
        position = outcome.last_id
    sizes = []
    while (step := sequence(house.engine, house.keys, house.clock(), 4, outcome.seals)).sequenced:
        sizes.append(step.size)
        if step.sealed:
            outcome.seals.clear()
    assert sizes == [4, 8, 11]
    house.settle()
    assert house.check() == 11


def test_the_log_keeps_its_name(house: House, tmp_path: Path) -> None:
    name = house.pipeline.origin
    assert service.open_log(house.engine, os.urandom) == name
    assert name.startswith("suizheng/log/")


def test_without_its_key_the_log_signs_no_head_and_loses_nothing(lite: House) -> None:
    (period,) = lite.keys.periods(LOG)
    (lite.folder / "keys" / f"{period.kid.hex()}.pem").rename(lite.folder / "aside")
    reopened = House.__new__(House)
    with pytest.raises(KeyUnavailableError):
        House.__init__(reopened, str(lite.engine.url), lite.folder)
    (lite.folder / "aside").rename(lite.folder / "keys" / f"{period.kid.hex()}.pem")
    lite.submit(2)
    assert lite.settle().size == 2


@given(st.sets(st.integers(1, 60)))
def test_runs_cover_the_ids_and_nothing_else(ids: set[int]) -> None:
    found = rules.runs(sorted(ids))
    assert [number for first, last in found for number in range(first, last + 1)] == sorted(ids)
    assert all(second[0] > first[1] + 1 for first, second in pairwise(found))


@given(st.integers(1, 2000))
def test_complete_nodes_are_the_frontier(size: int) -> None:
    leaves = [merkle.leaf_hash(bytes([number % 256, number >> 8])) for number in range(size)]
    frontier = merkle.Frontier().append_many(leaves)
    nodes = [
        merkle.root_of(leaves[index << level : (index + 1) << level]) for level, index in rules.complete_nodes(size)
    ]
    assert tuple(nodes) == frontier.hashes
