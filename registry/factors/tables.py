"""Second factors. Secrets of apps are sealed by a master key, recovery codes and half sessions are kept as hashes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, IdText, UtcDateTime


class SecondFactor(Base):
    """The authenticator app of an account. `last_step`: of the newest code taken; none up to it holds again."""

    __tablename__ = "second_factors"

    staff_id: Mapped[str] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary(200))
    last_step: Mapped[int] = mapped_column(BigInteger)
    since_at: Mapped[datetime] = mapped_column(UtcDateTime)


class FactorEnrolment(Base):
    """A secret that was shown and not confirmed by a code yet."""

    __tablename__ = "factor_enrolments"

    staff_id: Mapped[str] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary(200))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RecoveryCode(Base):
    """A recovery code that was not used yet, as a keyed hash; using it deletes it."""

    __tablename__ = "recovery_codes"

    code_hash: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    staff_id: Mapped[str] = mapped_column(ForeignKey("staff.id"), index=True)


class HalfSession(Base):
    """The password was right and the code is still missing. The key is the SHA-256 of the cookie's secret.

    password_sha256: of the stored hash of the password that was right; another one since then ends it. tried: a code
    was tried; the first one is of the try that the password was counted as.
    """

    __tablename__ = "half_sessions"

    secret_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    staff_id: Mapped[str] = mapped_column(ForeignKey("staff.id"), index=True)
    password_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    tried: Mapped[bool] = mapped_column(Boolean)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class FactorEvent(Base):
    """What became of an account's second factor, when and by whom. Rows are never deleted."""

    __tablename__ = "factor_events"

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    staff_id: Mapped[str] = mapped_column(ForeignKey("staff.id"), index=True)
    #: A word of registry.factors.rules.EVENTS.
    what: Mapped[str] = mapped_column(String(16))
    by: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
