"""Components, their faults and their inspections."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, Digest, IdText, UsccText, UtcDateTime


class Component(Base):
    """A public thing with a label. `code` has 16 digits (GB/T 30428 as practised: 6 of the district, 10 of it)."""

    __tablename__ = "components"
    __table_args__ = (Index("ix_components_department", "department", "code"),)

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    code: Mapped[str] = mapped_column(String(16), unique=True)
    name: Mapped[str] = mapped_column(String(60))
    place: Mapped[str] = mapped_column(String(60))
    #: USCC and name of the unit that answers for it.
    unit: Mapped[str] = mapped_column(UsccText)
    unit_name: Mapped[str] = mapped_column(String(100))
    department: Mapped[str] = mapped_column(ForeignKey("departments.code"))
    #: The code on its label now.
    code_id: Mapped[str] = mapped_column(ForeignKey("codes.id"))
    registered_at: Mapped[datetime] = mapped_column(UtcDateTime)
    registered_by: Mapped[str] = mapped_column(String(64))
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Canonical bytes and salts of the commitment in its last entry.
    content: Mapped[bytes] = mapped_column(LargeBinary)
    salts: Mapped[bytes] = mapped_column(LargeBinary)
    entry_id: Mapped[int] = mapped_column(BigInteger)


class Fault(Base):
    """A fault of a component that somebody reported; who did is not known."""

    __tablename__ = "component_faults"
    __table_args__ = (Index("ix_component_faults_component", "component_id", "reported_at"),)

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    component_id: Mapped[str] = mapped_column(ForeignKey("components.id"))
    #: open, handled, closed (rules.NEXT).
    state: Mapped[str] = mapped_column(String(8), index=True)
    description: Mapped[str] = mapped_column(String(500))
    #: SHA-256 of the photo in the file store, without its metadata.
    photo: Mapped[bytes | None] = mapped_column(Digest)
    reported_at: Mapped[datetime] = mapped_column(UtcDateTime)
    handling: Mapped[str | None] = mapped_column(String(500))
    handled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    handled_by: Mapped[str | None] = mapped_column(String(64))
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_by: Mapped[str | None] = mapped_column(String(64))


class Inspection(Base):
    """Somebody of the staff was there and saw how it stands."""

    __tablename__ = "component_inspections"
    __table_args__ = (Index("ix_component_inspections_component", "component_id", "inspected_at"),)

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    component_id: Mapped[str] = mapped_column(ForeignKey("components.id"))
    #: A key of rules.RESULTS.
    result: Mapped[str] = mapped_column(String(10))
    note: Mapped[str] = mapped_column(String(500))
    inspected_at: Mapped[datetime] = mapped_column(UtcDateTime)
    inspected_by: Mapped[str] = mapped_column(String(64))
