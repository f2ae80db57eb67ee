"""Disputes about certificates."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import BigInteger, Boolean, Date, ForeignKey, Index, LargeBinary, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, IdText, UsccText, UtcDateTime

_OPEN = text("state IN ('raised', 'accepted')")


class Dispute(Base):
    """Somebody's statement that a certificate is wrong, and what its issuer made of it.

    A certificate has at most one open dispute: a second person is told of the first.
    """

    __tablename__ = "disputes"
    __table_args__ = (
        Index("uq_disputes_open", "certificate_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_disputes_certificate", "certificate_id"),
        Index("ix_disputes_issuer", "issuer", "state", "id"),
        Index("ix_disputes_raised_by", "raised_by", "state", "id"),
    )

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    certificate_id: Mapped[str] = mapped_column(ForeignKey("certificates.id"))
    #: The department that must answer.
    issuer: Mapped[str] = mapped_column(UsccText)
    #: The department that took the dispute, and the clerk; `for_holder` says whether a holder asked for it there.
    raised_by: Mapped[str] = mapped_column(UsccText)
    clerk: Mapped[str] = mapped_column(String(64))
    for_holder: Mapped[bool] = mapped_column(Boolean)
    #: What is said to be wrong, in words.
    statement: Mapped[str] = mapped_column(String(500))
    #: A key of rules.STATES.
    state: Mapped[str] = mapped_column(String(9))
    #: Whether reuse is held while the dispute is open; else users are only warned.
    holds: Mapped[bool] = mapped_column(Boolean)
    raised_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: The last day for the next step.
    due_on: Mapped[date] = mapped_column(Date)
    accepted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_by: Mapped[str | None] = mapped_column(String(64))
    outcome: Mapped[str | None] = mapped_column(String(500))
    #: The certificate that replaces the disputed one, if it was corrected so.
    successor_id: Mapped[str | None] = mapped_column(ForeignKey("certificates.id"))
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_by: Mapped[str | None] = mapped_column(String(64))


class DisputeStep(Base):
    """One step of a dispute as the log's entry commits to it. Never changed, never deleted."""

    __tablename__ = "dispute_steps"
    __table_args__ = (UniqueConstraint("dispute_id", "step", name="uq_dispute_steps_step"),)

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    dispute_id: Mapped[str] = mapped_column(ForeignKey("disputes.id"))
    #: The department that took the step, and signs the entry.
    department: Mapped[str] = mapped_column(UsccText)
    #: The state it led to, a key of rules.STATES.
    step: Mapped[str] = mapped_column(String(9))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    salts: Mapped[bytes] = mapped_column(LargeBinary)
    entry_id: Mapped[int] = mapped_column(BigInteger)
