"""The registry asks its witnesses, which are down, slow, confused, lying, twice as fast, or just right."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from log_house import Clock, House, Ledger
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session
from witness_house import Tree
from witness_road import NAMES, Road, later
from world import NOON, fixed_key

from registry.errors import DuplicateError
from registry.keys.rules import LOG
from registry.witnesses import service
from registry.witnesses.rules import (
    Address,
    Answer,
    Cosigned,
    Knows,
    Outcome,
    Silence,
    Trouble,
    next_pause,
    read_answer,
)
from registry.witnesses.tables import CosignatureRow
from registry.work import REGISTRY
from verifier.cosignature import SKEW, Witness, cosign, find_cosignatures
from verifier.note import open_checkpoint, split_note
from verifier.suites import SoftwareKey

FIRST, SECOND, THIRD = NAMES
SIZE = "text/x.tlog.size"


@pytest.fixture
def house(database_url: str, tmp_path: Path) -> Iterator[House]:
    made = House(database_url, tmp_path, anchors=Ledger(Clock()))
    yield made
    made.engine.dispose()


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[House]:
    made = House(f"sqlite:///{tmp_path / 'registry.db'}", tmp_path, anchors=Ledger(Clock()))
    yield made
    made.engine.dispose()


def ledger(house: House) -> Ledger:
    assert isinstance(house.anchors, Ledger)
    return house.anchors


def published(house: House) -> str:
    return (house.log / "checkpoint").read_text()


def test_every_anchored_head_is_cosigned_by_all_and_published_with_their_lines(house: House, tmp_path: Path) -> None:
    road = Road(house, tmp_path)
    for count in (3, 1, 300):
        house.submit(count)
        road.tick()
    assert road.sizes() == dict.fromkeys(NAMES, 304)
    text, lines = split_note(published(house))
    with Session(house.engine) as session:
        witnesses, threshold = service.trusted(session)
    assert threshold == 2
    found = find_cosignatures(text, lines, witnesses)
    assert {one.witness.name for one, _ in found} == set(NAMES)
    assert open_checkpoint(published(house), house.pipeline.origin, road.keys[0]).size == 304
    assert road.check() == 9
    # One request for each head and witness, from where the last one ended.
    assert road.asked == [(name, old) for old in (0, 3, 4) for name in sorted(NAMES)]
    assert house.check() == 304


def test_a_new_process_goes_on_where_the_old_one_was(lite: House, tmp_path: Path) -> None:
    road = Road(lite, tmp_path)
    lite.submit(5)
    road.tick()
    asked = len(road.asked)
    road.open()
    road.tick()
    assert len(road.asked) == asked
    lite.submit(1)
    road.tick()
    assert road.asked[asked:] == [(name, 5) for name in sorted(NAMES)]


def test_a_published_checkpoint_that_was_lost_comes_back_with_its_lines(lite: House, tmp_path: Path) -> None:
    road = Road(lite, tmp_path)
    lite.submit(5)
    road.tick()
    before = published(lite)
    assert before.count("— ") == 4
    (lite.log / "checkpoint").unlink()
    again = House(f"sqlite:///{tmp_path / 'registry.db'}", tmp_path)
    again.pipeline.tick()
    assert published(lite) == before
    again.engine.dispose()


def test_a_witness_that_was_down_catches_up_with_one_request(lite: House, tmp_path: Path) -> None:
    road = Road(lite, tmp_path)
    road.bent[FIRST] = lambda answer: Silence("没有应答")
    # What it said was lost on the way, so it did cosign the first head; after that it is gone.
    lite.submit(2)
    road.tick(1)
    real = road.cosigners.pop(FIRST)
    road.cosigners[FIRST] = Gone()  # type: ignore[assignment]
    for _ in range(20):
        lite.submit(1)
        road.tick(1)
    assert road.sizes() == {FIRST: 0, SECOND: 21, THIRD: 21}
    assert road.reason(FIRST) == "witness_silent"
    # Asked less and less often.
    assert sum(name == FIRST for name, _ in road.asked) < 4
    road.cosigners[FIRST] = real
    del road.bent[FIRST]
    later(lite, minutes=5)
    road.asked.clear()
    road.tick()
    assert road.sizes() == dict.fromkeys(NAMES, 22)
    # It says where it stands, and is given everything from there at once.
    assert [old for name, old in road.asked if name == FIRST] == [0, 2]
    assert road.reason(FIRST) is None


class Gone:
    """Nobody is there."""

    def add_checkpoint(self, body: bytes) -> object:
        from api.witness.submission import Answer as Said

        return Said(502, "")


def test_nothing_waits_for_a_witness_that_is_slow_and_a_late_answer_still_counts(lite: House, tmp_path: Path) -> None:
    road = Road(lite, tmp_path)
    road.held[FIRST] = []
    lite.submit(2)
    road.tick()
    for _ in range(5):
        lite.submit(1)
        road.tick()
    assert lite.pipeline.tick().anchored_size == 7
    assert road.sizes() == {FIRST: 0, SECOND: 7, THIRD: 7}
    # One question at a time.
    assert [old for name, old in road.asked if name == FIRST] == [0]
    [deliver] = road.held.pop(FIRST)
    deliver()
    road.tick()
    assert road.sizes() == dict.fromkeys(NAMES, 7)
    with Session(lite.engine) as session:
        by_size = select(CosignatureRow.size, func.count()).group_by(CosignatureRow.size)
        counted = dict(session.execute(by_size).tuples().all())
    # The late line stands under the head that it was asked for.
    assert counted[2] == 3 and counted[7] == 3
    assert road.check() == sum(counted.values())


def test_a_witness_that_lost_its_answer_is_asked_again_and_answers_twice(lite: House, tmp_path: Path) -> None:
    road = Road(lite, tmp_path)
    lite.submit(4)
    road.tick()
    with Session(lite.engine) as session, session.begin():
        session.execute(delete(CosignatureRow))
    road.open()
    road.tick()
    assert road.sizes() == dict.fromkeys(NAMES, 4) and road.check() == 3
    with Session(lite.engine) as session, session.begin():
        row = session.scalars(select(CosignatureRow)).first()
        assert row is not None
        service.keep(session, row.size, row.kid, "another line", NOON)
    assert road.check() == 3


def test_a_witness_whose_state_went_back_is_brought_forward(lite: House, tmp_path: Path) -> None:
    road = Road(lite, tmp_path)
    lite.submit(4)
    road.tick()
    memory = road.identities[FIRST].memory
    with memory._writing() as connection:
        connection.execute("DELETE FROM heads")
    lite.submit(1)
    road.tick()
    assert road.sizes()[FIRST] == 5


GARBAGE = {
    "nothing": (Answer(200, "text/plain", b""), "bad_cosignature"),
    "noise": (Answer(200, "text/plain", b"\xff\xfe" * 100), "bad_cosignature"),
    "a page": (Answer(200, "text/html", b"<html>sign in</html>\n"), "bad_cosignature"),
    "an error": (Answer(500, "text/plain", b"\x1b[31m"), "witness_failed"),
    "elsewhere": (Answer(302, "text/plain", b""), "witness_failed"),
    "unknown log": (Answer(404, "text/plain", b""), "log_unknown"),
    "unknown key": (Answer(403, "text/plain", b""), "log_key_unknown"),
    "refused proof": (Answer(422, "text/plain", b"no"), "proof_refused"),
    "busy": (Answer(429, "text/plain", b""), "witness_busy"),
    "a size beyond the log": (Answer(409, SIZE, b"1000000\n"), "witness_ahead"),
    "the size it was given": (Answer(409, SIZE, b"0\n"), "witness_failed"),
    "a size of words": (Answer(409, SIZE, b"many\n"), "witness_contradicts"),
    "another root": (Answer(409, "text/plain", b"fork"), "witness_contradicts"),
    "ever another size": (Answer(409, SIZE, b"1\n"), "witness_failed"),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_whatever_a_witness_says_the_others_and_the_log_go_on(name: str, lite: House, tmp_path: Path) -> None:
    said, reason = GARBAGE[name]
    road = Road(lite, tmp_path)
    road.bent[FIRST] = lambda answer: said
    lite.submit(3)
    road.tick()
    assert road.sizes() == {FIRST: 0, SECOND: 3, THIRD: 3}
    assert road.reason(FIRST) == reason
    assert road.check() == 2 and lite.check() == 3
    del road.bent[FIRST]
    later(lite, minutes=3)
    road.tick()
    assert road.sizes()[FIRST] == 3 and road.reason(FIRST) is None


def test_a_line_by_another_key_or_on_another_head_is_not_kept(lite: House, tmp_path: Path) -> None:
    road = Road(lite, tmp_path)
    other = Tree().head(3)

    def line_of(name: str, key: SoftwareKey) -> Answer:
        return Answer(200, "text/plain", cosign(other, name, key, lite.clock()).encode())

    road.bent[FIRST] = lambda answer: line_of(FIRST, road.identities[FIRST].key)
    road.bent[SECOND] = lambda answer: line_of(SECOND, SoftwareKey.generate())
    lite.submit(3)
    road.tick()
    assert (road.reason(FIRST), road.reason(SECOND)) == ("bad_cosignature", "other_key")
    assert road.check() == 1


def test_while_the_chain_is_down_published_heads_are_cosigned(lite: House, tmp_path: Path) -> None:
    road = Road(lite, tmp_path)
    ledger(lite).down = True
    lite.submit(3)
    road.tick()
    assert road.sizes() == dict.fromkeys(NAMES, 3)
    ledger(lite).down = False
    later(lite, minutes=2)
    lite.submit(2)
    road.tick(5)
    assert road.sizes() == dict.fromkeys(NAMES, 5)
    assert lite.check() == 5


def test_after_the_log_changed_its_key_witnesses_wait_for_the_new_trust_bundle(lite: House, tmp_path: Path) -> None:
    road = Road(lite, tmp_path)
    lite.submit(2)
    road.tick()
    lite.keys.rotate(LOG, lite.clock())
    later(lite, seconds=5)
    lite.submit(1)
    road.tick()
    assert road.reason(FIRST) == "log_key_unknown" and road.sizes()[FIRST] == 2
    road.keys = road.log_keys()
    later(lite, minutes=3)
    road.tick()
    assert road.sizes() == dict.fromkeys(NAMES, 3)


def test_witnesses_come_go_and_return_and_keep_what_they_cosigned(house: House, tmp_path: Path) -> None:
    road = Road(house, tmp_path)
    house.submit(2)
    road.tick()
    with house.registry.begin(REGISTRY) as work:
        service.configure(work, road.addresses[:2], 1)
    road.open()
    house.submit(1)
    road.tick()
    assert road.sizes() == {FIRST: 3, SECOND: 3}
    with Session(house.engine) as session:
        witnesses, threshold = service.trusted(session)
    assert threshold == 1
    assert {one.name: one.valid_to is None for one in witnesses} == {FIRST: True, SECOND: True, THIRD: False}
    fresh = Address("http://x", FIRST, SoftwareKey.generate().public)
    later(house, minutes=1)
    with house.registry.begin(REGISTRY) as work:
        service.configure(work, [fresh, road.addresses[1], road.addresses[2]], 3)
    with Session(house.engine) as session:
        witnesses, _ = service.trusted(session)
    assert [one.valid_to is None for one in witnesses if one.name == FIRST] == [False, True]
    assert len(witnesses) == 4 and road.check() == 5


def test_a_key_that_leaked_counts_for_nothing_it_ever_cosigned(house: House, tmp_path: Path) -> None:
    road = Road(house, tmp_path)
    house.submit(2)
    road.tick()
    leaked = road.addresses[0]
    with house.registry.begin(REGISTRY) as work:
        assert service.newest_cosigned(work.session, 0) == 2
        service.configure(work, road.addresses[1:], 2, [leaked.public])
        assert [one.name for one in service.trusted(work.session)[0]] == [SECOND, THIRD]
        assert service.newest_cosigned(work.session, 0) == 2
        service.configure(work, road.addresses[2:], 1, [leaked.public, road.addresses[1].public])
        assert service.newest_cosigned(work.session, 0) == 2
        work.session.execute(delete(CosignatureRow).where(CosignatureRow.kid == road.addresses[2].public.kid))
        assert service.newest_cosigned(work.session, 0) is None
    with pytest.raises(DuplicateError), house.registry.begin(REGISTRY) as work:
        service.configure(work, [leaked], 1)


def test_a_key_serves_one_witness_and_nothing_else(lite: House, tmp_path: Path) -> None:
    road = Road(lite, tmp_path)
    first = road.addresses[0]
    ours = Address("http://x", "ours.example", road.keys[0])
    for wrong in (Address(first.url, "renamed.example", first.public), ours):
        with pytest.raises(DuplicateError), lite.registry.begin(REGISTRY) as work:
            service.configure(work, [wrong], 1)


TREE = Tree()
TEXT = TREE.head(9).to_text()
KEY = fixed_key(FIRST)
WITNESS = Witness(FIRST, KEY.public, NOON - timedelta(days=1))


MINUTE = timedelta(minutes=1)


def understood(answer: Answer | Silence) -> Outcome:
    return read_answer(answer, TEXT, WITNESS, 4, 20, NOON - MINUTE, NOON)


def test_an_answer_is_a_cosignature_only_if_it_is_one_dated_when_it_was_asked_for() -> None:
    def at(when: datetime) -> Outcome:
        return understood(Answer(200, "", cosign(TREE.head(9), FIRST, KEY, when).encode()))

    # Asked a minute ago.
    for near in (NOON, NOON + SKEW, NOON - SKEW - MINUTE):
        assert isinstance(at(near), Cosigned)
    for far in (NOON + SKEW + MINUTE, NOON - SKEW - MINUTE * 2):
        outcome = at(far)
        assert isinstance(outcome, Trouble) and outcome.reason == "witness_clock"
    strangers = cosign(TREE.head(9), "stranger.example", fixed_key("stranger"), NOON)
    mixed = understood(Answer(200, "", (strangers + cosign(TREE.head(9), FIRST, KEY, NOON)).encode()))
    assert isinstance(mixed, Cosigned) and mixed.line.startswith(f"— {FIRST} ")


def test_a_conflict_says_where_to_begin() -> None:
    assert understood(Answer(409, SIZE, b"7\n")) == Knows(7)
    assert understood(Answer(409, f"{SIZE}; charset=utf-8", b"20\n")) == Knows(20)
    assert isinstance(understood(Answer(409, SIZE, b"21\n")), Trouble)
    assert isinstance(understood(Answer(409, SIZE, b"07\n")), Trouble)


def test_pauses_double_up_to_a_limit() -> None:
    pause, pauses = timedelta(), []
    for _ in range(10):
        pause = next_pause(pause)
        pauses.append(pause.total_seconds())
    assert pauses == [2, 4, 8, 16, 32, 64, 120, 120, 120, 120]
