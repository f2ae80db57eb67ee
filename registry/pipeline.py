"""The pipeline: what happens to an entry after its transaction was committed. One tick takes everything one round on.

1. seal      every waiting entry gets its department's signature             (nothing is written)
2. sequence  signatures and indices stored, the log's next head signed       (one commit a batch)
3. publish   tiles and head as files, derived from the database              (fsync, rename, fsync)
4. anchor    the newest published head goes onto the chain                   (the chain is asked first)
5. consume   first uses of one-time items go onto the chain                  (the chain decides who was first)

Each step reads from what the one before it made durable, and none keeps anything in memory that a later tick needs. So
a process killed anywhere is recovered by the next tick of any other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine, select, update
from sqlalchemy.orm import Session

from chain.errors import ChainError, ChainUnavailableError, OutcomeUnknownError
from registry.database import READ_ONLY
from registry.errors import KeyUnavailableError
from registry.keys.service import KeyService
from registry.log.anchoring import Anchorer, Anchors, anchored_head
from registry.log.published import PublishedLog
from registry.log.sealing import Seal, seal, store_seals
from registry.log.sequencing import sequence
from registry.log.service import open_log
from registry.log.state import newest_head
from registry.uses.tables import Consumption
from registry.work import whole_millisecond
from verifier.note import Checkpoint

SEAL_BATCH = 16_384
SEQUENCE_BATCH = 16_384
CONSUME_BATCH = 64
#: While the outbox never empties, the chain still gets a head this often.
ANCHOR_AT_LEAST_EVERY = timedelta(seconds=5)
#: A chain that is away is asked again after a pause that doubles: each question may take a time-out, and the log must
#: not wait for it.
FIRST_CHAIN_PAUSE = timedelta(seconds=1)
LONGEST_CHAIN_PAUSE = timedelta(seconds=30)


class FirstUse(Protocol):
    """Who used a one-time item first, as the chain has it. commitment: 32 bytes that bind the use."""

    @property
    def by(self) -> str: ...
    @property
    def commitment(self) -> bytes: ...
    @property
    def at(self) -> datetime: ...


class FirstUses(Protocol):
    """First uses of one-time items on one chain, across registries. Errors are those of `chain.errors`."""

    def consume(self, nullifier: bytes, commitment: bytes) -> FirstUse:
        """Claim the first use of the item behind a 32-byte nullifier; the first use there is, ours or not.

        Safe to repeat: the same claim gets the same answer."""
        ...


@dataclass(frozen=True, slots=True)
class Problem:
    """What kept a step from finishing; the next tick tries again. `step` as in the list above."""

    step: str
    reason: str
    message: str


@dataclass(slots=True)
class Progress:
    """What one tick did, and where the log stands: entries sequenced, published, anchored so far."""

    sealed: int = 0
    sequenced: int = 0
    consumed: int = 0
    size: int = 0
    published_size: int = 0
    anchored_size: int = 0
    #: More is waiting than one tick takes: call the next one at once.
    more: bool = False
    chain_down: bool = False
    problems: list[Problem] = field(default_factory=list)

    @property
    def idle(self) -> bool:
        """Nothing was done and nothing is left that could be done now."""
        return not (self.sealed or self.sequenced or self.consumed or self.more or self.problems)


@dataclass(frozen=True, slots=True)
class _Away:
    """Why the chain could not be reached, and when it is asked again."""

    problem: Problem
    pause: timedelta
    until_at: datetime


class Pipeline:
    """The pipeline of one registry. Any number of processes may run one at the same time, on a migrated database.

    Names the log and makes the registry's own keys at the first start.
    `anchors` and `uses` are None where the registry runs without a chain: the log then grows unanchored.
    """

    def __init__(
        self,
        engine: Engine,
        keys: KeyService,
        tiles_folder: Path,
        anchors: Anchors | None,
        uses: FirstUses | None,
        clock: Callable[[], datetime],
        draw: Callable[[int], bytes],
    ) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**{READ_ONLY: True})
        self._keys = keys
        self._uses = uses
        self._clock = clock
        keys.prepare(clock())
        self.origin = open_log(engine, draw)
        self.log = PublishedLog(engine, tiles_folder)
        self._anchorer = None if anchors is None else Anchorer(engine, self.log, anchors)
        self._chain_tried_at: datetime | None = None
        self._chain_away: _Away | None = None
        self._sealed_to = 0

    def tick(self) -> Progress:
        """Take every step once, as far as it goes.

        What the next tick can mend (a chain that is down, a full disk, a key that is missing) is told in
        `Progress.problems`. Raises LogContradictionError, WrongContractError, TransactionRejectedError: stop and look;
        sqlalchemy's OperationalError: the database is away or full, try again later.
        """
        progress = Progress()
        self._sequence(self._seal(progress), progress)
        head = self._publish(progress)
        if head is not None and self._is_chains_turn(progress):
            self._anchor(head, progress)
            self._consume(progress)
            if not progress.chain_down:
                self._chain_away = None
        progress.anchored_size = anchored_head(self._reader).size
        return progress

    def _seal(self, progress: Progress) -> list[Seal]:
        # (1) Rows that could not be sealed are passed over until the end is reached, then tried again.
        outcome = seal(self._engine, self._keys, self._sealed_to, SEAL_BATCH)
        self._sealed_to = outcome.last_id if outcome.more else 0
        progress.more = outcome.more
        progress.problems += [Problem("seal", problem.reason, problem.message) for problem in outcome.problems]
        return outcome.seals

    def _sequence(self, seals: list[Seal], progress: Progress) -> None:
        # (2) Committed before any file is written or the chain is touched.
        try:
            outcome = sequence(self._engine, self._keys, self._now(), SEQUENCE_BATCH, seals)
        except KeyUnavailableError as problem:
            progress.problems.append(Problem("sequence", problem.reason, problem.message))
            # The departments' signatures are kept: a key may be slow, or count what it signs.
            progress.sealed = len(seals) if store_seals(self._engine, seals) else 0
            with self._reader.connect() as connection:
                progress.size = newest_head(connection, self.origin)[0].size
            return
        progress.sealed, progress.sequenced, progress.size = outcome.sealed, outcome.sequenced, outcome.size
        progress.more |= outcome.more

    def _publish(self, progress: Progress) -> Checkpoint | None:
        # (3) What is on disk is durable and leads to the signed root before the head is.
        try:
            head = self.log.publish()
        except OSError as failure:
            message = f"无法写入存证日志的文件：{failure.strerror}。已受理的内容不受影响，请检查磁盘。"
            progress.problems.append(Problem("publish", "disk_failed", message))
            return None
        progress.published_size = head.size
        return head

    def _is_chains_turn(self, progress: Progress) -> bool:
        """One transaction for many heads: while a backlog is worked off, the chain waits, but not for long."""
        now = self._clock()
        away = self._chain_away
        # A clock that was set back must not keep the chain waiting for it: hence both ends.
        if away is not None and away.until_at - away.pause <= now < away.until_at:
            progress.chain_down = True
            progress.problems.append(away.problem)
            return False
        tried = self._chain_tried_at
        waited = tried is None or not tried <= now < tried + ANCHOR_AT_LEAST_EVERY
        if progress.more and not waited:
            return False
        self._chain_tried_at = now
        return True

    def _anchor(self, head: Checkpoint, progress: Progress) -> None:
        # (4) The chain is asked before it is written to, whatever happened before.
        if self._anchorer is None or head.size == 0:
            return
        try:
            self._anchorer.advance(head, self._now())
        except (ChainUnavailableError, OutcomeUnknownError) as problem:
            self._note("anchor", problem, progress)

    def _consume(self, progress: Progress) -> None:
        # (5) The item was consumed here when its use was committed; the chain says whether it was so everywhere.
        if self._uses is None or progress.chain_down:
            return
        try:
            for nullifier, commitment in self._claims():
                first = self._uses.consume(nullifier, commitment)
                self._record_first(nullifier, commitment, first)
                progress.consumed += 1
        except (ChainUnavailableError, OutcomeUnknownError) as problem:
            self._note("consume", problem, progress)
        progress.more |= progress.consumed == CONSUME_BATCH

    def _claims(self) -> list[tuple[bytes, bytes]]:
        with self._reader.connect() as connection:
            waiting = select(Consumption.nullifier, Consumption.commitment).where(Consumption.chain_at.is_(None))
            return list(connection.execute(waiting.order_by(Consumption.consumed_at).limit(CONSUME_BATCH)).tuples())

    def _record_first(self, nullifier: bytes, commitment: bytes, first: FirstUse) -> None:
        answered = {
            "chain_first": first.commitment == commitment,
            "chain_by": first.by,
            "chain_commitment": first.commitment,
            "chain_at": first.at,
        }
        with Session(self._engine) as session, session.begin():
            session.execute(update(Consumption).where(Consumption.nullifier == nullifier).values(answered))

    def _note(self, step: str, problem: ChainError, progress: Progress) -> None:
        noted = Problem(step, problem.reason, problem.message)
        progress.problems.append(noted)
        if isinstance(problem, ChainUnavailableError):
            progress.chain_down = True
            longer = FIRST_CHAIN_PAUSE if self._chain_away is None else self._chain_away.pause * 2
            pause = min(longer, LONGEST_CHAIN_PAUSE)
            self._chain_away = _Away(noted, pause, self._clock() + pause)

    def _now(self) -> datetime:
        return whole_millisecond(self._clock())
