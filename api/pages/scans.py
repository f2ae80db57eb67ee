"""Who looked at a person's codes: for the person who stands at the window."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from api.http.calls import Call, get_call
from api.http.guard import GuardedRoute
from api.http.scans import scan_of
from api.pages import wording
from api.pages.card_views import ScanLine, ScansPage
from api.pages.forms import Form, get_form
from api.pages.problems import SHOWN_ERRORS, problem_view, status_of, tried_in
from api.pages.rendering import show, texts_for
from registry.scans import rules
from registry.scans import service as scans
from registry.work import Work

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]


@router.get("/scans")
def form_page(request: Request, call: OfCall) -> Response:
    """扫码记录的查询。"""
    code_types = wording.code_type_options(texts_for(request), people_only=True)
    return show(request, "scans.html", ScansPage(code_types, rules.KEPT_FOR.days))


@router.post("/scans")
def search(request: Request, call: OfCall, form: OfForm) -> Response:
    """本人的扫码记录。"""
    t = texts_for(request)
    code_types = wording.code_type_options(t, people_only=True)
    holder = form.text("holder_code_type_code"), form.text("holder_code")

    def ask(work: Work) -> list[ScanLine]:
        shown = [scan_of(work, one.department, one.purpose, one.scanned_at) for one in scans.of_number(work, holder)]
        return [ScanLine(one.department, one.purpose, one.scanned_at) for one in shown]

    try:
        view = ScansPage(code_types, rules.KEPT_FOR.days, call.read(ask))
    except SHOWN_ERRORS as refused:
        tried = tried_in(form, refused, t, holder="holder_code")
        view = ScansPage(code_types, rules.KEPT_FOR.days, tried=tried, problem=problem_view(refused, t))
        return show(request, "scans.html", view, status=status_of(refused))
    return show(request, "scans.html", view)
