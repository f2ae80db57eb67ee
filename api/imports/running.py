"""One step of whichever import is due: read its file, take its next chunk, or take back the next of its certificates.

Every step reads what the one before it made durable, and ends in one transaction. A process killed anywhere is followed
by another that does the same step again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import PurePosixPath
from typing import BinaryIO, Final

from api.errors import ProblemError
from api.imports.attachments import AttachmentError, Attachments, is_bundle
from api.imports.columns import Layout, labels_of, lay_out
from api.imports.drafts import header_place, no_rows
from api.imports.job_rows import RowReader, named_files, survey, unnamed_note
from api.imports.mapping import decide, job_columns
from api.imports.reading import OpenSheet, open_sheet
from api.imports.sheets import HEADER_WITHIN_ROWS, IN_THE_BACKGROUND, SheetError, SheetRow
from api.imports.spool import all_rows, read_rows, write_rows
from api.imports.texts import text_of
from registry.catalogue import service as catalogue
from registry.catalogue.rules import TypeDefinition
from registry.errors import BusyError, InvalidDraftError, RegistryError
from registry.files.service import NO_QUOTA, Quota, check_quota
from registry.files.store import FileStore, StoredFile, looked_at
from registry.imports import chunks, service, undoing
from registry.imports.folder import ImportFolder
from registry.imports.rules import CHUNK_ROWS, State
from registry.imports.tables import ImportJob
from registry.work import REGISTRY, Actor, Registry

_SHEET: Final = "sheet"
_TOLD_EVERY_ROWS: Final = 10_000
#: Jobs that take turns without their rows being looked through again, each with its ZIP open.
KEPT_READERS: Final = 8
_log = logging.getLogger("suizheng.imports")


class StoppedError(Exception):
    """Somebody has cancelled the job whose file is being read."""


@dataclass(frozen=True, slots=True)
class _Step:
    """What tells a step from every other: a job at a place."""

    job_id: str
    state: str
    done: int


class ImportRunner:
    """Takes the imports of one registry on, step by step. Any number of processes may run one at the same time."""

    def __init__(self, registry: Registry, folder: ImportFolder, files: FileStore, quota: Quota = NO_QUOTA) -> None:
        self._registry = registry
        self._quota = quota
        self._folder = folder
        self._files = files
        self._begun: _Step | None = None
        #: By job, the one whose turn is longest ago first, with what closes its files.
        self._readers: dict[str, tuple[RowReader, ExitStack]] = {}

    def step(self) -> bool:
        """Take one step; False if nothing is due. Raises BusyError and sqlalchemy's errors: call again later."""
        with self._registry.read(REGISTRY) as work:
            job = service.due(work)
        if job is None:
            self.close()
            return False
        if not self._begin(job):
            return True
        try:
            self._take(job)
        except BusyError:
            raise
        except StoppedError:
            _log.info("import %s was cancelled while it was read", job.id)
        except (ProblemError, RegistryError) as refused:
            self._fail(job, refused)
        except MemoryError:
            _log.exception("import %s does not fit into memory", job.id)
            self._fail(job, SheetError("too_large", "文件展开后过大，内存不足；请拆分后上传。"))
        except Exception:
            # Nobody foresaw it: it counts as another beginning, until the step is given up.
            self._begun = None
            raise
        self._begun = None
        return True

    def close(self) -> None:
        """Let go of the files of all jobs."""
        for job_id in tuple(self._readers):
            self._let_go(job_id)

    def _let_go(self, job_id: str) -> None:
        if job_id in self._readers:
            self._readers.pop(job_id)[1].close()

    def _begin(self, job: ImportJob) -> bool:
        step = _Step(job.id, job.state, job.done_rows + job.undo_done)
        if step != self._begun:
            with self._registry.begin(REGISTRY) as work:
                if not service.begin_step(work, job.id):
                    return False
            self._begun = step
        return True

    def _take(self, job: ImportJob) -> None:
        if job.state == State.READING:
            self._read(job)
        elif job.state == State.UNDOING:
            with self._registry.begin(_actor(job, job.undo_by or job.owner)) as work:
                undoing.step(work, job.id)
        else:
            self._chunk(job)

    def _fail(self, job: ImportJob, refused: ProblemError | RegistryError) -> None:
        self._let_go(job.id)
        errors: list[dict[str, str]] = []
        if isinstance(refused, ProblemError):
            errors = [one.model_dump(include={"field", "reason", "message"}) for one in refused.errors]
        elif isinstance(refused, InvalidDraftError):
            errors = [{"field": one.field, "reason": one.reason, "message": one.message} for one in refused.errors]
        with self._registry.begin(REGISTRY) as work:
            service.fail(work, job.id, refused.reason, refused.message, errors)

    # ---- Reading ---------------------------------------------------------------------------------------------------

    def _read(self, job: ImportJob) -> None:
        actor = _actor(job)
        with self._registry.read(actor) as work:
            definition = catalogue.definition_of(work, job.type_code)
        file, notes = self._sheet(job)
        with file, open_sheet(file, IN_THE_BACKGROUND) as sheet:
            header, total = self._spool(job, sheet, definition)
            form, notes = sheet.form, [*sheet.notes, *notes]
        # What was taken out of a ZIP: the rows are on disk now.
        self._folder.remove_for(job.id, _SHEET)
        with self._registry.begin(actor) as work:
            labels = set(labels_of(header).values())
            chosen = job.mapping if job.mapping is not None else service.remembered(work, job.type_code, labels)
            mapping = decide(header, definition, chosen)
            if job.mapping is not None and mapping is None:
                # A program that gives a mapping is told what is wrong with it; a person would see the page.
                lay_out(header, job_columns(definition), definition.holder.maximum, job.mapping)
            if mapping is not None:
                layout = lay_out(header, job_columns(definition), definition.holder.maximum, mapping)
                notes += layout.notes
            service.describe(work, job.id, form, header, total, notes, mapping)

    def _spool(self, job: ImportJob, sheet: OpenSheet, definition: TypeDefinition) -> tuple[list[str], int]:
        rows = iter(sheet.rows)
        top: list[SheetRow] = []
        for row in rows:
            top.append(row)
            if len(top) == HEADER_WITHIN_ROWS or row.number > HEADER_WITHIN_ROWS:
                break
        place = header_place(top, job_columns(definition))
        if place is None:
            place = _likely_header(top)
        header = [text_of(cell) for cell in top[place].cells]
        counted = self._counted(job, chain(top[place + 1 :], rows))
        total = write_rows(self._folder, job.id, counted)
        if not total:
            raise no_rows()
        return header, total

    def _counted(self, job: ImportJob, rows: Iterable[SheetRow]) -> Iterator[SheetRow]:
        """The rows, told of now and then. Raises StoppedError when the job was cancelled meanwhile."""
        for count, row in enumerate(rows):
            if count and count % _TOLD_EVERY_ROWS == 0:
                with self._registry.begin(_actor(job)) as work:
                    goes_on = service.note_reading(work, job.id, count)
                if not goes_on:
                    raise StoppedError
            yield row

    def _sheet(self, job: ImportJob) -> tuple[BinaryIO, list[str]]:
        upload = self._folder.open(job.department, job.file_sha256)
        if not is_bundle(upload):
            return upload, []
        with upload, closing(Attachments(upload)) as bundle:
            part = bundle.sheet()
            try:
                with bundle.open(part, IN_THE_BACKGROUND.file_bytes) as pieces:
                    self._folder.write_for(job.id, _SHEET, pieces)
            except AttachmentError as wrong:
                raise SheetError(wrong.reason, f"{wrong.message}。") from wrong
        notes = [f"表格取自 ZIP 中的“{PurePosixPath(part.filename).name}”。"] if part.filename.isascii() else []
        return self._folder.open_for(job.id, _SHEET), notes

    # ---- Chunks ----------------------------------------------------------------------------------------------------

    def _chunk(self, job: ImportJob) -> None:
        reader = self._reader_of(job)
        rows, following = read_rows(self._folder, job.id, job.position, CHUNK_ROWS)
        read = reader.read(rows)
        stored = tuple(reader.stored.values())
        chunk = chunks.Chunk(job.done_rows, job.position, following, read, stored, reader.tell)
        with self._registry.begin(_actor(job)) as work:
            check_quota(work, self._quota, stored)
            taken = chunks.take(work, job.id, chunk)
        if taken is None or taken.state != State.RUNNING:
            self._let_go(job.id)

    def _reader_of(self, job: ImportJob) -> RowReader:
        reader, opened = self._readers.pop(job.id) if job.id in self._readers else self._make_reader(job)
        self._readers[job.id] = reader, opened
        if len(self._readers) > KEPT_READERS:
            self._let_go(next(iter(self._readers)))
        with self._registry.read(REGISTRY) as work:
            # A new version of the type may have come since the last chunk.
            definition = catalogue.definition_of(work, job.type_code)
        return replace(reader, definition=definition)

    def _make_reader(self, job: ImportJob) -> tuple[RowReader, ExitStack]:
        with self._registry.read(REGISTRY) as work:
            definition = catalogue.definition_of(work, job.type_code)
        layout = lay_out(job.header, job_columns(definition), definition.holder.maximum, job.mapping)
        numbers = survey(all_rows(self._folder, job.id), layout)
        store: Callable[[Iterable[bytes]], StoredFile] = looked_at if job.dry_run else self._files.put
        with ExitStack() as opened:
            attachments = self._attachments(job, opened)
            if attachments is not None:
                self._tell_unnamed(job, attachments, layout)
            return RowReader(definition, layout, numbers, attachments, store), opened.pop_all()

    def _attachments(self, job: ImportJob, opened: ExitStack) -> Attachments | None:
        file = opened.enter_context(self._folder.open(job.department, job.attachments_sha256 or job.file_sha256))
        if job.attachments_sha256 is None and not is_bundle(file):
            file.close()
            return None
        attachments = Attachments(file)
        opened.callback(attachments.close)
        return attachments

    def _tell_unnamed(self, job: ImportJob, attachments: Attachments, layout: Layout) -> None:
        """Note which files of the ZIP no row names; it is the same note whoever goes on with the job."""
        sheet = attachments.sheet() if job.attachments_sha256 is None else None
        left = attachments.unnamed(named_files(all_rows(self._folder, job.id), layout), but=sheet)
        if left:
            with self._registry.begin(_actor(job)) as work:
                service.add_note(work, job.id, unnamed_note(left))


def _actor(job: ImportJob, who: str | None = None) -> Actor:
    return Actor(who or job.owner, "system", job.department, frozenset(("registrar",)))


def _likely_header(top: list[SheetRow]) -> int:
    """The first row with at least half as many filled cells as any other: a title line has but one."""
    filled = [sum(cell not in (None, "") for cell in row.cells) for row in top]
    most = max(filled, default=0)
    if not top or most < 2:
        raise SheetError("no_header", f"前 {HEADER_WITHIN_ROWS} 行中没有找到标题行；请下载模板对照。")
    return next(place for place, count in enumerate(filled) if 2 * count >= most)
