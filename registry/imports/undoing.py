"""Taking back what an import registered by mistake: a legal event for each certificate, in chunks.

Nothing is deleted: each certificate is revoked (撤销, it should not have been issued) or cancelled (注销), with the
reason that was given once for all of them, and its history says so. Those whose status somebody has changed meanwhile
keep it.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from registry.certificates import service as certificates
from registry.errors import FieldError, InvalidDraftError, NotPermittedError, TransitionError
from registry.imports import rules, service
from registry.imports.rules import State
from registry.imports.tables import ImportChunk, ImportJob
from registry.statuses.rules import Operation
from registry.statuses.service import MAX_REASON_CHARACTERS
from registry.work import Work
from verifier.status import Status

OPERATIONS = frozenset((Operation.REVOKE, Operation.CANCEL))


def begin(work: Work, job_id: str, operation: str, reason: str) -> ImportJob:
    """Have the certificates that a job registered revoked or cancelled. Raises NotFoundError, TransitionError,
    InvalidDraftError, NotPermittedError (a dry run, nothing registered, or too long ago)."""
    wanted, reason = Operation.of(operation), reason.strip()
    if wanted not in OPERATIONS:
        raise NotPermittedError("operation_not_for_undoing", "整批撤回只能办理撤销或注销。")
    if not 0 < len(reason) <= MAX_REASON_CHARACTERS or not reason.isprintable():
        message = f"请填写事由，最多 {MAX_REASON_CHARACTERS} 个字。"
        raise InvalidDraftError([FieldError("reason", "reason_missing", message)])
    job = service.lock(work, job_id)
    following = rules.after(State(job.state), "undo")
    if job.dry_run or not job.accepted:
        raise NotPermittedError("nothing_to_undo", "这个任务没有登记任何证照。")
    if job.forgotten or job.ended_at is None or work.at - job.ended_at > rules.UNDO_WITHIN:
        hours = int(rules.UNDO_WITHIN.total_seconds() // 3600)
        raise NotPermittedError("too_late_to_undo", f"结束已超过 {hours} 小时，不能整批撤回；请逐件办理。")
    job.state, job.attempts, job.problem = following, 0, None
    job.undo_operation, job.undo_reason, job.undo_by = wanted.label, reason, work.actor.id
    work.session.flush()
    return job


def may_undo(work: Work, job: ImportJob) -> bool:
    """Whether `begin` would be lawful now."""
    return (
        "undo" in rules.wishes(State(job.state))
        and bool(job.accepted)
        and not (job.dry_run or job.forgotten or job.ended_at is None)
        and work.at - job.ended_at <= rules.UNDO_WITHIN
    )


def step(work: Work, job_id: str) -> ImportJob | None:
    """Change the status of the next few certificates; the job as it stands now, None if it is not being undone."""
    job = service.lock(work, job_id)
    if job.state != State.UNDOING:
        return None
    operation, reason = str(job.undo_operation), str(job.undo_reason)
    for certificate_id in _next(work, job):
        job.undo_done += 1
        try:
            if certificates.get(work, certificate_id).status != Status.VALID:
                raise TransitionError("", operation, "")
            certificates.change_status(work, certificate_id, operation, reason)
        except TransitionError:
            # Somebody has decided about this one since: that stands.
            job.undo_kept += 1
    job.served_at, job.attempts = work.at, 0
    if job.undo_done >= job.accepted:
        job.state, job.ended_at = State.UNDONE, work.at
    work.session.flush()
    return job


def _next(work: Work, job: ImportJob) -> Iterator[str]:
    """The ids that come next, at most UNDO_ROWS."""
    skipped = left = 0
    counts = select(ImportChunk.number, ImportChunk.accepted).where(ImportChunk.job_id == job.id)
    for number, accepted in work.session.execute(counts.order_by(ImportChunk.number)).all():
        if skipped + accepted <= job.undo_done:
            skipped += accepted
            continue
        chunk = work.session.get_one(ImportChunk, (job.id, number))
        ids = [result.id for result in rules.unpack(chunk.results) if result.outcome == "accepted" and result.id]
        for certificate_id in ids[job.undo_done - skipped :][: rules.UNDO_ROWS - left]:
            left += 1
            yield certificate_id
        return
