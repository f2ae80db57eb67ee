"""One chunk of an import: its rows registered, their results, and how far the job is, in one transaction.

A process that is killed leaves the chunk whole or not at all. Two processes that work on the same job wait for each
other at its row, and the second one finds that the job has moved on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from registry.certificates import service as certificates
from registry.certificates.outcomes import Registered, RowRefusal
from registry.certificates.rules import CertificateDraft
from registry.errors import FieldError, NotPermittedError
from registry.files import service as files_service
from registry.files.service import AttachedFile
from registry.files.store import StoredFile
from registry.imports import service
from registry.imports.rules import Fault, RowResult, State, pack
from registry.imports.tables import ImportChunk, ImportJob
from registry.work import Work

#: Tells a draft's fault as the file has it: path in the draft, reason and message -> a fault with its column.
Tell = Callable[[FieldError], Fault]


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """A row on its way in: its number in the file, and the draft with its files, or what is wrong with it."""

    row: int
    draft: CertificateDraft | None
    faults: tuple[Fault, ...] = ()
    files: tuple[AttachedFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """The rows from `done_rows` of a job on; `position` is where they begin on disk, `following` where the next do.

    `stored` are the files that its rows attach; their bytes are in the store already, or, in a dry run, only known.
    """

    done_rows: int
    position: int
    following: int
    rows: Sequence[ChunkRow]
    stored: Sequence[StoredFile]
    tell: Tell


def take(work: Work, job_id: str, chunk: Chunk) -> ImportJob | None:
    """Register a chunk's rows; the job as it stands now, or None if it is not where the chunk begins (any more).

    In a dry run the very same is done and undone, up to the results. Raises NotPermittedError if nothing of this job
    can be registered, BusyError: repeat.
    """
    job = service.lock(work, job_id)
    if job.state != State.RUNNING or job.done_rows != chunk.done_rows:
        return None
    results = _dry(work, chunk) if job.dry_run else _register(work, chunk)
    counts = {outcome: 0 for outcome in ("accepted", "duplicate", "refused")}
    for result in results:
        counts[result.outcome] += 1
    last = work.session.scalars(select(func.max(ImportChunk.number)).where(ImportChunk.job_id == job_id)).one()
    work.session.add(
        ImportChunk(
            job_id=job_id,
            number=0 if last is None else last + 1,
            position=chunk.position,
            results=pack(results),
            **counts,
        )
    )
    job.done_rows += len(results)
    job.position = chunk.following
    job.accepted += counts["accepted"]
    job.duplicate += counts["duplicate"]
    job.refused += counts["refused"]
    job.served_at, job.attempts = work.at, 0
    if job.done_rows >= job.total_rows:
        job.state, job.ended_at = State.DONE, work.at
    work.session.flush()
    return job


def _dry(work: Work, chunk: Chunk) -> list[RowResult]:
    """The results as if the rows were registered, and not a row of it: the one path, taken back."""
    before = work.session.begin_nested()
    try:
        results = _register(work, chunk)
    finally:
        before.rollback()
    # The ids were never given to anything.
    return [RowResult(result.row, result.outcome) if result.outcome == "accepted" else result for result in results]


def _register(work: Work, chunk: Chunk) -> list[RowResult]:
    files_service.register_many(work, chunk.stored)
    good = [row for row in chunk.rows if row.draft is not None]
    drafts = [row.draft for row in good if row.draft is not None]
    outcomes = certificates.register_many(work, drafts, [row.files for row in good]) if good else []
    for outcome in outcomes[:1]:
        # All rows are of one type and issuer: if that is not allowed, it is one error and not a hundred thousand.
        if isinstance(outcome, RowRefusal) and not outcome.permitted:
            raise NotPermittedError(outcome.errors[0].reason, outcome.errors[0].message)
    found = {row.row: _result(row.row, outcome, chunk.tell) for row, outcome in zip(good, outcomes, strict=True)}
    return [found.get(row.row) or RowResult(row.row, "refused", None, row.faults) for row in chunk.rows]


def _result(row: int, outcome: Registered | RowRefusal, tell: Tell) -> RowResult:
    if isinstance(outcome, Registered):
        return RowResult(row, "duplicate" if outcome.duplicate else "accepted", outcome.id)
    return RowResult(row, "refused", outcome.existing_id, tuple(map(tell, outcome.errors)))
