"""Applications for venue codes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, Digest, IdText, UsccText, UtcDateTime


class Application(Base):
    """A unit asks for a venue code. Who asked for it is a blind index; what they showed is named, not kept."""

    __tablename__ = "venue_applications"
    __table_args__ = (Index("ix_venue_applications_department", "department", "state"),)

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    unit: Mapped[str] = mapped_column(UsccText)
    applicant_index: Mapped[bytes] = mapped_column(Digest)
    #: A key of rules.APPLICANTS.
    applicant_role: Mapped[str] = mapped_column(String(10))
    document: Mapped[str] = mapped_column(String(200))
    name: Mapped[str] = mapped_column(String(60))
    address: Mapped[str] = mapped_column(String(200))
    area_code: Mapped[str] = mapped_column(String(6))
    #: The department that decides and will manage the venue.
    department: Mapped[str] = mapped_column(ForeignKey("departments.code"))
    #: open, approved, refused.
    state: Mapped[str] = mapped_column(String(8))
    applied_at: Mapped[datetime] = mapped_column(UtcDateTime)
    applied_by: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str | None] = mapped_column(String(300))
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_by: Mapped[str | None] = mapped_column(String(64))
    venue_id: Mapped[str | None] = mapped_column(ForeignKey("venues.id"))
    #: Canonical bytes and salts of the commitment in the decision's entry.
    content: Mapped[bytes | None] = mapped_column(LargeBinary)
    salts: Mapped[bytes | None] = mapped_column(LargeBinary)
    entry_id: Mapped[int | None] = mapped_column(BigInteger)
