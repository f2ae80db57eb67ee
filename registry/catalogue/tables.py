"""Types of certificates and materials, their versions, and matters with their slots."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, Integer, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, IdText, Json, TypeCodeText, UsccText, UtcDateTime


class CertificateType(Base):
    """A catalogue entry in its newest version; `kind` says whether its items are certificates or materials."""

    __tablename__ = "certificate_types"
    __table_args__ = (CheckConstraint("kind IN ('certificate', 'material')", name="kind"),)

    code: Mapped[str] = mapped_column(TypeCodeText, primary_key=True)
    #: Small number that stands for the type where bytes are few.
    number: Mapped[int] = mapped_column(SmallInteger, unique=True)
    kind: Mapped[str] = mapped_column(String(12))
    name: Mapped[str] = mapped_column(String(100))
    definer_code: Mapped[str] = mapped_column(UsccText)
    definer_name: Mapped[str] = mapped_column(String(200))
    one_time: Mapped[bool] = mapped_column(Boolean)
    version: Mapped[int] = mapped_column(Integer)
    #: The whole definition as catalogue.rules.TypeDefinition reads it.
    definition: Mapped[Any] = mapped_column(Json)
    installed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class TypeVersion(Base):
    """Every version a type ever had: what was registered under it is judged by it."""

    __tablename__ = "certificate_type_versions"

    code: Mapped[str] = mapped_column(ForeignKey("certificate_types.code"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    definition: Mapped[Any] = mapped_column(Json)
    installed_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Matter(Base):
    """A government service item (事项) of one department."""

    __tablename__ = "matters"

    code: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    department: Mapped[str] = mapped_column(ForeignKey("departments.code"), index=True)
    purpose: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: Counts the editions, so that nobody changes what they have not seen.
    revision: Mapped[int] = mapped_column(Integer, server_default="1")
    #: Since when nothing can be started for it, and why; None while it is in use.
    retired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    retired_because: Mapped[str | None] = mapped_column(String(200))


class MatterEdition(Base):
    """What a matter said until it was changed: catalogue.matters.Content. Rows are never changed."""

    __tablename__ = "matter_editions"

    matter_code: Mapped[str] = mapped_column(ForeignKey("matters.code"), primary_key=True)
    revision: Mapped[int] = mapped_column(Integer, primary_key=True)
    content: Mapped[Any] = mapped_column(Json)
    until_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_by: Mapped[str] = mapped_column(String(64))


class MatterSlot(Base):
    """A material slot (材料项) of a matter: which types satisfy it."""

    __tablename__ = "matter_slots"

    matter_code: Mapped[str] = mapped_column(ForeignKey("matters.code"), primary_key=True)
    code: Mapped[str] = mapped_column(String(32), primary_key=True)
    position: Mapped[int] = mapped_column(SmallInteger)
    name: Mapped[str] = mapped_column(String(200))
    required: Mapped[bool] = mapped_column(Boolean)
    accepts: Mapped[Any] = mapped_column(Json)
    fields: Mapped[Any] = mapped_column(Json, server_default="[]")


class LocalTypeCode(Base):
    """The code of a type in another catalogue, such as the municipal one: many local codes, one national type."""

    __tablename__ = "local_type_codes"

    local_code: Mapped[str] = mapped_column(String(20), primary_key=True)
    type_code: Mapped[str] = mapped_column(ForeignKey("certificate_types.code"), index=True)
    added_at: Mapped[datetime] = mapped_column(UtcDateTime)
    added_by: Mapped[str] = mapped_column(String(64))


class TypeDraft(Base):
    """A type, or the next version of one, while it is written. What is published leaves the table."""

    __tablename__ = "type_drafts"

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    #: The type that gets a next version; None for a new type.
    type_code: Mapped[str | None] = mapped_column(ForeignKey("certificate_types.code"), index=True)
    #: The form as it was last saved, and as it was before that (catalogue.sheets.Sheet).
    content: Mapped[Any] = mapped_column(Json)
    previous: Mapped[Any | None] = mapped_column(Json)
    #: Counts what was saved, so that nobody saves over what they have not seen.
    revision: Mapped[int] = mapped_column(Integer)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_by: Mapped[str] = mapped_column(String(64))
    discarded_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
