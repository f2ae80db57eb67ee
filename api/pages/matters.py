"""Matters (事项) and their slots (材料项): list, one matter, the editor, retiring. Administrators change them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api.http.calls import Call, get_call
from api.http.guard import GuardedRoute
from api.pages import matter_fields, wording
from api.pages.forms import Form, get_form, whole_number
from api.pages.matter_views import (
    EditionLine,
    MatterForm,
    MatterLine,
    MatterPage,
    MattersPage,
    SlotFields,
    SlotLine,
    SlotRow,
)
from api.pages.problems import SHOWN_ERRORS, field_errors, problem_view, status_of
from api.pages.rendering import go, show, texts_for
from api.pages.texts import Texts
from registry.catalogue import matters
from registry.catalogue import service as catalogue
from registry.catalogue.rules import MAX_SLOTS, Slot
from registry.catalogue.tables import Matter
from registry.errors import NotFoundError
from registry.work import Work

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]


@router.get("/matters")
def list_matters(request: Request, call: OfCall) -> Response:
    """事项与材料清单。"""

    def ask(work: Work) -> MattersPage:
        names = wording.department_names(work)
        lines = [
            MatterLine(
                row.code, row.name, names.get(row.department, row.department),
                len(catalogue.slots_of(work, row.code)), row.retired_at is not None,
            )
            for row in catalogue.list_matters(work)
        ]  # fmt: skip
        return MattersPage(sorted(lines, key=lambda line: line.retired))

    return show(request, "matters.html", call.read(ask))


@router.get("/matters/new")
def new_matter(request: Request, call: OfCall) -> Response:
    """登记事项。"""
    blank = MatterForm(False, "", "", "", "", 0, [SlotRow(code="CL01")], (), ())
    return _form(request, call, blank)


@router.post("/matters")
def register(request: Request, call: OfCall, form: OfForm) -> Response:
    """登记事项，或增删一项材料后继续填写。"""
    code = form.text("code")

    def act(work: Work, sent: MatterForm) -> Matter:
        return catalogue.register_matter(work, code, sent.name, sent.department, sent.purpose, _slots(sent))

    return _take(request, call, form, _sent(form, code, fixed=False), "matter_registered", act)


@router.post("/matters/fields")
def offer_fields(request: Request, call: OfCall, form: OfForm) -> Response:
    """编辑事项时，一个材料项可选的所需字段。"""
    place, t = whole_number(form.text("place")) or 0, texts_for(request)
    accepts, chosen = form.all(f"slots.{place}.accepts"), form.all(f"slots.{place}.fields")
    found = call.read(lambda work: matter_fields.offered(work, accepts, chosen, t))
    return show(request, "matter_fields.html", SlotFields(place, found))


@router.get("/matters/{code}")
def show_matter(request: Request, code: str, call: OfCall) -> Response:
    """一个事项的材料清单、历次内容，以及停用。"""
    return show(request, "matter.html", _page(call, code, texts_for(request)))


@router.get("/matters/{code}/edit")
def edit_matter(request: Request, code: str, call: OfCall) -> Response:
    """修改事项。"""

    def ask(work: Work) -> MatterForm:
        row = catalogue.get_matter(work, code)
        rows = [
            SlotRow(slot.code, slot.name, slot.accepts, slot.required, slot.fields)
            for slot in catalogue.slots_of(work, code)
        ]
        return MatterForm(True, code, row.name, row.department, row.purpose, row.revision, rows, (), ())

    return _form(request, call, call.read(ask))


@router.post("/matters/{code}")
def change(request: Request, code: str, call: OfCall, form: OfForm) -> Response:
    """保存修改，或增删一项材料后继续填写。"""

    def act(work: Work, sent: MatterForm) -> Matter:
        content = matters.Content(sent.name, sent.purpose, _slots(sent))
        return matters.edit(work, code, sent.revision, content)

    department = call.read(lambda work: catalogue.get_matter(work, code).department)
    sent = replace(_sent(form, code, fixed=True), department=department)
    return _take(request, call, form, sent, "matter_changed", act)


@router.post("/matters/{code}/editions/{edition}")
def bring_back(code: str, edition: int, call: OfCall, form: OfForm) -> Response:
    """恢复较早的一版。"""
    call.write(lambda work: matters.bring_back(work, code, edition, _revision(form)))
    return go(f"/matters/{code}", done="matter_changed")


@router.post("/matters/{code}/retire")
def retire(request: Request, code: str, call: OfCall, form: OfForm) -> Response:
    """停用事项；可以恢复。"""
    reason, t = form.text("reason"), texts_for(request)
    try:
        call.write(lambda work: matters.retire(work, code, reason))
    except SHOWN_ERRORS as refused:
        if isinstance(refused, NotFoundError):
            raise
        view = replace(
            _page(call, code, t), reason=reason, errors=field_errors(refused, t), problem=problem_view(refused, t)
        )
        return show(request, "matter.html", view, status=status_of(refused))
    return go(f"/matters/{code}", done="matter_retired")


@router.post("/matters/{code}/restore")
def restore(code: str, call: OfCall) -> Response:
    """恢复停用的事项。"""
    call.write(lambda work: matters.restore(work, code))
    return go(f"/matters/{code}", done="matter_restored")


def _take(
    request: Request,
    call: Call,
    form: Form,
    sent: MatterForm,
    done: str,
    act: Callable[[Work, MatterForm], Matter],
) -> Response:
    """Do it, or show the form again: with a slot more or fewer, or with what is wrong."""
    button, _, place = form.text("do").partition(".")
    if button == "fields":
        return _form(request, call, replace(sent, focus=whole_number(place)))
    if button in ("add", "remove"):
        rows, focus = _moved(sent.rows, whole_number(place) if place else None)
        return _form(request, call, replace(sent, rows=rows, focus=focus))
    try:
        row = call.write(lambda work: act(work, sent))
    except SHOWN_ERRORS as refused:
        if isinstance(refused, NotFoundError) and sent.fixed:
            raise
        t = texts_for(request)
        view = replace(sent, errors=field_errors(refused, t), problem=problem_view(refused, t))
        return _form(request, call, view, status=status_of(refused))
    return go(f"/matters/{row.code}", done=done)


def _moved(rows: Sequence[SlotRow], gone: int | None) -> tuple[list[SlotRow], int]:
    """The rows with one more, or without the one at `gone`; and which to look at then."""
    if gone is None:
        taken = {row.code for row in rows}
        free = next(code for number in range(1, MAX_SLOTS + 2) if (code := f"CL{number:02d}") not in taken)
        more = [*rows, SlotRow(code=free)][:MAX_SLOTS]
        return more, len(more) - 1
    return [row for number, row in enumerate(rows) if number != gone], max(0, gone - 1)


def _form(request: Request, call: Call, view: MatterForm, status: int = 200) -> Response:
    def ask(work: Work) -> MatterForm:
        types = [(row.code, row.name) for row in catalogue.list_types(work)]
        rows = [replace(row, offered=matter_fields.offered(work, row.accepts, row.fields, t)) for row in view.rows]
        return replace(view, departments=list(wording.department_names(work).items()), types=types, rows=rows)

    t = texts_for(request)
    return show(request, "matter_form.html", call.read(ask), status=status)


def _sent(form: Form, code: str, *, fixed: bool) -> MatterForm:
    rows = []
    for place in range(MAX_SLOTS):
        at = f"slots.{place}."
        if f"{at}code" not in form.texts:
            break
        rows.append(
            SlotRow(
                form.text(f"{at}code"), form.text(f"{at}name"), form.all(f"{at}accepts"),
                form.text(f"{at}required") == "yes", list(dict.fromkeys(form.all(f"{at}fields"))),
            )
        )  # fmt: skip
    return MatterForm(
        fixed, code, form.text("name"), form.text("department"), form.text("purpose"), _revision(form), rows, (), ()
    )


def _slots(sent: MatterForm) -> tuple[Slot, ...]:
    return tuple(Slot(row.code, row.name, tuple(row.accepts), row.required, tuple(row.fields)) for row in sent.rows)


def _revision(form: Form) -> int:
    return whole_number(form.text("revision")) or 0


def _page(call: Call, code: str, t: Texts) -> MatterPage:
    def ask(work: Work) -> MatterPage:
        row = catalogue.get_matter(work, code)
        names = {one.code: one.name for one in catalogue.list_types(work)}
        return MatterPage(
            code=code, name=row.name, department=wording.department_names(work).get(row.department, row.department),
            purpose=row.purpose, revision=row.revision,
            slots=[_slot(work, slot, names) for slot in catalogue.slots_of(work, code)],
            editions=[
                EditionLine(
                    one.revision, one.content["name"], one.content["purpose"],
                    [_slot(work, Slot(**slot), names) for slot in one.content["slots"]], one.until_at,
                )
                for one in matters.editions(work, code)
            ],
            retired_at=row.retired_at, retired_because=row.retired_because or "",
        )  # fmt: skip

    return call.read(ask)


def _slot(work: Work, slot: Slot, names: dict[str, str]) -> SlotLine:
    titles = matter_fields.titles(work, slot.accepts, slot.fields)
    return SlotLine(slot.code, slot.name, [names.get(code, code) for code in slot.accepts], slot.required, titles)
