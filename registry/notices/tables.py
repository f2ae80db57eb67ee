"""Notices to departments."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, IdText, UtcDateTime


class Notice(Base):
    """One notice to one department about one item; `use_id` is the reliance it concerns, if it concerns one."""

    __tablename__ = "notices"
    __table_args__ = (
        Index("ix_notices_department", "department", "id"),
        Index("ix_notices_item", "item_id"),
    )

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    department: Mapped[str] = mapped_column(ForeignKey("departments.code"))
    #: A key of service.KINDS.
    kind: Mapped[str] = mapped_column(String(20))
    item_kind: Mapped[str] = mapped_column(String(12))
    item_id: Mapped[str] = mapped_column(IdText)
    use_id: Mapped[str | None] = mapped_column(ForeignKey("uses.id"))
    dispute_id: Mapped[str | None] = mapped_column(IdText)
    #: The state of the item after the event, where a change of state is the reason.
    status: Mapped[int | None] = mapped_column()
    sent_at: Mapped[datetime] = mapped_column(UtcDateTime)
    read_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    read_by: Mapped[str | None] = mapped_column(String(64))
