"""Staff, sessions and API tokens. No secret is stored: passwords by argon2id, tokens by SHA-256."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Integer, LargeBinary, String, false
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, IdText, Json, UtcDateTime


class Staff(Base):
    """A person who works with the registry."""

    __tablename__ = "staff"

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    username: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    password_hash: Mapped[str] = mapped_column(String(200))
    department: Mapped[str | None] = mapped_column(ForeignKey("departments.code"), index=True)
    roles: Mapped[Any] = mapped_column(Json)
    must_change_password: Mapped[bool] = mapped_column(Boolean)
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class StaffSession(Base):
    """A login. The key is the SHA-256 of the cookie's secret (256 random bits, so it needs no salt)."""

    __tablename__ = "staff_sessions"

    secret_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    staff_id: Mapped[str] = mapped_column(ForeignKey("staff.id"), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    #: A second factor was asked for and there is none: the session is for setting one up, and for nothing else.
    must_enrol: Mapped[bool] = mapped_column(Boolean, server_default=false())


class LoginTries(Base):
    """Wrong passwords for one user name from one place. Keyed hashes: nobody reads who came from where."""

    __tablename__ = "login_tries"

    name: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    place: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    failures: Mapped[int] = mapped_column(Integer)
    free_at: Mapped[datetime] = mapped_column(UtcDateTime)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class KnownBrowser(Base):
    """A browser with which somebody logged in to an account; the key is the SHA-256 of its cookie's secret."""

    __tablename__ = "known_browsers"

    secret_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    staff_id: Mapped[str] = mapped_column(ForeignKey("staff.id"), primary_key=True, index=True)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class ApiToken(Base):
    """A token of a department's system, scoped to roles and department, a gate's to venues too; expiring, revocable."""

    __tablename__ = "api_tokens"

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    secret_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    department: Mapped[str | None] = mapped_column(ForeignKey("departments.code"), index=True)
    roles: Mapped[Any] = mapped_column(Json)
    #: The venues (their ids) a gate hands in for; None: every one of its department.
    venues: Mapped[Any | None] = mapped_column(Json)
    created_by: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class DualControl(Base):
    """One row: since when changes need two administrators; None while there has only been one."""

    __tablename__ = "dual_control"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    since_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
