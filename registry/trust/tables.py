"""Table of the trust bundles that were signed; the newest is served, the versions only grow."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, Digest, UtcDateTime


class TrustBundleRow(Base):
    """One signed trust bundle."""

    __tablename__ = "trust_bundles"

    version: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    #: SHA-256 over everything in the bundle but its version and times.
    content_digest: Mapped[bytes] = mapped_column(Digest)
    issued_at: Mapped[datetime] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime())
    bundle: Mapped[bytes] = mapped_column(LargeBinary)
