"""From a view to a page: templates, the frame round every page, addresses of static files."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from api.composition import Services
from api.http.callers import Caller
from api.http.guard import CALLER
from api.http.rim import OPERATION
from api.pages import bilingual, times
from api.pages.navigation import navigation
from api.pages.preferences import Preferences
from api.pages.texts import Texts
from registry.departments.tables import Department
from registry.work import REGISTRY

_HERE: Final = Path(__file__).parent
static_folder: Final = _HERE / "static"


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is logged in, as the frame shows it."""

    name: str
    department: str | None


def show(
    request: Request, template: str, view: object = None, *, status: int = 200, address: str | None = None
) -> HTMLResponse:
    """The page that the template makes of the view, in the reader's language and print size.

    address: for what a form was answered with, the path that opens the same thing; without it the page above.
    """
    preferences = Preferences.of(request)
    frame = _frame(request, preferences, status, address)
    return HTMLResponse(environment().get_template(template).render(view=view, **frame), status)


def texts_for(request: Request) -> Texts:
    """The texts in the reader's language."""
    return Texts(Preferences.of(request).language)


def go(path: str, *, done: str | None = None, **query: str) -> RedirectResponse:
    """Send the browser to a page after a write; `done` names the line `toast.<done>` that it shows at its top."""
    pairs = {**query, "done": done} if done else query
    return RedirectResponse(f"{path}?{urlencode(pairs)}" if pairs else path, 303)


def local_path(text: str, default: str = "/") -> str:
    """The text if it is a path of this server, else the default: an address given by a form must not lead elsewhere."""
    is_local = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if is_local else default


@cache
def environment() -> Environment:
    """The templates with their filters; an unknown name in a template is an error, not an empty text."""
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.globals["static"] = static_address
    made.globals |= {"both": bilingual.both, "said": bilingual.said, "said_as": bilingual.said_as}
    made.filters["moment"] = _moment
    made.filters["end"] = _end
    made.filters["day"] = _day
    made.filters["count"] = lambda number: f"{number:,}"
    return made


@cache
def static_address(path: str) -> str:
    """The address of a static file, with its digest so that browsers may keep it and still see a new one."""
    digest = hashlib.sha256((static_folder / path).read_bytes()).hexdigest()[:10]
    return f"/static/{path}?v={digest}"


def _frame(request: Request, preferences: Preferences, status: int, address: str | None) -> Mapping[str, Any]:
    t = Texts(preferences.language)
    caller: Caller | None = request.scope.get(CALLER)
    path = request.url.path
    done = request.query_params.get("done", "")
    return {
        "t": t,
        "lang": preferences.language,
        "lang_tag": preferences.tag,
        "large_print": preferences.large_print,
        "chosen": Preferences.are_in(request),
        "nav": navigation(caller.actor.roles if caller else frozenset(), path),
        "viewer": _viewer(request, caller),
        "may": frozenset(caller.actor.roles) if caller else frozenset(),
        "back": address or _back(request),
        "answered": request.method == "POST" and status < HTTPStatus.BAD_REQUEST,
        "toast": t.find(f"toast.{done}") if done else None,
    }


def _back(request: Request) -> str:
    """The path of this page; for what a form was answered with, the nearest path above it that opens a page."""
    path = request.url.path
    if request.method != "POST":
        return path
    served: Container[str] = request.app.state.access
    asked = request.scope.get(OPERATION, "").removeprefix("POST ")
    while asked and f"GET {asked}" not in served:
        asked, path = asked.rpartition("/")[0], path.rpartition("/")[0]
    return path or "/"


def _viewer(request: Request, caller: Caller | None) -> Viewer | None:
    if caller is None:
        return None
    services: Services = request.app.state.services
    code = caller.actor.department
    if code is None:
        return Viewer(caller.name, None)
    with services.registry.read(REGISTRY) as work:
        department = work.session.get(Department, code)
    return Viewer(caller.name, department.short_name if department else code)


@pass_context
def _moment(context: Context, at: datetime) -> Markup:
    written = times.moment(at, context["t"])
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), written)


@pass_context
def _end(context: Context, at: datetime) -> Markup:
    written = times.end(at, context["t"])
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), written)


@pass_context
def _day(context: Context, on: date | str | None) -> str:
    return times.day(on, context["t"])
