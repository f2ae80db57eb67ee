"""Keeps the chain at what the registry holds: compares, and proposes what is missing to the governors.

A fact once found on the chain is not asked for again by this process; nothing else is remembered. So a crash at any
moment, a chain that was away for days and an idle start are the same case: what is missing is proposed, and a proposal
that stands already is not made twice. Nothing waits for it: registering goes on whatever the chain does.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from sqlalchemy import Engine

from chain.changes import Change, EntryKind, Scope, Standing, Window
from chain.errors import TransactionRejectedError
from registry.governance import rules
from registry.governance.facts import Facts
from registry.governance.rules import EntryFact, Fact, Judgement, KeyFact, MemberFact, ScopeFact

#: Changes in one proposal, as `chain.governors.MAX_CHANGES`.
PROPOSED_TOGETHER = 16
#: Facts that one round asks the chain about, so that anchoring does not wait behind thousands of questions.
JUDGED_TOGETHER = 64
#: What other governors have to decide, and what a person has to look at, is looked at again after this.
LOOK_AGAIN_AFTER = timedelta(seconds=30)

_NO_MEMBER = (
    "链上登记须由治理成员办理：本系统的链账户既不是治理成员，也不是在册部门的账户，"
    "请治理成员用 suizheng governance list 核对并恢复"
)

_log = logging.getLogger(__name__)


class Members(Protocol):
    """The members of the network, as `chain.members.ChainMembers` reads them."""

    def find(self, code: str) -> Standing | None: ...
    def keys(self, code: str) -> Mapping[bytes, Window]: ...
    def scopes(self, code: str, type_code: str) -> Sequence[Scope]: ...
    def granted(self, code: str, type_code: str) -> Sequence[Scope]: ...


class Version(Protocol):
    """A published version of a catalogue entry."""

    @property
    def digest(self) -> bytes: ...


class Catalogue(Protocol):
    """The catalogue of the network, as `chain.catalogue.ChainCatalogue` reads it."""

    def newest(self, kind: EntryKind, code: str) -> int: ...
    def find(self, kind: EntryKind, code: str, version: int) -> Version | None: ...


class Proposal(Protocol):
    """A proposal to the governors."""

    @property
    def id(self) -> bytes: ...
    @property
    def changes(self) -> Sequence[Change]: ...
    @property
    def approvals(self) -> int: ...
    @property
    def threshold(self) -> int: ...
    @property
    def executed_at(self) -> datetime | None: ...


class Governors(Protocol):
    """The governors of the network, as `chain.governors.ChainGovernors` speaks for one of them."""

    def propose(self, changes: Sequence[Change]) -> Proposal: ...
    def open_proposals(self) -> Sequence[Proposal]: ...


class Network(Protocol):
    """The contracts of the network. Errors are those of `chain.errors`."""

    def members(self) -> Members: ...
    def catalogue(self) -> Catalogue: ...
    def governors(self) -> Governors: ...


@dataclass(slots=True)
class Declared:
    """How one round ended. changed: changes that were carried out; more: another round has work at once.

    waiting: why what is missing has to wait, in Chinese; notices: what a person should look at.
    """

    changed: int = 0
    more: bool = False
    waiting: str | None = None
    notices: list[str] = field(default_factory=list)


class Declarer:
    """Declares for one registry. Any number of processes may; what is on the chain already is not sent again."""

    def __init__(self, engine: Engine, network: Network) -> None:
        self._facts = Facts(engine)
        self._network = network
        self._declared: set[Fact] = set()
        # Looked at and not declared: they wait for other governors or for a person until the next look.
        self._looked: set[Fact] = set()
        self._waiting: str | None = None
        self._notices: list[str] = []
        self._look_at: datetime | None = None

    def advance(self, now: datetime) -> Declared:
        """One round. Raises ChainUnavailableError, OutcomeUnknownError: call again later, nothing is lost."""
        wanted = [fact for fact in self._facts.read() if fact not in self._declared]
        if self._look_at is not None and now >= self._look_at:
            self._forget()
        fresh = [fact for fact in wanted if fact not in self._looked]
        if not fresh:
            if not wanted:
                self._forget()
            return Declared(waiting=self._waiting, notices=self._notices)
        one = _Round(self._network, self._declared)
        one.run(fresh)
        self._looked |= one.looked
        self._waiting = one.waiting or self._waiting
        for notice in one.notices:
            _log.warning("%s", notice)
        self._notices = [*self._notices, *one.notices]
        if self._looked and self._look_at is None:
            self._look_at = now + LOOK_AGAIN_AFTER
        return Declared(one.changed, one.more, self._waiting, self._notices)

    def _forget(self) -> None:
        self._looked.clear()
        self._waiting, self._notices, self._look_at = None, [], None


class _Round:
    """One comparison of facts with the chain, and the proposals that follow from it."""

    def __init__(self, network: Network, declared: set[Fact]) -> None:
        self._members = network.members()
        self._catalogue = network.catalogue()
        self._governors = network.governors()
        self._declared = declared
        self._planned: dict[tuple[EntryKind, str], int] = {}
        self._keys: dict[str, Mapping[bytes, Window]] = {}
        self.looked: set[Fact] = set()
        self.waiting: str | None = None
        self.notices: list[str] = []
        self.changed = 0
        self.more = False

    def run(self, wanted: Sequence[Fact]) -> None:
        """Judge as many facts as one round takes, and propose what they lack."""
        missing: dict[Change, Fact] = {}
        for asked, fact in enumerate(wanted):
            if asked == JUDGED_TOGETHER or len(missing) >= PROPOSED_TOGETHER:
                self.more = True
                break
            judgement = self._judge(fact)
            missing |= dict.fromkeys(judgement.changes, fact)
            if judgement.notice is not None:
                self._notice(fact, judgement.notice)
            elif not judgement.changes:
                self._declared.add(fact)
        if missing:
            self._propose(missing)

    def _notice(self, fact: Fact, notice: str) -> None:
        self.looked.add(fact)
        self.notices.append(notice)

    def _judge(self, fact: Fact) -> Judgement:
        match fact:
            case MemberFact():
                return rules.judge_member(fact, self._members.find(fact.code))
            case KeyFact():
                if fact.code not in self._keys:
                    self._keys[fact.code] = self._members.keys(fact.code)
                return rules.judge_key(fact, self._keys[fact.code].get(fact.key_id))
            case ScopeFact():
                return self._judge_scope(fact)
            case EntryFact():
                return self._judge_entry(fact)

    def _judge_scope(self, fact: ScopeFact) -> Judgement:
        scopes = self._members.scopes(fact.code, fact.type_code)
        # Searching events is dear, and nearly every scope stands as it was granted.
        is_there = scopes and rules.judge_scope(fact, scopes, ()) == rules.DECLARED
        granted = () if is_there else self._members.granted(fact.code, fact.type_code)
        return rules.judge_scope(fact, scopes, granted)

    def _judge_entry(self, fact: EntryFact) -> Judgement:
        found = self._catalogue.find(fact.kind, fact.code, fact.version)
        if found is not None:
            return rules.judge_entry(fact, fact.version, found.digest)
        newest = self._planned.get((fact.kind, fact.code)) or self._catalogue.newest(fact.kind, fact.code)
        judgement = rules.judge_entry(fact, newest, None)
        if judgement.changes:
            self._planned[fact.kind, fact.code] = fact.version
        return judgement

    def _propose(self, missing: Mapping[Change, Fact]) -> None:
        standing = [one for one in self._governors.open_proposals() if not set(one.changes).isdisjoint(missing)]
        proposed = {change for one in standing for change in one.changes}
        for one in standing:
            self._wait(one, missing)
        fresh = [change for change in missing if change not in proposed]
        for place in range(0, len(fresh), PROPOSED_TOGETHER):
            self._try(fresh[place : place + PROPOSED_TOGETHER], missing)

    def _wait(self, proposal: Proposal, missing: Mapping[Change, Fact]) -> None:
        """This proposal is for other governors to decide."""
        self.looked |= {missing[change] for change in proposal.changes if change in missing}
        self.waiting = (
            f"{len(proposal.changes)} 项链上登记待其他治理成员批准（{proposal.approvals}/{proposal.threshold}），"
            f"请他们执行 suizheng governance approve {proposal.id.hex()[:8]}"
        )

    def _try(self, batch: Sequence[Change], missing: Mapping[Change, Fact]) -> None:
        """Propose changes; if a contract refuses, one by one, so that one of them does not stop the others."""
        try:
            proposal = self._governors.propose(batch)
        except TransactionRejectedError as refused:
            if refused.reason == "governors: not an active member":
                self.looked |= {missing[change] for change in batch}
                self.waiting = _NO_MEMBER
            elif len(batch) == 1:
                notice = f"链上登记被合约拒绝（{refused.reason}），请核对后由治理成员处理。"
                self._notice(missing[batch[0]], notice)
            else:
                for change in batch:
                    self._try([change], missing)
            return
        if proposal.executed_at is None:
            self._wait(proposal, missing)
        else:
            self.changed += len(batch)
