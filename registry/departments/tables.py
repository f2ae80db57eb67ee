"""Departments and scopes."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Boolean, CheckConstraint, Date, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, IdText, TypeCodeText, UsccText, UtcDateTime


class Department(Base):
    """A member of the chain: issues, uses, or both. `operator` marks the one that runs this registry."""

    __tablename__ = "departments"

    code: Mapped[str] = mapped_column(UsccText, primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    short_name: Mapped[str] = mapped_column(String(50))
    level: Mapped[str] = mapped_column(String(20))
    operator: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Scope(Base):
    """What a department may do with a type, from a day to a day (both inclusive, Asia/Shanghai)."""

    __tablename__ = "scopes"
    __table_args__ = (
        UniqueConstraint("department", "type_code", "action", "valid_from_on"),
        CheckConstraint("action IN ('issue', 'use')", name="action"),
    )

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    department: Mapped[str] = mapped_column(ForeignKey("departments.code"))
    type_code: Mapped[str] = mapped_column(TypeCodeText, index=True)
    action: Mapped[str] = mapped_column(String(8))
    valid_from_on: Mapped[date] = mapped_column(Date)
    valid_to_on: Mapped[date | None] = mapped_column(Date)
    granted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    granted_by: Mapped[str] = mapped_column(String(64))


class ScopeEnd(Base):
    """A decision that a scope ends earlier than it did (`ended_on_before`; None: no end). Rows are never changed."""

    __tablename__ = "scope_ends"

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    scope_id: Mapped[str] = mapped_column(ForeignKey("scopes.id"), index=True)
    valid_to_on: Mapped[date] = mapped_column(Date)
    ended_on_before: Mapped[date | None] = mapped_column(Date)
    reason: Mapped[str] = mapped_column(String(200))
    decided_at: Mapped[datetime] = mapped_column(UtcDateTime)
    decided_by: Mapped[str] = mapped_column(String(64))


class DepartmentStanding(Base):
    """A decision that a department may act, or may not; before the first one it may. Rows are never changed."""

    __tablename__ = "department_standings"
    __table_args__ = (CheckConstraint("state IN ('active', 'suspended')", name="state"),)

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    department: Mapped[str] = mapped_column(ForeignKey("departments.code"), index=True)
    state: Mapped[str] = mapped_column(String(10))
    since_at: Mapped[datetime] = mapped_column(UtcDateTime)
    reason: Mapped[str] = mapped_column(String(200))
    decided_by: Mapped[str] = mapped_column(String(64))
