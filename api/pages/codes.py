"""Codes: issue, show large and print, re-issue, report a loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response

from api.http.calls import Call, get_call
from api.http.codes import signing_key
from api.http.guard import GuardedRoute
from api.pages import times, wording
from api.pages.code_views import CodeLine, CodePage, CodesPage
from api.pages.forms import Form, get_form
from api.pages.problems import SHOWN_ERRORS, field_errors, problem_view, status_of, tried_in
from api.pages.rendering import go, show, texts_for
from api.pages.texts import Texts
from api.pages.views import Fact, ProblemView
from codes import picture
from registry.codes import service as codes
from registry.codes.rules import CodeRequest
from registry.codes.tables import Code
from registry.errors import NotFoundError, NotPermittedError
from registry.venues import service as venues
from registry.work import Work
from verifier.code import CodeKind
from verifier.status import Status

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

_KINDS: Final = {
    kind.name.lower(): kind
    for kind in (CodeKind.PERSON, CodeKind.PRINTED, CodeKind.ENTERPRISE, CodeKind.VENUE)
}  # fmt: skip
_RECENT: Final = 10
#: Printed sheets are scanned at an angle, folded and dirty: they get the stronger error correction.
_FOR_PRINT: Final = "Q"


@router.get("/codes")
def codes_form(request: Request, call: OfCall, kind: str = "person") -> Response:
    """制码：个人码、离线码、企业码、场所码。"""
    chosen = kind if kind in _KINDS else "person"
    return show(request, "codes.html", _page(call, chosen, Form({}, {}), texts_for(request)))


@router.post("/codes")
def issue(request: Request, call: OfCall, form: OfForm) -> Response:
    """制发一个码；同一主体的旧码随即失效。"""
    t = texts_for(request)
    kind = form.text("kind") if form.text("kind") in _KINDS else "person"
    try:
        key = signing_key(call)
        code_id = call.write(lambda work: codes.issue(work, _request(kind, form), key).id)
    except SHOWN_ERRORS as refused:
        errors = _named(field_errors(refused, t))
        view = _page(call, kind, form, t, problem_view(refused, t), errors)
        return show(request, "codes.html", view, status=status_of(refused))
    return go(f"/codes/{code_id}", done="code")


def _request(kind: str, form: Form) -> CodeRequest:
    if kind in ("person", "printed"):
        holder = (form.text("holder_code_type_code"), form.text("holder_code"))
        types, passes = tuple(form.all("certificate_types")), tuple(form.all("venues"))
        relative = (form.text("relative_code_type_code"), form.text("relative_code"))
        by_relative = relative if kind == "printed" and relative[1] else None
        return CodeRequest(_KINDS[kind], holder=holder, types=types, venues=passes, relative=by_relative)
    if kind == "enterprise":
        return CodeRequest(CodeKind.ENTERPRISE, subject=form.text("code").upper(), name=form.text("name"))
    return CodeRequest(CodeKind.VENUE, subject=form.text("venue_id"))


def _named(errors: Mapping[str, str]) -> dict[str, str]:
    """The registry's field names as the inputs' names."""
    inputs = {"holder": "holder_code", "subject": "code", "relative": "relative_code"}
    return {inputs.get(name, name): message for name, message in errors.items()}


def _page(
    call: Call,
    kind: str,
    form: Form,
    t: Texts,
    problem: ProblemView | None = None,
    errors: Mapping[str, str] | None = None,
) -> CodesPage:
    department = call.known.actor.department or ""

    def ask(work: Work) -> CodesPage:
        own = [(venue.id, venue.name) for venue in venues.list_all(work, department)]
        every = [(venue.id, venue.name) for venue in venues.list_all(work)]
        return CodesPage(
            kinds=list(_KINDS), kind=kind, code_types=wording.code_type_options(t, people_only=True),
            types=wording.type_options(work), venues=own if kind == "venue" else every,
            recent=[_line(row, t) for row in codes.list_page(work, department, _RECENT, _KINDS[kind])],
            values={name: form.text(name) for name in form.texts},
            chosen=[*form.all("certificate_types"), *form.all("venues")], errors=errors or {}, problem=problem,
        )  # fmt: skip

    return call.read(ask)


def _line(row: Code, t: Texts) -> CodeLine:
    return CodeLine(
        id=row.id, kind=wording.kind_name(CodeKind(row.kind), t), name=row.name or t("codes.nameless"),
        generation=row.generation, issued_at=row.issued_at, expires_at=row.expires_at,
        tone=wording.tone_of(row.status), status=wording.status_name(row.status, t),
    )  # fmt: skip


@router.get("/codes/{code_id}")
def show_code(request: Request, code_id: str, call: OfCall) -> Response:
    """一个码：大图、打印、换发、挂失。"""
    t = texts_for(request)
    return show(request, "code.html", call.read(lambda work: _code_page(work, codes.get_own(work, code_id), t)))


def _code_page(work: Work, row: Code, t: Texts, problem: ProblemView | None = None) -> CodePage:
    kind = CodeKind(row.kind)
    over = row.expires_at <= work.at
    facts = [
        Fact(t("codes.id"), row.id, mono=True),
        Fact(t("codes.generation"), str(row.generation)),
        Fact(t("codes.issued_at"), times.moment(row.issued_at, t)),
    ]
    if row.wanted.get("types") or row.wanted.get("venues"):
        facts.append(Fact(t("fact.grants"), t("list.separator").join(_granted(work, row))))
    return CodePage(
        id=row.id, title=wording.kind_name(kind, t), live=row.status == Status.VALID and not over,
        status=t("codes.over") if over and row.status == Status.VALID else wording.status_name(row.status, t),
        name=row.name or "", expires_at=row.expires_at, replaced_by=row.replaced_by, facts=facts, text=row.text,
        file_name=f"{kind.name.lower()}-{row.id}", claim_again=kind is CodeKind.PRINTED, problem=problem,
    )  # fmt: skip


def _granted(work: Work, row: Code) -> list[str]:
    names: dict[str, str] = {code: name for code, name in wording.type_options(work)}
    names.update((venue.id, venue.name) for venue in venues.list_all(work))
    return [names.get(ref, ref) for ref in (*row.wanted.get("types", ()), *row.wanted.get("venues", ()))]


@router.get("/codes/{code_id}/picture.{form}")
def get_picture(code_id: str, form: str, call: OfCall) -> Response:
    """码的图片：svg 或 png。"""
    row = call.read(lambda work: codes.get_own(work, code_id))
    if form == "svg":
        return Response(picture.draw_svg(row.text, _FOR_PRINT, title=row.name or "随证码"), media_type="image/svg+xml")
    if form == "png":
        return Response(picture.draw_png(row.text, _FOR_PRINT), media_type="image/png")
    raise NotFoundError("picture_unknown", "图片只有 svg 与 png 两种格式。")


@router.post("/codes/losses")
def report_loss_of_holder(request: Request, call: OfCall, form: OfForm) -> Response:
    """按证件号码挂失离线码，立即失效。"""
    t = texts_for(request)
    holder = form.text("holder_code_type_code"), form.text("holder_code")
    try:
        call.write(lambda work: codes.lose_printed(work, holder))
    except SHOWN_ERRORS as refused:
        view = _page(call, "printed", Form({}, {}), t, problem_view(refused, t))
        view = replace(view, lost=tried_in(form, refused, t, holder="holder_code"))
        return show(request, "codes.html", view, status=status_of(refused))
    return go("/codes", kind="printed", done="lost")


@router.post("/codes/{code_id}/reissue")
def reissue(request: Request, code_id: str, call: OfCall) -> Response:
    """换发新码，旧码立即失效。"""
    key = signing_key(call)
    return _after(request, call, code_id, lambda work: codes.reissue(work, code_id, key).id, "code")


@router.post("/codes/{code_id}/loss")
def report_loss(request: Request, code_id: str, call: OfCall) -> Response:
    """挂失，立即失效。"""
    return _after(request, call, code_id, lambda work: codes.report_loss(work, code_id).id, "lost")


def _after(request: Request, call: Call, code_id: str, act: Callable[[Work], str], done: str) -> Response:
    t = texts_for(request)
    try:
        shown = call.write(act)
    except SHOWN_ERRORS as refused:
        if isinstance(refused, NotFoundError | NotPermittedError):
            raise
        problem = problem_view(refused, t)
        view = call.read(lambda work: _code_page(work, codes.get_own(work, code_id), t, problem))
        return show(request, "code.html", view, status=status_of(refused))
    return go(f"/codes/{shown}", done=done)
