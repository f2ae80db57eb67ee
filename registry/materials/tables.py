"""Materials and their files."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Date, ForeignKey, Index, Integer, LargeBinary, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, Digest, IdText, TypeCodeText, UsccText, UtcDateTime


class Material(Base):
    """A registered material. `content` and `salts` are what the log's commitment was made of, byte for byte."""

    __tablename__ = "materials"
    __table_args__ = (
        Index("ix_materials_department", "department", "id"),
        Index("ix_materials_case_no", "case_no", "id"),
    )

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    type_code: Mapped[str] = mapped_column(TypeCodeText)
    type_version: Mapped[int] = mapped_column(SmallInteger)
    department: Mapped[str] = mapped_column(UsccText)
    title: Mapped[str] = mapped_column(String(200))
    matter_code: Mapped[str | None] = mapped_column(String(32))
    case_no: Mapped[str | None] = mapped_column(String(64))
    #: Digest over type, department, holder, files and data: the same material handed in again is this one.
    content_key: Mapped[bytes] = mapped_column(Digest, unique=True)
    status: Mapped[int] = mapped_column(SmallInteger)
    status_list: Mapped[int] = mapped_column(Integer)
    status_index: Mapped[int] = mapped_column(Integer)
    valid_from_on: Mapped[date] = mapped_column(Date)
    valid_to_on: Mapped[date | None] = mapped_column(Date)
    registered_at: Mapped[datetime] = mapped_column(UtcDateTime)
    registered_by: Mapped[str] = mapped_column(String(64))
    content: Mapped[bytes] = mapped_column(LargeBinary)
    salts: Mapped[bytes | None] = mapped_column(LargeBinary)
    sha256: Mapped[bytes] = mapped_column(Digest)
    sm3: Mapped[bytes] = mapped_column(Digest)


class MaterialHolder(Base):
    """Blind index of each person or organisation the material is about."""

    __tablename__ = "material_holders"
    __table_args__ = ({"sqlite_with_rowid": False},)

    holder_index: Mapped[bytes] = mapped_column(Digest, primary_key=True)
    material_id: Mapped[str] = mapped_column(ForeignKey("materials.id"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger)


class MaterialFile(Base):
    """Which stored files belong to a material."""

    __tablename__ = "material_files"

    material_id: Mapped[str] = mapped_column(ForeignKey("materials.id"), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    sha256: Mapped[bytes] = mapped_column(ForeignKey("files.sha256"), index=True)
    name: Mapped[str] = mapped_column(String(255))
