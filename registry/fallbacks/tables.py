"""Fallback numbers and failed tries."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, Digest, IdText, UtcDateTime


class FallbackNumber(Base):
    """A number that stands for one code once. Only its digest under the registry's secret key is kept."""

    __tablename__ = "fallback_numbers"

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    digest: Mapped[bytes] = mapped_column(Digest, index=True)
    code_id: Mapped[str] = mapped_column(ForeignKey("codes.id"), index=True)
    authorisation_id: Mapped[str | None] = mapped_column(ForeignKey("authorisations.id"))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: Exclusive.
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    used_by: Mapped[str | None] = mapped_column(String(64))


class FailedTry(Base):
    """Somebody typed a number that does not hold. Kept as long as it counts."""

    __tablename__ = "fallback_failures"
    __table_args__ = (Index("ix_fallback_failures_actor", "actor", "tried_at"),)

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    actor: Mapped[str] = mapped_column(String(64))
    tried_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
