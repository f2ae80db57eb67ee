"""Registering by file: the upload form, the upload, its report, the files to fill in."""

from __future__ import annotations

from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from api.composition import Services
from api.http.batches import Batch, register_rows
from api.http.calls import Call, get_call
from api.http.guard import GuardedRoute
from api.imports.columns import Column, columns_of
from api.imports.drafts import read_drafts
from api.imports.reading import read_sheet
from api.imports.sheets import Cell, Sheet, SheetError
from api.pages import workbooks
from api.pages.forms import Form, Upload, get_form
from api.pages.problems import SHOWN_ERRORS, problem_view, status_of
from api.pages.rendering import go, show, texts_for
from api.pages.reports import Fault, RefusedRow, Report, ReportStore
from api.pages.texts import Texts
from api.pages.views import (
    ColumnView,
    ProblemView,
    RegisterPage,
    ReportLine,
    ReportPage,
    RowFault,
    TypeOption,
)
from registry.catalogue import service as catalogue
from registry.departments import service as departments
from registry.errors import NotFoundError
from registry.work import Work
from verifier.times import shanghai_day

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

_SHOWN_FAULTS: Final = 200
_MAX_FILE_NAME: Final = 120


def store_of(services: Services) -> ReportStore:
    """Where this server keeps its reports."""
    return ReportStore(services.settings.data / "reports", services.draw)


@router.get("/register")
def register_form(request: Request, call: OfCall, type: str = "") -> Response:
    """登记证照：选择类型，上传文件。"""
    return show(request, "register.html", _page(call, type, texts_for(request)))


@router.post("/register")
def upload(request: Request, call: OfCall, form: OfForm) -> Response:
    """上传一个文件：逐行检查、登记，给出一份可以再次打开的结果。"""
    t, type_code, file = texts_for(request), form.text("type_code"), form.upload("file")
    try:
        if file is None:
            raise SheetError("no_file", t("register.no_file"))
        report = _register(call, type_code, file)
    except SHOWN_ERRORS as refused:
        view = _page(call, type_code, t, problem_view(refused, t))
        return show(request, "register.html", view, status=status_of(refused))
    return go(f"/register/reports/{report.id}")


def _register(call: Call, type_code: str, file: Upload) -> Report:
    definition = call.read(lambda work: catalogue.definition_of(work, type_code))
    # Read once and kept: the refused rows are handed back as they were sent.
    sheet = read_sheet(file.content.read())
    imported = read_drafts(sheet, definition)
    batch = Batch(definition.code, imported.rows, imported.layout.header_of, imported.notes)
    done = call.write(lambda work: register_rows(work, batch))
    store = store_of(call.services)
    header, rows = _refused(sheet, done, batch.rows[0].row)
    report = Report(
        id=store.new_id(), owner=call.known.actor.id, at=call.services.clock(),
        file_name=Path(file.name).name[:_MAX_FILE_NAME], type_code=definition.code, type_name=definition.name,
        accepted=done["accepted"], duplicate=done["duplicate"], refused=done["refused"], notes=done["notes"],
        faults=[Fault(**fault) for row in done["rows"] for fault in row["errors"]], header=header, rows=rows,
    )  # fmt: skip
    store.keep(report)
    return report


def _refused(sheet: Sheet, done: dict[str, Any], first_row: int) -> tuple[list[str], list[RefusedRow]]:
    """The headers and the refused rows as they were sent; nothing is kept when none was refused."""
    refused = {row["row"] for row in done["rows"] if row["outcome"] == "refused"}
    if not refused:
        return [], []
    header = next((row for row in reversed(sheet.rows) if row.number < first_row), sheet.rows[0])
    rows = [RefusedRow(row.number, [_text(cell) for cell in row.cells]) for row in sheet.rows if row.number in refused]
    return [_text(cell) for cell in header.cells], rows


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%d}" if cell.time() == time.min else cell.isoformat(" ")
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


@router.get("/register/reports/{report_id}")
def show_report(request: Request, report_id: str, call: OfCall) -> Response:
    """登记结果：逐行的原因与改法。"""
    t = texts_for(request)
    report = store_of(call.services).get(report_id, call.known.actor.id, call.services.clock())
    faults = [
        RowFault(fault.row, fault.field, t.said(f"reason.{fault.reason}", fault.message), _mend(fault.reason, t))
        for fault in report.faults[:_SHOWN_FAULTS]
    ]
    view = ReportPage(
        id=report.id, headline=_headline(report, t), file_name=report.file_name, type_name=report.type_name,
        type_code=report.type_code, at=report.at, accepted=report.accepted, duplicate=report.duplicate,
        refused=report.refused, notes=report.notes, faults=faults,
        more_faults=max(0, len(report.faults) - _SHOWN_FAULTS),
    )  # fmt: skip
    return show(request, "report.html", view)


def _headline(report: Report, t: Texts) -> str:
    total = report.accepted + report.duplicate + report.refused
    if report.refused:
        return t("report.some", total=f"{total:,}", refused=f"{report.refused:,}")
    if report.accepted:
        return t("report.all", n=f"{report.accepted:,}")
    return t("report.all_known", n=f"{report.duplicate:,}")


def _mend(reason: str, t: Texts) -> str:
    return t.find(f"mend.{reason}") or t("mend.default")


@router.get("/register/reports/{report_id}/refused.xlsx")
def download_refused(report_id: str, call: OfCall) -> Response:
    """未登记的行，标出有误的单元格并写明原因；改好后可直接上传。"""
    report = store_of(call.services).get(report_id, call.known.actor.id, call.services.clock())
    return _download(workbooks.refused_xlsx(report), workbooks.XLSX_TYPE, f"refused-{report.id[:8]}.xlsx")


@router.get("/register/templates/{type_code}.{form}")
def download_template(type_code: str, form: str, call: OfCall) -> Response:
    """某一类型的空模板。"""
    if form == "xlsx":
        return _download(_template_xlsx(call, type_code), workbooks.XLSX_TYPE, f"{type_code}.xlsx")
    if form == "csv":
        columns = call.read(lambda work: columns_of(catalogue.definition_of(work, type_code)))
        return _download(workbooks.template_csv(columns), workbooks.CSV_TYPE, f"{type_code}.csv")
    raise NotFoundError("no_template", "模板只有 csv 与 xlsx 两种格式。")


def _template_xlsx(call: Call, type_code: str) -> bytes:
    return workbooks.template_xlsx(call.read(lambda work: columns_of(catalogue.definition_of(work, type_code))))


def _download(data: bytes, media_type: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(data, media_type=media_type, headers=headers)


def column_label(column: Column, t: Texts) -> str:
    """The header of a column; those that every type has also in English, under which a file may have them too."""
    return t.said(f"column.{column.field}", column.header)


def column_expected(column: Column, t: Texts) -> str:
    """What a column expects."""
    return t.said(f"column.{column.field}.expected", column.expected)


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
        columns = columns_of(catalogue.definition_of(work, chosen.code)) if chosen else ()
        return (
            types,
            chosen,
            [ColumnView(column_label(column, t), column.required, column_expected(column, t)) for column in columns],
        )

    types, chosen, columns = call.read(ask)
    earlier = store_of(call.services).list_of(call.known.actor.id, call.services.clock())
    lines = [ReportLine(one.id, one.at, one.file_name, one.accepted, one.duplicate, one.refused) for one in earlier[:5]]
    return RegisterPage(types, chosen, columns, lines, problem)
