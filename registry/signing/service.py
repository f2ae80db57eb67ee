"""Use cases of signing: hand out what a department signs itself, and take its signatures back.

Entries stay in the outbox until then, in the transaction of what they tell, so that pages, imports and systems work for
such a department as for any other. What is handed out is dated by the registry's clock at that moment; a preparation
that ran out is forgotten, and the entry handed out again with a new date.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Row, Table, delete, func, select, update
from sqlalchemy.orm import Session

from registry.departments import service as departments
from registry.departments.standing import is_suspended
from registry.errors import NotFoundError, NotPermittedError, TransitionError
from registry.ids import new_id_text
from registry.keys import rules as key_rules
from registry.keys.rules import Period
from registry.keys.service import periods_in
from registry.keys.tables import KeyRow
from registry.log.rules import chunks, link
from registry.log.state import take_turn
from registry.log.tables import LogEntry
from registry.signing import rules
from registry.signing.contents import Content, Wanted, contents_of
from registry.signing.rules import Outcome
from registry.signing.tables import Preparation
from registry.work import Work
from verifier import cose
from verifier.entry import Entry, Kind
from verifier.errors import MalformedError, SignatureError
from verifier.key_possession import normalised
from verifier.merkle import leaf_hash
from verifier.suites import PublicKey, public_key
from verifier.times import shanghai_day

_ENTRIES: Table = LogEntry.__table__  # type: ignore[assignment]
_IDS_PER_QUERY = 400
_MAX_LEAF_BYTES = 8192


class ToSign(NamedTuple):
    """An entry that waits: its row, its payload as it is to be signed, and what it commits to, where that is kept."""

    entry_id: int
    kind: int
    item: str
    payload: bytes
    to_be_signed: bytes
    content: Content | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was handed out. held_back: rows of certificates that the department may not issue now; left: entries of it
    that wait besides those handed out."""

    preparation: Preparation
    key: PublicKey
    entries: Sequence[ToSign]
    held_back: Sequence[int]
    left: int


class Signed(NamedTuple):
    """What became of one signature; leaf_hash (32 bytes) once the entry is signed, by whichever signature."""

    entry_id: int
    outcome: Outcome
    leaf_hash: bytes | None


def prepare(work: Work, limit: int) -> Prepared:
    """Hand out up to `limit` waiting entries of the actor's department, oldest first, dated now.

    An entry about an item whose earlier entry is not signed yet comes with a later preparation: it names that one's
    leaf hash. Raises NotPermittedError: no department, suspended, no key of its own in force.
    """
    department, periods = acting(work)
    key = key_of_period(work.session, rules.own_key(periods, work.at))
    may_issue = _issuing(work, department, work.at)
    chosen, held_back = _choose(work.session, department, periods, limit, may_issue)
    preparation = Preparation(
        id=new_id_text(work.at, work.draw), department=department, kid=key.kid, recorded_at=work.at,
        expires_at=work.at + rules.SIGNATURES_TAKEN_FOR, entries=len(chosen), prepared_by=work.actor.id,
    )  # fmt: skip
    work.session.add(preparation)
    work.session.flush()
    payloads = _payloads(work.session, chosen, work.at)
    contents = contents_of(work.session, [Wanted(row.id, row.kind, row.item) for row in chosen])
    protected = cose.protected_header(key, cose.Type.ENTRY)
    entries = [
        ToSign(
            row.id, row.kind, row.item, payloads[row.id], cose.to_be_signed(protected, payloads[row.id]),
            contents.get(row.id),
        )
        for row in chosen
    ]  # fmt: skip
    return Prepared(preparation, key, entries, held_back, awaiting(work.session, department) - len(chosen))


def commit(work: Work, preparation_id: str, signatures: Sequence[tuple[int, bytes]]) -> list[Signed]:
    """Take signatures (row, 64 bytes) of a preparation; each has an outcome of its own, in the same order.

    Repeating it changes nothing, also after the preparation ran out. Raises NotFoundError, NotPermittedError (no
    department, suspended, the key was ended meanwhile), TransitionError (it ran out, and something was not signed yet).
    """
    department, _ = acting(work)
    preparation = work.session.get(Preparation, preparation_id)
    if preparation is None or preparation.department != department:
        raise NotFoundError("preparation_unknown", "没有这次待签请求，请重新领取。")
    # Locked: a key that is ended at this moment has signed, or signs no more.
    row = work.session.get_one(KeyRow, preparation.kid, with_for_update={"read": True})
    key, rows = public_key(row.suite, row.public), _rows(work.session, department, [entry for entry, _ in signatures])
    if any(found.signed is None for found in rows.values()):
        check_open(preparation, row, work.at)
    examine = _Examination(
        key, preparation.recorded_at, _issuing(work, department, preparation.recorded_at),
        _leaves_before(work.session, [found.id for found in rows.values() if found.signed is None]),
    )  # fmt: skip
    taken = {entry_id: examine.one(rows.get(entry_id), signature) for entry_id, signature in signatures}
    signed = {entry_id: outcome for entry_id, outcome in taken.items() if isinstance(outcome, _Leaf)}
    _store(work.session, preparation.recorded_at, signed)
    return [_told(entry_id, taken[entry_id]) for entry_id, _ in signatures]


def awaiting(session: Session, department: str) -> int:
    """How many entries of a department are not signed yet."""
    waiting = select(func.count()).where(
        LogEntry.department == department, LogEntry.log_index.is_(None), LogEntry.signed.is_(None)
    )
    return session.scalar(waiting) or 0


def is_awaited(session: Session, item: str, department: str) -> bool:
    """Whether something about the item waits for this department's signature."""
    found = select(LogEntry.id).where(
        LogEntry.item == item, LogEntry.department == department, LogEntry.signed.is_(None)
    )
    return session.scalars(found.limit(1)).first() is not None


def forget_old(work: Work) -> None:
    """Forget preparations of long ago; their entries are in the log, or were handed out again."""
    work.session.execute(delete(Preparation).where(Preparation.expires_at < work.at - rules.KEPT_FOR))


class _Leaf(NamedTuple):
    """An entry that gets its signature now."""

    signed: bytes
    leaf_hash: bytes
    digest: bytes


def acting(work: Work) -> tuple[str, list[Period]]:
    """The department that signs, and its keys. Raises NotPermittedError: none, or suspended."""
    department = work.actor.department
    if department is None:
        raise NotPermittedError("no_department", "只有部门可以签署存证条目，请使用部门账号。")
    if is_suspended(work.session, department):
        message = "该部门已被暂停，恢复之前不能签署；待签条目会保留。"
        raise NotPermittedError("department_suspended", message, {"department": department})
    return department, periods_in(work.session.connection(), key_rules.department_purpose(department))


def key_of_period(session: Session, period: Period) -> PublicKey:
    """The public key of a period."""
    row = session.get_one(KeyRow, period.kid)
    return public_key(row.suite, row.public)


def _choose(
    session: Session, department: str, periods: list[Period], limit: int, may_issue: Callable[[bytes], bool]
) -> tuple[list[Row[Any]], list[int]]:
    """What can be signed now, at most one entry an item; and certificates that the department may not issue now."""
    chosen: list[Row[Any]] = []
    held_back: list[int] = []
    for some in _waiting(session, department):
        first = _first_unsigned(session, {row.item for row in some})
        for row in some:
            if first[row.item] != row.id or not rules.is_left_to_department(periods, row.recorded_at):
                continue
            if not may_issue(row.payload):
                held_back.append(row.id)
                continue
            chosen.append(row)
            if len(chosen) == limit:
                return chosen, held_back
    return chosen, held_back


def _waiting(session: Session, department: str) -> Iterator[Sequence[Row[Any]]]:
    """The department's entries without a signature, oldest first, some at a time."""
    after = 0
    columns = _ENTRIES.c.id, _ENTRIES.c.kind, _ENTRIES.c.item, _ENTRIES.c.recorded_at, _ENTRIES.c.payload
    while True:
        some = session.execute(
            select(*columns)
            .where(_ENTRIES.c.log_index.is_(None), _ENTRIES.c.signed.is_(None), _ENTRIES.c.id > after)
            .where(_ENTRIES.c.department == department)
            .order_by(_ENTRIES.c.id)
            .limit(_IDS_PER_QUERY)
        ).all()
        if not some:
            return
        yield some
        after = some[-1].id


def _first_unsigned(session: Session, items: set[str]) -> dict[str, int]:
    """The first entry of each item that nobody signed yet, of whichever department."""
    rows = session.execute(
        select(_ENTRIES.c.item, func.min(_ENTRIES.c.id))
        .where(_ENTRIES.c.item.in_(items), _ENTRIES.c.signed.is_(None))
        .group_by(_ENTRIES.c.item)
    )
    return {item: row_id for item, row_id in rows.tuples()}


def _issuing(work: Work, department: str, at: datetime) -> Callable[[bytes], bool]:
    """Whether an entry may be signed at that time: a certificate only within the department's scopes."""
    known: dict[str, bool] = {}

    def may_issue(payload: bytes) -> bool:
        entry = Entry.from_bytes(payload)
        if entry.kind is not Kind.CERTIFICATE:
            return True
        code = str(entry.facts.get("type"))
        if code not in known:
            known[code] = departments.has_scope(work.session, department, code, "issue", shanghai_day(at))
        return known[code]

    return may_issue


def _payloads(session: Session, rows: Sequence[Any], at: datetime) -> dict[int, bytes]:
    """The payload of each row, dated `at` and linked to the item's earlier entry."""
    before = _leaves_before(session, [row.id for row in rows])
    return {row.id: _linked(rules.redate(row.payload, at).payload, before.get(row.id)) for row in rows}


def _linked(payload: bytes, previous: bytes | None) -> bytes:
    return payload if previous is None else link(payload, previous)


def _leaves_before(session: Session, ids: Sequence[int]) -> dict[int, bytes]:
    """The leaf hash of the item's earlier entry, for the rows that have one."""
    found: dict[int, bytes] = {}
    earlier = _ENTRIES.alias("earlier")
    for some in chunks(ids, _IDS_PER_QUERY):
        newest = (
            select(func.max(earlier.c.id))
            .where(earlier.c.item == _ENTRIES.c.item, earlier.c.id < _ENTRIES.c.id)
            .scalar_subquery()
        )
        pairs = dict(session.execute(select(_ENTRIES.c.id, newest).where(_ENTRIES.c.id.in_(some))).tuples().all())
        leaves = dict(
            session.execute(
                select(_ENTRIES.c.id, _ENTRIES.c.leaf_hash).where(
                    _ENTRIES.c.id.in_([one for one in pairs.values() if one is not None])
                )
            )
            .tuples()
            .all()
        )
        found |= {row_id: leaves[one] for row_id, one in pairs.items() if one is not None and leaves[one] is not None}
    return found


def _rows(session: Session, department: str, ids: Sequence[int]) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for some in chunks(ids, _IDS_PER_QUERY):
        chosen = select(_ENTRIES).where(_ENTRIES.c.id.in_(some), _ENTRIES.c.department == department)
        found |= {row.id: row for row in session.execute(chosen)}
    return found


def check_open(preparation: Preparation, key: KeyRow, at: datetime) -> None:
    """Raises NotPermittedError (the key was ended), TransitionError (the preparation ran out)."""
    if key.ended_as is not None or (key.valid_to is not None and at >= key.valid_to):
        message = "签署所用的密钥已停用，这次待签请求作废；请用现行密钥重新领取。"
        raise NotPermittedError("key_ended", message, {"kid": key.kid.hex()})
    if at >= preparation.expires_at:
        message = "待签请求已过期（领取后 15 分钟内有效），未签署的条目请重新领取。"
        raise TransitionError("expired", "commit", message, "preparation_expired")


@dataclass(frozen=True, slots=True)
class _Examination:
    """What signatures of one preparation are held against. before: leaf hashes of the items' earlier entries."""

    key: PublicKey
    recorded_at: datetime
    may_issue: Callable[[bytes], bool]
    before: Mapping[int, bytes]

    def one(self, row: Any | None, signature: bytes) -> _Leaf | Signed:
        """What becomes of a signature for this row of the department's."""
        if row is None:
            return Signed(0, "unknown", None)
        if row.signed is not None:
            present = cose.open1(row.signed, limit=_MAX_LEAF_BYTES)
            same = present.kid == self.key.kid and present.signature == in_form(self.key, signature)
            return Signed(row.id, "signed" if same else "signed_before", row.leaf_hash)
        redated = rules.redate(row.payload, self.recorded_at)
        if not self.may_issue(redated.payload):
            return Signed(row.id, "scope_missing", None)
        payload = _linked(redated.payload, self.before.get(row.id))
        protected = cose.protected_header(self.key, cose.Type.ENTRY)
        try:
            message, signed = cose.from_parts(protected, payload, in_form(self.key, signature))
            message.check(self.key)
        except (MalformedError, SignatureError):
            return Signed(row.id, "wrong_signature", None)
        return _Leaf(signed, leaf_hash(signed), redated.digest)


def in_form(key: PublicKey, signature: bytes) -> bytes:
    """The signature in its one form; nothing where it has none."""
    try:
        return normalised(key, signature)
    except SignatureError:
        return b""


def _store(session: Session, recorded_at: datetime, signed: Mapping[int, _Leaf]) -> None:
    if not signed:
        return
    # Alone with the log: a later entry of the same item takes its leaf hash from here or waits.
    take_turn(session.connection())
    for entry_id, leaf in signed.items():
        values = {
            "signed": leaf.signed, "leaf_hash": leaf.leaf_hash, "payload": None, "payload_digest": leaf.digest,
            "recorded_at": recorded_at,
        }  # fmt: skip
        done = session.execute(
            update(_ENTRIES).where(_ENTRIES.c.id == entry_id, _ENTRIES.c.signed.is_(None)).values(values)
        )
        if done.rowcount != 1:  # type: ignore[attr-defined]
            message = "同一条目刚刚由另一请求签署，本次未写入任何内容，请重新提交。"
            raise TransitionError("signed", "commit", message, "signed_meanwhile")


def _told(entry_id: int, outcome: _Leaf | Signed) -> Signed:
    if isinstance(outcome, _Leaf):
        return Signed(entry_id, "signed", outcome.leaf_hash)
    return outcome._replace(entry_id=entry_id)
