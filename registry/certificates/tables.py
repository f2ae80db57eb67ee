"""Certificates, the index of their holders, and their files."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Date, ForeignKey, Index, Integer, LargeBinary, SmallInteger, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, Digest, IdText, Json, TypeCodeText, UsccText, UtcDateTime

_NOT_VALID = text("status <> 0")
#: Which certificates may lapse: the condition of an index, and of the query that uses it.
LAPSING = "valid_to_on IS NOT NULL AND status IN (0, 2, 15)"


class Certificate(Base):
    """A registered certificate. `face` and `salts` are what the log's commitment was made of, byte for byte.

    `status` is the present state (verifier.status.Status); its history stands in `status_events`.
    """

    __tablename__ = "certificates"
    __table_args__ = (
        # Number first: the constraint is also the index of the search by number.
        UniqueConstraint("number", "type_code", "department", "version", name="uq_certificates_number"),
        UniqueConstraint("identifier", name="uq_certificates_identifier"),
        Index("ix_certificates_department", "department", "id"),
        Index("ix_certificates_type_code", "type_code", "id"),
        # A list of a period walks it, its type and department seen without reading rows; and it covers the figures of
        # quality, which are counted from it alone.
        Index("ix_certificates_issued_on", "issued_on", "id", "type_code", "department", "registered_at"),
        # Most certificates are valid: only the others are worth an index, and registering does not pay for it.
        Index("ix_certificates_status", "status", "id", sqlite_where=_NOT_VALID, postgresql_where=_NOT_VALID),
        # What may still lapse, by its last day: valid, suspended, lost.
        Index("ix_certificates_lapsing", "valid_to_on", sqlite_where=text(LAPSING), postgresql_where=text(LAPSING)),
    )

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    type_code: Mapped[str] = mapped_column(TypeCodeText)
    type_version: Mapped[int] = mapped_column(SmallInteger)
    #: The issuing department; also the one whose key signs the entry.
    department: Mapped[str] = mapped_column(UsccText)
    identifier: Mapped[str] = mapped_column(String(128))
    number: Mapped[str] = mapped_column(String(64))
    version: Mapped[str] = mapped_column(String(3))
    status: Mapped[int] = mapped_column(SmallInteger)
    status_list: Mapped[int] = mapped_column(Integer)
    status_index: Mapped[int] = mapped_column(Integer)
    issued_on: Mapped[date] = mapped_column(Date)
    valid_from_on: Mapped[date] = mapped_column(Date)
    #: The last day of validity (inclusive); None is 长期.
    valid_to_on: Mapped[date | None] = mapped_column(Date)
    associated_identifier: Mapped[str | None] = mapped_column(String(128))
    registered_at: Mapped[datetime] = mapped_column(UtcDateTime)
    registered_by: Mapped[str] = mapped_column(String(64))
    face: Mapped[bytes] = mapped_column(LargeBinary)
    #: None once erased: the commitment in the log then links to nobody.
    salts: Mapped[bytes | None] = mapped_column(LargeBinary)
    sha256: Mapped[bytes] = mapped_column(Digest)
    sm3: Mapped[bytes] = mapped_column(Digest)
    #: Texts that normalisation changed, as they were handed in: {"path": "raw text"}.
    raw: Mapped[Any] = mapped_column(Json, nullable=True)


class CertificateHolder(Base):
    """Blind index of each holder; names and numbers stand only in the face."""

    __tablename__ = "certificate_holders"
    __table_args__ = ({"sqlite_with_rowid": False},)

    holder_index: Mapped[bytes] = mapped_column(Digest, primary_key=True)
    certificate_id: Mapped[str] = mapped_column(ForeignKey("certificates.id"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger)


class CertificateFile(Base):
    """Which stored files belong to a certificate; name, type and digests stand in the face as well."""

    __tablename__ = "certificate_files"

    certificate_id: Mapped[str] = mapped_column(ForeignKey("certificates.id"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    sha256: Mapped[bytes] = mapped_column(ForeignKey("files.sha256"), index=True)
    name: Mapped[str] = mapped_column(String(255))


class IdentifierCounter(Base):
    """The next serial of a department's identifiers in a year; a gap is harmless, a repetition impossible."""

    __tablename__ = "identifier_counters"

    department: Mapped[str] = mapped_column(UsccText, primary_key=True)
    year: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    taken: Mapped[int] = mapped_column(Integer)


class CertificateDisclosure(Base):
    """Who was shown an unmasked face, when and for what."""

    __tablename__ = "certificate_disclosures"

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    certificate_id: Mapped[str] = mapped_column(ForeignKey("certificates.id"), index=True)
    actor: Mapped[str] = mapped_column(String(64))
    department: Mapped[str | None] = mapped_column(UsccText)
    purpose: Mapped[str] = mapped_column(String(200))
    disclosed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class CertificateLookup(Base):
    """Who asked for the certificates of a holder, or of a number printed on them, when and for what.

    `sought` is holder, number or identifier; `sought_index` the blind index of what was typed.
    """

    __tablename__ = "certificate_lookups"

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    sought: Mapped[str] = mapped_column(String(12))
    sought_index: Mapped[bytes] = mapped_column(Digest, index=True)
    actor: Mapped[str] = mapped_column(String(64))
    department: Mapped[str | None] = mapped_column(UsccText)
    purpose: Mapped[str] = mapped_column(String(200))
    looked_up_at: Mapped[datetime] = mapped_column(UtcDateTime)
