"""A certificate through time: its versions, and how it stood on a day."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from sqlalchemy import select

from api.pages import times, wording
from api.pages.certificate_views import AsOf, VersionLine
from api.pages.texts import Texts
from registry.certificates import service as certificates
from registry.certificates.tables import Certificate
from registry.statuses.tables import StatusEvent
from registry.work import Work
from verifier.status import Status

#: A chain of more versions than this is cut: nobody reads it, and a ring in foreign data must end somewhere.
_MOST_VERSIONS = 30


def as_of(work: Work, row: Certificate, on: date, t: Texts) -> AsOf:
    """How the certificate stood at the end of a day in Shanghai; today, and a day to come, is now."""
    today = work.at.astimezone(times.SHANGHAI).date()
    on = min(on, today)
    ends_at = datetime.combine(on + timedelta(days=1), time.min, times.SHANGHAI) - timedelta(milliseconds=1)
    standing = certificates.standing_at(work, row, min(ends_at, work.at))
    if standing.status != Status.VALID or (standing.began and not standing.ended):
        status = wording.status_name(standing.status, t)
    else:
        status = t("as_of.ended") if standing.ended else t("as_of.not_begun")
    return AsOf(
        on=on.isoformat(),
        most=today.isoformat(),
        day=times.day(on, t),
        tone="valid" if standing.in_force else "dormant",
        status=status,
        reason=_why(work, standing.event, t) if standing.event else t("as_of.unchanged"),
    )


def _why(work: Work, event: StatusEvent, t: Texts) -> str:
    authority = wording.department_names(work).get(event.authority, event.authority)
    parts = (
        wording.operation_name(event.operation, t), event.reason, authority, event.document,
        t("as_of.effective", at=times.moment(event.effective_at, t)),
    )  # fmt: skip
    return " · ".join(part for part in parts if part)


def versions(work: Work, row: Certificate, t: Texts) -> list[VersionLine]:
    """The certificate with those it took the place of and those that took its place, oldest first; none if alone."""
    chain = [row]
    while chain[0].associated_identifier and len(chain) < _MOST_VERSIONS:
        before = certificates.find_by_identifier(work, chain[0].associated_identifier)
        if before is None or before in chain:
            break
        chain.insert(0, before)
    while len(chain) < _MOST_VERSIONS:
        query = select(Certificate).where(Certificate.identifier == _successor_of(work, chain[-1]))
        after = work.session.scalars(query).first()
        if after is None or after in chain:
            break
        chain.append(after)
    if len(chain) == 1:
        return []
    return [
        VersionLine(
            href="" if one.id == row.id else f"/certificates/{one.id}",
            identifier=one.identifier,
            issued=times.day(one.issued_on, t),
            tone=wording.tone_of(one.status),
            status=wording.status_name(one.status, t),
        )
        for one in chain
    ]


def _successor_of(work: Work, row: Certificate) -> str | None:
    named = select(StatusEvent.successor).where(StatusEvent.item_id == row.id, StatusEvent.successor.is_not(None))
    return work.session.scalars(named.order_by(StatusEvent.sequence.desc()).limit(1)).first()
