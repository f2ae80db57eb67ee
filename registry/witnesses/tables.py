"""Tables of witnesses and their cosignatures."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Boolean, CheckConstraint, ForeignKey, Index, Integer, LargeBinary, String, Text, text
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, UtcDateTime


class WitnessRow(Base):
    """One key of a witness, and where it is asked. Rows are never deleted: cosignatures outlive the keys."""

    __tablename__ = "witnesses"
    __table_args__ = (
        # One open key a witness.
        Index(
            "uq_witnesses_name_in_force",
            "name",
            unique=True,
            sqlite_where=text("valid_to IS NULL"),
            postgresql_where=text("valid_to IS NULL"),
        ),
    )

    kid: Mapped[bytes] = mapped_column(LargeBinary(8), primary_key=True)
    #: Key name of its lines (C2SP signed-note), without spaces.
    name: Mapped[str] = mapped_column(String(200))
    #: Ed25519, 32 bytes.
    public: Mapped[bytes] = mapped_column(LargeBinary(32))
    #: Submission prefix (C2SP tlog-witness).
    url: Mapped[str] = mapped_column(String(500))
    #: In force from (inclusive) … to (exclusive; none yet while open).
    valid_from: Mapped[datetime] = mapped_column(UtcDateTime())
    valid_to: Mapped[datetime | None] = mapped_column(UtcDateTime())
    #: Its secret leaked: nothing it ever cosigned counts, since whoever has it can write any time into a line.
    distrusted: Mapped[bool] = mapped_column(Boolean)


class WitnessPolicy(Base):
    """One row: how many witnesses must have cosigned a head before evidence under it is believed; 0 for none."""

    __tablename__ = "witness_policy"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    threshold: Mapped[int] = mapped_column(Integer)


class CosignatureRow(Base):
    """The line of one witness under one head of the log; the first one that came is kept."""

    __tablename__ = "cosignatures"

    size: Mapped[int] = mapped_column(BigInteger, ForeignKey("checkpoints.size"), primary_key=True, autoincrement=False)
    kid: Mapped[bytes] = mapped_column(LargeBinary(8), ForeignKey("witnesses.kid"), primary_key=True)
    #: The signature line without its newline.
    line: Mapped[str] = mapped_column(Text)
    #: The time that the witness put into it.
    cosigned_at: Mapped[datetime] = mapped_column(UtcDateTime())
