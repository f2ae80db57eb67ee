"""Devices and the tickets of their enrolment."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, Digest, IdText, Json, UsccText, UtcDateTime


class Device(Base):
    """A phone with a key of its own, enrolled for one person. Of one person only one is in use at a time."""

    __tablename__ = "devices"
    __table_args__ = (
        Index(
            "uq_devices_in_use",
            "holder_index",
            unique=True,
            sqlite_where=text("ended_at IS NULL"),
            postgresql_where=text("ended_at IS NULL"),
        ),
        Index("ix_devices_holder", "holder_index", "id"),
    )

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    holder_index: Mapped[bytes] = mapped_column(Digest)
    #: 32 bytes Ed25519, or 33 bytes P-256 (verifier.presentation.device_key); a key belongs to one enrolment.
    public_key: Mapped[bytes] = mapped_column(LargeBinary(33), unique=True)
    department: Mapped[str] = mapped_column(UsccText)
    code_id: Mapped[str] = mapped_column(ForeignKey("codes.id"), unique=True)
    enrolled_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: The staff member who gave out the ticket.
    enrolled_by: Mapped[str] = mapped_column(String(64))
    renewed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: lost, withdrawn or replaced (devices.rules.END_STATUS).
    ended_by_reason: Mapped[str | None] = mapped_column(String(12))


class EnrolmentTicket(Base):
    """A right to enrol one phone for one person within minutes; the secret and the PIN are kept as digests only."""

    __tablename__ = "enrolment_tickets"

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    secret_sha256: Mapped[bytes] = mapped_column(Digest, unique=True)
    pin_digest: Mapped[bytes] = mapped_column(Digest)
    holder_index: Mapped[bytes] = mapped_column(Digest)
    #: What the code shall grant: {"types": [type codes], "venues": [venue ids]}.
    wanted: Mapped[Any] = mapped_column(Json)
    department: Mapped[str] = mapped_column(UsccText)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(64))
    #: Exclusive.
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(SmallInteger)
    device_id: Mapped[str | None] = mapped_column(ForeignKey("devices.id"))
