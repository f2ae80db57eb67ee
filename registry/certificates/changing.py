"""One decision about many certificates, and the lapse of those whose last day is over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnExpressionArgument, func, select, text, update

from registry.batches import collector_paused
from registry.certificates import succession
from registry.certificates.tables import LAPSING, Certificate
from registry.errors import LimitError, NotPermittedError
from registry.statuses import bulk
from registry.statuses.bulk import Decided, Undecided
from registry.statuses.rules import WITH_SUCCESSOR, Operation
from registry.statuses.service import Change
from registry.statuses.tables import StatusEvent
from registry.work import Work
from verifier.status import Status
from verifier.times import SHANGHAI, shanghai_day

MAX_CHANGED = 100_000
#: How many lapse in one transaction of the chore.
LAPSED_AT_ONCE = 5_000
LAPSE_REASON = "有效期届满"
#: Changes of one transaction, where a decision is carried out in parts: what other writers may have to wait for.
PART = 5_000
_UNKNOWN = "没有登记该证照，请核对编号。"


class _Locked(NamedTuple):
    """What a decision needs to know of a certificate; its face stays where it is."""

    id: str
    department: str
    status: int
    status_list: int
    status_index: int
    issued_on: date
    valid_to_on: date | None


_COLUMNS = [getattr(Certificate, name) for name in _Locked._fields]


def parts(certificate_ids: Sequence[str]) -> list[list[str]]:
    """The ids, each once, in parts for transactions of their own. Raises LimitError."""
    ids = list(dict.fromkeys(certificate_ids))
    if len(ids) > MAX_CHANGED:
        raise LimitError("too_many_rows", f"一次最多变更 {MAX_CHANGED} 份证照，请分批提交。", {"rows": len(ids)})
    return [ids[start : start + PART] for start in range(0, len(ids), PART)]


def change_many(
    work: Work,
    certificate_ids: Sequence[str],
    operation: str,
    reason: str,
    authority: str | None = None,
    effective_at: datetime | None = None,
    document: str | None = None,
) -> list[Decided | Undecided]:
    """Record the same legal event about many certificates, each with an outcome of its own, in the order given.

    What is not lawful for one does not stop the others. Repeating it changes nothing (`Decided.duplicate`), so that a
    decision may be carried out in parts, each in a transaction of its own: under one `effective_at`. Raises
    LimitError, InvalidDraftError, NotPermittedError (延续, 变更, 转入), TransitionError (no such operation).
    """
    wanted = Operation.of(operation)
    if wanted in WITH_SUCCESSOR:
        raise NotPermittedError("successor_needed", f"“{wanted.chinese}”须逐份登记新证照并填写关联证照标识。")
    changes = _Changes(wanted, reason, authority, effective_at or work.at, document or None)
    outcomes: list[Decided | Undecided] = []
    with collector_paused():
        for some in parts(certificate_ids):
            outcomes += _change(work, some, changes)
    return outcomes


class _Changes(dict[str, Change]):
    """The decision, by the department whose certificates it is about: where no authority is named, it decided."""

    def __init__(
        self, operation: Operation, reason: str, authority: str | None, effective_at: datetime, document: str | None
    ) -> None:
        super().__init__()
        self._facts = (operation, reason, authority, effective_at, document)

    def __missing__(self, department: str) -> Change:
        operation, reason, authority, effective_at, document = self._facts
        made = self[department] = Change(operation, reason, authority or department, effective_at, document)
        return made


def _change(work: Work, ids: Sequence[str], changes: _Changes) -> list[Decided | Undecided]:
    rows = _lock(work, Certificate.id.in_(ids))
    outcomes: dict[str, Decided | Undecided] = {
        row.id: Undecided(row.id, "not_the_issuer", "只有颁发机构可以变更该证照的状态。") for row in rows
    }
    own = [(row, changes[row.department]) for row in rows if _is_own(work, row)]
    outcomes |= {one.id: one for one in _decide(work, own)}
    return [outcomes.get(one) or Undecided(one, "certificate_unknown", _UNKNOWN) for one in ids]


def find_by_numbers(work: Work, type_code: str, numbers: Sequence[str]) -> tuple[list[str], list[str]]:
    """The ids of the actor's own certificates of a type with these numbers (of each its newest version), in the order
    of the numbers; and the numbers that none has. Raises LimitError."""
    if len(numbers) > MAX_CHANGED:
        raise LimitError("too_many_rows", f"一次最多变更 {MAX_CHANGED} 份证照，请分批提交。", {"rows": len(numbers)})
    found: dict[str, str] = {}
    wanted = list(dict.fromkeys(numbers))
    for start in range(0, len(wanted), PART):
        query = select(Certificate.number, func.max(Certificate.id)).where(
            Certificate.number.in_(wanted[start : start + PART]), Certificate.type_code == type_code
        )
        if work.actor.kind != "registry":
            query = query.where(Certificate.department == work.actor.department)
        found.update(iter(work.session.execute(query.group_by(Certificate.number)).tuples()))
    return [found[number] for number in wanted if number in found], [one for one in wanted if one not in found]


def lapse_due(work: Work, limit: int = LAPSED_AT_ONCE) -> int:
    """Let certificates lapse whose last day of validity is over, from the midnight after it; how many there were.

    Call it again until it gives 0.
    """
    rows = _lock(work, Certificate.valid_to_on < shanghai_day(work.at), text(LAPSING), limit=limit)
    last = _last_effective(work, [row.id for row in rows])
    decisions = []
    for row in rows:
        assert row.valid_to_on is not None
        ended_at = datetime.combine(row.valid_to_on + timedelta(days=1), time.min, SHANGHAI)
        # A suspension that took effect after the last day stands before the lapse.
        effective_at = max(ended_at, last.get(row.id, ended_at))
        decisions.append((row, Change(Operation.LAPSE, LAPSE_REASON, row.department, effective_at)))
    outcomes = _decide(work, decisions)
    return sum(isinstance(one, Decided) and not one.duplicate for one in outcomes)


def _lock(work: Work, *which: ColumnExpressionArgument[bool], limit: int | None = None) -> list[_Locked]:
    query = select(*_COLUMNS).where(*which).order_by(Certificate.id).limit(limit).with_for_update()
    return [_Locked(*row) for row in work.session.execute(query)]


def _is_own(work: Work, row: _Locked) -> bool:
    return work.actor.kind == "registry" or work.actor.department == row.department


def _last_effective(work: Work, ids: Sequence[str]) -> dict[str, datetime]:
    query = select(StatusEvent.item_id, func.max(StatusEvent.effective_at)).where(StatusEvent.item_id.in_(ids))
    return dict(iter(work.session.execute(query.group_by(StatusEvent.item_id)).tuples()))


def _decide(work: Work, decisions: Sequence[tuple[_Locked, Change]]) -> list[Decided | Undecided]:
    subjects = [(succession.subject_of(row), change) for row, change in decisions]
    outcomes = bulk.record_many(work, subjects)
    by_status: dict[Status, list[str]] = {}
    for one in outcomes:
        if isinstance(one, Decided) and not one.duplicate:
            by_status.setdefault(one.status, []).append(one.id)
    for status, ids in by_status.items():
        work.session.execute(update(Certificate).where(Certificate.id.in_(ids)).values(status=int(status)))
    return outcomes
