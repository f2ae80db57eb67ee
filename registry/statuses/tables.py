"""Status lists, their slots, and the legal events behind them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Integer, LargeBinary, SmallInteger, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, IdText, UsccText, UtcDateTime


class StatusListRow(Base):
    """A list of 2^20 slots. The n-th allotted slot is at the keyed permutation of n, so an index tells no order."""

    __tablename__ = "status_lists"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    permutation_key: Mapped[bytes] = mapped_column(LargeBinary(32))
    allotted: Mapped[int] = mapped_column(Integer)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class StatusValue(Base):
    """Slots whose value is not VALID; every other slot is."""

    __tablename__ = "status_values"

    list_id: Mapped[int] = mapped_column(ForeignKey("status_lists.id"), primary_key=True)
    slot: Mapped[int] = mapped_column(Integer, primary_key=True)
    value: Mapped[int] = mapped_column(SmallInteger)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class StatusEvent(Base):
    """A legal event: who decided what, why, and from when on. Never changed, never deleted."""

    __tablename__ = "status_events"
    __table_args__ = (UniqueConstraint("item_id", "sequence", name="uq_status_events_sequence"),)

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    item_kind: Mapped[str] = mapped_column(String(12))
    item_id: Mapped[str] = mapped_column(IdText)
    #: Counts the item's events from 1; the order in which they were recorded.
    sequence: Mapped[int] = mapped_column(Integer)
    operation: Mapped[str] = mapped_column(String(20))
    #: 证照操作代码, 01 to 10.
    operation_code: Mapped[str] = mapped_column(String(2))
    from_status: Mapped[int] = mapped_column(SmallInteger)
    to_status: Mapped[int] = mapped_column(SmallInteger)
    reason: Mapped[str] = mapped_column(String(500))
    authority: Mapped[str] = mapped_column(UsccText)
    document: Mapped[str | None] = mapped_column(String(200))
    successor: Mapped[str | None] = mapped_column(String(128))
    effective_at: Mapped[datetime] = mapped_column(UtcDateTime)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    recorded_by: Mapped[str] = mapped_column(String(64))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    salts: Mapped[bytes] = mapped_column(LargeBinary)
    entry_id: Mapped[int] = mapped_column(BigInteger)
