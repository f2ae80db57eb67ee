"""All pages as one router, with their rows of the access table, their static files, and their page for problems."""

from __future__ import annotations

from fastapi import APIRouter

from api.http.guard import GuardedRoute
from api.pages import (
    accounts,
    certificate,
    certificate_changes,
    certificates,
    codes,
    components,
    copies,
    delegations,
    departments,
    disputes,
    entrance,
    explorer,
    explorer_entry,
    extracts,
    factors,
    imports,
    invoices,
    keys,
    materials,
    matters,
    notices,
    phone_apps,
    phones,
    posters,
    proposals,
    quality,
    register,
    register_one,
    relatives,
    scans,
    signing_keys,
    status,
    trusted,
    type_editor,
    types,
    use,
    venues,
    verify,
)
from api.pages.access import PAGE_ACCESS as ACCESS
from api.pages.problems import problem_page
from api.pages.rendering import static_folder

__all__ = ["ACCESS", "problem_page", "router", "static_folder"]

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
# Fixed addresses come before those with a part of their own: /register/single before /register/{…}.
for part in (
    entrance,
    factors,
    verify,
    status,
    phone_apps,
    explorer,
    explorer_entry,
    register_one,
    register,
    imports,
    certificates,
    certificate,
    certificate_changes,
    disputes,
    notices,
    copies,
    extracts,
    use,
    materials,
    invoices,
    codes,
    relatives,
    phones,
    scans,
    delegations,
    posters,
    venues,
    keys,
    components,
    quality,
    type_editor,
    types,
    matters,
    accounts,
    departments,
    proposals,
    signing_keys,
    trusted,
):
    router.include_router(part.router)
