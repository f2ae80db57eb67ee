"""Trust bundles that were signed, the root documents behind them, and certificates of others that they carry."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, Digest, IdText, UtcDateTime


class TrustBundleRow(Base):
    """One signed trust bundle."""

    __tablename__ = "trust_bundles"

    version: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    #: SHA-256 over everything in the bundle but its version and times.
    content_digest: Mapped[bytes] = mapped_column(Digest)
    issued_at: Mapped[datetime] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime())
    bundle: Mapped[bytes] = mapped_column(LargeBinary)


class TrustRootRow(Base):
    """A root document that was installed (verifier.root); the newest says who may sign trust bundles."""

    __tablename__ = "trust_roots"

    version: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    document: Mapped[bytes] = mapped_column(LargeBinary)
    installed_at: Mapped[datetime] = mapped_column(UtcDateTime())


class TrustCertificateRow(Base):
    """A certificate of others that trust bundles carry: of a maker of seals, or of an issuer of foreign codes."""

    __tablename__ = "trust_certificates"
    __table_args__ = (CheckConstraint("kind IN ('seal_maker', 'issuer')", name="kind"),)

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    kind: Mapped[str] = mapped_column(String(12))
    #: Profile of an issuer's codes (verifier.foreign); None for seal makers.
    profile: Mapped[str | None] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(200))
    certificate: Mapped[bytes] = mapped_column(LargeBinary)
    digest: Mapped[bytes] = mapped_column(Digest, index=True)
    reason: Mapped[str] = mapped_column(String(200))
    added_at: Mapped[datetime] = mapped_column(UtcDateTime())
    added_by: Mapped[str] = mapped_column(String(64))
    removed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    removed_by: Mapped[str | None] = mapped_column(String(64))
    #: None also for what was removed before reasons were asked for.
    removed_because: Mapped[str | None] = mapped_column(String(200))
