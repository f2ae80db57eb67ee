"""Relatives."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, Digest, IdText, UsccText, UtcDateTime


class Relative(Base):
    """One person may act for another as to printed codes. Both are blind indexes; no name or number is kept."""

    __tablename__ = "relatives"
    __table_args__ = (
        Index("ix_relatives_holder", "holder_index", "revoked_at"),
        Index("ix_relatives_relative", "relative_index", "revoked_at"),
    )

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    holder_index: Mapped[bytes] = mapped_column(Digest)
    relative_index: Mapped[bytes] = mapped_column(Digest)
    #: A key of rules.RELATIONS.
    relation: Mapped[str] = mapped_column(String(12))
    #: What the window was shown: kind and reference of the document, no name.
    document: Mapped[str] = mapped_column(String(200))
    department: Mapped[str] = mapped_column(UsccText)
    bound_at: Mapped[datetime] = mapped_column(UtcDateTime)
    bound_by: Mapped[str] = mapped_column(String(64))
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_by: Mapped[str | None] = mapped_column(String(64))
