"""Extracts of a certificate: the list, what would go out for a matter, making one, the file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from api.http.calls import Call, get_call
from api.http.extracts import file_of, key_of
from api.http.guard import GuardedRoute
from api.pages.ends import end_of, errors_of
from api.pages.extract_page import Wish, extracts_page
from api.pages.forms import Form, get_form
from api.pages.problems import SHOWN_ERRORS, problem_view, status_of
from api.pages.rendering import go, show, texts_for
from api.pages.use import device_of
from registry.catalogue import service as catalogue
from registry.certificates import service as certificates
from registry.errors import NotFoundError, NotPermittedError
from registry.extracts import service as extracts
from registry.extracts.rules import ExtractRequest
from registry.extracts.tables import Extract, ExtractDraft
from registry.uses import service as uses
from registry.uses.rules import REASONS, ReuseRequest
from registry.uses.tables import Use
from registry.work import Work

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]
OfMatter = Annotated[str, Query(max_length=32)]
OfReceiver = Annotated[str, Query(max_length=18)]
OfUse = Annotated[str, Query(max_length=26)]


@router.get("/certificates/{certificate_id}/extracts")
def list_extracts(
    request: Request, certificate_id: str, call: OfCall, matter: OfMatter = "", receiver: OfReceiver = "",
    use: OfUse = "",
) -> Response:  # fmt: skip
    """摘录件列表；选定事项后，列出给出与不给出的字段。"""
    t, wish = texts_for(request), Wish(matter, receiver, use)
    try:
        view = call.read(lambda work: extracts_page(work, certificate_id, wish, Form({}, {}), t))
    except SHOWN_ERRORS as refused:
        if isinstance(refused, NotFoundError) and refused.reason == "certificate_unknown":
            raise
        problem, empty = problem_view(refused, t), Wish("", "", "")
        view = call.read(lambda work: extracts_page(work, certificate_id, empty, Form({}, {}), t, problem))
        return show(request, "extracts.html", view, status=status_of(refused))
    return show(request, "extracts.html", view)


@router.post("/certificates/{certificate_id}/extracts")
def make(request: Request, certificate_id: str, call: OfCall, form: OfForm) -> Response:
    """出具一份摘录件；没有用证记录时一并登记用证。"""
    t, wish = texts_for(request), Wish(form.text("matter"), form.text("receiver"), form.text("use_id"))
    try:
        made = call.write(_making(call, certificate_id, form, wish, device_of(request)))
    except SHOWN_ERRORS as refused:
        if isinstance(refused, NotFoundError) and refused.reason == "certificate_unknown":
            raise
        problem, errors = problem_view(refused, t), errors_of(refused, t)
        view = call.read(lambda work: extracts_page(work, certificate_id, wish, form, t, problem, errors))
        return show(request, "extracts.html", view, status=status_of(refused))
    if isinstance(made, ExtractDraft):
        return go(f"/certificates/{certificate_id}/extracts", done="extract_asked")
    return go(f"/certificates/{certificate_id}/extracts", done="extract")


def _making(
    call: Call, certificate_id: str, form: Form, wish: Wish, device: str
) -> Callable[[Work], Extract | ExtractDraft]:
    wanted = ExtractRequest(certificate_id, wish.receiver, end_of(form.text("expires_on")), tuple(form.all("field")))

    def act(work: Work) -> Extract | ExtractDraft:
        use = uses.get(work, wish.use_id) if wish.use_id else _use(work, certificate_id, form, wish, device)
        return extracts.make(work, wanted, use, key_of(call))

    return act


def _use(work: Work, certificate_id: str, form: Form, wish: Wish, device: str) -> Use:
    """The use that the extract is made for, recorded now. Raises as uses.reuse, NotPermittedError."""
    certificates.get(work, certificate_id)
    matter = catalogue.get_matter(work, wish.matter)
    grant = uses.find_covering(work, certificate_id, matter)
    if grant is None:
        raise NotPermittedError("authorisation_missing", REASONS["authorisation_missing"])
    request = ReuseRequest(
        item_kind="certificate", item_id=certificate_id, matter_code=matter.code, case_no=form.text("case_no"),
        purpose=matter.purpose, authorisation_id=grant.id, subject_index=None, operator=work.actor.id, device=device,
    )  # fmt: skip
    return uses.reuse(work, request)


@router.get("/extracts/{extract_id}/file")
def download(extract_id: str, call: OfCall) -> Response:
    """下载摘录件。"""
    return file_of(call, extract_id)
