"""Use cases of posters: make, put up, report, notice, close an alarm."""

from __future__ import annotations

from sqlalchemy import delete, func, select

from registry.codes import service as codes
from registry.codes.rules import LONGEST, CodeRequest
from registry.codes.tables import Code
from registry.errors import InvalidDraftError, LimitError, NotFoundError, TransitionError
from registry.ids import new_id_text
from registry.posters import rules
from registry.posters.tables import Alarm, Poster, Sighting
from registry.venues import service as venues
from registry.venues.tables import Venue
from registry.work import Work
from verifier.code import CodeKind
from verifier.status import Status
from verifier.suites import SigningKey


def make(work: Work, venue_id: str, count: int, key: SigningKey) -> list[Poster]:
    """The next `count` posters of a venue, of its code's present generation; that code is issued if there is none.

    Raises NotFoundError, NotPermittedError, InvalidDraftError, BusyError.
    """
    venue = venues.own(work, venue_id)
    last = codes.newest(work, CodeKind.VENUE, venue.id)
    if last is None or last.status != Status.VALID or last.expires_at <= work.at:
        last = codes.issue(work, CodeRequest(CodeKind.VENUE, subject=venue.id), key)
    present = work.session.scalar(select(func.count(Poster.id)).where(Poster.venue_id == venue.id)) or 0
    errors = rules.check_count(count, present)
    if errors:
        raise InvalidDraftError(errors)
    highest = work.session.scalar(select(func.max(Poster.number)).where(Poster.venue_id == venue.id)) or 0
    made = []
    for number in range(highest + 1, highest + count + 1):
        code = codes.store(
            work, CodeKind.VENUE, codes.poster_subject(venue.id, number), venue.name, (), {"types": [], "venues": []},
            LONGEST[CodeKind.VENUE], last.generation, key,
        )  # fmt: skip
        poster = Poster(id=new_id_text(work.at, work.draw), venue_id=venue.id, number=number, code_id=code.id)
        work.session.add(poster)
        made.append(poster)
    work.session.flush()
    return made


def put_up(work: Work, code_id: str, place: str, geohash: str | None = None) -> Poster:
    """Record where the staff put a poster up. Raises NotFoundError, NotPermittedError, InvalidDraftError."""
    poster = get(work, code_id)
    venues.own(work, poster.venue_id)
    errors = rules.check_place(place, geohash)
    if errors:
        raise InvalidDraftError(errors)
    poster.place, poster.geohash = place.strip(), geohash
    poster.bound_at, poster.bound_by = work.at, work.actor.id
    work.session.flush()
    return poster


def find(work: Work, code_id: str) -> Poster | None:
    """The poster with this code (16 hexadecimal digits)."""
    return work.session.scalars(select(Poster).where(Poster.code_id == code_id)).one_or_none()


def get(work: Work, code_id: str) -> Poster:
    """The poster with this code. Raises NotFoundError."""
    found = find(work, code_id)
    if found is None:
        raise NotFoundError("poster_unknown", "没有这张场所码海报。")
    return found


def of_venue(work: Work, venue_id: str) -> list[tuple[Poster, Code]]:
    """A venue's posters with their codes, the newest first."""
    query = select(Poster, Code).join(Code, Code.id == Poster.code_id).where(Poster.venue_id == venue_id)
    return [(poster, code) for poster, code in work.session.execute(query.order_by(Poster.number.desc()).limit(200))]


def report(work: Work, code_id: str, kind: str, note: str = "") -> Alarm:
    """Take what somebody says is wrong with a poster; who says it is not known.

    Raises NotFoundError, InvalidDraftError, LimitError (so many alarms are open that one more tells nothing new).
    """
    poster = get(work, code_id)
    errors = rules.check_report(kind, note)
    if errors:
        raise InvalidDraftError(errors)
    query = select(func.count(Alarm.id)).where(Alarm.poster_id == poster.id, Alarm.state == "open")
    if (work.session.scalar(query) or 0) >= rules.MAX_OPEN_ALARMS:
        raise LimitError("reported_already", "这张海报已有多条举报在处理，谢谢，不必再报。")
    return _raise(work, poster, kind, note)


def notice(work: Work, code_id: str, cell: str) -> Alarm | None:
    """Take a sighting; the alarm it raises, if it cannot be true together with others or with where the poster hangs.

    One open alarm of a kind is enough. Raises NotFoundError, InvalidDraftError.
    """
    poster = get(work, code_id)
    errors = rules.check_cell(cell)
    if errors:
        raise InvalidDraftError(errors)
    since = work.at - rules.SIGHTINGS_KEPT_FOR
    query = select(Sighting.cell, Sighting.seen_at).where(Sighting.poster_id == poster.id, Sighting.seen_at > since)
    others = work.session.execute(query.order_by(Sighting.seen_at.desc()).limit(50)).tuples().all()
    work.session.add(Sighting(id=new_id_text(work.at, work.draw), poster_id=poster.id, cell=cell, seen_at=work.at))
    work.session.flush()
    if any(rules.is_impossible(cell, work.at, other, then) for other, then in others):
        return _raise_once(work, poster, "impossible")
    if poster.geohash is not None and rules.is_elsewhere(cell, poster.geohash):
        return _raise_once(work, poster, "elsewhere")
    return None


def _raise_once(work: Work, poster: Poster, kind: str) -> Alarm:
    query = select(Alarm).where(Alarm.poster_id == poster.id, Alarm.kind == kind, Alarm.state == "open").limit(1)
    return work.session.scalars(query).one_or_none() or _raise(work, poster, kind, "")


def _raise(work: Work, poster: Poster, kind: str, note: str) -> Alarm:
    alarm = Alarm(
        id=new_id_text(work.at, work.draw), poster_id=poster.id, kind=kind, note=note.strip(), state="open",
        raised_at=work.at,
    )  # fmt: skip
    work.session.add(alarm)
    work.session.flush()
    return alarm


def close(work: Work, alarm_id: str, outcome: str, *, withdraw: bool) -> Alarm:
    """Say what came of an alarm; `withdraw` puts the poster's code out of force for good.

    Raises NotFoundError, NotPermittedError, InvalidDraftError, TransitionError (closed already).
    """
    alarm = work.session.get(Alarm, alarm_id, with_for_update=True, populate_existing=True)
    if alarm is None:
        raise NotFoundError("alarm_unknown", "没有这条告警。")
    poster = work.session.get_one(Poster, alarm.poster_id)
    venues.own(work, poster.venue_id)
    errors = rules.check_note(outcome, "outcome", needed=True)
    if errors:
        raise InvalidDraftError(errors)
    if alarm.state != "open":
        raise TransitionError(alarm.state, "close", "这条告警已经办结。")
    alarm.state, alarm.outcome, alarm.closed_at, alarm.closed_by = "closed", outcome.strip(), work.at, work.actor.id
    if withdraw:
        codes.revoke(work, poster.code_id)
    work.session.flush()
    return alarm


def list_alarms(work: Work, department: str | None) -> list[tuple[Alarm, Poster, Venue]]:
    """The open alarms about a department's posters, the oldest first."""
    query = (
        select(Alarm, Poster, Venue)
        .join(Poster, Poster.id == Alarm.poster_id)
        .join(Venue, Venue.id == Poster.venue_id)
        .where(Alarm.state == "open")
    )
    if department is not None:
        query = query.where(Venue.department == department)
    found = work.session.execute(query.order_by(Alarm.id).limit(200))
    return [(alarm, poster, venue) for alarm, poster, venue in found]


def forget_old_sightings(work: Work) -> None:
    """Delete sightings older than a day."""
    work.session.execute(delete(Sighting).where(Sighting.seen_at < work.at - rules.SIGHTINGS_KEPT_FOR))
