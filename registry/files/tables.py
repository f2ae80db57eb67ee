"""Stored files, known by their content, and the master keys under which they are sealed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, Digest, UsccText, UtcDateTime


class StoredFileRow(Base):
    """A file in the store. Whoever hands in the same bytes again gets this row."""

    __tablename__ = "files"
    __table_args__ = (
        Index("ix_files_department", "department", "stored_at"),
        Index("uq_files_object", "object", unique=True),
    )

    sha256: Mapped[bytes] = mapped_column(Digest, primary_key=True)
    sm3: Mapped[bytes] = mapped_column(Digest)
    size: Mapped[int] = mapped_column(BigInteger)
    #: Found by looking at the bytes, never taken from the sender.
    media_type: Mapped[str] = mapped_column(String(100))
    stored_at: Mapped[datetime] = mapped_column(UtcDateTime)
    stored_by: Mapped[str] = mapped_column(String(64))
    #: Whose quota it counts against: the department of whoever handed it in first.
    department: Mapped[str | None] = mapped_column(UsccText)
    #: Where it lies sealed (registry.files.sealing.Sealed). All three are null for a plain file of an older version.
    object: Mapped[str | None] = mapped_column(String(64))
    master: Mapped[bytes | None] = mapped_column(LargeBinary(8), index=True)
    wrapped: Mapped[bytes | None] = mapped_column(LargeBinary)


class MasterKeyRow(Base):
    """A key that wraps data keys of files. The newest wraps new ones; rows are never deleted: backups need old keys."""

    __tablename__ = "file_masters"

    id: Mapped[bytes] = mapped_column(LargeBinary(8), primary_key=True)
    #: `files` or `token`.
    vault: Mapped[str] = mapped_column(String(12))
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
