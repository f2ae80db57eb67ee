"""Proposals and what became of them. Rows are never deleted: they are the record of who changed what, when and why."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, IdText, Json, UtcDateTime


class Proposal(Base):
    """One change. `before`: what it starts from, as it was found; `after`: what it makes of it."""

    __tablename__ = "proposals"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'approved', 'refused', 'withdrawn', 'alone')", name="state"),
        Index("ix_proposals_state", "state", "id"),
        Index("ix_proposals_proposed_by", "proposed_by", "state"),
        Index("ix_proposals_department", "department", "proposed_at"),
    )

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    #: A name of registry.proposals.actions.ACTIONS.
    action: Mapped[str] = mapped_column(String(24))
    arguments: Mapped[Any] = mapped_column(Json)
    before: Mapped[Any] = mapped_column(Json)
    after: Mapped[Any] = mapped_column(Json)
    reason: Mapped[str] = mapped_column(String(200))
    proposed_by: Mapped[str] = mapped_column(String(64))
    #: Of whoever proposed it; None for administrators.
    department: Mapped[str | None] = mapped_column(ForeignKey("departments.code"))
    proposed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: `alone`: carried out at once, while there was no second administrator.
    state: Mapped[str] = mapped_column(String(10))
    decided_by: Mapped[str | None] = mapped_column(String(64))
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decided_because: Mapped[str | None] = mapped_column(String(200))
