"""Codes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, SmallInteger, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, IdText, Json, UsccText, UtcDateTime


class Code(Base):
    """A signed code. `id` is 8 random bytes in hex; `subject` is a holder's blind index in hex, a USCC, the code
    of a component, or a venue id with #n for its n-th poster; of a phone's code, a blind index of the holder's phones.

    Of one kind and subject only the newest generation can be valid.
    """

    __tablename__ = "codes"
    __table_args__ = (
        UniqueConstraint("kind", "subject", "generation", name="uq_codes_generation"),
        Index("ix_codes_department", "department", "issued_at"),
    )

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    item_id: Mapped[str] = mapped_column(IdText, unique=True)
    kind: Mapped[int] = mapped_column(SmallInteger)
    subject: Mapped[str] = mapped_column(String(64))
    generation: Mapped[int] = mapped_column(Integer)
    name: Mapped[str | None] = mapped_column(String(200))
    #: Where a component stands.
    place: Mapped[str | None] = mapped_column(String(60))
    department: Mapped[str] = mapped_column(UsccText)
    status: Mapped[int] = mapped_column(SmallInteger)
    status_list: Mapped[int] = mapped_column(Integer)
    status_index: Mapped[int] = mapped_column(Integer)
    #: What to grant again at a re-issue: {"types": [type codes], "venues": [venue ids]}.
    wanted: Mapped[Any] = mapped_column(Json)
    issued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    issued_by: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: Of a phone's code: the one without grants.
    text: Mapped[str] = mapped_column(Text)
    #: Of a phone's code: the same code once for each of its grants, in their order; None for one that stands alone.
    grant_texts: Mapped[Any | None] = mapped_column(Json)
    #: Of the phone that alone may show the code (verifier.presentation); None for a code that stands alone.
    device_key: Mapped[bytes | None] = mapped_column(LargeBinary(33))
    replaced_by: Mapped[str | None] = mapped_column(ForeignKey("codes.id"))
    #: The relation (relatives.id) by which a relative claimed it; None: by the holder.
    claimed_by: Mapped[str | None] = mapped_column(IdText)
