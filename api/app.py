"""The application: every route behind the door, every error a problem, every answer with its headers."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute
from starlette.staticfiles import StaticFiles

from api.access import OPERATIONS, Rule
from api.composition import Services
from api.errors import Problem
from api.http import (
    accounts,
    authorisations,
    batches,
    catalogue,
    certificate_lists,
    certificates,
    codes,
    components,
    copies,
    delegates,
    delegations,
    departments,
    device_extracts,
    devices,
    disputes,
    evidence_sets,
    extract_signatures,
    extracts,
    factors,
    fallbacks,
    files,
    import_events,
    imports,
    invoices,
    keys,
    materials,
    matters,
    own_keys,
    posters,
    printouts,
    problems,
    proposals,
    public,
    quality,
    reference,
    relatives,
    scans,
    sessions,
    signatures,
    status_changes,
    trusted,
    type_drafts,
    uploads,
    uses,
    venues,
    verifications,
)
from api.http.batches import BatchForm
from api.http.guard import GuardedRoute
from api.http.problems import ProblemPage
from api.http.rim import Rim

ROUTERS: Final[Sequence[APIRouter]] = (
    # Tried in turn, which costs more than all else at the door: what systems call by the thousand comes first.
    certificates.registering,
    sessions.router, factors.router, accounts.router, departments.router, catalogue.router, files.router,
    batches.router, uploads.router, imports.router, import_events.router, copies.router, extracts.router,
    certificates.router, certificate_lists.router, evidence_sets.router, materials.router, invoices.router,
    codes.router, devices.router, device_extracts.router, relatives.router,
    status_changes.router, own_keys.router, signatures.router, extract_signatures.router, proposals.router,
    delegates.router, delegations.router, keys.router, trusted.router, verifications.router, authorisations.router,
    uses.router,
    venues.router, printouts.router, components.router, posters.router, fallbacks.router, scans.router,
    quality.router, matters.router, disputes.router, type_drafts.router,
    public.router, reference.router,
)  # fmt: skip
_DESCRIPTION: Final = (
    "区级电子证照与电子材料登记、存证、用码、核验与复用。写入接口支持 Idempotency-Key；错误为 RFC 9457 问题详情。"
)


class AccessError(RuntimeError):
    """A route stands outside the table of access, or a row of the table has no route. Do: correct api/access.py."""


def create_app(services: Services) -> FastAPI:
    """The application over these services. The worker starts and the services close with it.

    Raises AccessError.
    """
    app = FastAPI(
        title="随证接口", version="1", description=_DESCRIPTION, docs_url=None, redoc_url=None, openapi_url=None,
        # It would send whoever asks to the host that the request names.
        redirect_slashes=False, lifespan=_lifespan,
    )  # fmt: skip
    pages = _find_pages()
    routers = [*ROUTERS, *([pages.router] if pages else [])]
    access = {**OPERATIONS, **(pages.access if pages else {})}
    check_access(routers, access)
    for router in routers:
        app.include_router(router)
    if pages:
        app.mount("/static", StaticFiles(directory=pages.static_folder), name="static")
    app.state.services, app.state.access = services, access
    problems.install(app, pages.problem_page if pages else None, frozenset(pages.access if pages else ()))
    app.add_middleware(Rim, draw=services.draw, is_https=services.settings.is_https)
    app.openapi = _openapi(app)  # type: ignore[method-assign]
    return app


@dataclass(frozen=True, slots=True)
class _Pages:
    router: APIRouter
    access: Mapping[str, Rule]
    problem_page: ProblemPage
    static_folder: Path


def _find_pages() -> _Pages | None:
    """The pages, or None where only the JSON API is installed."""
    if importlib.util.find_spec("api.pages.routes") is None:
        return None
    routes = importlib.import_module("api.pages.routes")
    access = importlib.import_module("api.pages.access")
    return _Pages(routes.router, access.PAGE_ACCESS, routes.problem_page, routes.static_folder)


def check_access(routers: Sequence[APIRouter], access: Mapping[str, Rule]) -> None:
    """Raises AccessError unless every route has a row and stands behind the door, and every row has a route."""
    served = {operation for router in routers for operation in _operations(router.routes)}
    missing, idle = served - access.keys(), access.keys() - served
    if missing or idle:
        raise AccessError(f"routes without a row: {sorted(missing)}; rows without a route: {sorted(idle)}")


def _operations(routes: Sequence[BaseRoute]) -> Iterator[str]:
    for route in routes:
        inner: APIRouter | None = getattr(route, "original_router", None)
        # A prefix given when a router is included is not part of the path by which the door knows an operation.
        if inner is not None and not route.include_context.prefix:  # type: ignore[attr-defined]
            yield from _operations(inner.routes)
            continue
        if not isinstance(route, GuardedRoute):
            raise AccessError(f"{getattr(route, 'path', route)} does not stand behind the door (GuardedRoute)")
        for method in route.methods - {"HEAD"} if route.methods else ():
            yield f"{method} {route.path}"


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    services.worker.start()
    services.import_worker.start()
    try:
        yield
    finally:
        services.close()


def _openapi(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """The document with the schemas in it that no operation names as its model."""
    make = app.openapi

    def document() -> dict[str, Any]:
        made = make()
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        for model in (Problem, BatchForm):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(schema.pop("$defs", {}))
            schemas[model.__name__] = schema
        return made

    return document
