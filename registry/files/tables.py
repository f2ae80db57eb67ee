"""Stored files, known by their content."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, Digest, UtcDateTime


class StoredFileRow(Base):
    """A file in the store. Whoever hands in the same bytes again gets this row."""

    __tablename__ = "files"

    sha256: Mapped[bytes] = mapped_column(Digest, primary_key=True)
    sm3: Mapped[bytes] = mapped_column(Digest)
    size: Mapped[int] = mapped_column(BigInteger)
    #: Found by looking at the bytes, never taken from the sender.
    media_type: Mapped[str] = mapped_column(String(100))
    stored_at: Mapped[datetime] = mapped_column(UtcDateTime)
    stored_by: Mapped[str] = mapped_column(String(64))
