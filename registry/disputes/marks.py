"""The mark that an open dispute puts on a certificate: looked up by whoever shows or uses it."""

from __future__ import annotations

from sqlalchemy import select

from registry.disputes.rules import OPEN
from registry.disputes.tables import Dispute
from registry.work import Work


def open_of(work: Work, certificate_id: str) -> Dispute | None:
    """The open dispute about a certificate, if there is one."""
    query = select(Dispute).where(Dispute.certificate_id == certificate_id, Dispute.state.in_(OPEN))
    return work.session.scalars(query).one_or_none()
