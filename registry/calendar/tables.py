"""Days that differ from the weekend rule."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Date, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, UtcDateTime


class CalendarDay(Base):
    """A holiday (off) or a make-up working day (work); who loaded it says on whose word it stands here."""

    __tablename__ = "calendar_days"

    day: Mapped[date] = mapped_column(Date, primary_key=True)
    kind: Mapped[str] = mapped_column(String(4))
    name: Mapped[str] = mapped_column(String(30))
    #: Where the administrator took it from, such as the number of the announcement.
    source: Mapped[str] = mapped_column(String(100))
    loaded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    loaded_by: Mapped[str] = mapped_column(String(64))
