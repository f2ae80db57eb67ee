"""Which files an invoice was handed in as."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, Digest, UsccText, UtcDateTime


class InvoiceFile(Base):
    """A department handed this file in as this invoice; the first row of an invoice is that of its registration."""

    __tablename__ = "invoice_files"

    material_id: Mapped[str] = mapped_column(ForeignKey("materials.id"), primary_key=True)
    sha256: Mapped[bytes] = mapped_column(Digest, ForeignKey("files.sha256"), primary_key=True)
    department: Mapped[str] = mapped_column(UsccText, primary_key=True)
    handed_in_at: Mapped[datetime] = mapped_column(UtcDateTime)
    handed_in_by: Mapped[str] = mapped_column(String(64))
