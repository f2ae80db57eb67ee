"""The pipeline's steps on the chain: anchor, consume, declare. Whatever goes wrong here, the log goes on growing.

What goes wrong is sorted by what helps, and asked again after a pause that doubles, by the monotonic clock:

    the chain is away, or owes an answer    every step pauses
    a contract or node refuses              that step pauses; of several claims, only those that are refused
    the chain or the log is not what it     anchoring stops, and says so, until the cause is gone: nothing is sent while
    was (a contradiction, a wrong chain)    the question is asked again from time to time
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from sqlalchemy import Engine

from chain.errors import (
    ChainError,
    ChainRewrittenError,
    ChainUnavailableError,
    TransactionRejectedError,
    WrongContractError,
)
from registry.database import READ_ONLY
from registry.errors import RegistryError
from registry.governance.service import Declarer
from registry.log.anchoring import Anchorer
from registry.log.errors import LogContradictionError
from registry.uses.consuming import FirstUse, record_first_use, waiting_claims
from verifier.note import Checkpoint

CONSUME_BATCH = 64
#: A chain that is away is asked again after a pause that doubles: each question may take a time-out, and the log must
#: not wait for it. Seconds.
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
#: A claim that was refused: longer than the whole step pauses, so that others come before it.
FIRST_CLAIM_PAUSE: Final = 2.0
LONGEST_CLAIM_PAUSE: Final = 600.0
#: Refused claims that are remembered; beyond them the oldest are simply asked again.
_MOST_REFUSED: Final = 1_000

ANCHOR, CONSUME, DECLARE = "anchor", "consume", "declare"
#: The steps that heads and first uses wait for; what is declared waits for the governors.
ON_CHAIN: Final = (ANCHOR, CONSUME)
#: Until a person has changed something, every answer would be the same.
_STOPPING: Final = (LogContradictionError, WrongContractError, ChainRewrittenError)


class FirstUses(Protocol):
    """First uses of one-time items on one chain, across registries. Errors are those of `chain.errors`."""

    def consume_many(self, claims: Sequence[tuple[bytes, bytes]]) -> Sequence[FirstUse | ChainError]:
        """Claim the first use of each item, by its 32-byte nullifier and a commitment.

        For each the first use there is, ours or not, or why the chain gives none. Safe to repeat: the same claim gets
        the same answer. Raises ChainError when nothing was claimed at all."""
        ...


@dataclass(frozen=True, slots=True)
class Problem:
    """What kept a step from finishing; a later tick tries again. `step` as in the pipeline's list."""

    step: str
    reason: str
    message: str


@dataclass(slots=True)
class Turns:
    """What one round on the chain did. down: the chain does not answer; stopped: why nothing is anchored any more."""

    consumed: int = 0
    declared: int = 0
    more: bool = False
    down: bool = False
    stopped: Problem | None = None
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Pause:
    """Why a step waits, for how long, and until which second of the monotonic clock."""

    problem: Problem
    seconds: float
    until: float
    is_down: bool = False
    is_stop: bool = False


class ChainTurns:
    """Takes the published head, the waiting first uses and what is to be declared to the chain, a round at a time."""

    def __init__(
        self,
        engine: Engine,
        anchorer: Anchorer | None,
        uses: FirstUses | None,
        declarer: Declarer | None,
        monotonic: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**{READ_ONLY: True})
        self._anchorer = anchorer
        self._uses = uses
        self._declarer = declarer
        self._monotonic = monotonic
        self._pauses: dict[str, _Pause] = {}
        self._refused: dict[bytes, _Pause] = {}

    def take(self, head: Checkpoint, at: datetime) -> Turns:
        """One round. Raises nothing of the chain: it is told in the answer."""
        turns = Turns()
        if self._anchorer is not None and head.size and not self._is_paused(ANCHOR, turns):
            self._try(ANCHOR, lambda: self._anchor(head, at), turns)
        if self._uses is not None and not turns.down and not turns.stopped and not self._is_paused(CONSUME, turns):
            self._try(CONSUME, lambda: self._consume(turns), turns)
        if self._declarer is not None and not turns.down and not turns.stopped and not self._is_paused(DECLARE, turns):
            self._try(DECLARE, lambda: self._declare(at, turns), turns)
        return turns

    def _is_paused(self, step: str, turns: Turns) -> bool:
        pause = self._pauses.get(step)
        if pause is None or self._monotonic() >= pause.until:
            return False
        self._tell(pause, turns)
        return True

    def _try(self, step: str, act: Callable[[], None], turns: Turns) -> None:
        try:
            act()
        except (ChainError, LogContradictionError) as error:
            pause = self._pauses[step] = self._pause(step, error, self._pauses.get(step), LONGEST_PAUSE)
            self._tell(pause, turns)
        else:
            self._pauses.pop(step, None)

    def _tell(self, pause: _Pause, turns: Turns) -> None:
        turns.problems.append(pause.problem)
        turns.down |= pause.is_down
        if pause.is_stop:
            turns.stopped = pause.problem

    def _pause(
        self,
        step: str,
        error: ChainError | RegistryError,
        before: _Pause | None,
        longest: float,
        first: float = FIRST_PAUSE,
    ) -> _Pause:
        seconds = first if before is None else min(before.seconds * 2, longest)
        return _Pause(
            problem=Problem(step, error.reason, error.message),
            seconds=seconds,
            until=self._monotonic() + seconds,
            is_down=isinstance(error, ChainUnavailableError),
            is_stop=isinstance(error, _STOPPING),
        )

    def _anchor(self, head: Checkpoint, at: datetime) -> None:
        if self._anchorer is not None:
            self._anchorer.advance(head, at)

    def _consume(self, turns: Turns) -> None:
        """The item was consumed here when its use was committed; the chain says whether it was so everywhere."""
        if self._uses is None:
            return
        now = self._monotonic()
        waiting = {nullifier for nullifier, pause in self._refused.items() if now < pause.until}
        turns.problems += [self._refused[nullifier].problem for nullifier in sorted(waiting)[:1]]
        claims = waiting_claims(self._reader, CONSUME_BATCH, waiting)
        answers = self._uses.consume_many(claims) if claims else ()
        failures = []
        for (nullifier, commitment), answer in zip(claims, answers, strict=True):
            if isinstance(answer, ChainError):
                failures.append((nullifier, answer))
                continue
            record_first_use(self._engine, nullifier, commitment, answer)
            self._refused.pop(nullifier, None)
            turns.consumed += 1
        turns.more = turns.consumed == CONSUME_BATCH
        self._sort(failures, turns)

    def _declare(self, at: datetime, turns: Turns) -> None:
        """What waits for other governors, or for a person, waits without hindering anything."""
        if self._declarer is None:
            return
        outcome = self._declarer.advance(at)
        turns.declared = outcome.changed
        turns.more |= outcome.more
        if outcome.waiting is not None:
            turns.problems.append(Problem(DECLARE, "awaiting_governors", outcome.waiting))
        turns.problems += [Problem(DECLARE, "look_at_chain", notice) for notice in outcome.notices]

    def _sort(self, failures: Sequence[tuple[bytes, ChainError]], turns: Turns) -> None:
        """A claim that is refused steps aside for others; if nothing came of a round, the step pauses too."""
        if turns.consumed and CONSUME in self._pauses:
            # What kept all of them out is over: those that stepped aside may come at once.
            self._refused.clear()
        for nullifier, error in failures:
            if isinstance(error, TransactionRejectedError):
                self._refused[nullifier] = self._pause(
                    CONSUME, error, self._refused.pop(nullifier, None), LONGEST_CLAIM_PAUSE, FIRST_CLAIM_PAUSE
                )
        while len(self._refused) > _MOST_REFUSED:
            del self._refused[next(iter(self._refused))]
        refused = [error for _, error in failures if isinstance(error, TransactionRejectedError)]
        others = [error for _, error in failures if not isinstance(error, TransactionRejectedError)]
        if others or (refused and not turns.consumed):
            raise (others or refused)[0]
        turns.problems += [Problem(CONSUME, error.reason, error.message) for error in refused[:1]]
