"""Scans by departments."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, IdText, UsccText, UtcDateTime


class Scan(Base):
    """A department looked at what a code shows, for a purpose. Kept for rules.KEPT_FOR; says nothing of where."""

    __tablename__ = "scans"
    __table_args__ = (Index("ix_scans_code", "code_id", "scanned_at"),)

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    code_id: Mapped[str] = mapped_column(ForeignKey("codes.id"))
    department: Mapped[str] = mapped_column(UsccText)
    purpose: Mapped[str] = mapped_column(String(200))
    scanned_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    scanned_by: Mapped[str] = mapped_column(String(64))
