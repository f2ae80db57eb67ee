"""Use cases of venues: register, passes, the hand-in of visits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select

from registry.certificates.names import normalise_code
from registry.departments import service as departments
from registry.errors import ConflictError, FieldError, InvalidDraftError, LimitError, NotFoundError, NotPermittedError
from registry.ids import id_bytes, new_id_text
from registry.log import service as log
from registry.statuses import service as statuses
from registry.venues import rules
from registry.venues.tables import HandIn, Pass, Venue, VisitRow
from registry.work import Work
from verifier import venue as form
from verifier.commitment import seal
from verifier.entry import Entry, Kind
from verifier.identifiers import IdentifierError, check_holder_number
from verifier.status import Status
from verifier.visit import Visit

#: How long single visits are kept; afterwards only their hand-in's commitment stays.
VISITS_KEPT_FOR = timedelta(days=30)


def register(
    work: Work,
    name: str,
    address: str,
    area_code: str,
    responsible: str,
    rule: Mapping[str, Any],
    department: str | None = None,
) -> Venue:
    """Register a venue under a department (default: the actor's); `responsible` is the USCC of the unit that answers.

    Raises InvalidDraftError, NotFoundError (department).
    """
    errors = rules.check_venue(name, address, area_code, responsible, rule)
    if errors:
        raise InvalidDraftError(errors)
    owner = departments.get(work, department or work.actor.department or "")
    venue = Venue(
        id=new_id_text(work.at, work.draw), name=name.strip(), address=address.strip(), area_code=area_code,
        responsible=responsible, department=owner.code, rule=form.VenueRule.from_json(rule).to_json(), rule_version=1,
        created_at=work.at,
    )  # fmt: skip
    work.session.add(venue)
    work.session.flush()
    return venue


def change_rule(work: Work, venue_id: str, rule: Mapping[str, Any]) -> Venue:
    """Give a venue another rule; gates follow it from their next trust bundle on.

    Raises NotFoundError, NotPermittedError, InvalidDraftError.
    """
    venue = own(work, venue_id)
    errors = rules.check_venue(venue.name, venue.address, venue.area_code, venue.responsible, rule)
    if errors:
        raise InvalidDraftError(errors)
    venue.rule, venue.rule_version = form.VenueRule.from_json(rule).to_json(), venue.rule_version + 1
    work.session.flush()
    return venue


def find(work: Work, venue_id: str) -> Venue | None:
    """The venue of this id."""
    return work.session.get(Venue, venue_id)


def get(work: Work, venue_id: str) -> Venue:
    """The venue of this id. Raises NotFoundError."""
    found = find(work, venue_id)
    if found is None:
        raise NotFoundError("venue_unknown", "没有登记该场所，请核对编号。")
    return found


def list_all(work: Work, department: str | None = None) -> list[Venue]:
    """Venues in the order of registration, of one department if given."""
    query = select(Venue).order_by(Venue.id)
    return list(work.session.scalars(query if department is None else query.where(Venue.department == department)))


def trusted(work: Work) -> tuple[form.Venue, ...]:
    """Every venue in the form of the trust bundle."""
    return tuple(
        form.Venue(row.id, row.name, row.address, form.VenueRule.from_json(row.rule)) for row in list_all(work)
    )


def own(work: Work, venue_id: str) -> Venue:
    """A venue that the actor's department manages, and that its token is for.

    Raises NotFoundError, NotPermittedError.
    """
    venue = get(work, venue_id)
    if work.actor.kind != "registry" and work.actor.department != venue.department:
        raise NotPermittedError("not_the_venues_department", "只能管理本部门的场所。")
    if work.actor.venues is not None and venue_id not in work.actor.venues:
        raise NotPermittedError("not_the_tokens_venue", "此令牌只用于另外的场所，请为本场所换发令牌。")
    return venue


def grant_pass(
    work: Work, venue_id: str, code_type: str, code: str, valid_from_at: datetime, valid_to_at: datetime
) -> Pass:
    """Let a person in for a time. The number is kept as a blind index only.

    Raises NotFoundError, NotPermittedError, InvalidDraftError.
    """
    venue = own(work, venue_id)
    number = normalise_code(code)
    errors = rules.check_pass(valid_from_at, valid_to_at, work.at)
    try:
        check_holder_number(code_type, number)
    except IdentifierError as wrong:
        errors.append(FieldError("holder_code", wrong.reason, f"{wrong.message}。"))
    if errors:
        raise InvalidDraftError(errors)
    ((list_id, slot),) = statuses.allot(work, 1)
    granted = Pass(
        id=new_id_text(work.at, work.draw), venue_id=venue.id, subject_index=work.blind.of(code_type, number),
        valid_from_at=valid_from_at, valid_to_at=valid_to_at, status=int(Status.VALID), status_list=list_id,
        status_index=slot, granted_at=work.at, granted_by=work.actor.id,
    )  # fmt: skip
    work.session.add(granted)
    work.session.flush()
    return granted


def revoke_pass(work: Work, pass_id: str) -> Pass:
    """End a pass; gates learn it from their next trust bundle. Repeating it changes nothing.

    Raises NotFoundError, NotPermittedError.
    """
    found = work.session.get(Pass, pass_id)
    if found is None:
        raise NotFoundError("pass_unknown", "没有这张通行证。")
    own(work, found.venue_id)
    if found.status == Status.VALID:
        found.status = int(Status.REVOKED)
        statuses.set_status(work, found.status_list, found.status_index, Status.REVOKED)
        work.session.flush()
    return found


def passes_of(work: Work, subject_index: bytes, at: datetime) -> list[Pass]:
    """A person's passes that are valid now or will be, the ones that end last first."""
    query = select(Pass).where(Pass.subject_index == subject_index, Pass.status == int(Status.VALID))
    return list(work.session.scalars(query.where(Pass.valid_to_at > at).order_by(Pass.valid_to_at.desc(), Pass.id)))


def list_passes(work: Work, venue_id: str) -> list[Pass]:
    """A venue's passes, newest first."""
    return list(work.session.scalars(select(Pass).where(Pass.venue_id == venue_id).order_by(Pass.id.desc())))


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a hand-in: new visits, visits that stood already, the last sequence known of each gate.

    `id` and `entry_id` are None when there was nothing new.
    """

    id: str | None
    entry_id: int | None
    new: int
    repeated: int
    last: dict[str, int]


def hand_in(work: Work, venue_id: str, visits: Sequence[Visit]) -> Delivery:
    """Take a gate's visits, all or none; the same visits again change nothing. One log entry for what was new.

    Raises NotFoundError, NotPermittedError, LimitError, InvalidDraftError (another venue's visits, a gap, a broken
    chain), ConflictError (a visit stands already with other content).
    """
    if len(visits) > rules.MAX_VISITS:
        raise LimitError("too_many_visits", f"一次最多上交 {rules.MAX_VISITS} 条通行记录。")
    own(work, venue_id)
    # One hand-in of a venue at a time: the check of the chain and the insert belong together.
    work.session.execute(select(Venue.id).where(Venue.id == venue_id).with_for_update())
    strangers = [visit.event_id for visit in visits if visit.venue != venue_id]
    if strangers:
        raise InvalidDraftError([FieldError(strangers[0], "other_venue", "通行记录属于另一场所。")])
    fresh = _fresh(work, visits)
    last = _check_chains(work, venue_id, fresh)
    if not fresh:
        return Delivery(None, None, 0, len(visits), last)
    delivery = _store(work, venue_id, fresh)
    return Delivery(delivery.id, delivery.entry_id, len(fresh), len(visits) - len(fresh), last)


def _fresh(work: Work, visits: Sequence[Visit]) -> list[Visit]:
    """The visits that do not stand yet, each once, by gate and sequence."""
    by_event = {visit.event_id: visit for visit in visits}
    known: dict[str, bytes] = {}
    events = list(by_event)
    for start in range(0, len(events), 5_000):
        query = select(VisitRow.event_id, VisitRow.digest).where(VisitRow.event_id.in_(events[start : start + 5_000]))
        known.update(work.session.execute(query).tuples().all())
    for visit in visits:
        stands = known.get(visit.event_id)
        if by_event[visit.event_id] != visit or (stands is not None and stands != visit.digest()):
            raise ConflictError("visit_differs", "同一通行记录已上交，且内容不同。", {"event_id": visit.event_id})
    fresh = [visit for event, visit in by_event.items() if event not in known]
    return sorted(fresh, key=lambda visit: (visit.gate, visit.sequence))


def _check_chains(work: Work, venue_id: str, fresh: Sequence[Visit]) -> dict[str, int]:
    by_gate: dict[str, list[Visit]] = {}
    for visit in fresh:
        by_gate.setdefault(visit.gate, []).append(visit)
    last: dict[str, int] = {}
    for gate, visits in by_gate.items():
        newest = (
            select(VisitRow.sequence, VisitRow.digest)
            .where(VisitRow.venue_id == venue_id, VisitRow.gate == gate)
            .order_by(VisitRow.sequence.desc())
            .limit(1)
        )
        found = work.session.execute(newest).one_or_none()
        errors = rules.check_continues(visits, found.sequence if found else 0, found.digest if found else None)
        if errors:
            raise InvalidDraftError(errors, errors[0].message)
        last[gate] = visits[-1].sequence
    return last


def _store(work: Work, venue_id: str, fresh: Sequence[Visit]) -> HandIn:
    item = new_id_text(work.at, work.draw)
    gates: dict[str, dict[str, Any]] = {}
    for visit in fresh:
        first = gates.setdefault(visit.gate, {"from": visit.sequence})
        first.update(to=visit.sequence, last=visit.digest().hex())
    # The last line of a gate's chain commits to all lines before it.
    sealed = seal({"venue": venue_id, "visits": len(fresh), "gates": gates}, work.draw)
    entry = Entry(
        kind=Kind.VISITS, item=id_bytes(item), department=get(work, venue_id).department, recorded_at=work.at,
        digest=sealed.digest, facts={"venue": venue_id, "visits": len(fresh)},
    )  # fmt: skip
    row = HandIn(
        id=item, venue_id=venue_id, visits=len(fresh), handed_in_at=work.at, handed_in_by=work.actor.id,
        content=sealed.canonical, salts=sealed.salts, entry_id=log.submit(work, entry),
    )  # fmt: skip
    work.session.add(row)
    work.session.flush()
    work.session.execute(insert(VisitRow), [_row(visit, item) for visit in fresh])
    return row


def _row(visit: Visit, hand_in_id: str) -> dict[str, Any]:
    return {
        "event_id": visit.event_id, "venue_id": visit.venue, "gate": visit.gate, "sequence": visit.sequence,
        "decided_at": visit.decided_at, "admitted": visit.admitted, "reason": visit.reason,
        "code_id": None if visit.code_id is None else visit.code_id.hex(), "trust_version": visit.trust_version,
        "trust_age_seconds": visit.trust_age_seconds, "digest": visit.digest(), "hand_in_id": hand_in_id,
        "code_issued_at": visit.code_issued_at, "previous": visit.previous,
    }  # fmt: skip


def list_visits(work: Work, venue_id: str, limit: int = 100) -> list[VisitRow]:
    """A venue's newest visits."""
    query = select(VisitRow).where(VisitRow.venue_id == venue_id)
    return list(work.session.scalars(query.order_by(VisitRow.decided_at.desc(), VisitRow.event_id).limit(limit)))


def visits_of_code(work: Work, code_id: str, limit: int = 100) -> list[VisitRow]:
    """Where a code was shown, newest first, as far as gates have handed in and visits are still kept."""
    query = select(VisitRow).where(VisitRow.code_id == code_id).order_by(VisitRow.decided_at.desc()).limit(limit)
    return list(work.session.scalars(query))


def forget_old_visits(work: Work) -> int:
    """Delete visits older than `VISITS_KEPT_FOR`, but each gate's newest: its next hand-in continues it; how many."""
    newest = select(VisitRow.gate, VisitRow.venue_id, VisitRow.sequence, VisitRow.decided_at, VisitRow.event_id)
    rows = work.session.execute(newest.order_by(VisitRow.sequence)).all()
    kept = {(row.venue_id, row.gate): row.event_id for row in rows}
    old = [
        row.event_id
        for row in rows
        if row.decided_at < work.at - VISITS_KEPT_FOR and kept[row.venue_id, row.gate] != row.event_id
    ]
    for start in range(0, len(old), 5_000):
        work.session.execute(delete(VisitRow).where(VisitRow.event_id.in_(old[start : start + 5_000])))
    return len(old)
