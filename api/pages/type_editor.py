"""The editor of types: rows instead of raw schemas, a live preview, a last look, and publishing. For administrators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Request, Response

from api.http.calls import Call, get_call
from api.http.guard import GuardedRoute
from api.pages import wording
from api.pages.forms import Form, get_form, whole_number
from api.pages.problems import SHOWN_ERRORS, field_errors, problem_view, status_of
from api.pages.proposals import wish
from api.pages.rendering import go, show, texts_for
from api.pages.texts import Texts
from api.pages.type_preview import preview
from api.pages.type_views import DraftPage, ReviewPage, SchemaPage
from api.pages.types import kind_name
from api.pages.views import ProblemView
from registry.accounts import control
from registry.catalogue import drafting, sheets
from registry.catalogue import service as catalogue
from registry.catalogue.differences import Difference, differences
from registry.catalogue.field_rows import KINDS, MASKS, MAX_ROWS, RECEIVERS, SHOWN_TO, FieldRow, schema_of
from registry.catalogue.layouts import FRAMES
from registry.catalogue.rules import KINDS as ITEM_KINDS
from registry.catalogue.sheets import Sheet
from registry.catalogue.tables import TypeDraft
from registry.errors import FieldError, InvalidDraftError, NotFoundError
from registry.proposals import service as proposals
from registry.work import Work
from verifier.times import shanghai_day

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

_COLUMNS: Final = ("name", "title", "kind", "form", "longest", "mask", "shown_to", "receivers", "example")
#: Any number will do for a look at a definition: publishing gives the real one.
_SOME_NUMBER: Final = 9999


@router.post("/types/drafts")
def start(call: OfCall, form: OfForm) -> Response:
    """新建类型，或由最新版本编写下一版。"""
    code = form.text("type_code") or None
    return go(f"/types/drafts/{call.write(lambda work: drafting.start(work, code).id)}")


@router.get("/types/drafts/{draft_id}")
def edit(request: Request, draft_id: str, call: OfCall, check: str = "") -> Response:
    """编写类型。"""

    def ask(work: Work) -> Response:
        row, t = drafting.get(work, draft_id), texts_for(request)
        refused = _faults(drafting.sheet(row)) if check else None
        return show(request, "type_draft.html", _page(work, row, drafting.sheet(row), t, refused))

    return call.read(ask)


@router.post("/types/drafts/{draft_id}")
def save(request: Request, draft_id: str, call: OfCall, form: OfForm) -> Response:
    """保存，并增删或移动一行；do 是按下的按钮。"""
    sent = _sheet_of(form, call.read(lambda work: drafting.sheet(drafting.get(work, draft_id))))
    act, _, place = form.text("do").partition(".")
    rows, focus = _moved(list(sent.rows), act, whole_number(place) or 0)
    wanted = replace(sent, rows=tuple(rows))
    try:
        call.write(lambda work: drafting.save(work, draft_id, _revision(form), wanted))
    except SHOWN_ERRORS as refused:
        if isinstance(refused, NotFoundError):
            raise
        problem = refused

        def ask(work: Work) -> Response:
            view = _page(work, drafting.get(work, draft_id), wanted, texts_for(request), problem)
            return show(request, "type_draft.html", view, status=status_of(problem))

        return call.read(ask)
    if act == "review":
        return go(f"/types/drafts/{draft_id}/publish")
    if act in ("", "save"):
        return go(f"/types/drafts/{draft_id}", done="type_saved", check="1")
    answer = go(f"/types/drafts/{draft_id}")
    answer.headers["location"] += f"#row-{focus}"
    return answer


@router.post("/types/drafts/{draft_id}/preview")
def show_preview(request: Request, draft_id: str, call: OfCall, form: OfForm) -> Response:
    """边写边看的照面；不保存。"""
    sent = _sheet_of(form, call.read(lambda work: drafting.sheet(drafting.get(work, draft_id))))
    return show(request, "type_preview.html", preview(sent, shanghai_day(call.services.clock()), texts_for(request)))


@router.get("/types/drafts/{draft_id}/schema")
def show_schema(request: Request, draft_id: str, call: OfCall) -> Response:
    """专家视图：直接编写 JSON Schema。"""

    def ask(work: Work) -> SchemaPage:
        row = drafting.get(work, draft_id)
        return _schema_page(row, drafting.sheet(row), texts_for(request))

    return show(request, "type_schema.html", call.read(ask))


@router.post("/types/drafts/{draft_id}/schema")
def save_schema(request: Request, draft_id: str, call: OfCall, form: OfForm) -> Response:
    """保存专家写的模式。"""
    text, t = form.text("schema"), texts_for(request)
    row = call.read(lambda work: drafting.get(work, draft_id))
    try:
        wanted = sheets.with_schema(drafting.sheet(row), _json(text))
        call.write(lambda work: drafting.save(work, draft_id, _revision(form), wanted))
    except SHOWN_ERRORS as refused:
        view = replace(
            _schema_page(row, drafting.sheet(row), t), schema=text, error=field_errors(refused, t).get("schema"),
            problem=problem_view(refused, t),
        )  # fmt: skip
        return show(request, "type_schema.html", view, status=status_of(refused))
    return go(f"/types/drafts/{draft_id}", done="type_saved", check="1")


@router.get("/types/drafts/{draft_id}/publish")
def review(request: Request, draft_id: str, call: OfCall) -> Response:
    """发布前的最后核对。"""
    return show(request, "type_review.html", _review(call, draft_id, texts_for(request)))


def _review(call: Call, draft_id: str, t: Texts, errors: Mapping[str, str] | None = None) -> ReviewPage:
    def ask(work: Work) -> ReviewPage:
        row = drafting.get(work, draft_id)
        sheet, today = drafting.sheet(row), shanghai_day(work.at)
        refused = _faults(sheet)
        waits = proposals.find_open(work, "type.publish", draft_id=row.id, revision=row.revision)
        return ReviewPage(
            id=row.id, revision=row.revision, name=sheet.name or t("types.unnamed"), code=sheet.code,
            version=sheet.based_on + 1, look=preview(sheet, today, t),
            changes=[] if refused else [_change_text(one, t) for one in _changes(work, row, sheet)],
            missing=[_fault_text(one, sheet, t) for one in refused.errors] if refused else [],
            dual=control.binding_since(work) is not None, waits=waits is not None, errors=errors or {},
        )  # fmt: skip

    return call.read(ask)


@router.post("/types/drafts/{draft_id}/publish")
def publish(request: Request, draft_id: str, call: OfCall, form: OfForm) -> Response:
    """发布：此后这一版不再改变，并写入存证日志；或待另一名管理员复核。"""
    t, given = texts_for(request), {"draft_id": draft_id, "revision": _revision(form)}
    try:
        made = wish(call, "type.publish", given, form.text("reason"))
    except InvalidDraftError as refused:
        errors = field_errors(refused, t)
        if "reason" not in errors:
            return go(f"/types/drafts/{draft_id}", check="1")
        return show(request, "type_review.html", _review(call, draft_id, t, errors), status=status_of(refused))
    if made is None:
        return go("/proposals", done="proposed")
    return go(f"/types/{made.value.code}", done="type_published")


@router.post("/types/drafts/{draft_id}/take-back")
def take_back(draft_id: str, call: OfCall) -> Response:
    """撤回上次保存。"""
    call.write(lambda work: drafting.take_back(work, draft_id))
    return go(f"/types/drafts/{draft_id}", done="type_taken_back")


@router.post("/types/drafts/{draft_id}/discard")
def discard(draft_id: str, call: OfCall) -> Response:
    """放弃草稿；可以恢复。"""
    call.write(lambda work: drafting.discard(work, draft_id))
    return go("/types", done="type_discarded")


@router.post("/types/drafts/{draft_id}/restore")
def restore(draft_id: str, call: OfCall) -> Response:
    """恢复放弃的草稿。"""
    call.write(lambda work: drafting.restore(work, draft_id))
    return go(f"/types/drafts/{draft_id}", done="type_restored")


def _revision(form: Form) -> int:
    return whole_number(form.text("revision")) or 0


def _json(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as wrong:
        message = f"不是 JSON：第 {wrong.lineno} 行第 {wrong.colno} 列附近有误。"
        raise InvalidDraftError([FieldError("schema", "not_json", message)]) from wrong


def _sheet_of(form: Form, stored: Sheet) -> Sheet:
    """The sheet of a sent form. What no input shows stays as it is stored, row by row."""
    texts: dict[str, Any] = {name: form.text(name) for name in sheets.TEXTS if name in form.texts}
    ticks: dict[str, Any] = {name: form.text(name) == "yes" for name in sheets.TICKS}
    rows = []
    for place in range(MAX_ROWS + 1):
        if f"rows.{place}.name" not in form.texts:
            break
        values = {column: form.text(f"rows.{place}.{column}") for column in _COLUMNS}
        kept = stored.rows[place].kept if place < len(stored.rows) else {}
        rows.append(FieldRow(**values, required=form.text(f"rows.{place}.required") == "yes", kept=kept))
    return replace(stored, **texts, **ticks, holder_types=tuple(form.all("holder_types")), rows=tuple(rows))


def _moved(rows: list[FieldRow], act: str, place: int) -> tuple[list[FieldRow], int]:
    """The rows after a button was pressed, and the row to look at then."""
    if act == "add" and len(rows) < MAX_ROWS:
        return [*rows, FieldRow()], len(rows)
    if place >= len(rows):
        return rows, 0
    if act == "remove":
        return rows[:place] + rows[place + 1 :], max(0, place - 1)
    other = place + {"up": -1, "down": 1}.get(act, 0)
    if 0 <= other < len(rows):
        rows[place], rows[other] = rows[other], rows[place]
        return rows, other
    return rows, place


def _faults(sheet: Sheet) -> InvalidDraftError | None:
    try:
        sheets.definition_of(sheet, _SOME_NUMBER)
    except InvalidDraftError as refused:
        return refused
    return None


def _page(work: Work, row: TypeDraft, sheet: Sheet, t: Texts, refused: Exception | None = None) -> DraftPage:
    return DraftPage(
        id=row.id, revision=row.revision, sheet=sheet, fixed=sheet.based_on > 0,
        look=preview(sheet, shanghai_day(work.at), t), holder_types=wording.code_type_options(t),
        field_kinds=[(kind, wording.field_kind_name(kind, t)) for kind in KINDS],
        masks=[(mask, wording.mask_name(mask, t)) for mask in MASKS],
        shown_to=[(one, wording.shown_to_name(one, t)) for one in SHOWN_TO],
        receivers=[(one, wording.receivers_name(one, t)) for one in (*RECEIVERS, "")],
        frames=[(frame, t.said(f"types.frame.{frame}", chinese)) for frame, chinese in FRAMES.items()],
        kinds=[(kind, kind_name(kind, t)) for kind in ITEM_KINDS],
        may_take_back=row.previous is not None, discarded=row.discarded_at is not None,
        errors=field_errors(refused, t) if refused else {}, problem=_problem(refused, sheet, t),
    )  # fmt: skip


def _problem(refused: Exception | None, sheet: Sheet, t: Texts) -> ProblemView | None:
    if refused is None:
        return None
    if isinstance(refused, InvalidDraftError):
        return ProblemView(
            t("types.unfinished", n=len(refused.errors)),
            " ".join(_fault_text(one, sheet, t) for one in refused.errors[:5]),
        )
    return problem_view(refused, t)


def _fault_text(error: FieldError, sheet: Sheet, t: Texts) -> str:
    """A fault with the row that it is in."""
    said = t.refusal(error.reason, error.message)
    begin, _, _ = error.field.partition(".")
    place = begin.removeprefix("rows[").removesuffix("]")
    if not place.isdecimal():
        return said
    title = sheet.rows[int(place)].title
    return t("types.in_row", n=int(place) + 1, title=f"“{title}”" if title else "", said=said)


def _schema_page(row: TypeDraft, sheet: Sheet, t: Texts) -> SchemaPage:
    schema = schema_of(list(sheet.rows), sheet.name, sheet.rest or {}, [])
    text = orjson.dumps(schema, option=orjson.OPT_INDENT_2).decode()
    return SchemaPage(row.id, sheet.name or t("types.unnamed"), row.revision, text)


def _changes(work: Work, row: TypeDraft, sheet: Sheet) -> list[Difference]:
    if row.type_code is None:
        return []
    old: Mapping[str, Any] = catalogue.get_type(work, row.type_code).definition
    return differences(old, sheets.definition_of(sheet, _SOME_NUMBER))


def _change_text(one: Difference, t: Texts) -> str:
    subject = t(f"types.rule.{one.subject}") if one.change == "rule" else one.subject
    return t(f"types.change.{one.change}", subject=subject)
