"""Use cases of status lists and status events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from registry import upserts
from registry.certificates.names import is_clean
from registry.errors import FieldError, InvalidDraftError
from registry.ids import id_bytes, new_id_text
from registry.log import service as log
from registry.notices import service as notices
from registry.statuses import rules
from registry.statuses.tables import StatusEvent, StatusListRow, StatusValue
from registry.work import Work
from verifier.commitment import seal
from verifier.digests import DoubleDigest
from verifier.entry import Entry, Kind
from verifier.identifiers import IdentifierError, check_uscc
from verifier.status import CAPACITY, Status, StatusList

_KEY_BYTES = 32


def allot(work: Work, count: int) -> list[tuple[int, int]]:
    """`count` slots that nobody had before, as (list, index); a new list is opened when the newest is full."""
    slots: list[tuple[int, int]] = []
    while len(slots) < count:
        row = _open_list(work)
        taken = min(count - len(slots), CAPACITY - row.allotted)
        fresh = rules.scatter(row.permutation_key, range(row.allotted, row.allotted + taken))
        work.session.execute(
            update(StatusListRow).where(StatusListRow.id == row.id).values(allotted=row.allotted + taken)
        )
        slots += [(row.id, slot) for slot in fresh]
    return slots


@dataclass(frozen=True, slots=True)
class _OpenList:
    id: int
    permutation_key: bytes
    allotted: int


def _open_list(work: Work) -> _OpenList:
    # The lock on the newest list makes writers on PostgreSQL take their slots one after the other.
    newest = (
        select(StatusListRow.id, StatusListRow.permutation_key, StatusListRow.allotted)
        .order_by(StatusListRow.id.desc())
        .limit(1)
        .with_for_update()
    )
    found = work.session.execute(newest).one_or_none()
    if found is None or found.allotted >= CAPACITY:
        number = 1 if found is None else found.id + 1
        # Two first writers may both find none: one makes the list, both go on with the same one.
        work.session.execute(
            upserts.insert_or_ignore(work.session, StatusListRow),
            [{"id": number, "permutation_key": work.draw(_KEY_BYTES), "allotted": 0, "changed_at": work.at}],
        )
        found = work.session.execute(newest).one()
    return _OpenList(found.id, found.permutation_key, found.allotted)


def set_status(work: Work, list_id: int, slot: int, status: Status) -> None:
    """Put the state of one slot and note that its list has changed."""
    work.session.execute(
        upserts.insert_or_update(work.session, StatusValue, ("list_id", "slot"), ("value", "changed_at")),
        [{"list_id": list_id, "slot": slot, "value": int(status), "changed_at": work.at}],
    )
    work.session.execute(update(StatusListRow).where(StatusListRow.id == list_id).values(changed_at=work.at))


def list_numbers(work: Work) -> list[int]:
    """The numbers of all status lists, ascending."""
    return list(work.session.scalars(select(StatusListRow.id).order_by(StatusListRow.id)))


def build_list(work: Work, list_id: int) -> StatusList:
    """The present states of a list, ready to be signed as a token."""
    states = StatusList()
    values = select(StatusValue.slot, StatusValue.value).where(StatusValue.list_id == list_id)
    for slot, value in work.session.execute(values):
        states.set(slot, Status(value))
    return states


def lists_changed_at(work: Work) -> dict[int, datetime]:
    """When each list last changed: a token issued before that is out of date."""
    return {row.id: row.changed_at for row in work.session.execute(select(StatusListRow.id, StatusListRow.changed_at))}


@dataclass(frozen=True, slots=True)
class Change:
    """A decision about an item: what, why, by whom (USCC of the authority), from when on, under which document."""

    operation: rules.Operation
    reason: str
    authority: str
    effective_at: datetime
    document: str | None = None
    successor: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """The item a status event is about, as it stands now."""

    kind: str
    id: str
    department: str
    status: Status
    slot: tuple[int, int]
    earliest: datetime


MAX_REASON_CHARACTERS = 500


def record_change(work: Work, subject: Subject, change: Change) -> StatusEvent:
    """Record a lawful event with its log entry and the new value of the slot; the caller updates the item's own row.
    Every department that relied on the item is told.

    The caller holds the lock of that row. Raises TransitionError, InvalidDraftError (no reason given).
    """
    after = rules.next_status(subject.status, change.operation)
    check_texts(change)
    count, last_effective_at = _last(work.session, subject.id)
    rules.Timeline(subject.earliest, last_effective_at, work.at).check(change.operation, change.effective_at)
    sealed = seal(facts_in_clear(change), work.draw)
    entry = entry_of(work, subject, change, after, sealed.digest)
    event = StatusEvent(
        id=new_id_text(work.at, work.draw), item_kind=subject.kind, item_id=subject.id, sequence=count + 1,
        operation=change.operation.label, operation_code=change.operation.code, from_status=int(subject.status),
        to_status=int(after), reason=change.reason.strip(), authority=change.authority, document=change.document,
        successor=change.successor, effective_at=change.effective_at, recorded_at=work.at,
        recorded_by=work.actor.id, content=sealed.canonical, salts=sealed.salts, entry_id=log.submit(work, entry),
    )  # fmt: skip
    work.session.add(event)
    set_status(work, *subject.slot, after)
    notices.tell_relying(work, "status_changed", subject.kind, subject.id, status=after)
    return event


def entry_of(work: Work, subject: Subject, change: Change, after: Status, digest: DoubleDigest) -> Entry:
    """The log entry of a change that leads to `after`; `digest` commits to `facts_in_clear`."""
    return Entry(
        kind=Kind.STATUS,
        item=id_bytes(subject.id),
        department=subject.department,
        recorded_at=work.at,
        digest=digest,
        facts={
            "operation": change.operation.code,
            "status": int(after),
            "status_list": subject.slot[0],
            "status_index": subject.slot[1],
            "effective_at": int(change.effective_at.timestamp() * 1000),
        },
    )


def facts_in_clear(change: Change) -> Mapping[str, str | None]:
    """What the log commits to and does not tell."""
    return {
        "operation": change.operation.label,
        "reason": change.reason.strip(),
        "authority": change.authority,
        "document": change.document,
        "successor": change.successor,
        "effective_at": change.effective_at.isoformat(),
    }


def check_texts(change: Change) -> None:
    """Raises InvalidDraftError for a reason, a document or an authority that no decision may have."""
    errors = []
    if not 0 < len(change.reason.strip()) <= MAX_REASON_CHARACTERS or not is_clean(change.reason):
        errors.append(FieldError("reason", "reason_missing", f"请填写事由，最多 {MAX_REASON_CHARACTERS} 个字。"))
    if change.document is not None and (not 0 < len(change.document) <= 200 or not change.document.isprintable()):
        errors.append(FieldError("document", "wrong_length", "文书编号应为 1 至 200 个字符。"))
    try:
        check_uscc(change.authority, "authority")
    except IdentifierError as wrong:
        errors.append(FieldError("authority", wrong.reason, f"作出决定的机关：{wrong.message}。"))
    if errors:
        raise InvalidDraftError(errors)


def _last(session: Session, item_id: str) -> tuple[int, datetime | None]:
    found = session.execute(
        select(func.count(StatusEvent.id), func.max(StatusEvent.effective_at)).where(StatusEvent.item_id == item_id)
    ).one()
    return found[0], found[1]


def events_of(work: Work, item_id: str) -> list[StatusEvent]:
    """Every event of an item in the order of recording."""
    return list(
        work.session.scalars(select(StatusEvent).where(StatusEvent.item_id == item_id).order_by(StatusEvent.sequence))
    )


def status_at(work: Work, item_id: str, at: datetime, known_at: datetime | None = None) -> Status:
    """The state of an item at a moment, by what is known now or was known at `known_at`."""
    return rules.status_at(events_of(work, item_id), at, known_at)
