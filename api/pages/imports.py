"""Imports: the list of jobs, a job under way, the step in which columns are told what they are, the report, its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from api.errors import ProblemError
from api.http.calls import Call, get_call
from api.http.guard import GuardedRoute
from api.http.import_forms import shown
from api.http.imports import SAMPLE_ROWS, place_of, refused_file, set_mapping
from api.imports.columns import labels_of, lay_out
from api.imports.mapping import choices, job_columns, options_of
from api.imports.sheets import SheetError
from api.imports.spool import read_rows
from api.pages import import_page as view
from api.pages.forms import Form, get_form
from api.pages.problems import SHOWN_ERRORS, problem_view, status_of, tried_in
from api.pages.rendering import go, show, texts_for
from api.pages.texts import Texts
from api.pages.views import FieldFault, ProblemView
from registry.catalogue import service as catalogue
from registry.imports import service, undoing
from registry.imports.rules import DUE, OUTCOMES, Outcome, State, Wish
from registry.imports.tables import ImportJob
from registry.work import Work

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

_LINES: Final = 100
_JOBS: Final = 30
#: The name of a column's selection is this and its place.
_COLUMN: Final = "column."


@router.get("/imports")
def list_imports(request: Request, call: OfCall, cursor: str | None = None) -> Response:
    """导入任务。"""
    t = texts_for(request)

    def ask(work: Work) -> view.ImportsPage:
        page = service.list_page(work, cursor, _JOBS)
        names = {row.code: row.name for row in catalogue.list_types(work, "certificate")}
        lines = [view.job_line(shown(work, job), names.get(job.type_code, job.type_code), t) for job in page.jobs]
        return view.ImportsPage(lines, f"/imports?cursor={page.cursor}" if page.cursor else None)

    return show(request, "imports.html", call.read(ask))


@router.get("/imports/{import_id}")
def show_import(
    request: Request, import_id: str, call: OfCall, show_rows: str = "", cursor: str | None = None
) -> Response:
    """一个导入任务：进度、列对应或结果。"""
    return show(request, "import.html", _page(call, import_id, texts_for(request), show_rows, cursor))


def _page(
    call: Call,
    import_id: str,
    t: Texts,
    wanted: str = "",
    cursor: str | None = None,
    problem: ProblemView | None = None,
) -> view.ImportPage:
    def ask(work: Work) -> view.ImportPage:
        row = service.get(work, import_id)
        job = shown(work, row)
        definition = catalogue.definition_of(work, row.type_code)
        outcome = _outcome(wanted, row)
        found, following = ([], None) if row.forgotten else service.results(
            work, row, (outcome,), place_of(cursor), _LINES
        )  # fmt: skip
        address = f"/imports/{row.id}?show_rows={outcome}&cursor="
        return view.ImportPage(
            job=job, type_name=definition.name, headline=view.headline(job, t), tone=view.tone(job),
            under_way=State(row.state) in DUE, percent=view.percent(job), may=frozenset(job.may), shown=outcome,
            results=view.result_lines(found, job_columns(definition), t),
            next=f"{address}{following[0]}.{following[1]}" if following else None,
            mapping=_mapping(call, row, definition, t) if row.state == State.MAPPING else None,
            problem=problem or _failure(row, t),
        )  # fmt: skip

    return call.read(ask)


def _outcome(wanted: str, job: ImportJob) -> Outcome:
    """The rows to show: those asked for, else the refused ones, else whatever there is."""
    for outcome in OUTCOMES:
        if outcome == wanted:
            return outcome
    if job.refused or not (job.accepted or job.duplicate):
        return "refused"
    return "accepted" if job.accepted else "duplicate"


def _failure(job: ImportJob, t: Texts) -> ProblemView | None:
    if job.problem is None:
        return None
    errors = [FieldFault(one["field"], t.refusal(one["reason"], one["message"])) for one in job.problem["errors"]]
    said = t.refusal(job.problem["reason"], job.problem["message"])
    return ProblemView(title=said, detail="", errors=errors, next=t.find(f"next.{job.problem['reason']}") or "")


def _mapping(call: Call, job: ImportJob, definition: Any, t: Texts) -> view.MappingForm:
    samples, _ = read_rows(call.services.import_folder, job.id, 0, SAMPLE_ROWS)
    found = choices(job.header, definition, job.mapping, [row.cells for row in samples])
    missing: list[str] = []
    try:
        lay_out(job.header, job_columns(definition), definition.holder.maximum, job.mapping)
    except SheetError as wrong:
        missing = [one.field for one in wrong.errors if one.reason == "missing_column"]
    columns = [view.ColumnLine(one.letters, one.label, one.field, one.how, one.samples) for one in found]
    return view.MappingForm(columns, view.option_pairs(options_of(definition), t), missing)


@router.post("/imports/{import_id}/mapping")
def map_columns(request: Request, import_id: str, call: OfCall, form: OfForm) -> Response:
    """确认列对应。"""

    def act(work: Work) -> object:
        job = service.get(work, import_id)
        labels = labels_of(job.header or ())
        return set_mapping(work, import_id, {label: form.text(f"{_COLUMN}{place}") for place, label in labels.items()})

    return _do(request, call, import_id, act)


@router.post("/imports/{import_id}/undo")
def undo(request: Request, import_id: str, call: OfCall, form: OfForm) -> Response:
    """整批撤回。"""
    operation, reason = form.text("operation"), form.text("reason")
    try:
        call.write(lambda work: undoing.begin(work, import_id, operation, reason))
    except SHOWN_ERRORS as refused:
        return _refused(request, call, import_id, refused, form)
    call.services.import_worker.wake()
    return go(f"/imports/{import_id}")


@router.post("/imports/{import_id}/register")
def register_tried(request: Request, import_id: str, call: OfCall) -> Response:
    """试运行后正式登记：一个新的任务。"""
    try:
        made = call.write(lambda work: service.register_tried(work, import_id))
    except SHOWN_ERRORS as refused:
        return _refused(request, call, import_id, refused)
    call.services.import_worker.wake()
    return go(f"/imports/{made.id}")


@router.post("/imports/{import_id}/{wish}")
def change(request: Request, import_id: str, wish: str, call: OfCall) -> Response:
    """暂停、继续、取消。"""
    wishes: dict[str, Wish] = {"pause": "pause", "resume": "resume", "cancel": "cancel"}
    if wish not in wishes:
        raise ProblemError(404, "not_found", "没有这个操作。")
    return _do(request, call, import_id, lambda work: service.wish(work, import_id, wishes[wish]))


def _do(request: Request, call: Call, import_id: str, act: Callable[[Work], object]) -> Response:
    try:
        call.write(act)
    except SHOWN_ERRORS as refused:
        return _refused(request, call, import_id, refused)
    call.services.import_worker.wake()
    return go(f"/imports/{import_id}")


def _refused(request: Request, call: Call, import_id: str, refused: Exception, undo: Form | None = None) -> Response:
    t = texts_for(request)
    page = _page(call, import_id, t, problem=problem_view(refused, t))
    if undo is not None:
        page = replace(page, undo=tried_in(undo, refused, t))
    return show(request, "import.html", page, status=status_of(refused))


@router.get("/imports/{import_id}/refused.{form}")
def download_refused(import_id: str, form: str, call: OfCall) -> Response:
    """未登记的行，标出有误的单元格并写明原因；改好后可直接上传。"""
    if form not in ("csv", "xlsx"):
        raise ProblemError(404, "not_found", "只有 csv 与 xlsx 两种格式。")
    return refused_file(call, import_id, form)
