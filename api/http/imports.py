"""Imports: a file that was uploaded and is taken in by the background; how far it is, and what became of its rows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

from api.errors import FieldProblem, ProblemError
from api.http.calls import Answer, Call, get_call
from api.http.forms import USUAL, Cursor, Limit, Outgoing, problems
from api.http.guard import GuardedRoute
from api.http.import_forms import (
    ColumnsShown,
    FieldShown,
    ImportForm,
    ImportShown,
    MappingForm,
    RowsPage,
    UndoForm,
    column_shown,
    last_part,
    row_shown,
    shown,
)
from api.http.uploads import department_of
from api.imports.columns import labels_of, lay_out
from api.imports.mapping import choices, job_columns, options_of
from api.imports.refused import refused_csv, refused_rows, refused_xlsx
from api.imports.sheets import SheetError, SheetRow
from api.imports.spool import read_rows
from registry.catalogue import service as catalogue
from registry.errors import NotFoundError
from registry.imports import service, undoing
from registry.imports.rules import Outcome, State, Wish, is_settled
from registry.imports.service import JobDraft
from registry.imports.tables import ImportChunk, ImportJob
from registry.work import Work

router = APIRouter(prefix="/api/v1", tags=["导入"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]

#: Rows that are shown beside a column, so that a person sees what is in it.
SAMPLE_ROWS: Final = 3
_PIECE_BYTES: Final = 64 << 10
CSV_TYPE: Final = "text/csv; charset=utf-8"
XLSX_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class ImportsPage(Outgoing):
    """Some imports, newest first."""

    items: list[ImportShown]
    next_cursor: str | None


@router.post("/imports", status_code=202, response_model=ImportShown, summary="导入文件", responses=problems(404, 413))
def create_import(form: ImportForm, call: OfCall) -> Response:
    """先上传文件（PUT /uploads/{sha256}），再在此登记任务；后台分批登记，随时可查进度，服务重启后自动继续。"""
    draft = JobDraft(
        form.type_code, form.file_name, bytes.fromhex(form.sha256),
        bytes.fromhex(form.attachments_sha256) if form.attachments_sha256 else None, form.dry_run, form.mapping,
    )  # fmt: skip
    return _answer(call, HTTPStatus.ACCEPTED, lambda work: start(call, work, draft))


def start(call: Call, work: Work, draft: JobDraft) -> ImportJob:
    """Put an uploaded file into the queue. Raises NotFoundError for an upload that is not whole."""
    department, folder = department_of(call), call.services.import_folder
    for digest in filter(None, (draft.file_sha256, draft.attachments_sha256)):
        folder.require(department, digest)
    return service.create(work, draft)


def _answer(call: Call, status: HTTPStatus, act: Any) -> Response:
    def answer(work: Work) -> Answer:
        return Answer(status, shown(work, act(work)))

    response = call.answer(answer)
    call.services.import_worker.wake()
    return response


@router.get("/imports", response_model=ImportsPage, summary="导入任务")
def list_imports(call: OfCall, cursor: Cursor = None, limit: Limit = 50) -> ImportsPage:
    """本部门的导入任务，新的在前。"""

    def ask(work: Work) -> ImportsPage:
        page = service.list_page(work, cursor, limit)
        return ImportsPage(items=[shown(work, job) for job in page.jobs], next_cursor=page.cursor)

    return call.read(ask)


@router.get("/imports/{import_id}", response_model=ImportShown, summary="导入进度", responses=problems(404))
def show_import(import_id: str, call: OfCall) -> ImportShown:
    """任务走到哪一步，各有多少行。"""
    return call.read(lambda work: shown(work, service.get(work, import_id)))


@router.get("/imports/{import_id}/columns", response_model=ColumnsShown, summary="列对应", responses=problems(404))
def show_columns(import_id: str, call: OfCall) -> ColumnsShown:
    """文件的每一列现在读作哪个字段，以及对不认识的列的建议。"""
    return call.read(lambda work: columns_shown(call, work, service.get(work, import_id)))


def columns_shown(call: Call, work: Work, job: ImportJob) -> ColumnsShown:
    """The columns of a job's file. Raises NotFoundError before the file was read and after it was deleted."""
    if job.header is None or job.forgotten:
        raise NotFoundError("import_unread", "文件尚未读取，或已过保留期。")
    definition = catalogue.definition_of(work, job.type_code)
    samples: list[SheetRow] = []
    if not is_settled(State(job.state), job.dry_run, job.refused):
        samples, _ = read_rows(call.services.import_folder, job.id, 0, SAMPLE_ROWS)
    found = choices(job.header, definition, job.mapping, [row.cells for row in samples])
    options = options_of(definition)
    return ColumnsShown(
        columns=[column_shown(choice) for choice in found],
        fields=[
            FieldShown(
                field=one.field, name=one.column.header + (f" {one.holder}" if (one.holder or 1) > 1 else ""),
                required=one.column.required and one.holder in (None, 1), expected=one.column.expected,
            )
            for one in options
        ],
        missing=_missing(job, work, job.mapping),
    )  # fmt: skip


def _missing(job: ImportJob, work: Work, mapping: dict[str, str] | None) -> list[FieldProblem]:
    definition = catalogue.definition_of(work, job.type_code)
    try:
        lay_out(job.header, job_columns(definition), definition.holder.maximum, mapping)
    except SheetError as wrong:
        return list(wrong.errors)
    return []


@router.post(
    "/imports/{import_id}/mapping", response_model=ImportShown, summary="确认列对应", responses=problems(404, 409)
)
def map_columns(import_id: str, form: MappingForm, call: OfCall) -> Response:
    """确认后开始处理；同部门、同类型、同样的列标题，下次自动沿用。"""
    return _answer(call, HTTPStatus.OK, lambda work: set_mapping(work, import_id, form.mapping))


def set_mapping(work: Work, import_id: str, mapping: dict[str, str]) -> ImportJob:
    """Confirm a mapping. Raises SheetError naming every field that is missing or stands there twice."""
    job = service.get(work, import_id)
    if job.header is None:
        raise NotFoundError("import_unread", "文件尚未读取。")
    definition = catalogue.definition_of(work, job.type_code)
    lay_out(job.header, job_columns(definition), definition.holder.maximum, mapping)
    return service.set_mapping(work, import_id, set(labels_of(job.header).values()), mapping)


@router.post("/imports/{import_id}/pause", response_model=ImportShown, summary="暂停", responses=problems(404, 409))
def pause_import(import_id: str, call: OfCall) -> Response:
    """已登记的行不受影响。"""
    return _wish(call, import_id, "pause")


@router.post("/imports/{import_id}/resume", response_model=ImportShown, summary="继续", responses=problems(404, 409))
def resume_import(import_id: str, call: OfCall) -> Response:
    """从暂停或中止处继续。"""
    return _wish(call, import_id, "resume")


@router.post("/imports/{import_id}/cancel", response_model=ImportShown, summary="取消", responses=problems(404, 409))
def cancel_import(import_id: str, call: OfCall) -> Response:
    """不再处理其余的行；已登记的证照仍然有效，如需撤回请用 undo。"""
    return _wish(call, import_id, "cancel")


def _wish(call: Call, import_id: str, wanted: Wish) -> Response:
    return _answer(call, HTTPStatus.OK, lambda work: service.wish(work, import_id, wanted))


@router.post(
    "/imports/{import_id}/register",
    status_code=202,
    response_model=ImportShown,
    summary="试运行后正式登记",
    responses=problems(403, 404, 409),
)
def register_tried(import_id: str, call: OfCall) -> Response:
    """用试运行的同一文件与列对应新建一个正式的任务。"""
    return _answer(call, HTTPStatus.ACCEPTED, lambda work: service.register_tried(work, import_id))


@router.post("/imports/{import_id}/undo", response_model=ImportShown, summary="整批撤回", responses=problems(404, 409))
def undo_import(import_id: str, form: UndoForm, call: OfCall) -> Response:
    """为该任务登记的每件证照办理撤销或注销（法律事件，留痕）；结束后 72 小时内可用。状态已另有变更的证照不动。"""
    return _answer(call, HTTPStatus.OK, lambda work: undoing.begin(work, import_id, form.operation, form.reason))


@router.get("/imports/{import_id}/rows", response_model=RowsPage, summary="逐行结果", responses=problems(404))
def list_rows(
    import_id: str,
    call: OfCall,
    outcome: Annotated[list[Outcome] | None, Query(description="只要这些结果，默认 refused")] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> RowsPage:
    """按文件中的顺序；行号与列与表格软件显示的一致。"""

    def ask(work: Work) -> RowsPage:
        job = service.get(work, import_id)
        if job.forgotten:
            raise NotFoundError("import_forgotten", "逐行结果已过保留期并删除。")
        wanted: tuple[Outcome, ...] = tuple(outcome or ("refused",))
        found, following = service.results(work, job, wanted, place_of(cursor), limit)
        columns = job_columns(catalogue.definition_of(work, job.type_code))
        expected = {last_part(column.field): column.expected for column in columns}
        items = [row_shown(result, expected) for result in found]
        return RowsPage(items=items, next_cursor=None if following is None else f"{following[0]}.{following[1]}")

    return call.read(ask)


def place_of(cursor: str | None) -> tuple[int, int]:
    """The place that a cursor of rows names. Raises ProblemError."""
    chunk, _, row = (cursor or "0.0").partition(".")
    if not (chunk.isdecimal() and row.isdecimal() and len(chunk) < 9 and len(row) < 9):
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "bad_cursor", "cursor 应取自上一页的 next_cursor。")
    return int(chunk), int(row)


@router.get(
    "/imports/{import_id}/refused.{form}",
    summary="下载未登记的行",
    response_class=Response,
    responses={200: {"content": {"text/csv": {}, XLSX_TYPE: {}}}, **problems(404)},
)
def download_refused(import_id: str, form: Literal["csv", "xlsx"], call: OfCall) -> Response:
    """原样给出未登记的行，末列写明原因；改好后可直接重新上传。"""
    return refused_file(call, import_id, form)


def refused_file(call: Call, import_id: str, form: str) -> Response:
    """The refused rows of a job as a file, written as it is sent or, for XLSX, aside first."""
    job = call.read(lambda work: service.get(work, import_id))
    if job.header is None or job.forgotten:
        raise NotFoundError("import_forgotten", "文件尚未读取，或已过保留期并删除。")

    def next_chunk(above: int) -> ImportChunk | None:
        return call.read(lambda work: service.chunks_with(work, job.id, "refused", above))

    rows = refused_rows(call.services.import_folder, job, next_chunk)
    headers = {"Content-Disposition": f'attachment; filename="refused-{job.id}.{form}"'}
    pieces: Iterator[bytes]
    if form == "csv":
        pieces = refused_csv(job.header, rows)
        return StreamingResponse(pieces, media_type=CSV_TYPE, headers=headers)
    # Without a name: what a kill leaves of it is nothing.
    file = tempfile.TemporaryFile()  # noqa: SIM115 (closed once it was sent)
    refused_xlsx(job.header, rows, file)
    file.seek(0)
    pieces = iter(lambda: file.read(_PIECE_BYTES), b"")
    return StreamingResponse(pieces, media_type=XLSX_TYPE, headers=headers, background=BackgroundTask(file.close))
