"""Extracts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, Digest, IdText, Json, UsccText, UtcDateTime


class ExtractDraft(Base):
    """An extract that waits for its issuer, who signs itself. It becomes an Extract of the same id, and then goes."""

    __tablename__ = "extract_drafts"

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    certificate_id: Mapped[str] = mapped_column(ForeignKey("certificates.id"), index=True)
    use_id: Mapped[str] = mapped_column(ForeignKey("uses.id"))
    issuer: Mapped[str] = mapped_column(ForeignKey("departments.code"), index=True)
    department: Mapped[str] = mapped_column(UsccText)
    receiver: Mapped[str] = mapped_column(ForeignKey("departments.code"))
    matter_code: Mapped[str] = mapped_column(String(32))
    purpose: Mapped[str] = mapped_column(String(200))
    fields: Mapped[Any] = mapped_column(Json)
    device_id: Mapped[str | None] = mapped_column(ForeignKey("devices.id"))
    #: verifier.extract.Unsigned: the claims, dated anew whenever they are handed out, and the disclosures.
    claims: Mapped[bytes] = mapped_column(LargeBinary)
    disclosures: Mapped[Any] = mapped_column(Json)
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    asked_by: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Extract(Base):
    """An extract that was made for a use. `content` and `salts` are what the log's commitment was made of."""

    __tablename__ = "extracts"
    __table_args__ = (
        Index("ix_extracts_certificate", "certificate_id", "id"),
        Index("ix_extracts_use", "use_id", "id"),
    )

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    certificate_id: Mapped[str] = mapped_column(ForeignKey("certificates.id"))
    use_id: Mapped[str] = mapped_column(ForeignKey("uses.id"))
    department: Mapped[str] = mapped_column(UsccText)
    receiver: Mapped[str] = mapped_column(ForeignKey("departments.code"))
    matter_code: Mapped[str] = mapped_column(String(32))
    purpose: Mapped[str] = mapped_column(String(200))
    #: Names of the parts of the face that it tells (extracts.rules), beside those that every extract tells.
    fields: Mapped[Any] = mapped_column(Json)
    #: The holder's phone it is bound to, if the holder had one.
    device_id: Mapped[str | None] = mapped_column(ForeignKey("devices.id"))
    #: The SD-JWT.
    text: Mapped[str] = mapped_column(Text)
    made_at: Mapped[datetime] = mapped_column(UtcDateTime)
    made_by: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    salts: Mapped[bytes] = mapped_column(LargeBinary)
    sha256: Mapped[bytes] = mapped_column(Digest)
    sm3: Mapped[bytes] = mapped_column(Digest)
