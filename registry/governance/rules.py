"""What must be declared: a fact of the registry against what the chain says about it. Pure.

The registry and the governors of the network both decide, and the later decision counts: what the governors ended or
suspended after the registry had declared it is left as it is, and told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from chain import changes
from chain.changes import Action, Change, EntryKind, Level, MemberState, Scope, Standing, Window
from verifier.times import SHANGHAI

LEVELS = {
    "municipal": Level.MUNICIPAL,
    "district": Level.DISTRICT,
    "street": Level.STREET,
    "unit": Level.UNIT,
}
ACTIONS = {"issue": Action.ISSUE, "use": Action.USE}


@dataclass(frozen=True, slots=True)
class MemberFact:
    """A department and whether it may act, since when."""

    code: str
    level: Level
    state: MemberState
    since_at: datetime


@dataclass(frozen=True, slots=True)
class KeyFact:
    """A key of a department. key_id: verifier.suites.PublicKey.digest."""

    code: str
    key_id: bytes
    window: Window


@dataclass(frozen=True, slots=True)
class ScopeFact:
    """One action that a department may take with one type."""

    code: str
    type_code: str
    action: Action
    window: Window


@dataclass(frozen=True, slots=True)
class EntryFact:
    """One version of a catalogue entry. digest: SHA-256 of its canonical bytes."""

    kind: EntryKind
    code: str
    version: int
    digest: bytes


_FIRST_SECOND = datetime(1970, 1, 1, tzinfo=UTC)

Fact = MemberFact | KeyFact | ScopeFact | EntryFact


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is missing on the chain; nothing if the fact is declared. notice: what a person should know, in Chinese."""

    changes: tuple[Change, ...] = ()
    notice: str | None = None


DECLARED = Judgement()


def days(valid_from_on: date, valid_to_on: date | None) -> Window:
    """Days in Asia/Shanghai, both inclusive, as a window of the chain."""
    end = None if valid_to_on is None or valid_to_on == date.max else _midnight(valid_to_on + timedelta(days=1))
    return Window(_midnight(valid_from_on), end)


def _midnight(day: date) -> datetime:
    # The chain counts seconds from 1970 on.
    return max(datetime.combine(day, time(), SHANGHAI).astimezone(UTC), _FIRST_SECOND)


def judge_member(fact: MemberFact, standing: Standing | None) -> Judgement:
    """Add a department the chain does not know; let its state follow unless the chain's is the later decision."""
    if standing is None:
        added = changes.add_member(fact.code, fact.level)
        is_active = fact.state is MemberState.ACTIVE
        return Judgement((added,) if is_active else (added, changes.suspend(fact.code)))
    if standing.state is not fact.state:
        if standing.since_at >= fact.since_at:
            said = "暂停" if standing.state is MemberState.SUSPENDED else "恢复"
            return Judgement(notice=f"部门 {fact.code} 已由治理成员在链上{said}，与本系统的登记不同，请核对。")
        follow = changes.reinstate if fact.state is MemberState.ACTIVE else changes.suspend
        return Judgement((follow(fact.code),))
    if standing.level not in (fact.level, Level.UNSTATED):
        return Judgement(notice=f"部门 {fact.code} 在链上的层级与本系统的登记不同，请核对。")
    return DECLARED


def judge_key(fact: KeyFact, window: Window | None) -> Judgement:
    """Add a key the chain does not know; end it where the registry ended it earlier than the chain."""
    if window is None:
        begin, end = fact.window.seconds
        # A key that was never in force signed nothing.
        return Judgement((changes.add_key(fact.code, fact.key_id, fact.window),)) if begin < end else DECLARED
    if window.not_before_at != fact.window.not_before_at:
        return Judgement(notice=f"部门 {fact.code} 的密钥 {fact.key_id.hex()[:16]} 在链上的起始时间不同，请核对。")
    ours = fact.window.not_after_at
    if ours is not None and (window.not_after_at is None or ours < window.not_after_at):
        return Judgement((changes.end_key(fact.code, fact.key_id, ours),))
    if window.not_after_at != ours:
        notice = f"部门 {fact.code} 的密钥 {fact.key_id.hex()[:16]} 已由治理成员在链上提前终止，请更换密钥。"
        return Judgement(notice=notice)
    return DECLARED


def judge_scope(fact: ScopeFact, scopes: Sequence[Scope], granted: Sequence[Scope]) -> Judgement:
    """Grant what was never granted, and end what the registry ended earlier.

    scopes: of this department and type as they are, in their order; granted: as they once were.
    """
    begin, end = fact.window.seconds
    if begin >= end:
        return DECLARED
    alike = [
        (position, scope.window.seconds[1])
        for position, scope in enumerate(scopes)
        if scope.actions == fact.action and scope.window.not_before_at == fact.window.not_before_at
    ]
    longer = [position for position, until in alike if until > end]
    if longer and fact.window.not_after_at is not None:
        ended = fact.window.not_after_at
        return Judgement(tuple(changes.end_scope(fact.code, fact.type_code, one, ended) for one in longer))
    if any(until == end for _, until in alike):
        return DECLARED
    wanted = Scope(fact.action, fact.window)
    if wanted in granted:
        notice = f"部门 {fact.code} 对类型 {fact.type_code} 的权限已由治理成员在链上提前终止，请核对。"
        return Judgement(notice=notice)
    return Judgement((changes.grant_scope(fact.code, fact.type_code, wanted),))


def judge_entry(fact: EntryFact, newest: int, digest: bytes | None) -> Judgement:
    """Publish the next version; tell of one that the chain has otherwise, or cannot take yet. newest: on the chain."""
    if digest == fact.digest:
        return DECLARED
    what = f"目录条目 {fact.code} 第 {fact.version} 版"
    if digest is not None:
        return Judgement(notice=f"{what}与链上已发布的内容不同，链上的不会改变；请以新的版本号重新发布。")
    if fact.version > newest + 1:
        return Judgement(notice=f"{what}之前的第 {newest + 1} 版尚未上链，请先由治理成员发布该版本。")
    return Judgement((changes.publish(fact.kind, fact.code, fact.version, fact.digest),))
