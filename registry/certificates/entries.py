"""The log entries of certificates."""

from __future__ import annotations

from sqlalchemy import select

from registry.errors import NotAnchoredYetError
from registry.log.tables import LogEntry
from registry.work import Work
from verifier.entry import Kind


def original_entry(work: Work, certificate_id: str) -> bytes:
    """The entry of a certificate's registration as its issuer signed it.

    Raises NotAnchoredYetError for the moment in which it is not signed yet.
    """
    query = select(LogEntry.signed).where(LogEntry.item == certificate_id, LogEntry.kind == int(Kind.CERTIFICATE))
    signed = work.session.scalars(query.order_by(LogEntry.id).limit(1)).one_or_none()
    if signed is None:
        raise NotAnchoredYetError("original_not_sealed", "原证照刚登记，正在签署存证条目，请稍后再试。")
    return signed
