"""Idempotency keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, Digest, Json, UtcDateTime


class IdempotencyKey(Base):
    """What an actor was answered under a key: the same request gets the same answer, another one is refused."""

    __tablename__ = "idempotency_keys"

    actor: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    request_sha256: Mapped[bytes] = mapped_column(Digest)
    #: None while the first request is still at work in its own transaction.
    status: Mapped[int | None] = mapped_column(SmallInteger)
    body: Mapped[Any] = mapped_column(Json, nullable=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
