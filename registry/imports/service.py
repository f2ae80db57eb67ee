"""Use cases of imports: hand in a file, map its columns, pause, go on, give up, look."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select

from registry import upserts
from registry.catalogue import service as catalogue
from registry.departments import service as departments
from registry.departments.standing import is_suspended
from registry.errors import FieldError, InvalidDraftError, LimitError, NotFoundError, NotPermittedError
from registry.ids import id_bytes, new_id_text
from registry.imports import rules
from registry.imports.rules import DUE, ENDED, Outcome, RowResult, State, Wish
from registry.imports.tables import ImportChunk, ImportJob, ImportMapping
from registry.work import Work
from verifier.times import shanghai_day

MAX_FILE_NAME_CHARACTERS = 200
MAX_PAGE_ROWS = 200


@dataclass(frozen=True, slots=True)
class JobDraft:
    """An import as handed in: the digests name uploads of the actor's department."""

    type_code: str
    file_name: str
    file_sha256: bytes
    attachments_sha256: bytes | None = None
    dry_run: bool = False
    mapping: Mapping[str, str] | None = None


def create(work: Work, draft: JobDraft) -> ImportJob:
    """Put a file into the queue. Raises NotPermittedError (no department, or no scope to issue this type),
    NotFoundError (type), InvalidDraftError, LimitError."""
    department, type_code = _check_may_issue(work, draft.type_code)
    name = draft.file_name.strip()[-MAX_FILE_NAME_CHARACTERS:]
    if not name or not name.isprintable():
        raise InvalidDraftError([FieldError("file_name", "wrong_name", "请给出文件名（可见字符）。")])
    open_jobs = select(func.count()).where(ImportJob.department == department, ImportJob.state.not_in(ENDED))
    if work.session.scalars(open_jobs).one() >= rules.MAX_OPEN_JOBS:
        message = f"本部门已有 {rules.MAX_OPEN_JOBS} 个导入任务未结束，请等待其完成或取消一些。"
        raise LimitError("too_many_imports", message, {"limit": rules.MAX_OPEN_JOBS})
    job = ImportJob(
        id=new_id_text(work.at, work.draw), department=department, owner=work.actor.id, type_code=type_code,
        dry_run=draft.dry_run, state=State.READING, file_name=name, file_sha256=draft.file_sha256,
        attachments_sha256=draft.attachments_sha256, form=None, header=None,
        mapping=dict(draft.mapping) if draft.mapping is not None else None, mapped=draft.mapping is not None, notes=[],
        total_rows=0, done_rows=0, position=0, accepted=0, duplicate=0, refused=0, attempts=0, problem=None,
        created_at=work.at, started_at=None, ended_at=None, served_at=None, forgotten=False, undo_operation=None,
        undo_reason=None, undo_by=None, undo_done=0, undo_kept=0,
    )  # fmt: skip
    work.session.add(job)
    work.session.flush()
    return job


def _check_may_issue(work: Work, type_code: str) -> tuple[str, str]:
    """The actor's department and the national code of the type."""
    department = work.actor.department
    if department is None:
        raise NotPermittedError("no_department", "导入由颁发部门进行，请使用部门账号。")
    definition = catalogue.definition_of(work, type_code)
    if definition.kind != "certificate":
        message = "该类型是材料类型，不能登记为证照。"
        raise InvalidDraftError([FieldError("type_code", "not_a_certificate_type", message)])
    if not departments.has_scope(work.session, department, definition.code, "issue", shanghai_day(work.at)):
        if is_suspended(work.session, department):
            raise NotPermittedError("department_suspended", "本部门已被暂停，恢复之前不能颁发证照，请联系管理员。")
        message = f"本部门没有颁发“{definition.name}”的权限，请联系管理员。"
        raise NotPermittedError("scope_missing", message)
    return department, definition.code


def get(work: Work, job_id: str) -> ImportJob:
    """The job, for its department. Raises NotFoundError: unknown, or another department's."""
    id_bytes(job_id)
    return _own(work, work.session.get(ImportJob, job_id))


def lock(work: Work, job_id: str) -> ImportJob:
    """The job with its row locked to the end of the transaction. Raises NotFoundError."""
    id_bytes(job_id)
    query = select(ImportJob).where(ImportJob.id == job_id).with_for_update()
    return _own(work, work.session.scalars(query.execution_options(populate_existing=True)).first())


def _own(work: Work, job: ImportJob | None) -> ImportJob:
    if job is None or (work.actor.kind != "registry" and work.actor.department != job.department):
        raise NotFoundError("import_unknown", "没有这个导入任务，请核对编号。")
    return job


@dataclass(frozen=True, slots=True)
class Page:
    """Some jobs, newest first; `cursor` continues the list, None at its end."""

    jobs: list[ImportJob]
    cursor: str | None


def list_page(work: Work, cursor: str | None = None, limit: int = 50) -> Page:
    """The jobs of the actor's department, newest first."""
    limit = max(1, min(limit, MAX_PAGE_ROWS))
    query = select(ImportJob).where(ImportJob.department == work.actor.department).order_by(ImportJob.id.desc())
    if cursor is not None:
        query = query.where(ImportJob.id < cursor)
    found = list(work.session.scalars(query.limit(limit + 1)))
    return Page(found[:limit], found[limit - 1].id if len(found) > limit else None)


def wish(work: Work, job_id: str, wanted: Wish) -> ImportJob:
    """Pause, resume or cancel. What was registered stays. Raises NotFoundError, TransitionError."""
    job = lock(work, job_id)
    job.state = rules.after(State(job.state), wanted)
    if wanted == "resume":
        _check_kept(job)
        job.problem, job.attempts, job.ended_at = None, 0, None
        if job.undo_operation is not None:
            job.state = State.UNDOING
        elif job.form is None:
            job.state = State.READING
        elif not job.mapped:
            job.state = State.MAPPING
    if wanted == "cancel":
        job.ended_at = work.at
    work.session.flush()
    return job


def register_tried(work: Work, job_id: str) -> ImportJob:
    """A job of its own that registers what a dry run has tried: the same file and mapping. Raises NotFoundError,
    TransitionError, NotPermittedError."""
    tried = get(work, job_id)
    rules.after(State(tried.state), "register")
    _check_kept(tried)
    if not tried.dry_run:
        raise NotPermittedError("not_a_dry_run", "这个任务已经是正式登记。")
    draft = JobDraft(
        tried.type_code, tried.file_name, tried.file_sha256, tried.attachments_sha256, mapping=tried.mapping or {}
    )
    return create(work, draft)


def _check_kept(job: ImportJob) -> None:
    if job.forgotten:
        raise NotFoundError("import_forgotten", "文件已过保留期并删除；请重新上传，不会重复登记。")


def remembered(work: Work, type_code: str, labels: Collection[str]) -> Mapping[str, str] | None:
    """The mapping that the actor's department last used for files of this type with these headers."""
    key = (work.actor.department, type_code, rules.headers_digest(labels))
    found = work.session.get(ImportMapping, key)
    return None if found is None else found.mapping


def remember(work: Work, job: ImportJob, labels: Collection[str], mapping: Mapping[str, str]) -> None:
    """Keep a mapping for the next file of this department, type and set of headers."""
    values = {
        "department": job.department, "type_code": job.type_code, "headers_sha256": rules.headers_digest(labels),
        "mapping": dict(mapping), "saved_by": work.actor.id, "saved_at": work.at,
    }  # fmt: skip
    key = ("department", "type_code", "headers_sha256")
    statement = upserts.insert_or_update(work.session, ImportMapping, key, ("mapping", "saved_by", "saved_at"))
    work.session.execute(statement, [values])


def due(work: Work) -> ImportJob | None:
    """The job whose turn it is."""
    query = select(ImportJob).where(ImportJob.state.in_(DUE))
    return rules.next_due(list(work.session.scalars(query)))


def results(
    work: Work, job: ImportJob, wanted: Collection[Outcome], start: tuple[int, int] = (0, 0), limit: int = 100
) -> tuple[list[RowResult], tuple[int, int] | None]:
    """Results with a wanted outcome from a place (chunk, row within it) on, and where the next page begins."""
    found: list[RowResult] = []
    columns = {name: getattr(ImportChunk, name) for name in rules.OUTCOMES}
    number, skip = start
    while True:
        query = select(ImportChunk).where(ImportChunk.job_id == job.id, ImportChunk.number >= number)
        query = query.where(sum((columns[name] for name in wanted), start=columns[next(iter(wanted))] * 0) > 0)
        chunk = work.session.scalars(query.order_by(ImportChunk.number).limit(1)).first()
        if chunk is None:
            return found, None
        skip = skip if chunk.number == number else 0
        for place, result in enumerate(rules.unpack(chunk.results)):
            if place < skip or result.outcome not in wanted:
                continue
            if len(found) == limit:
                return found, (chunk.number, place)
            found.append(result)
        work.session.expunge(chunk)
        number, skip = chunk.number + 1, 0


def chunks_with(work: Work, job_id: str, outcome: Outcome, above: int = -1) -> ImportChunk | None:
    """The first chunk above a number that has rows of this outcome."""
    query = select(ImportChunk).where(
        ImportChunk.job_id == job_id, ImportChunk.number > above, getattr(ImportChunk, outcome) > 0
    )
    return work.session.scalars(query.order_by(ImportChunk.number).limit(1)).first()


def forget_old(work: Work) -> None:
    """Delete the results of single rows of jobs that ended long ago; their files may go too (`kept`)."""
    until = work.at - rules.KEPT_FOR
    query = select(ImportJob).where(
        ImportJob.ended_at < until, ImportJob.state.in_(ENDED), ImportJob.forgotten.is_(False)
    )
    jobs = list(work.session.scalars(query))
    for job in jobs:
        job.forgotten = True
    work.session.execute(delete(ImportChunk).where(ImportChunk.job_id.in_([job.id for job in jobs])))


def kept(work: Work) -> tuple[set[str], set[bytes]]:
    """The ids of jobs whose rows are still needed, and the digests of their uploads."""
    jobs = [job for job in work.session.scalars(select(ImportJob).where(ImportJob.forgotten.is_(False)))
            if not rules.is_settled(State(job.state), job.dry_run, job.refused)]  # fmt: skip
    digests = (digest for job in jobs for digest in (job.file_sha256, job.attachments_sha256))
    return {job.id for job in jobs}, {digest for digest in digests if digest is not None}


def describe(
    work: Work,
    job_id: str,
    form: str,
    header: Sequence[str],
    total_rows: int,
    notes: Sequence[str],
    mapping: Mapping[str, Any] | None,
) -> None:
    """The file was read: what it holds, and the mapping to go on with, or None where a person has to say."""
    job = lock(work, job_id)
    if job.state != State.READING:
        return
    job.form, job.header, job.total_rows, job.notes = form, list(header), total_rows, list(notes)
    job.attempts, job.served_at = 0, work.at
    if mapping is None:
        job.state = State.MAPPING
    else:
        job.mapping, job.mapped, job.state = dict(mapping), True, State.WAITING
    work.session.flush()


def add_note(work: Work, job_id: str, note: str) -> None:
    """Say one thing more to whoever sent the file; once, however often it is said."""
    job = lock(work, job_id)
    if note not in job.notes:
        job.notes = [*job.notes, note]


def note_reading(work: Work, job_id: str, rows: int) -> bool:
    """So many rows were read so far; False if the file is not to be read any more."""
    job = lock(work, job_id)
    if job.state != State.READING:
        return False
    job.total_rows, job.attempts = rows, 0
    return True


def set_mapping(work: Work, job_id: str, labels: Collection[str], mapping: Mapping[str, str]) -> ImportJob:
    """A person or a program says which column is which field; it is remembered for the next such file.

    Raises NotFoundError, TransitionError.
    """
    job = lock(work, job_id)
    job.state = rules.after(State(job.state), "map")
    job.mapping, job.mapped = dict(mapping), True
    remember(work, job, labels, mapping)
    work.session.flush()
    return job


def begin_step(work: Work, job_id: str) -> bool:
    """Note that a step begins; False if there is nothing to do (any more). A step that has begun too often without an
    end fails the job."""
    job = lock(work, job_id)
    if State(job.state) not in DUE:
        return False
    if job.attempts >= rules.MAX_ATTEMPTS:
        message = "处理此处时服务多次意外终止，任务已中止；已登记的行不受影响。请检查文件，或联系管理员后继续。"
        _fail(work, job, "step_failed", message)
        return False
    job.attempts += 1
    if job.state == State.WAITING:
        job.state = State.RUNNING
    job.started_at = job.started_at or work.at
    return True


def fail(work: Work, job_id: str, reason: str, message: str, errors: Sequence[Mapping[str, Any]] = ()) -> None:
    """End a job that cannot go on as it is; it can be resumed once the reason is gone."""
    _fail(work, lock(work, job_id), reason, message, errors)


def _fail(work: Work, job: ImportJob, reason: str, message: str, errors: Sequence[Mapping[str, Any]] = ()) -> None:
    job.state, job.ended_at, job.attempts = State.FAILED, work.at, 0
    job.problem = {"reason": reason, "message": message, "errors": [dict(error) for error in errors][:50]}
    work.session.flush()
