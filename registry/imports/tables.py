"""Import jobs, the results of their chunks, and column mappings that are remembered."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, LargeBinary, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, Digest, IdText, Json, TypeCodeText, UsccText, UtcDateTime


class ImportJob(Base):
    """One file of certificates of one type on its way in. `state` is one of registry.imports.rules.State.

    Whoever works on a job holds the lock of its row; how far it is (`done_rows`, `position`) changes in the transaction
    that registers the chunk, and nowhere else.
    """

    __tablename__ = "import_jobs"
    __table_args__ = (
        Index("ix_import_jobs_department", "department", "id"),
        Index("ix_import_jobs_state", "state"),
    )

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    department: Mapped[str] = mapped_column(UsccText)
    #: Actor who handed the file in; certificates are registered in this name.
    owner: Mapped[str] = mapped_column(String(64))
    type_code: Mapped[str] = mapped_column(TypeCodeText)
    #: Validate everything, register nothing.
    dry_run: Mapped[bool] = mapped_column(Boolean)
    state: Mapped[str] = mapped_column(String(12))

    file_name: Mapped[str] = mapped_column(String(200))
    file_sha256: Mapped[bytes] = mapped_column(Digest)
    #: A ZIP of attached files, if one was handed in beside the sheet.
    attachments_sha256: Mapped[bytes | None] = mapped_column(Digest)
    #: "csv" or "xlsx", found by looking at the bytes; None until the file was read.
    form: Mapped[str | None] = mapped_column(String(4))
    #: The header row's cells as text, and the column mapping in use: {label of a header: field, or "" for none}.
    header: Mapped[Any] = mapped_column(Json, nullable=True)
    mapping: Mapped[Any] = mapped_column(Json, nullable=True)
    #: The mapping was confirmed by a person or a program: it is not asked for again.
    mapped: Mapped[bool] = mapped_column(Boolean)
    #: Things to know about the file: a list of Chinese sentences.
    notes: Mapped[Any] = mapped_column(Json)

    total_rows: Mapped[int] = mapped_column(Integer)
    done_rows: Mapped[int] = mapped_column(Integer)
    #: Byte of the job's rows on disk where the next chunk begins.
    position: Mapped[int] = mapped_column(BigInteger)
    accepted: Mapped[int] = mapped_column(Integer)
    duplicate: Mapped[int] = mapped_column(Integer)
    refused: Mapped[int] = mapped_column(Integer)

    #: Beginnings of the present step since it last succeeded: what kills its process every time is given up.
    attempts: Mapped[int] = mapped_column(SmallInteger)
    #: Why it failed: {"reason", "message", "errors": [{"field", "reason", "message"}]}.
    problem: Mapped[Any] = mapped_column(Json, nullable=True)

    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: When it last had a turn: the job whose department has waited longest goes next.
    served_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The file, its rows and the results of single rows were deleted.
    forgotten: Mapped[bool] = mapped_column(Boolean)

    undo_operation: Mapped[str | None] = mapped_column(String(20))
    undo_reason: Mapped[str | None] = mapped_column(String(500))
    undo_by: Mapped[str | None] = mapped_column(String(64))
    #: Of the accepted rows, in order: how many were looked at, and how many of those kept their status.
    undo_done: Mapped[int] = mapped_column(Integer)
    undo_kept: Mapped[int] = mapped_column(Integer)


class ImportChunk(Base):
    """What became of the rows of one chunk, packed (registry.imports.rules.pack)."""

    __tablename__ = "import_chunks"

    job_id: Mapped[str] = mapped_column(ForeignKey("import_jobs.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    #: Where its rows stand on disk, in bytes.
    position: Mapped[int] = mapped_column(BigInteger)
    accepted: Mapped[int] = mapped_column(Integer)
    duplicate: Mapped[int] = mapped_column(Integer)
    refused: Mapped[int] = mapped_column(Integer)
    results: Mapped[bytes] = mapped_column(LargeBinary)


class ImportMapping(Base):
    """How a department reads files of a type that have a certain set of headers."""

    __tablename__ = "import_mappings"

    department: Mapped[str] = mapped_column(UsccText, primary_key=True)
    type_code: Mapped[str] = mapped_column(TypeCodeText, primary_key=True)
    headers_sha256: Mapped[bytes] = mapped_column(Digest, primary_key=True)
    mapping: Mapped[Any] = mapped_column(Json)
    saved_by: Mapped[str] = mapped_column(String(64))
    saved_at: Mapped[datetime] = mapped_column(UtcDateTime)
