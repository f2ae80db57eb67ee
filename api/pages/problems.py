"""Problems as people read them: what happened, which fields, what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from api.errors import FieldProblem, Problem, ProblemError, problem_of
from api.http.callers import find_caller
from api.http.guard import CALLER
from api.pages.entrance_views import LoginPage
from api.pages.forms import Form
from api.pages.kept import kept_of
from api.pages.rendering import show, texts_for
from api.pages.texts import Texts
from api.pages.views import FieldFault, Link, ProblemView, Tried, TroublePage
from codes.payload import PayloadError
from codes.picture import PictureError
from registry.errors import RegistryError

#: What a form's handler shows beside the form instead of on a page of its own.
SHOWN_ERRORS: Final = (RegistryError, PictureError, PayloadError, ProblemError)
_MAX_SHOWN: Final = 12


def problem_view(error: Exception, t: Texts, labels: Mapping[str, str] | None = None) -> ProblemView:
    """The problem to show beside a form; raises the error again if it has no next move for the sender."""
    problem = problem_of(error)
    if problem is None:
        raise error
    return ProblemView(
        title=_title(problem, t),
        detail=t.refusal(problem.reason, problem.detail),
        errors=_faults(problem.errors, t, labels or {}),
        next=t.find(f"next.{problem.reason}") or "",
    )


def field_errors(error: Exception, t: Texts) -> dict[str, str]:
    """The faults by the names of their fields; paths as in `holders.0.holder_code`."""
    problem = problem_of(error)
    found = problem.errors if problem else []
    return {form_name(one.field): t.refusal(one.reason, one.message) for one in found}


def tried_in(form: Form, refused: Exception, t: Texts, **inputs: str) -> Tried:
    """What stood in a refused form, with its faults by the inputs' names; `inputs`: field → name where they differ."""
    errors = {inputs.get(name, name): said for name, said in field_errors(refused, t).items()}
    return Tried({name: form.text(name) for name in form.texts}, errors)


def form_name(path: str) -> str:
    """holders[0].holder_code as the name of an input: holders.0.holder_code."""
    return path.replace("[", ".").replace("]", "")


def _faults(errors: Sequence[FieldProblem], t: Texts, labels: Mapping[str, str]) -> list[FieldFault]:
    return [
        FieldFault(labels.get(form_name(one.field), ""), t.refusal(one.reason, one.message))
        for one in errors[:_MAX_SHOWN]
    ]


def _title(problem: Problem, t: Texts) -> str:
    return t.said(f"problem.title.{problem.status}", problem.title)


async def problem_page(request: Request, problem: Problem) -> Response:
    """The page of a problem that kept a page from being shown; where a session ended, a log-in that keeps the form."""
    kept = await kept_of(request) if problem.reason == "not_authenticated" else None
    if kept is not None:
        return show(request, "login.html", LoginPage(request.url.path, kept=kept), status=problem.status)
    return await run_in_threadpool(_problem_page, request, problem)


def _problem_page(request: Request, problem: Problem) -> Response:
    _recognise(request)
    t = texts_for(request)
    view = TroublePage(
        status=problem.status,
        title=_title(problem, t),
        detail=t.refusal(problem.reason, problem.detail),
        errors=_faults(problem.errors, t, {}),
        next=t.find(f"next.{problem.reason}") or t.find(f"next.status.{problem.status}") or "",
        way=_way(request, problem, t),
        number=problem.instance.rpartition(":")[2],
    )
    return show(request, "problem.html", view, status=problem.status)


def _recognise(request: Request) -> None:
    """Find the caller of an address that no operation has, so that the frame of the page still knows them."""
    if CALLER not in request.scope and "authorization" not in request.headers:
        request.scope[CALLER] = find_caller(request.app.state.services, request)


def _way(request: Request, problem: Problem, t: Texts) -> Link:
    path = request.url.path
    if problem.status == HTTPStatus.UNAUTHORIZED:
        return Link("/login", t("site.login"))
    if problem.reason == "password_change_due":
        return Link("/password", t("password.title"))
    if problem.reason == "enrolment_due":
        return Link("/second-factor", t("factor.title"))
    for prefix, key in (
        ("/certificates", "certificates.title"), ("/register", "register.title"),
        ("/imports", "imports.title"), ("/codes", "codes.title"),
        ("/venues", "venues.title"), ("/use", "use.title"), ("/explore", "explore.title"),
    ):  # fmt: skip
        if path.startswith(prefix + "/") and problem.status != HTTPStatus.FORBIDDEN:
            return Link("/use" if prefix == "/use" else prefix, t("problem.back_to", page=t(key)))
    return Link("/verify", t("nav.verify"))


def status_of(error: Exception) -> int:
    """The HTTP status of the page that shows this error beside a form."""
    if isinstance(error, HTTPException):
        return error.status_code
    problem = problem_of(error)
    return problem.status if problem else int(HTTPStatus.INTERNAL_SERVER_ERROR)
