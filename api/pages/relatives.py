"""Relatives: bind one, look up a holder's, end one. Numbers travel in forms, never in addresses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api.http.calls import Call, get_call
from api.http.guard import GuardedRoute
from api.pages import wording
from api.pages.card_views import RelativeLine, RelativesPage
from api.pages.forms import Form, get_form
from api.pages.problems import SHOWN_ERRORS, field_errors, problem_view, status_of, tried_in
from api.pages.rendering import go, show, texts_for
from api.pages.texts import Texts
from api.pages.views import ProblemView
from registry.errors import NotFoundError
from registry.relatives import rules
from registry.relatives import service as relatives
from registry.relatives.tables import Relative

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]


@router.get("/relatives")
def form_page(request: Request, call: OfCall) -> Response:
    """亲属绑定。"""
    return show(request, "relatives.html", _page(Form({}, {}), texts_for(request)))


@router.post("/relatives")
def bind(request: Request, call: OfCall, form: OfForm) -> Response:
    """凭证明材料绑定。"""
    t = texts_for(request)
    pair = _number(form, "holder"), _number(form, "relative")
    try:
        call.write(lambda work: relatives.bind(work, *pair, form.text("relation"), form.text("document")))
    except SHOWN_ERRORS as refused:
        named = {f"{name}_code" if name in ("holder", "relative") else name: said
                 for name, said in field_errors(refused, t).items()}  # fmt: skip
        view = _page(form, t, problem_view(refused, t), named)
        return show(request, "relatives.html", view, status=status_of(refused))
    return go("/relatives", done="relative")


@router.post("/relatives/search")
def search(request: Request, call: OfCall, form: OfForm) -> Response:
    """一人绑定的亲属。"""
    t = texts_for(request)
    try:
        found = call.read(lambda work: relatives.of_holder(work, _number(form, "holder")))
    except SHOWN_ERRORS as refused:
        view = _page(Form({}, {}), t, problem_view(refused, t))
        view = replace(view, looked_for=tried_in(form, refused, t, holder="holder_code"))
        return show(request, "relatives.html", view, status=status_of(refused))
    return show(request, "relatives.html", _page(Form({}, {}), t, found=[_line(row, t) for row in found]))


@router.post("/relatives/{relative_id}/end")
def end(relative_id: str, call: OfCall, form: OfForm) -> Response:
    """解除一项绑定。"""
    if form.text("agreed") != "yes":
        raise NotFoundError("not_agreed", "请先勾选确认，再解除绑定。")
    call.write(lambda work: relatives.end(work, relative_id))
    return go("/relatives", done="relative_ended")


def _number(form: Form, whose: str) -> tuple[str, str]:
    return form.text(f"{whose}_code_type_code"), form.text(f"{whose}_code")


def _line(row: Relative, t: Texts) -> RelativeLine:
    return RelativeLine(row.id, _relation(row.relation, t), row.document, row.bound_at)


def _relation(key: str, t: Texts) -> str:
    return t.said(f"relation.{key}", rules.RELATIONS[key])


def _page(
    form: Form,
    t: Texts,
    problem: ProblemView | None = None,
    errors: Mapping[str, str] | None = None,
    found: list[RelativeLine] | None = None,
) -> RelativesPage:
    return RelativesPage(
        code_types=wording.code_type_options(t, people_only=True),
        relations=[(key, _relation(key, t)) for key in rules.RELATIONS],
        values={name: form.text(name) for name in form.texts}, most=rules.MAX_RELATIVES, found=found,
        errors=errors or {}, problem=problem,
    )  # fmt: skip
