"""The pipeline: what happens to an entry after its transaction was committed. One tick takes everything one round on.

1. seal      every waiting entry gets its department's signature             (nothing is written)
2. sequence  signatures and indices stored, the log's next head signed       (one commit a batch)
3. publish   tiles and head as files, derived from the database              (fsync, rename, fsync)
4. anchor    the newest published head goes onto the chain                   (the chain is asked first)
5. consume   first uses of one-time items go onto the chain                  (the chain decides who was first)
6. declare   departments, keys, scopes, types go onto the chain              (the governors decide)
7. cosign    witnesses are asked to cosign the newest anchored head          (nothing waits for their answers)

Each step reads from what the one before it made durable, and none keeps anything in memory that a later tick needs. So
a process killed anywhere is recovered by the next tick of any other.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from registry.chain_turns import CONSUME_BATCH, DECLARE, ChainTurns, FirstUses, Problem
from registry.database import READ_ONLY
from registry.errors import KeyUnavailableError
from registry.governance.service import Declarer
from registry.keys.service import KeyService
from registry.log.anchoring import Anchorer, Anchors, Proofs, anchored_head
from registry.log.published import PublishedLog
from registry.log.sealing import Seal, seal, store_seals
from registry.log.sequencing import sequence
from registry.log.service import open_log
from registry.log.state import newest_head
from registry.signing.leaving import redate_left
from registry.witnesses.asking import Asker, Send
from registry.work import whole_millisecond
from verifier.note import Checkpoint

SEAL_BATCH = 16_384
SEQUENCE_BATCH = 16_384
#: While the outbox never empties, the chain still gets a head this often, in seconds.
ANCHOR_AT_LEAST_EVERY: Final = 5.0

__all__ = ["CONSUME_BATCH", "FirstUses", "Pipeline", "Problem", "Progress"]


@dataclass(slots=True)
class Progress:
    """What one tick did, and where the log stands: entries sequenced, published, anchored so far."""

    sealed: int = 0
    sequenced: int = 0
    consumed: int = 0
    declared: int = 0
    size: int = 0
    published_size: int = 0
    anchored_size: int = 0
    #: More is waiting than one tick takes: call the next one at once.
    more: bool = False
    chain_down: bool = False
    #: Why nothing is anchored any more until a person has looked; everything else goes on.
    anchoring_stopped: Problem | None = None
    problems: list[Problem] = field(default_factory=list)

    @property
    def idle(self) -> bool:
        """Nothing was done and nothing is left that could be done now."""
        # What other governors or people have to decide keeps nothing of ours from being done.
        hindered = any(problem.step != DECLARE for problem in self.problems)
        return not (self.sealed or self.sequenced or self.consumed or self.declared or self.more or hindered)


class Pipeline:
    """The pipeline of one registry. Any number of processes may run one at the same time, on a migrated database.

    Names the log and makes the registry's own keys at the first start.
    `anchors`, `uses` and `declarer` are None where the registry runs without a chain: the log then grows unanchored.
    `proofs` makes evidence that does not need the trust bundle to list its head; None: none is made. `send` reaches
    witnesses; None where there are none.
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
        *,
        proofs: Proofs | None = None,
        declarer: Declarer | None = None,
        send: Send | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**{READ_ONLY: True})
        self._keys = keys
        self._clock = clock
        self._monotonic = monotonic
        keys.prepare(clock())
        self.origin = open_log(engine, draw)
        self.log = PublishedLog(engine, tiles_folder)
        self.witnesses = None if send is None else Asker(engine, self.log, send, clock)
        anchorer = None if anchors is None else Anchorer(engine, self.log, anchors, proofs, monotonic)
        self._is_chained = anchorer is not None
        self._turns = ChainTurns(engine, anchorer, uses, declarer, monotonic)
        self._chain_tried_at = float("-inf")
        self._sealed_to = 0

    def tick(self) -> Progress:
        """Take every step once, as far as it goes.

        What a later tick can mend (a chain that is down, refuses or is not ours, a full disk, a key that is missing) is
        told in `Progress.problems`. Raises LogContradictionError, if the log contradicts itself: stop and look;
        sqlalchemy's OperationalError: the database is away or full, try again later.
        """
        progress = Progress()
        self._sequence(self._seal(progress), progress)
        head = self._publish(progress)
        if head is not None and self._is_chains_turn(progress):
            # Steps 4 to 6: nothing that goes wrong there keeps the log from growing.
            turns = self._turns.take(head, self._now())
            progress.consumed, progress.declared, progress.chain_down = turns.consumed, turns.declared, turns.down
            progress.anchoring_stopped = turns.stopped
            progress.problems += turns.problems
            progress.more |= turns.more
        progress.anchored_size = anchored_head(self._reader).size
        self._cosign(progress)
        return progress

    def _seal(self, progress: Progress) -> list[Seal]:
        # (1) Rows that could not be sealed are passed over until the end is reached, then tried again; so are those
        # that their departments sign themselves, which is no problem.
        redate_left(self._engine)
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
        now = self._monotonic()
        if progress.more and now - self._chain_tried_at < ANCHOR_AT_LEAST_EVERY:
            return False
        self._chain_tried_at = now
        return True

    def _cosign(self, progress: Progress) -> None:
        # (7) What was cosigned beyond the chain cannot be cosigned again below it: while the chain answers, it leads.
        leads = self._is_chained and not progress.chain_down
        size = progress.anchored_size if leads else progress.published_size
        if self.witnesses is None or size == 0:
            return
        try:
            self.witnesses.step(size)
        except OSError as failure:
            message = f"无法写入存证日志的文件：{failure.strerror}。见证不受影响，请检查磁盘。"
            progress.problems.append(Problem("cosign", "disk_failed", message))

    def _now(self) -> datetime:
        return whole_millisecond(self._clock())
