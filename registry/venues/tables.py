"""Venues, passes and visits."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, Digest, IdText, Json, UsccText, UtcDateTime


class Venue(Base):
    """A place with its rule (venues.rules.VenueRule) and the unit that answers for it."""

    __tablename__ = "venues"

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    address: Mapped[str] = mapped_column(String(300))
    area_code: Mapped[str] = mapped_column(String(6))
    responsible: Mapped[str] = mapped_column(UsccText, index=True)
    department: Mapped[str] = mapped_column(ForeignKey("departments.code"), index=True)
    rule: Mapped[Any] = mapped_column(Json)
    rule_version: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Pass(Base):
    """A person's right to enter a venue for a time; shown inside a person code as a grant."""

    __tablename__ = "passes"
    __table_args__ = (Index("ix_passes_subject", "subject_index", "venue_id"),)

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    venue_id: Mapped[str] = mapped_column(ForeignKey("venues.id"), index=True)
    subject_index: Mapped[bytes] = mapped_column(Digest)
    valid_from_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: Exclusive.
    valid_to_at: Mapped[datetime] = mapped_column(UtcDateTime)
    status: Mapped[int] = mapped_column(SmallInteger)
    status_list: Mapped[int] = mapped_column(Integer)
    status_index: Mapped[int] = mapped_column(Integer)
    granted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    granted_by: Mapped[str] = mapped_column(String(64))


class HandIn(Base):
    """One delivery of visits by a venue, with its entry in the log."""

    __tablename__ = "hand_ins"

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    venue_id: Mapped[str] = mapped_column(ForeignKey("venues.id"), index=True)
    visits: Mapped[int] = mapped_column(Integer)
    handed_in_at: Mapped[datetime] = mapped_column(UtcDateTime)
    handed_in_by: Mapped[str] = mapped_column(String(64))
    #: Canonical bytes and salts of the commitment in the entry: the last line of every gate's chain.
    content: Mapped[bytes] = mapped_column(LargeBinary)
    salts: Mapped[bytes] = mapped_column(LargeBinary)
    entry_id: Mapped[int] = mapped_column(BigInteger)


class VisitRow(Base):
    """One decision of a gate (verifier.visit.Visit), handed in later. It names a code, never a person."""

    __tablename__ = "visits"
    __table_args__ = (
        UniqueConstraint("venue_id", "gate", "sequence", name="uq_visits_sequence"),
        Index("ix_visits_venue", "venue_id", "decided_at"),
    )

    #: Made by the gate; the same event handed in twice is this row.
    event_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    venue_id: Mapped[str] = mapped_column(ForeignKey("venues.id"))
    gate: Mapped[str] = mapped_column(String(32))
    #: Counts the gate's visits from 1 without a gap.
    sequence: Mapped[int] = mapped_column(BigInteger)
    decided_at: Mapped[datetime] = mapped_column(UtcDateTime)
    admitted: Mapped[bool] = mapped_column(Boolean)
    reason: Mapped[str] = mapped_column(String(40))
    code_id: Mapped[str | None] = mapped_column(String(16), index=True)
    trust_version: Mapped[int] = mapped_column(BigInteger)
    trust_age_seconds: Mapped[int] = mapped_column(BigInteger)
    #: SHA-256 of the visit's line, which the next line of the gate carries.
    digest: Mapped[bytes] = mapped_column(Digest)
    #: The rest of the line; without `previous` (32 bytes) where an earlier release did not keep it.
    code_issued_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    previous: Mapped[bytes | None] = mapped_column(Digest)
    hand_in_id: Mapped[str] = mapped_column(ForeignKey("hand_ins.id"), index=True)
