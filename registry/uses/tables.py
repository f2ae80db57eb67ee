"""Uses, refusals, and the consumption of one-time items."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, Digest, IdText, Json, UsccText, UtcDateTime


class Use(Base):
    """One accepted reliance of one department on one item for one case; `entry_id` is its entry in the log."""

    __tablename__ = "uses"
    __table_args__ = (Index("ix_uses_item", "item_kind", "item_id", "id"),)

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    item_kind: Mapped[str] = mapped_column(String(12))
    item_id: Mapped[str] = mapped_column(IdText)
    department: Mapped[str] = mapped_column(UsccText, index=True)
    matter_code: Mapped[str] = mapped_column(ForeignKey("matters.code"), index=True)
    slot_code: Mapped[str] = mapped_column(String(32))
    case_no: Mapped[str] = mapped_column(String(64))
    purpose: Mapped[str] = mapped_column(String(200))
    authorisation_id: Mapped[str] = mapped_column(ForeignKey("authorisations.id"), index=True)
    subject_index: Mapped[bytes | None] = mapped_column(Digest)
    operator: Mapped[str] = mapped_column(String(64))
    device: Mapped[str] = mapped_column(String(64))
    used_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: Canonical bytes and salts of the commitment in the entry.
    content: Mapped[bytes] = mapped_column(LargeBinary)
    salts: Mapped[bytes] = mapped_column(LargeBinary)
    entry_id: Mapped[int] = mapped_column(BigInteger)


class UseHolder(Base):
    """Who can see a use: the holders of the item that was used."""

    __tablename__ = "use_holders"
    __table_args__ = ({"sqlite_with_rowid": False},)

    holder_index: Mapped[bytes] = mapped_column(Digest, primary_key=True)
    use_id: Mapped[str] = mapped_column(ForeignKey("uses.id"), primary_key=True)


class UseRefusal(Base):
    """A use that was refused and why; kept here, never in the log."""

    __tablename__ = "use_refusals"

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    item_kind: Mapped[str] = mapped_column(String(12))
    item_id: Mapped[str] = mapped_column(IdText, index=True)
    department: Mapped[str] = mapped_column(UsccText, index=True)
    matter_code: Mapped[str] = mapped_column(String(32))
    case_no: Mapped[str] = mapped_column(String(64))
    operator: Mapped[str] = mapped_column(String(64))
    device: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(40))
    evidence: Mapped[Any] = mapped_column(Json)
    refused_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Consumption(Base):
    """The one and only use of a one-time item: its primary key makes the winner.

    `nullifier` names the item to other registries without telling which it is, `commitment` binds the use; the pipeline
    puts both on chain and writes what the chain answered into the `chain_` columns.
    """

    __tablename__ = "consumptions"

    item_kind: Mapped[str] = mapped_column(String(12), primary_key=True)
    item_id: Mapped[str] = mapped_column(IdText, primary_key=True)
    use_id: Mapped[str] = mapped_column(ForeignKey("uses.id", deferrable=True, initially="DEFERRED"), unique=True)
    department: Mapped[str] = mapped_column(UsccText)
    consumed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    nullifier: Mapped[bytes] = mapped_column(Digest, unique=True)
    commitment: Mapped[bytes] = mapped_column(Digest)
    #: None until the chain has answered; then whether this use is the first one on chain.
    chain_first: Mapped[bool | None] = mapped_column()
    chain_by: Mapped[str | None] = mapped_column(String(64))
    chain_commitment: Mapped[bytes | None] = mapped_column(Digest)
    chain_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
