"""First uses on their way onto the chain: which wait, and what the chain answered."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import Engine, func, select, update
from sqlalchemy.orm import Session

from registry.uses.tables import Consumption
from registry.work import Work


class FirstUse(Protocol):
    """Who used a one-time item first, as the chain has it. commitment: 32 bytes that bind the use."""

    @property
    def by(self) -> str: ...
    @property
    def commitment(self) -> bytes: ...
    @property
    def at(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class ClaimStanding:
    """How many first uses the chain has not answered yet, and when the oldest of them was made here."""

    waiting: int
    oldest_at: datetime | None


def claim_standing(work: Work) -> ClaimStanding:
    """The standing of first uses now."""
    waiting = select(func.count(), func.min(Consumption.consumed_at)).where(Consumption.chain_at.is_(None))
    return ClaimStanding(*work.session.execute(waiting).one())


def waiting_claims(reader: Engine, most: int, passing_over: Collection[bytes] = ()) -> list[tuple[bytes, bytes]]:
    """Nullifiers and commitments that the chain has not answered, oldest first, without some that wait for later."""
    waiting = select(Consumption.nullifier, Consumption.commitment).where(Consumption.chain_at.is_(None))
    if passing_over:
        waiting = waiting.where(Consumption.nullifier.not_in(passing_over))
    with reader.connect() as connection:
        return list(connection.execute(waiting.order_by(Consumption.consumed_at).limit(most)).tuples())


def record_first_use(engine: Engine, nullifier: bytes, commitment: bytes, first: FirstUse) -> None:
    """Keep what the chain answered for a claim."""
    answered = {
        "chain_first": first.commitment == commitment,
        "chain_by": first.by,
        "chain_commitment": first.commitment,
        "chain_at": first.at,
    }
    with Session(engine) as session, session.begin():
        session.execute(update(Consumption).where(Consumption.nullifier == nullifier).values(answered))
