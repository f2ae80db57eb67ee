"""Table of keys: public halves and when they were in force. Private halves are files, see service."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, Digest, IdText, UtcDateTime


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
    #: `files`, `token`, or `department` where the department holds it itself.
    vault: Mapped[str] = mapped_column(String(12), server_default="files")
    #: How often it has signed at least: counted in memory, written down every hour, at the end, and when asked.
    uses: Mapped[int] = mapped_column(BigInteger, server_default="0")
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    #: `revoked` or `compromised`, who said so, why and when; none of it where it gave way to the next key.
    ended_as: Mapped[str | None] = mapped_column(String(12))
    ended_by: Mapped[str | None] = mapped_column(String(64))
    ended_reason: Mapped[str | None] = mapped_column(String(200))
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class KeyChallenge(Base):
    """What a department is asked to sign to prove that it holds a key, and with `proof`, that it did."""

    __tablename__ = "key_challenges"

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    department: Mapped[str] = mapped_column(ForeignKey("departments.code"), index=True)
    suite: Mapped[int] = mapped_column(Integer)
    public: Mapped[bytes] = mapped_column(LargeBinary(33))
    nonce: Mapped[bytes] = mapped_column(Digest)
    #: The key may begin no earlier, and ends then at the latest.
    valid_from: Mapped[datetime] = mapped_column(UtcDateTime())
    valid_to: Mapped[datetime | None] = mapped_column(UtcDateTime())
    asked_by: Mapped[str] = mapped_column(String(64))
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime())
    proof: Mapped[bytes | None] = mapped_column(LargeBinary(64))
