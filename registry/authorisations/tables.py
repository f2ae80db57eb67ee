"""Authorisations."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, Digest, IdText, TypeCodeText, UsccText, UtcDateTime


class Authorisation(Base):
    """Who (grantee department) may use what (one item or a type) of whom (subject), for which matter and purpose.

    Routes: `function` (依职能: no subject needed), `holder` (持证人授权), `delegation` (委托: under a parent or an
    enterprise's delegation, at most as wide and as long as it; when that is revoked, so is everything under it).
    """

    __tablename__ = "authorisations"
    __table_args__ = (
        CheckConstraint("route IN ('function', 'holder', 'delegation')", name="route"),
        CheckConstraint("item_id IS NOT NULL OR type_code IS NOT NULL", name="item_or_type"),
        CheckConstraint("used >= 0 AND (max_uses IS NULL OR used <= max_uses)", name="used"),
    )

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    route: Mapped[str] = mapped_column(String(12))
    grantee: Mapped[str] = mapped_column(ForeignKey("departments.code"), index=True)
    subject_index: Mapped[bytes | None] = mapped_column(Digest, index=True)
    item_kind: Mapped[str | None] = mapped_column(String(12))
    item_id: Mapped[str | None] = mapped_column(IdText, index=True)
    type_code: Mapped[str | None] = mapped_column(TypeCodeText)
    matter_code: Mapped[str] = mapped_column(ForeignKey("matters.code"), index=True)
    purpose: Mapped[str] = mapped_column(String(200))
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("authorisations.id"), index=True)
    #: The enterprise's delegation that was shown at the window, on the route `delegation`.
    delegation_id: Mapped[str | None] = mapped_column(ForeignKey("delegations.id"), index=True)
    #: How often it may be used; None is without limit.
    max_uses: Mapped[int | None] = mapped_column(Integer)
    used: Mapped[int] = mapped_column(Integer, default=0)
    valid_from_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: Exclusive.
    valid_to_at: Mapped[datetime] = mapped_column(UtcDateTime)
    granted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    granted_by: Mapped[str] = mapped_column(String(64))
    department: Mapped[str] = mapped_column(UsccText)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_reason: Mapped[str | None] = mapped_column(String(200))
