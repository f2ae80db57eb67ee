"""Delegations and the codes that were shown under them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Integer, LargeBinary, SmallInteger, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, Digest, IdText, Json, UsccText, UtcDateTime


class Delegation(Base):
    """One link: an enterprise (no parent) or a delegate makes somebody its delegate. The name is kept masked only.

    Without `signature` it waits for the device of its parent to sign `payload`, and cannot be shown.
    """

    __tablename__ = "delegations"
    __table_args__ = (
        UniqueConstraint("status_list", "status_index", name="uq_delegations_slot"),
        CheckConstraint("role >= 0 AND role <= 2", name="role"),
        CheckConstraint("valid_from_at < valid_to_at", name="period"),
        CheckConstraint("(signature IS NULL) = (signed_at IS NULL)", name="signed"),
    )

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    enterprise: Mapped[str] = mapped_column(UsccText, index=True)
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("delegations.id"), index=True)
    #: verifier.delegation.Role.
    role: Mapped[int] = mapped_column(SmallInteger)
    name: Mapped[str | None] = mapped_column(String(20))
    #: Blind index of the delegate's number, to find what a person may do.
    delegate_index: Mapped[bytes | None] = mapped_column(Digest, index=True)
    suite: Mapped[int] = mapped_column(Integer)
    public: Mapped[bytes] = mapped_column(LargeBinary(33), index=True)
    #: Codes in ascending order; None for as much as the parent has.
    matters: Mapped[Any | None] = mapped_column(Json)
    types: Mapped[Any | None] = mapped_column(Json)
    issued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    valid_from_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: Exclusive.
    valid_to_at: Mapped[datetime] = mapped_column(UtcDateTime)
    status_list: Mapped[int] = mapped_column(Integer)
    status_index: Mapped[int] = mapped_column(Integer)
    signer_kid: Mapped[bytes] = mapped_column(LargeBinary(8))
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    signature: Mapped[bytes | None] = mapped_column(LargeBinary(64))
    signed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Number of the written authority (委托书) that was seen at the window, for a first link.
    document: Mapped[str | None] = mapped_column(String(100))
    department: Mapped[str] = mapped_column(UsccText)
    recorded_by: Mapped[str] = mapped_column(String(64))
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_reason: Mapped[str | None] = mapped_column(String(200))
    #: The delegation whose revocation revoked this one too; its own id where it was meant itself.
    revoked_with: Mapped[str | None] = mapped_column(IdText)


class ShownCode(Base):
    """A delegated code that was accepted at a window: the same proof is good for the same case only."""

    __tablename__ = "delegation_shown_codes"

    #: SHA-256 of the code's text.
    digest: Mapped[bytes] = mapped_column(Digest, primary_key=True)
    delegation_id: Mapped[str] = mapped_column(ForeignKey("delegations.id"), index=True)
    department: Mapped[str] = mapped_column(UsccText)
    matter_code: Mapped[str] = mapped_column(String(32))
    case_no: Mapped[str] = mapped_column(String(64))
    shown_at: Mapped[datetime] = mapped_column(UtcDateTime)
