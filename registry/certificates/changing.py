"""One decision about many certificates, and the lapse of those whose last day is over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta

from sqlalchemy import Select, func, select, text, update

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
_CHUNK = 5_000
_UNKNOWN = "没有登记该证照，请核对编号。"


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

    What is not lawful for one does not stop the others. Repeating it changes nothing (`Decided.duplicate`). Raises
    LimitError, InvalidDraftError, NotPermittedError (延续, 变更, 转入), TransitionError (no such operation).
    """
    wanted = Operation.of(operation)
    if wanted in WITH_SUCCESSOR:
        raise NotPermittedError("successor_needed", f"“{wanted.chinese}”须逐份登记新证照并填写关联证照标识。")
    ids = list(dict.fromkeys(certificate_ids))
    if len(ids) > MAX_CHANGED:
        raise LimitError("too_many_rows", f"一次最多变更 {MAX_CHANGED} 份证照，请分批提交。", {"rows": len(ids)})
    changes = _Changes(wanted, reason, authority, effective_at or work.at, document or None)
    outcomes: list[Decided | Undecided] = []
    for start in range(0, len(ids), _CHUNK):
        outcomes += _change(work, ids[start : start + _CHUNK], changes)
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
    rows = _lock(work, select(Certificate).where(Certificate.id.in_(ids)))
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
    for start in range(0, len(wanted), _CHUNK):
        query = select(Certificate.number, func.max(Certificate.id)).where(
            Certificate.number.in_(wanted[start : start + _CHUNK]), Certificate.type_code == type_code
        )
        if work.actor.kind != "registry":
            query = query.where(Certificate.department == work.actor.department)
        found.update(iter(work.session.execute(query.group_by(Certificate.number)).tuples()))
    return [found[number] for number in wanted if number in found], [one for one in wanted if one not in found]


def lapse_due(work: Work, limit: int = LAPSED_AT_ONCE) -> int:
    """Let certificates lapse whose last day of validity is over, from the midnight after it; how many there were.

    Call it again until it gives 0.
    """
    due = select(Certificate).where(Certificate.valid_to_on < shanghai_day(work.at), text(LAPSING))
    rows = _lock(work, due.limit(limit))
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


def _lock(work: Work, query: Select[tuple[Certificate]]) -> list[Certificate]:
    locked = query.order_by(Certificate.id).with_for_update().execution_options(populate_existing=True)
    return list(work.session.scalars(locked))


def _is_own(work: Work, row: Certificate) -> bool:
    return work.actor.kind == "registry" or work.actor.department == row.department


def _last_effective(work: Work, ids: Sequence[str]) -> dict[str, datetime]:
    query = select(StatusEvent.item_id, func.max(StatusEvent.effective_at)).where(StatusEvent.item_id.in_(ids))
    return dict(iter(work.session.execute(query.group_by(StatusEvent.item_id)).tuples()))


def _decide(work: Work, decisions: Sequence[tuple[Certificate, Change]]) -> list[Decided | Undecided]:
    subjects = [(succession.subject_of(row), change) for row, change in decisions]
    outcomes = bulk.record_many(work, subjects)
    by_status: dict[Status, list[str]] = {}
    for one in outcomes:
        if isinstance(one, Decided) and not one.duplicate:
            by_status.setdefault(one.status, []).append(one.id)
    for status, ids in by_status.items():
        statement = update(Certificate).where(Certificate.id.in_(ids)).values(status=int(status))
        work.session.execute(statement.execution_options(synchronize_session=False))
    # Their states are old now, and 100,000 faces are much to hold.
    for row, _ in decisions:
        work.session.expunge(row)
    return outcomes
