"""What the registry declares on the chain: nothing missing, nothing twice, and nothing stands still for it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from chain_world import account
from hypothesis import given
from hypothesis import strategies as st
from log_house import CARE, NOON, House

from chain import changes
from chain.changes import Action, EntryKind, Level, MemberState, Scope, Standing, Window
from chain.governors import ChainGovernors
from chain.opening import Chain
from chain.outbox import Outbox
from chain.sender import Sender
from registry.catalogue import service as catalogue
from registry.chain_turns import LONGEST_PAUSE
from registry.departments import service as departments
from registry.governance import rules
from registry.governance.rules import EntryFact, KeyFact, MemberFact, ScopeFact
from registry.governance.service import LOOK_AGAIN_AFTER, Declarer
from registry.keys.rules import department_purpose
from registry.pipeline import Progress
from registry.work import REGISTRY
from verifier.canonical import canonicalise

FOOD = "11100000MB0341032Y001"
DAY = timedelta(days=1)


class Office:
    """A registry on the embedded chain, with whatever is installed at a first start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened = 0
        self.house = House(f"sqlite:///{folder / 'registry.db'}", folder)
        with self.house.registry.begin(REGISTRY) as work:
            catalogue.install_builtin(work)
            self.operator = departments.operator(work).code
        self.open()

    def open(self) -> None:
        """A process that has just started."""
        house = self.house
        self.chain = Chain(
            "embedded", self.folder / "chain", origin=house.pipeline.origin, registry_code=self.operator,
            clock=house.clock, draw=os.urandom,
        )  # fmt: skip
        house.pipeline = type(house.pipeline)(
            house.engine, house.keys, house.log, self.chain, self.chain, house.clock, os.urandom,
            declarer=Declarer(house.engine, self.chain), monotonic=lambda: house.clock.at.timestamp(),
        )  # fmt: skip

    def second_governor(self) -> ChainGovernors:
        """Governing as account 2, on the same chain."""
        opened = self.chain._open()
        self.opened += 1
        sender = Sender(opened.node, account(2), Outbox(self.folder / f"second-{self.opened}.db"))
        return ChainGovernors(opened.node, sender, opened.deployment)

    def govern_together(self) -> ChainGovernors:
        """From now on both account 1 and account 2 have to agree."""
        accounts = [*self.chain.governors().council().accounts, account(2).address]
        self.chain.governors().carry_out([changes.change_governors(accounts, 2)])
        return self.second_governor()

    def register(self, code: str = CARE) -> None:
        with self.house.registry.begin(REGISTRY) as work:
            departments.register(work, code, "长宁区养老服务中心（示例）", "养老中心", "street")

    def tick_later(self) -> Progress:
        """A tick after the time at which what waits is looked at again."""
        self.house.clock.at += LOOK_AGAIN_AFTER
        return self.house.pipeline.tick()

    def height(self) -> int:
        return self.chain._open().node.height()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    yield office
    office.chain.close()


def test_a_first_start_declares_every_type_and_the_key_of_the_operator(office: Office) -> None:
    office.house.settle()
    shipped = catalogue.builtin_versions()
    for definition in shipped:
        for kind, value in ((EntryKind.TYPE, definition), (EntryKind.SCHEMA, definition["schema"])):
            found = office.chain.catalogue().find(kind, definition["code"], definition["version"])
            assert found is not None
            assert found.digest == hashlib.sha256(canonicalise(dict(value))).digest()
    key = office.house.keys.key_for(department_purpose(office.operator), office.house.clock()).public
    assert office.chain.members().signer_at(key.digest, office.house.clock()) == office.operator
    assert key.digest[:8] == key.kid
    # Five contracts, handing over (2), joining, one head, and one proposal for each sixteen changes.
    assert office.height() == 5 + 2 + 1 + 1 + -(-(2 * len(shipped) + 1) // 16)


def test_what_was_declared_is_not_sent_again_by_another_process(office: Office) -> None:
    office.house.settle()
    height = office.height()
    office.house.pipeline.tick()
    office.chain.close()
    office.open()
    office.house.settle()
    assert office.height() == height


def test_departments_keys_and_scopes_follow_what_the_registry_records(office: Office) -> None:
    office.register()
    with office.house.registry.begin(REGISTRY) as work:
        scope = departments.grant_scope(work, CARE, FOOD, "issue", date(2026, 11, 22))
        departments.grant_scope(work, CARE, FOOD, "use", date(2026, 11, 22), date(2026, 12, 31))
    office.house.settle()
    members, midnight = office.chain.members(), datetime(2026, 11, 21, 16, tzinfo=UTC)
    standing = members.find(CARE)
    assert standing is not None
    assert (standing.level, standing.state) == (Level.STREET, MemberState.ACTIVE)
    assert members.is_in_scope(CARE, FOOD, Action.ISSUE, midnight)
    assert not members.is_in_scope(CARE, FOOD, Action.ISSUE, midnight - timedelta(seconds=1))
    assert not members.is_in_scope(CARE, FOOD, Action.USE, datetime(2026, 12, 31, 16, tzinfo=UTC))
    office.house.keys.rotate(department_purpose(CARE), office.house.clock())
    for ends_on in (date(2027, 1, 31), date(2026, 12, 1)):
        with office.house.registry.begin(REGISTRY) as work:
            departments.end_scope(work, CARE, scope.id, ends_on, "示例：职责划转")
        office.house.settle()
        last = rules.days(date(2026, 11, 22), ends_on).not_after_at
        assert last is not None
        assert members.is_in_scope(CARE, FOOD, Action.ISSUE, last - timedelta(seconds=1))
        assert not members.is_in_scope(CARE, FOOD, Action.ISSUE, last)
    for period in office.house.keys.periods(department_purpose(CARE)):
        public = next(one.public for one in office.house.keys.known() if one.public.kid == period.kid)
        assert members.keys(CARE)[public.digest] == Window(period.valid_from, period.valid_to)


def test_a_new_version_of_a_type_follows_the_old_one(office: Office) -> None:
    office.house.settle()
    definition = next(dict(one) for one in catalogue.builtin_definitions() if one["code"] == FOOD)
    with office.house.registry.begin(REGISTRY) as work:
        catalogue.install_type(work, {**definition, "version": definition["version"] + 1})
    office.house.settle()
    assert office.chain.catalogue().newest(EntryKind.TYPE, FOOD) == definition["version"] + 1


def test_what_other_governors_must_decide_waits_and_hinders_nothing(office: Office) -> None:
    office.house.settle()
    second = office.govern_together()
    office.register()
    progress = office.house.settle()
    assert [problem.reason for problem in progress.problems] == ["awaiting_governors"]
    assert "待其他治理成员批准（1/2）" in progress.problems[0].message
    assert progress.anchored_size == progress.size
    (proposal,) = second.open_proposals()
    assert proposal.id.hex()[:8] in progress.problems[0].message
    # Looking again makes no second proposal, nor does a process that starts anew.
    office.tick_later()
    office.chain.close()
    office.open()
    office.house.settle()
    second = office.second_governor()
    assert second.open_proposals() == [proposal]
    # What comes meanwhile is proposed beside it.
    with office.house.registry.begin(REGISTRY) as work:
        departments.grant_scope(work, CARE, FOOD, "use")
    office.house.settle()
    assert [len(one.changes) for one in second.open_proposals()] == [len(proposal.changes), 1]
    for one in second.open_proposals():
        second.approve(one.id)
    progress = office.tick_later()
    assert office.chain.members().is_in_scope(CARE, FOOD, Action.USE, office.house.clock())
    assert not progress.problems


def test_a_registry_that_does_not_govern_proposes_and_the_governors_approve(office: Office) -> None:
    office.house.settle()
    office.chain.governors().carry_out([changes.change_governors([account(2).address], 1)])
    office.register()
    progress = office.house.settle()
    assert "待其他治理成员批准（0/1）" in progress.problems[0].message
    assert progress.anchored_size == progress.size
    second = office.second_governor()
    (proposal,) = second.open_proposals()
    second.approve(proposal.id)
    assert not office.tick_later().problems
    assert office.chain.members().find(CARE) is not None


def test_a_registry_whose_department_is_suspended_says_so_and_works_on(office: Office) -> None:
    office.house.settle()
    office.chain.governors().carry_out([changes.change_governors([account(2).address], 1)])
    office.second_governor().carry_out([changes.suspend(office.operator)])
    office.register()
    progress = office.house.settle()
    assert any("既不是治理成员" in problem.message for problem in progress.problems)
    assert progress.anchored_size == progress.size


def test_an_entry_that_the_network_has_otherwise_is_told_and_stops_no_other(office: Office) -> None:
    office.chain.governors().carry_out([changes.publish(EntryKind.TYPE, FOOD, 1, b"\1" * 32)])
    progress = office.house.settle()
    assert [problem.reason for problem in progress.problems] == ["look_at_chain"]
    assert FOOD in progress.problems[0].message
    for definition in catalogue.builtin_definitions():
        assert office.chain.catalogue().newest(EntryKind.SCHEMA, definition["code"]) == definition["version"]


def test_what_happens_while_the_chain_is_away_is_declared_when_it_is_back(office: Office) -> None:
    office.house.settle()
    office.chain.close()
    held = Outbox(office.folder / "chain" / "outbox.db")
    office.register()
    progress = office.house.pipeline.tick()
    assert progress.chain_down
    assert progress.published_size == progress.size
    held.close()
    office.house.clock.at += timedelta(seconds=LONGEST_PAUSE)
    office.house.settle()
    assert office.chain.members().find(CARE) is not None


# the rules by themselves

STREET = MemberFact(CARE, Level.STREET, MemberState.ACTIVE, NOON)


@pytest.mark.parametrize(
    ("fact", "standing", "expected"),
    [
        (STREET, None, ("add",)),
        (MemberFact(CARE, Level.STREET, MemberState.SUSPENDED, NOON), None, ("add", "suspend")),
        (STREET, Standing(3, MemberState.ACTIVE, None, NOON), ()),
        (STREET, Standing(0, MemberState.ACTIVE, None, NOON), ()),
        (STREET, Standing(2, MemberState.ACTIVE, None, NOON), "层级"),
        (STREET, Standing(3, MemberState.SUSPENDED, None, NOON - DAY), ("reinstate",)),
        (STREET, Standing(3, MemberState.SUSPENDED, None, NOON + DAY), "暂停"),
    ],
)
def test_the_later_decision_about_a_department_counts(
    fact: MemberFact, standing: Standing | None, expected: tuple[str, ...] | str
) -> None:
    judged = rules.judge_member(fact, standing)
    if isinstance(expected, str):
        assert judged.changes == ()
        assert expected in (judged.notice or "")
    else:
        assert tuple(change.function for change in judged.changes) == expected
        assert judged.notice is None


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (None, "absent", ("add_key",)),
        (NOON, "absent", ()),
        (None, None, ()),
        (NOON + DAY, None, ("end_key",)),
        (NOON + DAY, NOON + DAY, ()),
        (None, NOON + DAY, "提前终止"),
        (NOON + DAY, NOON + DAY / 2, "提前终止"),
    ],
)
def test_a_key_is_added_and_ended_and_never_brought_back(
    ours: datetime | None, theirs: datetime | str | None, expected: tuple[str, ...] | str
) -> None:
    on_chain = None if theirs == "absent" else Window(NOON, theirs)  # type: ignore[arg-type]
    judged = rules.judge_key(KeyFact(CARE, b"\1" * 32, Window(NOON, ours)), on_chain)
    if isinstance(expected, str):
        assert judged.changes == ()
        assert expected in (judged.notice or "")
    else:
        assert tuple(change.function for change in judged.changes) == expected


_ENDS = st.one_of(st.none(), st.integers(1, 6).map(lambda days: NOON + days * DAY))


@given(ends=st.lists(_ENDS, min_size=1, max_size=6))
def test_after_any_life_of_a_scope_the_chain_allows_just_what_the_registry_does(
    ends: list[datetime | None],
) -> None:
    """The contract in ten lines: windows are appended or shortened."""
    scopes: list[Scope] = []
    granted: list[Scope] = []
    for end in ends:
        fact = ScopeFact(CARE, FOOD, Action.ISSUE, Window(NOON, end))
        for _ in range(3):
            judged = rules.judge_scope(fact, scopes, granted)
            for change in judged.changes:
                if change.function == "grant_scope":
                    scopes.append(Scope(Action.ISSUE, Window.of_seconds(*change.arguments[3:])))  # type: ignore[arg-type]
                    granted.append(scopes[-1])
                else:
                    position, until = change.arguments[2:]
                    begin = scopes[position].window.seconds[0]  # type: ignore[index]
                    scopes[position] = Scope(Action.ISSUE, Window.of_seconds(begin, until))  # type: ignore[index, arg-type]
        assert judged.changes == ()
        longest = max(scope.window.seconds[1] for scope in scopes)
        # What was granted once and ended since is not granted again by itself: a person is told.
        assert longest == fact.window.seconds[1] or judged.notice is not None
        assert longest <= fact.window.seconds[1]


@pytest.mark.parametrize(
    ("version", "newest", "digest", "expected"),
    [
        (1, 0, None, "publish"),
        (2, 1, None, "publish"),
        (1, 2, b"\1" * 32, None),
        (3, 1, None, "第 2 版尚未上链"),
        (1, 1, b"\2" * 32, "不同"),
    ],
)
def test_versions_go_out_in_their_order(version: int, newest: int, digest: bytes | None, expected: str | None) -> None:
    judged = rules.judge_entry(EntryFact(EntryKind.TYPE, FOOD, version, b"\1" * 32), newest, digest)
    if expected == "publish":
        assert [change.function for change in judged.changes] == ["publish"]
    else:
        assert judged.changes == ()
        assert (judged.notice is None) == (expected is None)
        assert expected is None or expected in (judged.notice or "")
