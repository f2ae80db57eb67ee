"""The page of one's own second factor, as a log-in may lead to it."""

from __future__ import annotations

from urllib.parse import urlencode

from fastapi import Request

from api.http.calls import Call
from api.http.guard import CALLER
from api.pages.factor_views import EventLine, FactorPage
from api.pages.kept import KeptForm
from api.pages.rendering import texts_for
from api.pages.views import ProblemView
from registry.factors import rules
from registry.factors import service as factors


def go_and_enrol(onward: str) -> str:
    """The address of the page, which leads on to another one afterwards."""
    return f"/second-factor?{urlencode({'next': onward})}"


def factor_page(
    request: Request,
    call: Call,
    account_id: str,
    onward: str,
    kept: KeptForm | None = None,
    problem: ProblemView | None = None,
    problem_in: str = "",
) -> FactorPage:
    """How the second factor of the account stands; the caller is its owner."""
    t, caller = texts_for(request), request.scope[CALLER]
    own, found = f"staff:{account_id}", call.read(lambda work: factors.standing(work, account_id))
    return FactorPage(
        since_at=found.since_at, recovery_codes=found.recovery_codes,
        events=[EventLine(t(f"factor.event.{one.what}"), one.at, one.by != own) for one in found.events],
        username=caller.username or "", due=caller.must_enrol,
        asked=rules.is_asked_of(call.services.settings.second_factor, caller.actor.roles),
        next=onward, kept=kept, problem=problem, problem_in=problem_in,
    )  # fmt: skip
