"""Posters, alarms about them, and short-lived sightings."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base, IdText, UtcDateTime


class Poster(Base):
    """The n-th copy of a venue's code: a code of its own, of the venue's generation; numbers are not used twice."""

    __tablename__ = "posters"
    __table_args__ = (UniqueConstraint("venue_id", "number", name="uq_posters_number"),)

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    venue_id: Mapped[str] = mapped_column(ForeignKey("venues.id"))
    number: Mapped[int] = mapped_column(Integer)
    code_id: Mapped[str] = mapped_column(ForeignKey("codes.id"), unique=True)
    #: Where the staff put it up, in words and as a geohash; None until then.
    place: Mapped[str | None] = mapped_column(String(60))
    geohash: Mapped[str | None] = mapped_column(String(9))
    bound_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    bound_by: Mapped[str | None] = mapped_column(String(64))


class Alarm(Base):
    """Something seems wrong with a poster: somebody said so, or sightings cannot all be true."""

    __tablename__ = "poster_alarms"
    __table_args__ = (Index("ix_poster_alarms_poster", "poster_id", "state"),)

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    poster_id: Mapped[str] = mapped_column(ForeignKey("posters.id"))
    #: A key of rules.ALARMS.
    kind: Mapped[str] = mapped_column(String(10))
    note: Mapped[str] = mapped_column(String(300))
    #: open, closed.
    state: Mapped[str] = mapped_column(String(6))
    raised_at: Mapped[datetime] = mapped_column(UtcDateTime)
    outcome: Mapped[str | None] = mapped_column(String(300))
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    closed_by: Mapped[str | None] = mapped_column(String(64))


class Sighting(Base):
    """A scan that told its coarse place: which poster, which cell, when, and nothing of who scanned. Kept for a day."""

    __tablename__ = "poster_sightings"
    __table_args__ = (Index("ix_poster_sightings_poster", "poster_id", "seen_at"),)

    id: Mapped[str] = mapped_column(IdText, primary_key=True)
    poster_id: Mapped[str] = mapped_column(ForeignKey("posters.id"))
    cell: Mapped[str] = mapped_column(String(5))
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
