"""What every use case stands on: ids, blind index, transactions, migrations, status machine, idempotency keys."""

from __future__ import annotations

import itertools
import os
import random
import threading
import traceback
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from registry_house import ELDER, MARKET, NOON, House, actor
from sqlalchemy import insert, inspect, select, text
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError, StatementError

from registry.blind import BlindIndex
from registry.database import Base, migrate, open_engine
from registry.departments import service as departments
from registry.departments.tables import Department
from registry.errors import AuthenticationError, BusyError, ConflictError, InvalidDraftError, NotFoundError
from registry.idempotency import service as idempotency
from registry.idempotency.rules import request_digest
from registry.ids import id_bytes, id_text, new_id, new_ids
from registry.statuses import rules
from registry.statuses import service as statuses
from registry.statuses.tables import StatusListRow
from registry.work import REGISTRY
from verifier.status import CAPACITY, Status

pytest_plugins = ["registry_fixtures"]

TIMES = st.datetimes(datetime(1970, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(st.binary(min_size=16, max_size=16))
def test_an_id_and_its_text_are_one(value: bytes) -> None:
    assert id_bytes(id_text(value)) == value and len(id_text(value)) == 26


@given(st.lists(st.binary(min_size=16, max_size=16), min_size=2, max_size=20))
def test_texts_sort_as_their_ids_do(values: list[bytes]) -> None:
    assert sorted(map(id_text, values)) == list(map(id_text, sorted(values)))


@given(st.text(max_size=30))
def test_text_that_is_no_id_is_nothing_that_could_be_found(text_: str) -> None:
    try:
        assert id_text(id_bytes(text_)) == text_
    except NotFoundError as unknown:
        assert unknown.reason == "not_an_id"


@given(TIMES, TIMES)
def test_later_ids_sort_after_earlier_ones(first: datetime, second: datetime) -> None:
    early, late = sorted((first, second))
    if late - early >= timedelta(milliseconds=1):
        assert new_id(early, os.urandom) < new_id(late, os.urandom)


def test_ids_in_bulk_are_different_ascending_and_alike_in_both_forms() -> None:
    ids = new_ids(5000, NOON, os.urandom)
    assert len({item for item, _ in ids}) == 5000 and ids == sorted(ids)
    assert all(id_text(item) == text_ for item, text_ in ids)
    # Even from a source that repeats itself.
    source = random.Random(1)
    pool = [source.randbytes(10) for _ in range(4)]
    stuttering = iter([b"".join([pool[0]] * 3), pool[1], pool[1], pool[2]])
    assert len(new_ids(3, NOON, lambda _: next(stuttering))) == 3


def test_a_blind_index_depends_on_type_number_and_key() -> None:
    one = BlindIndex(b"a" * 32)
    assert one.of("111", "1") == one.of("111", "1") and len(one.of("111", "1")) == 32
    assert len({one.of("111", "1"), one.of("414", "1"), one.of("111", "2"), BlindIndex(b"b" * 32).of("111", "1")}) == 4
    assert "a" * 8 not in repr(one)
    with pytest.raises(ValueError, match="32"):
        BlindIndex(b"short")


def test_models_and_migrations_agree(database_url: str) -> None:
    engine = open_engine(database_url)
    migrate(engine)
    migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
        found = {name for name in inspect(connection).get_table_names() if name != "alembic_version"}
    assert found == set(Base.metadata.tables)
    if engine.dialect.name == "sqlite":
        _check_the_shapes_that_comparing_cannot_see(engine)
    engine.dispose()


def _check_the_shapes_that_comparing_cannot_see(engine: Any) -> None:
    with engine.connect() as connection:
        shapes = dict(connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'table'")).all())
    assert "WITHOUT ROWID" in shapes["certificate_holders"]
    assert "DEFERRABLE INITIALLY DEFERRED" in shapes["consumptions"]
    for table in Base.metadata.tables.values():
        for constraint in table.constraints:
            if constraint.name:
                assert str(constraint.name) in shapes[table.name]


def test_two_processes_that_start_together_migrate_once(database_url: str) -> None:
    failures: list[BaseException] = []

    def start() -> None:
        engine = open_engine(database_url)
        try:
            migrate(engine)
        except BaseException as failed:  # noqa: BLE001 (reported below)
            failures.append(failed)
        finally:
            engine.dispose()

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_sqlite_keeps_its_word_on_durability_and_references(sqlite_house: House) -> None:
    with sqlite_house.engine.connect() as connection:
        pragmas = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in
                   ("journal_mode", "synchronous", "foreign_keys")}  # fmt: skip
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_a_reference_to_nothing_is_refused_by_the_database(house: House) -> None:
    with pytest.raises(IntegrityError), house.work() as work:
        work.session.execute(
            text(
                "INSERT INTO staff_sessions (secret_sha256, staff_id, created_at, expires_at)"
                " VALUES (:secret, 'nobody', :at, :at)"
            ),
            {"secret": b"x", "at": NOON.isoformat()},
        )


def test_a_unit_that_only_reads_cannot_write(house: House) -> None:
    with pytest.raises(OperationalError if house.engine.dialect.name == "sqlite" else Exception):
        house.see(departments.register, "11310105MB9T00011M", "示例", "示例")
    with house.registry.read(REGISTRY) as work:
        assert work.session.get(Department, MARKET) is not None
    # The same connection may write again afterwards.
    house.do(departments.grant_scope, MARKET, "11100000MB0341032Y001", "use", who=REGISTRY)


def test_a_reader_sees_one_snapshot_and_blocks_nobody(sqlite_house: House) -> None:
    with sqlite_house.registry.read(REGISTRY) as reading:
        before = len(departments.list_scopes(reading))
        sqlite_house.do(departments.grant_scope, MARKET, "11100000MB0341032Y001", "use", who=REGISTRY)
        assert len(departments.list_scopes(reading)) == before
    assert len(sqlite_house.see(departments.list_scopes)) == before + 1


def test_a_writer_that_waits_too_long_is_told_to_try_again(
    sqlite_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.database.BUSY_TIMEOUT_MS", 50)
    impatient = House(open_engine(sqlite_house.engine.url.render_as_string()))
    with sqlite_house.work(), pytest.raises(BusyError) as busy, impatient.work():
        pass
    assert busy.value.reason == "database_busy"
    with impatient.work():
        pass
    impatient.engine.dispose()


def test_whoever_comes_second_with_something_unique_is_asked_to_look_again(house: House) -> None:
    made = {"id": 901, "permutation_key": b"k" * 32, "allotted": 0, "changed_at": NOON}
    with house.work() as work:
        work.session.execute(insert(StatusListRow), [made])
    with pytest.raises(BusyError) as taken, house.work() as work:
        work.session.execute(insert(StatusListRow), [made])
    assert taken.value.reason == "taken_meanwhile"
    with pytest.raises(IntegrityError), house.work() as work:
        work.session.execute(insert(StatusListRow), [{**made, "id": 902, "permutation_key": None}])


def test_what_an_error_says_must_be_kept_is_kept_and_nothing_else(house: House) -> None:
    for error, granted in (
        (NotFoundError("x", "x"), 0),
        (AuthenticationError("x", "x"), 1),
        (NotFoundError("x", "x"), 1),
    ):
        house.clock.pass_by(days=1)
        with pytest.raises(type(error)), house.work() as work:
            departments.grant_scope(work, MARKET, "11100000MB0341032Y001", "use")
            raise error
        assert len(house.see(departments.list_scopes, MARKET, "use")) == granted


def test_a_value_that_no_column_takes_is_a_fault_of_the_request(house: House) -> None:
    # PostgreSQL keeps no NUL in a text; SQLite finds nothing under it. Neither is a failure of the server.
    try:
        assert house.see(departments.find, "a\x00b") is None
        with house.work() as work:
            assert departments.find(work, "a\x00b") is None
    except InvalidDraftError as refused:
        assert refused.errors[0].reason == "value_not_storable" and house.engine.dialect.name == "postgresql"


def test_an_error_of_the_database_says_nothing_of_what_was_to_be_stored(house: House) -> None:
    """Errors that nobody foresaw go into the log of the process, with their causes."""
    with pytest.raises(DatabaseError) as failed, house.work() as work:
        work.session.execute(text("SELECT no_such_function(:number)"), {"number": ELDER})
    told = "".join(traceback.format_exception(failed.value))
    assert "no_such_function" in told and ELDER not in told


def test_times_are_aware_and_come_back_in_utc(house: House) -> None:
    east = NOON.astimezone(timezone(timedelta(hours=8)))
    with house.work() as work:
        work.session.get_one(Department, MARKET).created_at = east
    with house.registry.read(REGISTRY) as work:
        found = work.session.scalars(select(Department.created_at).where(Department.code == MARKET)).one()
    assert found == NOON and found.tzinfo is UTC
    with pytest.raises(StatementError, match="naive"), house.work() as work:
        work.session.get_one(Department, MARKET).created_at = NOON.replace(tzinfo=None)
        work.session.flush()


# The status machine.


class StatusMachine(RuleBasedStateMachine):
    """Any sequence of operations: lawful ones move, others are refused and move nothing; the past stays as it was."""

    def __init__(self) -> None:
        super().__init__()
        self.state = Status.VALID
        self.events: list[Any] = []
        self.now = NOON

    @rule(operation=st.sampled_from(list(rules.Operation)), hours=st.integers(1, 100))
    def operate(self, operation: rules.Operation, hours: int) -> None:
        self.now += timedelta(hours=hours)
        allowed = rules.allowed(self.state)
        try:
            after = rules.next_status(self.state, operation)
        except rules.TransitionError as refused:
            assert operation not in allowed and refused.state == self.state.name.lower()
            return
        assert operation in allowed and after is not self.state
        before = [rules.status_at(self.events, self.now - timedelta(minutes=1))]
        self.events.append(_Event(int(after), self.now, self.now))
        assert before == [rules.status_at(self.events, self.now - timedelta(minutes=1))]
        self.state = after

    @precondition(lambda self: self.state in rules.TERMINAL)
    @rule(operation=st.sampled_from(list(rules.Operation)))
    def nothing_leaves_the_end(self, operation: rules.Operation) -> None:
        with pytest.raises(rules.TransitionError):
            rules.next_status(self.state, operation)

    @invariant()
    def the_newest_event_decides_now(self) -> None:
        assert rules.status_at(self.events, self.now) is self.state
        assert rules.status_at(self.events, NOON - timedelta(days=1)) is Status.VALID


class _Event:
    def __init__(self, to_status: int, effective_at: datetime, recorded_at: datetime) -> None:
        self.to_status, self.effective_at, self.recorded_at = to_status, effective_at, recorded_at


TestStatusMachine = StatusMachine.TestCase
TestStatusMachine.settings = settings(max_examples=60, deadline=None)


def test_revocation_cancellation_and_penalty_stay_apart_and_suspension_returns() -> None:
    ends = {
        rules.Operation.REVOKE: Status.REVOKED,
        rules.Operation.CANCEL: Status.CANCELLED,
        rules.Operation.PENALISE: Status.PENALTY,
    }
    for operation, end in ends.items():
        assert rules.next_status(Status.VALID, operation) is end and operation.code == "05"
    assert rules.next_status(Status.SUSPENDED, rules.Operation.RETURN) is Status.VALID
    assert {Status.REVOKED, Status.CANCELLED, Status.PENALTY} == rules.TERMINAL
    assert rules.Operation.of("return") is rules.Operation.RETURN


# Status slots.


@settings(max_examples=20, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.integers(0, CAPACITY - 5000))
def test_slots_are_never_given_twice(key: bytes, start: int) -> None:
    slots = rules.scatter(key, range(start, start + 5000))
    assert len(set(slots)) == 5000 and min(slots) >= 0 and max(slots) < CAPACITY


def test_the_scatter_is_a_permutation_of_the_whole_list_and_keeps_no_order() -> None:
    slots = rules.scatter(b"key", range(CAPACITY))
    assert len(set(slots)) == CAPACITY
    steps = [abs(second - first) for first, second in itertools.pairwise(slots[:10_001])]
    # Neighbours lie a third of the list apart on average, as random ones do.
    assert 0.31 * CAPACITY < sum(steps) / len(steps) < 0.36 * CAPACITY
    assert slots[:100] != rules.scatter(b"other", range(100))


def test_a_full_list_is_followed_by_a_new_one(house: House) -> None:
    house.do(statuses.allot, 1)
    with house.work() as work:
        work.session.get_one(StatusListRow, 1).allotted = CAPACITY - 3
    slots = house.do(statuses.allot, 5)
    assert [number for number, _ in slots] == [1, 1, 1, 2, 2] and len(set(slots)) == 5
    assert house.see(statuses.list_numbers) == [1, 2]


def test_slots_taken_by_many_at_once_are_different(house: House) -> None:
    taken: list[tuple[int, int]] = []

    def take() -> None:
        for _ in range(5):
            taken.extend(house.do(statuses.allot, 7))

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 6 * 5 * 7


# Idempotency keys.

KEY = "3f0c9a52-0001"


def test_a_recorded_answer_is_given_again_to_the_same_request_only(house: House) -> None:
    digest = request_digest("POST /api/v1/certificates", b"{}")
    with house.work(actor()) as work:
        assert idempotency.claim(work, KEY, digest) is None
        idempotency.record(work, KEY, 202, {"id": "1"})
    with house.work(actor()) as work:
        assert idempotency.claim(work, KEY, digest) == idempotency.Answer(202, {"id": "1"})
    with pytest.raises(ConflictError), house.work(actor()) as work:
        idempotency.claim(work, KEY, request_digest("POST /api/v1/certificates", b"{ }"))
    # Another actor's key is another key; a failed request leaves the key free.
    with pytest.raises(NotFoundError), house.work(actor("11310105MB9T00011M")) as work:
        assert idempotency.claim(work, KEY, digest) is None
        raise NotFoundError("x", "x")
    with house.work(actor("11310105MB9T00011M")) as work:
        assert idempotency.claim(work, KEY, digest) is None
    for wrong in ("short", "with space 123", "键" * 10, "x" * 129):
        with pytest.raises(InvalidDraftError), house.work(actor()) as work:
            idempotency.claim(work, wrong, digest)


def test_answers_are_forgotten_after_their_time(house: House) -> None:
    with house.work(actor()) as work:
        idempotency.claim(work, KEY, b"x" * 32)
        idempotency.record(work, KEY, 200, None)
    house.clock.pass_by(days=29)
    assert house.do(idempotency.forget_old) == 0
    house.clock.pass_by(days=2)
    assert house.do(idempotency.forget_old) == 1


def test_one_key_at_the_same_moment_does_the_work_once(house: House) -> None:
    done: list[int] = []
    answers: list[Any] = []
    barrier = threading.Barrier(8)

    def call(number: int) -> None:
        barrier.wait()
        with house.work(actor()) as work:
            answer = idempotency.claim(work, KEY, b"x" * 32)
            if answer is None:
                done.append(number)
                idempotency.record(work, KEY, 201, number)
                answers.append(number)
            else:
                answers.append(answer.body)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 1 and answers == done * 8


_PERSONAL = f"随证甲{ELDER}"
_REFUSED = {
    "a key that is taken": "INSERT INTO things (number, kind) VALUES (:value, 'a'), (:value, 'a')",
    "a row that breaks a rule": "INSERT INTO things (number, kind) VALUES (:value, 'c')",
    "a row that lacks something": "INSERT INTO things (number, kind) VALUES (:value, NULL)",
    "a reference to nothing": "INSERT INTO parts (number) VALUES (:value)",
    "a text that is no number": "SELECT CAST(CAST(:value AS TEXT) AS INTEGER)",
    "a text that is no JSON": "SELECT CAST(CAST(:value AS TEXT) AS JSONB)",
}


@pytest.mark.parametrize("statement", _REFUSED.values(), ids=_REFUSED)
def test_an_error_of_the_database_tells_no_value_to_whoever_logs_it(database_url: str, statement: str) -> None:
    engine = open_engine(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE things (number TEXT PRIMARY KEY, kind TEXT NOT NULL CONSTRAINT ck_kind CHECK (kind = 'a'))"
        )
        connection.exec_driver_sql("CREATE TABLE parts (number TEXT CONSTRAINT fk_thing REFERENCES things (number))")
    try:
        with engine.begin() as connection:
            connection.execute(text(statement), {"value": _PERSONAL})
    except DatabaseError as refused:
        told = "".join(traceback.format_exception(refused))
        assert _PERSONAL not in told and ELDER not in told
        if engine.dialect.name == "postgresql":
            assert f"SQLSTATE {refused.orig.sqlstate}" in str(refused)  # type: ignore[union-attr]
    else:
        # SQLite makes a number of any text.
        assert engine.dialect.name == "sqlite" and "CAST" in statement
    engine.dispose()
