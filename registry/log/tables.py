"""Tables of the log. Rows of `log_entries` are the outbox until they have an index, and the log afterwards."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, Digest, IdText, UsccText, UtcDateTime

RowId = BigInteger().with_variant(Integer, "sqlite")


class LogState(Base):
    """One row: the log's name, and the lock of the sequencer. Whoever has updated it in a transaction is alone."""

    __tablename__ = "log_state"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    #: Name of the log in every signed head; fixed for the life of the log.
    origin: Mapped[str] = mapped_column(String(100))
    #: How often the lock was taken.
    turns: Mapped[int] = mapped_column(BigInteger)


class LogEntry(Base):
    """One entry: waiting (payload), sealed (signed, leaf_hash), in the log (log_index). No step is ever taken back."""

    __tablename__ = "log_entries"
    __table_args__ = (
        # The same payload about an item enters once; the ids of items grow with time, so this index grows at its end.
        # There is none over hashes alone: it would be written all over, a page for every entry of a large log.
        Index("uq_log_entries_item_payload_digest", "item", "payload_digest", unique=True),
        # Not partial: it keeps the rows without an index together, in the order of their ids. They are the outbox.
        Index("uq_log_entries_log_index", "log_index", unique=True),
        CheckConstraint("(signed IS NULL) = (leaf_hash IS NULL)", name="sealed_whole"),
        CheckConstraint("(signed IS NULL) <> (payload IS NULL)", name="one_body"),
        CheckConstraint("log_index IS NULL OR signed IS NOT NULL", name="sealed_before_sequenced"),
    )

    #: Rows are never deleted, so on SQLite the largest id is always the last one given.
    id: Mapped[int] = mapped_column(RowId, primary_key=True, autoincrement=True)
    item: Mapped[str] = mapped_column(IdText)
    kind: Mapped[int] = mapped_column(Integer)
    department: Mapped[str] = mapped_column(UsccText)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime())
    #: SHA-256 of the payload as it was submitted.
    payload_digest: Mapped[bytes] = mapped_column(Digest)
    #: Deterministic CBOR of the entry while it waits for its department's signature; then it is inside `signed`.
    payload: Mapped[bytes | None] = mapped_column(LargeBinary)
    #: COSE_Sign1 of the entry: the leaf of the log.
    signed: Mapped[bytes | None] = mapped_column(LargeBinary)
    leaf_hash: Mapped[bytes | None] = mapped_column(Digest)
    #: Zero-based place in the log.
    log_index: Mapped[int | None] = mapped_column(BigInteger)


class CheckpointRow(Base):
    """A signed head of the log. The newest row holds all that the log must remember to grow."""

    __tablename__ = "checkpoints"

    #: Entries under this head.
    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    root: Mapped[bytes] = mapped_column(Digest)
    #: verifier.merkle.Frontier.to_bytes: 32 bytes for every one-bit of the size.
    frontier: Mapped[bytes] = mapped_column(LargeBinary)
    #: Signed note (C2SP tlog-checkpoint).
    note: Mapped[str] = mapped_column(Text)
    #: The signature that all receipts under this head share (verifier.receipt.sign_root), 64 bytes.
    root_signature: Mapped[bytes] = mapped_column(LargeBinary(64))
    #: Key that signed both; a row of `keys`.
    kid: Mapped[bytes] = mapped_column(LargeBinary(8))
    signed_at: Mapped[datetime] = mapped_column(UtcDateTime())


class AnchorRow(Base):
    """A head of the log as read back from the chain."""

    __tablename__ = "anchors"

    size: Mapped[int] = mapped_column(ForeignKey("checkpoints.size"), primary_key=True, autoincrement=False)
    root: Mapped[bytes] = mapped_column(Digest)
    #: A registry that moved to another chain may have the same head on both.
    chain_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    contract: Mapped[str] = mapped_column(String(42), primary_key=True)
    log_id: Mapped[bytes] = mapped_column(Digest)
    block_number: Mapped[int] = mapped_column(BigInteger)
    block_hash: Mapped[bytes] = mapped_column(Digest)
    block_at: Mapped[datetime] = mapped_column(UtcDateTime())
    transaction_hash: Mapped[bytes] = mapped_column(Digest)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime())


class AnchorProofRow(Base):
    """The chain proof of an anchor, fetched before the anchor was recorded and written in the same transaction.

    An anchor without one never gets one later: until then bundles may have been handed out that need its listing.
    """

    __tablename__ = "anchor_proofs"
    __table_args__ = (
        ForeignKeyConstraint(
            ["size", "chain_id", "contract"], ["anchors.size", "anchors.chain_id", "anchors.contract"]
        ),
    )

    size: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    chain_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    contract: Mapped[str] = mapped_column(String(42), primary_key=True)
    #: verifier.chain_proof.ChainProof.to_bytes
    proof: Mapped[bytes] = mapped_column(LargeBinary)


class AnchorChainRow(Base):
    """A chain that heads with proofs are on, as trust bundles describe it; never removed, since old bundles need it."""

    __tablename__ = "anchor_chains"

    chain_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    contract: Mapped[str] = mapped_column(String(42), primary_key=True)
    code_hash: Mapped[bytes] = mapped_column(Digest)
    log_id: Mapped[bytes] = mapped_column(Digest)
    layout: Mapped[int] = mapped_column(Integer)
    engine: Mapped[str] = mapped_column(String(20))
    #: When the registry moved on to another chain; null for the present one.
    valid_to: Mapped[datetime | None] = mapped_column(UtcDateTime())


class AnchorValidatorsRow(Base):
    """Who seals the blocks of a chain, from a block on."""

    __tablename__ = "anchor_validators"
    __table_args__ = (
        ForeignKeyConstraint(["chain_id", "contract"], ["anchor_chains.chain_id", "anchor_chains.contract"]),
    )

    chain_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    contract: Mapped[str] = mapped_column(String(42), primary_key=True)
    from_block: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    #: 20-byte addresses in ascending order, one after another.
    addresses: Mapped[bytes] = mapped_column(LargeBinary)
    threshold: Mapped[int] = mapped_column(Integer)
