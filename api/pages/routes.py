"""All pages as one router, with their rows of the access table, their static files, and their page for problems."""

from __future__ import annotations

from fastapi import APIRouter

from api.http.guard import GuardedRoute
from api.pages import (
    cataloguing,
    changing,
    coding,
    components,
    copying,
    delegating,
    detail,
    disputing,
    enrolling,
    entrance,
    exploring,
    extracting,
    hosting,
    importing,
    invoicing,
    keeping,
    listing,
    materials,
    matter_editing,
    noticing,
    phone_apps,
    posters,
    presiding,
    proposing,
    quality,
    registering,
    relatives,
    scanning,
    signing_keys,
    single,
    staffing,
    state,
    type_editing,
    using,
    verifying,
)
from api.pages.access import PAGE_ACCESS as ACCESS
from api.pages.problems import problem_page
from api.pages.rendering import static_folder

__all__ = ["ACCESS", "problem_page", "router", "static_folder"]

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
# Fixed addresses come before those with a part of their own: /register/single before /register/{…}.
for part in (
    entrance,
    verifying,
    state,
    phone_apps,
    exploring,
    single,
    registering,
    importing,
    listing,
    detail,
    changing,
    disputing,
    noticing,
    copying,
    extracting,
    using,
    materials,
    invoicing,
    coding,
    relatives,
    enrolling,
    scanning,
    delegating,
    posters,
    hosting,
    keeping,
    components,
    quality,
    type_editing,
    cataloguing,
    matter_editing,
    staffing,
    presiding,
    proposing,
    signing_keys,
):
    router.include_router(part.router)
