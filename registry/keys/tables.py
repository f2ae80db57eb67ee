"""Table of keys: public halves and when they were in force. Private halves are files, see service."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, UtcDateTime


class KeyRow(Base):
    """One key of one purpose. Rows are never deleted: signatures outlive the keys that made them."""

    __tablename__ = "keys"
    __table_args__ = (
        # One open key a purpose, whoever rotates at the same moment.
        Index(
            "uq_keys_purpose_in_force",
            "purpose",
            unique=True,
            sqlite_where=text("valid_to IS NULL"),
            postgresql_where=text("valid_to IS NULL"),
        ),
        CheckConstraint("valid_to IS NULL OR valid_to >= valid_from", name="ends_after_it_begins"),
    )

    kid: Mapped[bytes] = mapped_column(LargeBinary(8), primary_key=True)
    #: COSE algorithm number (verifier.suites.Suite).
    suite: Mapped[int] = mapped_column(Integer)
    public: Mapped[bytes] = mapped_column(LargeBinary(33))
    #: `log`, `codes`, `status`, `trust-root` or `department:<code>`.
    purpose: Mapped[str] = mapped_column(String(64), index=True)
    #: In force from (inclusive) … to (exclusive; none yet while open).
    valid_from: Mapped[datetime] = mapped_column(UtcDateTime())
    valid_to: Mapped[datetime | None] = mapped_column(UtcDateTime())
    #: `files` or `token`.
    vault: Mapped[str] = mapped_column(String(12), server_default="files")
    #: How often it has signed at least: counted in memory, written down every hour, at the end, and when asked.
    uses: Mapped[int] = mapped_column(BigInteger, server_default="0")
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
