"""Step 6 of the pipeline: every witness is asked to cosign the newest head, and what it answers is kept.

Nothing waits: a request is sent off, and a later step reads what came back. A witness that is behind, however far, is
brought up to date by one request. What a witness knows is remembered from its own lines; if it says otherwise, it is
asked again from there. A crash costs at most an answer, for which the next process asks again.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from registry.database import READ_ONLY
from registry.log.published import PublishedLog
from registry.log.tables import CheckpointRow
from registry.witnesses import rules, service
from registry.witnesses.rules import Answer, Cosigned, Knows, Silence, Trouble
from registry.witnesses.tables import CosignatureRow, WitnessRow
from verifier.cosignature import Witness
from verifier.note import split_note

#: Sends a body to a witness's submission prefix. Returns at once; the future never raises.
Send = Callable[[str, int, list[bytes], str], "Future[Answer | Silence]"]


@dataclass(frozen=True, slots=True)
class WitnessStanding:
    """How a witness is doing. size: of the newest head it cosigned; trouble: why it did not cosign the last time."""

    name: str
    size: int
    cosigned_at: datetime | None
    asked_at: datetime | None
    reason: str | None
    message: str | None


@dataclass(slots=True)
class _Question:
    """What was asked and is not answered yet."""

    size: int
    old: int
    text: str
    answer: Future[Answer | Silence]


@dataclass(slots=True)
class _Desk:
    """One witness: what it knows as far as we can tell, and when it is asked again."""

    witness: Witness
    url: str
    known: int
    size: int
    cosigned_at: datetime | None
    asked_at: datetime | None = None
    question: _Question | None = None
    trouble: Trouble | None = None
    pause: timedelta = timedelta()
    until_at: datetime | None = None
    is_corrected: bool = False


class Asker:
    """Asks the witnesses that are in force when it is made. For one thread; `standing` may be read from any."""

    def __init__(self, engine: Engine, log: PublishedLog, send: Send, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**{READ_ONLY: True})
        self._log = log
        self._send = send
        self._clock = clock
        self._desks = self._open_desks()
        self._shown = False

    def step(self, size: int) -> None:
        """Read the answers that came, and ask who has not cosigned the stored head of that size.

        Raises OSError if the disk fails; LogContradictionError if the tiles do not prove the head.
        """
        for desk in self._desks:
            self._take(desk)
        if not self._shown:
            self._log.show_cosignatures()
            self._shown = True
        for desk in self._desks:
            self._ask(desk, size)

    def standing(self) -> list[WitnessStanding]:
        """Every witness, by name."""
        return [
            WitnessStanding(
                desk.witness.name, desk.size, desk.cosigned_at, desk.asked_at,
                desk.trouble.reason if desk.trouble else None, desk.trouble.message if desk.trouble else None,
            )
            for desk in self._desks
        ]  # fmt: skip

    def _open_desks(self) -> list[_Desk]:
        with Session(self._reader) as session:
            rows = session.scalars(select(WitnessRow).where(WitnessRow.valid_to.is_(None)).order_by(WitnessRow.name))
            return [self._open_desk(session, row) for row in rows]

    def _open_desk(self, session: Session, row: WitnessRow) -> _Desk:
        of_witness = select(CosignatureRow).where(CosignatureRow.kid == row.kid)
        newest = session.scalars(of_witness.order_by(CosignatureRow.size.desc()).limit(1)).one_or_none()
        size, at = (newest.size, newest.cosigned_at) if newest else (0, None)
        return _Desk(service.to_witness(row), row.url, known=size, size=size, cosigned_at=at)

    def _ask(self, desk: _Desk, size: int) -> None:
        now = self._clock()
        if desk.question is not None or desk.size >= size or (desk.until_at is not None and now < desk.until_at):
            return
        if desk.known > size:
            # It has cosigned a head beyond this one; the chain will come to it.
            return
        with self._reader.connect() as connection:
            note = connection.execute(select(CheckpointRow.note).where(CheckpointRow.size == size)).scalar_one()
        proof = self._log.consistency(desk.known, size) if desk.known else []
        desk.asked_at = now
        answer = self._send(desk.url, desk.known, proof, note)
        desk.question = _Question(size, desk.known, split_note(note)[0], answer)

    def _take(self, desk: _Desk) -> None:
        """Understand the answer, if there is one."""
        question = desk.question
        if question is None or not question.answer.done():
            return
        desk.question = None
        now = self._clock()
        outcome = rules.read_answer(
            question.answer.result(), question.text, desk.witness, question.old, self._newest_size(), now
        )
        if isinstance(outcome, Cosigned):
            with Session(self._engine) as session, session.begin():
                service.keep(session, question.size, desk.witness.public.kid, outcome.line, outcome.at)
            desk.known = desk.size = question.size
            desk.cosigned_at, desk.trouble = outcome.at, None
            desk.pause, desk.until_at, desk.is_corrected = timedelta(), None, False
            self._shown = False
            return
        if isinstance(outcome, Knows):
            desk.known = outcome.size
            if not desk.is_corrected:
                # Once it is asked again in this very step; who changes his mind again has to wait.
                desk.is_corrected = True
                return
            outcome = Trouble("witness_wavers", "见证方几次给出不同的大小，稍后自动重试")
        desk.trouble = outcome
        desk.pause = rules.next_pause(desk.pause)
        desk.until_at = now + desk.pause

    def _newest_size(self) -> int:
        with Session(self._reader) as session:
            return session.scalar(select(func.max(CheckpointRow.size))) or 0
