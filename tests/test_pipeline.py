"""The pipeline under faults: a chain that is away, silent, ahead or somebody else's; a full disk; two at once."""

from __future__ import annotations

import errno
import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from log_house import CARE, MARKET, House, Ledger
from sqlalchemy import delete, select

from chain.errors import ChainUnavailableError, TransactionRejectedError
from registry.chain_turns import Problem
from registry.errors import NotAnchoredYetError, NotFoundError
from registry.keys.rules import LOG
from registry.log.receipts import receipt_of, receipt_of_item
from registry.log.tables import AnchorRow, CheckpointRow
from registry.log.tiles import TileFolder
from registry.work import REGISTRY
from verifier.entry import Kind
from verifier.merkle import leaf_hash
from verifier.receipt import check_receipt


class Place:
    """One registry's folder, with a chain that outlives its processes."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.house = House(url, folder)
        self.ledger = Ledger(self.house.clock)
        self.open()

    def open(self) -> House:
        """A fresh process."""
        clock = self.house.clock
        self.house = House(self.url, self.folder, anchors=self.ledger)
        self.house.clock.at = clock.at
        return self.house

    def anchored(self) -> list[int]:
        with self.house.registry.read(REGISTRY) as work:
            return list(work.session.scalars(select(AnchorRow.size).order_by(AnchorRow.size)))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(f"sqlite:///{tmp_path / 'registry.db'}", tmp_path)


def test_one_tick_takes_an_entry_all_the_way(database_url: str, tmp_path: Path) -> None:
    place = Place(database_url, tmp_path)
    place.house.submit(3)
    progress = place.house.pipeline.tick()
    assert (progress.sealed, progress.sequenced, progress.published_size, progress.anchored_size) == (3, 3, 3, 3)
    assert place.house.pipeline.tick().idle
    assert place.ledger.sent == 1
    assert place.house.check() == 3


def test_an_idle_pipeline_leaves_the_chain_alone(place: Place) -> None:
    place.house.submit(3)
    place.house.settle()
    place.ledger.down = True
    assert place.house.pipeline.tick().idle


def test_a_chain_that_is_away_for_long_is_caught_up_with_in_one_transaction(place: Place) -> None:
    place.ledger.down = True
    for turn in range(12):
        place.house.submit(50, MARKET if turn % 2 else CARE)
        progress = place.house.pipeline.tick()
        assert progress.chain_down
        assert [problem.reason for problem in progress.problems] == ["node_unreachable"]
        assert (progress.published_size, progress.anchored_size) == ((turn + 1) * 50, 0)
    place.ledger.down = False
    assert place.house.settle().anchored_size == 600
    assert place.ledger.sent == 1
    assert place.anchored() == [600]
    assert place.house.check() == 600


def test_a_chain_that_is_away_is_asked_less_and_less_often(place: Place) -> None:
    class Counting(Ledger):
        asked = 0

        def latest(self) -> tuple[int, bytes] | None:
            self.asked += 1
            return super().latest()

    place.ledger = ledger = Counting(place.house.clock)
    ledger.down = True
    place.open().submit(1)
    seen = []
    for _ in range(600):
        assert place.house.pipeline.tick().chain_down
        seen.append(ledger.asked)
        place.house.clock.at += timedelta(milliseconds=250)
    # 150 seconds: at once, then after 1, 3, 7, 15, 31 seconds, and every 30 from there.
    assert 8 <= ledger.asked <= 11
    assert seen[3] == 1
    ledger.down = False
    assert place.house.settle().anchored_size == 1
    place.house.submit(1)
    assert place.house.pipeline.tick().anchored_size == 2


def test_an_outcome_that_stayed_unknown_is_looked_up_and_not_sent_again(place: Place) -> None:
    place.ledger.silent_after_sending = True
    place.house.submit(5)
    assert place.house.pipeline.tick().anchored_size == 5
    assert place.ledger.sent == 1


def test_what_was_never_sent_is_sent_by_a_later_tick(place: Place) -> None:
    place.ledger.silent_before_sending = True
    place.house.submit(5)
    progress = place.house.pipeline.tick()
    assert ([problem.reason for problem in progress.problems], progress.chain_down) == (["outcome_unknown"], False)
    place.ledger.silent_before_sending = False
    place.house.clock.at += timedelta(seconds=2)
    assert place.house.pipeline.tick().anchored_size == 5
    assert place.ledger.sent == 1


def test_a_head_that_was_sent_before_the_crash_is_found_and_recorded(place: Place) -> None:
    place.house.submit(5)
    place.house.settle()
    with place.house.engine.begin() as connection:
        connection.execute(delete(AnchorRow))
    assert place.open().pipeline.tick().anchored_size == 5
    assert place.ledger.sent == 1
    assert place.anchored() == [5]


def test_a_head_that_was_sent_before_the_crash_is_recorded_even_if_the_log_has_grown(place: Place) -> None:
    place.house.submit(5)
    place.house.settle()
    with place.house.engine.begin() as connection:
        connection.execute(delete(AnchorRow))
    place.house.submit(5)
    assert place.open().pipeline.tick().anchored_size == 10
    assert place.ledger.sent == 2
    assert place.anchored() == [5, 10]


def stopped_by(place: Place) -> str:
    """Why anchoring stopped; the log has gone on growing, and the chain got nothing."""
    sent = place.ledger.sent
    place.house.submit(1)
    progress = place.house.pipeline.tick()
    assert progress.anchoring_stopped is not None
    assert progress.anchoring_stopped in progress.problems
    assert (progress.published_size, place.ledger.sent) == (progress.size, sent)
    assert progress.sequenced > 0
    return progress.anchoring_stopped.reason


def test_a_chain_with_a_head_of_another_history_stops_anchoring_and_nothing_else(place: Place) -> None:
    place.house.submit(5)
    place.house.settle()
    other = Ledger(place.house.clock)
    other.anchor(4, b"r" * 32, 0, [])
    place.ledger = other
    # The recorded anchor is newer than what this chain has: it is not the chain that we anchored to.
    place.open()
    assert stopped_by(place) == "chain_went_back"
    with place.house.engine.begin() as connection:
        connection.execute(delete(AnchorRow))
    place.open()
    assert stopped_by(place) == "chain_contradicts"
    root = place.house.pipeline.log.root_at(4)
    message = (place.house.pipeline.tick().anchoring_stopped or Problem("", "", "")).message
    for head in (root, b"r" * 32):
        assert f"4@{head.hex()}" in message


def test_a_chain_ahead_of_the_log_stops_anchoring(place: Place) -> None:
    place.house.submit(5)
    place.ledger.anchor(9, b"r" * 32, 0, [])
    assert stopped_by(place) == "chain_ahead"


def test_a_chain_that_forgot_stops_anchoring_until_it_remembers(place: Place) -> None:
    place.house.submit(5)
    place.house.settle()
    heads, place.ledger.heads = place.ledger.heads, []
    assert stopped_by(place) == "chain_went_back"
    place.ledger.heads = heads
    place.house.clock.at += timedelta(minutes=1)
    progress = place.house.settle()
    assert (progress.anchoring_stopped, progress.anchored_size) == (None, 6)


def test_an_anchor_that_moved_to_another_block_after_it_was_final_is_told_even_when_nothing_is_to_be_anchored(
    place: Place,
) -> None:
    place.house.submit(5)
    place.house.settle()
    (head,) = place.ledger.heads
    place.ledger.heads = [replace(head, block_number=head.block_number + 7, block_hash=b"m" * 32)]
    assert place.house.pipeline.tick().idle
    place.house.clock.at += timedelta(minutes=10)
    progress = place.house.pipeline.tick()
    assert progress.anchoring_stopped is not None
    assert progress.anchoring_stopped.reason == "anchor_rewritten"
    assert head.block_hash.hex() in progress.anchoring_stopped.message
    assert stopped_by(place) == "anchor_rewritten"


def test_a_head_on_chain_that_was_never_stored_still_carries_the_proof(place: Place) -> None:
    """A database restored from a backup may have cut its heads elsewhere; what counts is the root at that size."""
    place.house.submit(8)
    place.house.settle()
    root = place.house.pipeline.log.root_at(6)
    place.ledger.heads.clear()
    place.ledger.anchor(6, root, 0, [])
    with place.house.engine.begin() as connection:
        connection.execute(delete(AnchorRow))
    assert place.open().pipeline.tick().anchored_size == 8
    assert place.anchored() == [8]


def test_a_refusal_by_the_contract_is_told_and_asked_again_less_and_less_often(place: Place) -> None:
    class Refusing(Ledger):
        asked = 0
        refuses = True

        def anchor(self, size: int, root: bytes, old_size: int, proof: object) -> object:  # type: ignore[override]
            self.asked += 1
            if self.refuses:
                raise TransactionRejectedError("heads: not the writer", "账户无权写入")
            return super().anchor(size, root, old_size, proof)  # type: ignore[arg-type]

    place.ledger = ledger = Refusing(place.house.clock)
    place.open()
    for turn in range(100):
        place.house.submit(1)
        progress = place.house.pipeline.tick()
        assert [(one.step, one.reason) for one in progress.problems] == [("anchor", "heads: not the writer")]
        assert (progress.published_size, progress.chain_down) == (turn + 1, False)
        place.house.clock.at += timedelta(seconds=1)
    assert 6 <= ledger.asked <= 9
    ledger.refuses = False
    assert place.house.settle().anchored_size == 100
    assert place.ledger.sent == 1


def test_a_refusal_because_another_process_was_faster_is_no_problem(place: Place) -> None:
    class Overtaken(Ledger):
        def anchor(self, size: int, root: bytes, old_size: int, proof: object) -> object:  # type: ignore[override]
            super().anchor(size, root, old_size, proof)  # type: ignore[arg-type]
            raise TransactionRejectedError("heads: passed by", "已有更大的日志头")

    place.ledger = Overtaken(place.house.clock)
    place.open().submit(1)
    place.house.pipeline.tick()
    assert place.house.pipeline.tick().anchored_size == 1


def test_while_a_backlog_is_worked_off_the_chain_is_not_bothered_with_each_batch(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.pipeline.SEAL_BATCH", 10)
    place.house.submit(95)
    ticks = 1
    while place.house.pipeline.tick().more:
        ticks += 1
    assert ticks == 10
    assert place.ledger.sent <= 2
    assert place.anchored()[-1] == 95
    assert place.house.check() == 95


def test_duplicate_ticks_of_two_processes_do_everything_once(database_url: str, tmp_path: Path) -> None:
    place = Place(database_url, tmp_path)
    houses = [place.open(), place.open(), place.open()]
    failures: list[BaseException] = []
    start = threading.Barrier(len(houses))

    def run(house: House) -> None:
        try:
            for _ in range(5):
                house.submit(60)
                start.wait()
                house.pipeline.tick()
        except BaseException as failure:  # noqa: BLE001 (a thread's failure must reach the test)
            failures.append(failure)
            start.abort()

    threads = [threading.Thread(target=run, args=(house,)) for house in houses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert houses[0].settle().anchored_size == 900
    assert houses[0].check() == 900
    assert len({head.size for head in place.ledger.heads}) == len(place.ledger.heads)


@contextmanager
def _files_up_to(limit_bytes: int) -> Iterator[None]:
    """A real limit of the kernel on the size of any file that this process writes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_a_disk_that_takes_no_more_leaves_the_old_head_and_is_recovered_from(
    postgres_server: str, tmp_path: Path
) -> None:
    """On PostgreSQL, whose own files are another process's: only the tiles fail."""
    from conftest import make_postgres_database

    house = House(make_postgres_database(postgres_server), tmp_path)
    house.submit(100)
    house.settle()
    old = (house.log / "checkpoint").read_bytes()
    house.submit(300)
    with _files_up_to(1000):
        progress = house.pipeline.tick()
        assert progress.sequenced == 300
        assert [(problem.step, problem.reason) for problem in progress.problems] == [("publish", "disk_failed")]
        assert "File too large" in progress.problems[0].message
    assert (house.log / "checkpoint").read_bytes() == old
    assert list((house.log / ".writing").iterdir()) == []
    assert house.pipeline.tick().published_size == 400
    assert house.check() == 400


def test_a_full_disk_at_any_file_leaves_a_log_that_the_next_tick_completes(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = TileFolder.write
    written = 0
    fails_at = 0

    def full(self: TileFolder, path: str, data: bytes) -> None:
        nonlocal written
        written += 1
        if written == fails_at:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, path, data)

    monkeypatch.setattr(TileFolder, "write", full)
    place.house.submit(200)
    place.house.settle()
    for fails_at in range(1, 7):
        written = 0
        size = place.house.submit(150)[-1]
        if place.house.pipeline.tick().problems:
            place.ledger.down = fails_at % 2 == 0
            assert place.house.check() == size - 150
            place.open()
            place.house.pipeline.tick()
            place.ledger.down = False
        assert place.house.settle().anchored_size == size
        assert place.house.check() == size


def test_a_receipt_is_given_once_the_entry_is_under_an_anchored_head(place: Place) -> None:
    place.ledger.down = True
    first, *_ = place.house.submit(5)
    with place.house.registry.read(REGISTRY) as work, pytest.raises(NotAnchoredYetError):
        receipt_of(work, place.house.pipeline.log, first)
    place.house.pipeline.tick()
    with place.house.registry.read(REGISTRY) as work, pytest.raises(NotAnchoredYetError):
        receipt_of(work, place.house.pipeline.log, first)
    place.ledger.down = False
    place.house.settle()
    later, *_ = place.house.submit(300)
    with place.house.registry.read(REGISTRY) as work, pytest.raises(NotAnchoredYetError):
        receipt_of(work, place.house.pipeline.log, later)
    place.house.settle()
    key = place.house.keys.key_for(LOG, place.house.clock()).public
    for entry_id in (first, later):
        with place.house.registry.read(REGISTRY) as work:
            given = receipt_of(work, place.house.pipeline.log, entry_id)
        facts = check_receipt(given.receipt, leaf_hash(given.signed_entry), place.house.pipeline.origin, key)
        assert (facts.size, facts.root, facts.index) == (given.anchor.size, given.anchor.root, given.index)
        assert given.anchor == place.ledger.heads[-1]


def test_a_receipt_of_an_item_is_that_of_its_first_entry_of_the_kind(place: Place) -> None:
    (entry,) = place.house.entries(1)
    place.house.submit(1, item=entry.item)
    place.house.submit(1, item=entry.item)
    place.house.settle()
    with place.house.registry.read(REGISTRY) as work:
        from registry.ids import id_text

        given = receipt_of_item(work, place.house.pipeline.log, id_text(entry.item), Kind.STATUS)
        assert given.index == 0
        with pytest.raises(NotFoundError):
            receipt_of_item(work, place.house.pipeline.log, id_text(entry.item), Kind.CERTIFICATE)
        with pytest.raises(NotFoundError):
            receipt_of(work, place.house.pipeline.log, 999)


def test_a_receipt_is_given_even_when_the_tiles_are_gone(place: Place) -> None:
    entry_id = place.house.submit(300)[0]
    place.house.settle()
    (place.folder / "log/tile/0/000").unlink()
    fresh = place.open()
    with fresh.registry.read(REGISTRY) as work:
        receipt_of(work, fresh.pipeline.log, entry_id)
    assert fresh.check() == 300


def test_the_log_key_may_change_without_touching_old_heads(place: Place) -> None:
    place.house.submit(3)
    place.house.settle()
    place.house.keys.rotate(LOG, place.house.clock())
    place.house.clock.at = place.house.clock.at.replace(second=30)
    place.house.submit(3)
    assert place.house.settle().anchored_size == 6
    assert place.house.check() == 6
    with place.house.registry.read(REGISTRY) as work:
        assert len(set(work.session.scalars(select(CheckpointRow.kid)))) == 2


def test_a_chain_that_goes_away_between_two_questions_is_only_a_problem(place: Place) -> None:
    class Going(Ledger):
        def find(self, size: int, root: bytes) -> object:  # type: ignore[override]
            raise ChainUnavailableError("node_unreachable", "节点无法连接")

    place.house.submit(2)
    place.house.settle()
    heads = place.ledger.heads
    place.ledger = Going(place.house.clock)
    place.ledger.heads = heads
    with place.house.engine.begin() as connection:
        connection.execute(delete(AnchorRow))
    progress = place.open().pipeline.tick()
    assert (progress.chain_down, progress.anchored_size) == (True, 0)


def test_an_idle_registry_writes_nothing(place: Place) -> None:
    place.house.submit(3)
    place.house.settle()
    place.house.engine.dispose()
    database = place.folder / "registry.db"
    before = database.read_bytes()
    for _ in range(3):
        assert place.house.pipeline.tick().idle
    place.house.engine.dispose()
    assert database.read_bytes() == before
