"""Where entries stand on their way into the log and onto the chain, and how far the log and the chain are behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, func, select

from registry.keys.own import self_signing
from registry.log.tables import AnchorRow, CheckpointRow, LogEntry
from registry.work import Work
from verifier.entry import Kind

#: registered: safe in the database; sequenced: in the log under a signed head; anchored: that head is on the chain.
Stage = Literal["registered", "sequenced", "anchored"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry stands; `index` once it is in the log."""

    stage: Stage
    index: int | None


@dataclass(frozen=True, slots=True)
class LogStanding:
    """How far the log and the chain are behind what was acknowledged.

    waiting: entries that are not in the log yet, without those that departments have to sign themselves (`unsigned`);
    oldest_waiting_at: when the oldest of them was acknowledged;
    uncovered_since_at: when the oldest entry was that no anchored head covers, in the log or not.
    """

    waiting: int
    oldest_waiting_at: datetime | None
    size: int
    anchored_size: int
    anchored_at: datetime | None
    uncovered_since_at: datetime | None
    unsigned: int = 0

    @property
    def unanchored(self) -> int:
        """How many acknowledged entries no anchored head covers."""
        return self.waiting + self.size - self.anchored_size


def log_standing(work: Work) -> LogStanding:
    """The log's standing now."""
    waiting: ColumnElement[bool] = LogEntry.log_index.is_(None)
    unsigned, signing = 0, self_signing(work.session, work.at)
    if signing:
        own = waiting & LogEntry.signed.is_(None) & LogEntry.department.in_(signing)
        unsigned = work.session.scalar(select(func.count()).select_from(LogEntry).where(own)) or 0
        waiting = waiting & (LogEntry.signed.is_not(None) | LogEntry.department.not_in(signing))
    count, oldest = work.session.execute(
        select(func.count(), func.min(LogEntry.recorded_at)).select_from(LogEntry).where(waiting)
    ).one()
    anchored = work.session.scalars(
        select(AnchorRow).order_by(AnchorRow.size.desc(), AnchorRow.recorded_at.desc()).limit(1)
    ).one_or_none()
    anchored_size = anchored.size if anchored else 0
    uncovered = work.session.scalar(select(LogEntry.recorded_at).where(LogEntry.log_index == anchored_size))
    return LogStanding(
        waiting=count,
        oldest_waiting_at=oldest,
        size=work.session.scalar(select(func.max(CheckpointRow.size))) or 0,
        anchored_size=anchored_size,
        anchored_at=anchored.block_at if anchored else None,
        uncovered_since_at=uncovered or oldest,
        unsigned=unsigned,
    )


def places_of(work: Work, items: Sequence[str], kind: Kind) -> dict[str, Place]:
    """Where the first entry of this kind about each item stands."""
    if not items:
        return {}
    anchored_size = work.session.scalar(select(func.max(AnchorRow.size))) or 0
    rows = work.session.execute(
        select(LogEntry.item, LogEntry.log_index)
        .where(LogEntry.item.in_(items), LogEntry.kind == int(kind))
        .order_by(LogEntry.id.desc())
    )
    # Newest first, so that the first entry of an item is what remains.
    return {item: _place(index, anchored_size) for item, index in rows.tuples()}


def _place(index: int | None, anchored_size: int) -> Place:
    if index is None:
        return Place("registered", None)
    return Place("anchored" if index < anchored_size else "sequenced", index)
