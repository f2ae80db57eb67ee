"""What the administrator of a new registry does first; shown on the home page until all of it is done."""

from __future__ import annotations

from api.access import ADMINISTRATOR, REGISTRAR, WINDOW
from api.pages.entrance_views import FirstStep
from registry.accounts import service as accounts
from registry.catalogue import service as catalogue
from registry.departments import service as departments
from registry.work import Work


def first_steps(work: Work) -> list[FirstStep] | None:
    """The steps in their order, each done or not; None when none is left."""
    roles = [frozenset(staff.roles) for staff in accounts.list_staff(work) if staff.disabled_at is None]
    done = {
        "scope": bool(departments.list_scopes(work, action="issue")),
        "matter": bool(catalogue.list_matters(work, live_only=True)),
        "registrar": any(REGISTRAR in held for held in roles),
        "window": any(WINDOW in held for held in roles),
        "second": sum(ADMINISTRATOR in held for held in roles) > 1,
    }
    pages = {
        "scope": "/departments#f-code",
        "matter": "/matters/new",
        "registrar": "/accounts#f-username",
        "window": "/accounts#f-username",
        "second": "/accounts#f-username",
    }
    return None if all(done.values()) else [FirstStep(key, pages[key], is_done) for key, is_done in done.items()]
