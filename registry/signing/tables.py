"""What was handed out to be signed: one row a request, not one an entry."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, IdText, UtcDateTime


class Preparation(Base):
    """Entries of a department dated `recorded_at`, for one of its keys; its signatures are taken until it expires."""

    __tablename__ = "preparations"

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    department: Mapped[str] = mapped_column(ForeignKey("departments.code"), index=True)
    kid: Mapped[bytes] = mapped_column(LargeBinary(8))
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime(), index=True)
    entries: Mapped[int] = mapped_column(Integer)
    prepared_by: Mapped[str] = mapped_column(String(64))
