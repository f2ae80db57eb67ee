"""Components: list and import, the page that a scan opens, faults and inspections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response

from api.http.calls import Call, get_call
from api.http.codes import signing_key
from api.http.guard import GuardedRoute
from api.imports.components import COLUMNS, read_components, template
from api.imports.reading import read_sheet
from api.pages.component_views import (
    ComponentLine,
    ComponentPage,
    ComponentsPage,
    FaultLine,
    FaultsPage,
    ImportReport,
    InspectionLine,
    RowLine,
)
from api.pages.forms import Form, get_form
from api.pages.problems import SHOWN_ERRORS, field_errors, problem_view, status_of
from api.pages.rendering import go, show, texts_for
from api.pages.texts import Texts
from api.pages.views import Fact, ProblemView
from codes import picture
from registry.components import rules
from registry.components import service as components
from registry.components.tables import Component, Fault
from registry.errors import FieldError, InvalidDraftError, NotFoundError, NotPermittedError
from registry.files import service as files
from registry.files.tables import StoredFileRow
from registry.work import Work

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

_PAGE_ROWS: Final = 50
_MAX_PHOTO_BYTES: Final = 5 * 1024 * 1024
_MOST_ERRORS: Final = 100


@router.get("/components")
def list_components(request: Request, call: OfCall, q: str = "", after: str = "") -> Response:
    """部件列表与导入。"""
    return show(request, "components.html", _list(call, q.strip()[:60], after[:16]))


@router.get("/components/template.csv")
def get_template(call: OfCall) -> Response:
    """导入模板。"""
    return Response(template(), media_type="text/csv; charset=utf-8")


@router.post("/components/import")
def import_sheet(request: Request, call: OfCall, form: OfForm) -> Response:
    """导入部件清单：正确的行登记，有误的行逐行说明。"""
    t, file = texts_for(request), form.upload("file")
    try:
        if file is None:
            raise InvalidDraftError([FieldError("file", "file_missing", "请选择 CSV 或 XLSX 文件。")])
        read, key = read_components(read_sheet(file.content.read())), signing_key(call)
        done = call.write(lambda work: components.register_many(work, read.drafts, key))
    except SHOWN_ERRORS as refused:
        view = _list(call, "", "", problem_view(refused, t))
        return show(request, "components.html", view, status=status_of(refused))
    errors = sorted([*read.errors, *done.errors], key=lambda error: error.row or 0)
    lines = [
        RowLine(error.row or 0, COLUMNS[error.field][0], t.refusal(error.reason, error.message))
        for error in errors[:_MOST_ERRORS]
    ]
    report = ImportReport(len(done.new), len(done.known), len({error.row for error in errors}), lines)
    return show(request, "components.html", _list(call, "", "", report=report))


def _list(
    call: Call, query: str, after: str, problem: ProblemView | None = None, report: ImportReport | None = None
) -> ComponentsPage:
    department = _watched(call)

    def ask(work: Work) -> ComponentsPage:
        rows = components.list_page(work, department, query, after, _PAGE_ROWS)
        following = urlencode({"q": query, "after": rows[-1].code}) if len(rows) == _PAGE_ROWS else None
        return ComponentsPage(
            lines=[ComponentLine(row.code, row.name, row.place, row.unit_name, row.removed_at is None) for row in rows],
            query=query, next_href=f"/components?{following}" if following else None,
            may_manage=work.actor.has_role("venue") and work.actor.department is not None,
            open_faults=len(components.list_faults(work, department)), report=report, problem=problem,
            labels_href="/api/v1/components/labels.pdf?" + urlencode({"q": query, "after": after}),
        )  # fmt: skip

    return call.read(ask)


def _watched(call: Call) -> str | None:
    """The department whose components the caller sees; None for all of them."""
    actor = call.known.actor
    return None if actor.has_role("administrator", "auditor") else actor.department


@router.get("/components/faults")
def list_faults(request: Request, call: OfCall, closed: str = "") -> Response:
    """报修的待办与已办。"""
    return show(request, "faults.html", _faults(call, texts_for(request), closed=closed == "yes"))


def _faults(call: Call, t: Texts, *, closed: bool = False, problem: ProblemView | None = None) -> FaultsPage:
    def ask(work: Work) -> FaultsPage:
        found = components.list_faults(work, _watched(call), closed=closed)
        lines = [_fault(fault, row, t, name=row.name) for fault, row in found]
        return FaultsPage(lines, closed, work.actor.has_role("venue"), problem)

    return call.read(ask)


@router.post("/components/faults/{fault_id}/handle")
def handle(request: Request, fault_id: str, call: OfCall, form: OfForm) -> Response:
    """写明处置情况。"""
    t = texts_for(request)
    try:
        call.write(lambda work: components.handle_fault(work, fault_id, form.text("handling")))
    except SHOWN_ERRORS as refused:
        if isinstance(refused, NotFoundError | NotPermittedError):
            raise
        error = field_errors(refused, t).get("handling")
        view = _faults(call, t, problem=None if error else problem_view(refused, t))
        lines = [
            replace(line, tried=form.text("handling"), error=error) if line.id == fault_id else line
            for line in view.faults
        ]
        return show(request, "faults.html", replace(view, faults=lines), status=status_of(refused))
    return go("/components/faults", done="fault_handled")


@router.post("/components/faults/{fault_id}/close")
def close(fault_id: str, call: OfCall) -> Response:
    """办结。"""
    call.write(lambda work: components.close_fault(work, fault_id))
    return go("/components/faults", done="fault_closed")


@router.get("/components/faults/{fault_id}/photo")
def get_photo(fault_id: str, call: OfCall) -> Response:
    """报修的照片，已去除拍摄信息。"""

    def ask(work: Work) -> StoredFileRow:
        fault = components.find_fault(work, fault_id)
        if fault.photo is None:
            raise NotFoundError("no_photo", "这条报修没有照片。")
        return files.get(work, fault.photo)

    return Response(call.services.files.read(call.read(ask)), media_type="image/jpeg")


@router.get("/components/{code}")
def show_component(request: Request, code: str, call: OfCall) -> Response:
    """扫码打开的页面：是什么、在哪里、归谁管；报修；工作人员巡查。"""
    t = texts_for(request)
    return show(request, "component.html", call.read(lambda work: _page(work, call, code, t)))


@router.post("/components/{code}/faults")
def report_fault(request: Request, code: str, call: OfCall, form: OfForm) -> Response:
    """报修；不记录是谁报的。"""
    t, upload = texts_for(request), form.upload("photo")
    try:
        data = picture.photo(upload.content.read(_MAX_PHOTO_BYTES + 1)) if upload else None
        photo = call.services.files.put([data]) if data else None

        def act(work: Work) -> Fault:
            if photo is not None:
                files.register(work, photo)
            return components.report_fault(work, code, form.text("description"), photo.sha256 if photo else None)

        call.write_as_anyone(act)
    except SHOWN_ERRORS as refused:
        return _again(request, call, code, refused, form, t)
    return go(f"/components/{code}", done="fault")


@router.post("/components/{code}/inspections")
def inspect(request: Request, code: str, call: OfCall, form: OfForm) -> Response:
    """记录巡查。"""
    return _done(
        request, call, code, form, "inspection",
        lambda work: components.inspect(work, code, form.text("result"), form.text("note")),
    )  # fmt: skip


@router.post("/components/{code}/place")
def move(request: Request, code: str, call: OfCall, form: OfForm) -> Response:
    """变更位置，标签重新签发。"""
    key = signing_key(call)
    return _done(
        request, call, code, form, "component_moved",
        lambda work: components.move(work, code, form.text("place"), key),
    )  # fmt: skip


@router.post("/components/{code}/remove")
def remove(request: Request, code: str, call: OfCall, form: OfForm) -> Response:
    """拆除，标签失效。"""

    def act(work: Work) -> Component:
        if form.text("agreed") != "yes":
            raise InvalidDraftError([FieldError("agreed", "not_agreed", "请先勾选确认。")])
        return components.remove(work, code)

    return _done(request, call, code, form, "component_removed", act)


def _done(request: Request, call: Call, code: str, form: Form, done: str, act: Callable[[Work], Any]) -> Response:
    try:
        call.write(act)
    except SHOWN_ERRORS as refused:
        return _again(request, call, code, refused, form, texts_for(request))
    return go(f"/components/{code}", done=done)


def _again(request: Request, call: Call, code: str, refused: Exception, form: Form, t: Texts) -> Response:
    if isinstance(refused, NotFoundError | NotPermittedError):
        raise refused
    view = call.read(lambda work: _page(work, call, code, t, form, problem_view(refused, t), field_errors(refused, t)))
    return show(request, "component.html", view, status=status_of(refused))


def _page(
    work: Work,
    call: Call,
    code: str,
    t: Texts,
    form: Form | None = None,
    problem: ProblemView | None = None,
    errors: Mapping[str, str] | None = None,
) -> ComponentPage:
    row = components.get(work, code)
    kind = rules.CLASSES[row.code[6:8]]
    facts = [
        Fact(t("components.class"), kind.english if t.language == "en" else kind.name),
        Fact(t("fact.place"), row.place),
        Fact(t("components.unit"), row.unit_name),
        Fact(t("components.code"), row.code, mono=True),
    ]
    actor = call.caller.actor if call.caller else None
    may_manage = actor is not None and actor.has_role("venue") and actor.department == row.department
    faults = components.faults_of(work, row) if may_manage else []
    inspections = components.inspections_of(work, row) if may_manage else []
    return ComponentPage(
        code=row.code, name=row.name, place=row.place, in_use=row.removed_at is None, facts=facts,
        may_manage=may_manage, code_id=row.code_id if may_manage else "",
        faults=[_fault(fault, row, t) for fault in faults],
        inspections=[InspectionLine(_result(one.result, t), one.note, one.inspected_at) for one in inspections],
        results=[(key, _result(key, t)) for key in rules.RESULTS],
        values={name: form.text(name) for name in form.texts} if form else {}, errors=errors or {}, problem=problem,
    )  # fmt: skip


def _result(key: str, t: Texts) -> str:
    return t.said(f"inspection.{key}", rules.RESULTS[key])


def _fault(fault: Fault, row: Component, t: Texts, name: str = "") -> FaultLine:
    return FaultLine(
        id=fault.id, code=row.code, name=name, place=row.place, state=fault.state,
        state_name=t.said(f"fault.{fault.state}", rules.STATES[fault.state]), description=fault.description,
        reported_at=fault.reported_at, has_photo=fault.photo is not None, handling=fault.handling,
        handled_at=fault.handled_at,
    )  # fmt: skip
