"""Derived copies."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, Digest, IdText, UsccText, UtcDateTime


class DerivedCopy(Base):
    """A copy that was made. `content` and `salts` are what the log's commitment was made of, byte for byte."""

    __tablename__ = "derived_copies"
    __table_args__ = (
        UniqueConstraint("certificate_id", "number", name="uq_derived_copies_number"),
        Index("ix_derived_copies_department", "department", "id"),
    )

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    certificate_id: Mapped[str] = mapped_column(ForeignKey("certificates.id"))
    #: Counts the copies of one certificate.
    number: Mapped[int] = mapped_column(Integer)
    department: Mapped[str] = mapped_column(UsccText)
    matter_code: Mapped[str] = mapped_column(String(32))
    purpose: Mapped[str] = mapped_column(String(100))
    receiver: Mapped[str] = mapped_column(String(60))
    masked: Mapped[bool] = mapped_column()
    #: By which right it was made; neither: by the issuer's own department.
    use_id: Mapped[str | None] = mapped_column(ForeignKey("uses.id"))
    authorisation_id: Mapped[str | None] = mapped_column(ForeignKey("authorisations.id"))
    file: Mapped[bytes] = mapped_column(ForeignKey("files.sha256"), index=True)
    code: Mapped[str] = mapped_column(Text)
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    made_by: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    salts: Mapped[bytes] = mapped_column(LargeBinary)
    sha256: Mapped[bytes] = mapped_column(Digest)
    sm3: Mapped[bytes] = mapped_column(Digest)
    #: The copy's own place; None for one made before copies had one, which can only end with its original.
    status_list: Mapped[int | None] = mapped_column(Integer)
    status_index: Mapped[int | None] = mapped_column(Integer)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_by: Mapped[str | None] = mapped_column(String(64))
    revoked_reason: Mapped[str | None] = mapped_column(String(200))
