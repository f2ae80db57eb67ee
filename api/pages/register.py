"""Registering by file: the upload form, the upload, the files to fill in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response

from api.http.calls import Call, get_call
from api.http.guard import GuardedRoute
from api.http.import_forms import shown
from api.http.uploads import department_of
from api.imports.attachments import is_bundle
from api.imports.columns import Column
from api.imports.mapping import job_columns
from api.imports.sheets import SheetError
from api.pages import workbooks
from api.pages.forms import Form, Upload, get_form
from api.pages.import_page import job_line
from api.pages.problems import SHOWN_ERRORS, problem_view, status_of
from api.pages.rendering import go, show, texts_for
from api.pages.texts import Texts
from api.pages.views import ColumnView, JobLine, ProblemView, RegisterPage, TypeOption
from registry.catalogue import service as catalogue
from registry.departments import service as departments
from registry.errors import NotFoundError
from registry.imports import service
from registry.imports.service import JobDraft
from registry.imports.tables import ImportJob
from registry.work import Work
from verifier.times import shanghai_day

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

#: A sheet, and a ZIP of the files that it names.
_MOST_FILES: Final = 2
_RECENT: Final = 5


@router.get("/register")
def register_form(request: Request, call: OfCall, type: str = "") -> Response:
    """登记证照：选择类型，上传文件。"""
    return show(request, "register.html", _page(call, type, texts_for(request)))


@router.post("/register")
def upload(request: Request, call: OfCall, form: OfForm) -> Response:
    """上传表格，或表格与附件的 ZIP；由后台逐行检查并登记，随即转到该任务的页面。"""
    t, type_code = texts_for(request), form.text("type_code")
    try:
        job = _hand_in(call, type_code, form.uploads.get("file", []), dry_run=form.text("dry_run") == "yes", t=t)
    except SHOWN_ERRORS as refused:
        view = _page(call, type_code, t, problem_view(refused, t))
        return show(request, "register.html", view, status=status_of(refused))
    return go(f"/imports/{job.id}")


def _hand_in(call: Call, type_code: str, files: Sequence[Upload], *, dry_run: bool, t: Texts) -> ImportJob:
    department, folder = department_of(call), call.services.import_folder
    if not files or len(files) > _MOST_FILES:
        raise SheetError("no_file", t("register.no_file") if not files else t("register.many_files"))
    kept = [(file.name, folder.keep(department, file.content), is_bundle(file.content)) for file in files]
    # A ZIP beside a sheet holds the files that the sheet names; a ZIP alone holds the sheet too.
    kept.sort(key=lambda one: one[2])
    (name, sheet, _), *others = kept
    if others and not others[0][2]:
        raise SheetError("many_sheets", t("register.many_files"))
    draft = JobDraft(type_code, Path(name).name, sheet, others[0][1] if others else None, dry_run)
    job = call.write(lambda work: service.create(work, draft))
    call.services.import_worker.wake()
    return job


@router.get("/register/templates/{type_code}.{form}")
def download_template(type_code: str, form: str, call: OfCall) -> Response:
    """某一类型的空模板。"""
    if form == "xlsx":
        return _download(_template_xlsx(call, type_code), workbooks.XLSX_TYPE, f"{type_code}.xlsx")
    if form == "csv":
        columns = call.read(lambda work: job_columns(catalogue.definition_of(work, type_code)))
        return _download(workbooks.template_csv(columns), workbooks.CSV_TYPE, f"{type_code}.csv")
    raise NotFoundError("no_template", "模板只有 csv 与 xlsx 两种格式。")


def _template_xlsx(call: Call, type_code: str) -> bytes:
    return workbooks.template_xlsx(call.read(lambda work: job_columns(catalogue.definition_of(work, type_code))))


def _download(data: bytes, media_type: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(data, media_type=media_type, headers=headers)


#: How a column of text says its limit (api/imports/columns.py).
_MOST: Final = re.compile(r"^文本，最多 (\d+) 个字$")
_TEXT: Final = "文本"


def column_label(column: Column, t: Texts) -> str:
    """The header of a column; those that every type has also in English, under which a file may have them too."""
    return t.said(f"column.{column.field}", column.header)


def column_expected(column: Column, t: Texts) -> str:
    """What a column expects; in English a type's own fields by their kind, and values as they are."""
    known = t.said(f"column.{column.field}.expected", column.expected)
    if t.language == "zh" or known != column.expected:
        return known
    most = _MOST.search(column.expected)
    if most:
        return t("column.kind.text_most", n=most[1])
    if column.kind == "text" and column.expected != _TEXT:
        return known
    return t.find(f"column.kind.{column.kind}") or known


def issuable(work: Work) -> list[TypeOption]:
    """The certificate types that the actor's department may issue today."""
    department, today = work.actor.department, shanghai_day(work.at)
    if department is None:
        return []
    return [
        TypeOption(row.code, row.name)
        for row in catalogue.list_types(work, "certificate")
        if departments.has_scope(work.session, department, row.code, "issue", today)
    ]


def _page(call: Call, wanted: str, t: Texts, problem: ProblemView | None = None) -> RegisterPage:
    def ask(work: Work) -> tuple[list[TypeOption], TypeOption | None, list[ColumnView]]:
        types = issuable(work)
        chosen = next((type_ for type_ in types if type_.code == wanted), types[0] if types else None)
        columns = job_columns(catalogue.definition_of(work, chosen.code)) if chosen else ()
        return (
            types,
            chosen,
            [ColumnView(column_label(column, t), column.required, column_expected(column, t)) for column in columns],
        )

    types, chosen, columns = call.read(ask)
    return RegisterPage(types, chosen, columns, call.read(lambda work: _recent(work, t)), problem)


def _recent(work: Work, t: Texts) -> list[JobLine]:
    if work.actor.department is None:
        return []
    names = {row.code: row.name for row in catalogue.list_types(work, "certificate")}
    jobs = service.list_page(work, limit=_RECENT).jobs
    return [job_line(shown(work, job), names.get(job.type_code, job.type_code), t) for job in jobs]
