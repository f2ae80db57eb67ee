"""Dual control (双人复核): the worklist of what waits for a second administrator, and the record of decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from api.http.calls import Call, get_call
from api.http.guard import GuardedRoute
from api.pages import times, wording
from api.pages.account_views import Secret
from api.pages.forms import Form, get_form
from api.pages.problems import SHOWN_ERRORS, field_errors, problem_view, status_of
from api.pages.proposal_views import Line, ProposalCard, ProposalsPage
from api.pages.rendering import go, show, texts_for
from api.pages.texts import Texts
from api.pages.views import ProblemView, Tone
from registry.accounts import control
from registry.catalogue import service as catalogue
from registry.errors import NotFoundError
from registry.proposals import rules, service
from registry.proposals.actions import Applied
from registry.proposals.tables import Proposal
from registry.work import Work

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

_TONES: Final[Mapping[str, Tone]] = {
    "open": "waiting", "approved": "valid", "alone": "valid", "refused": "invalid", "withdrawn": "dormant",
    "expired": "dormant",
}  # fmt: skip
#: Facts in the order in which they are read; whatever else there is comes after them.
_ORDER: Final = (
    "username", "kind", "profile", "name", "short_name", "code", "version", "sha256", "department", "level",
    "type_code", "action", "roles", "venues", "state", "periods", "purpose", "vault", "kid", "suite", "public",
    "second_factor_since", "valid_from_on", "valid_from", "valid_to_on", "valid_to", "expires_at", "lead_hours",
    "ended_as", "entries_undone",
)  # fmt: skip
_UNSHOWN: Final = frozenset({"since_at", "disabled"})


def wish(call: Call, action: str, arguments: Mapping[str, Any], reason: str) -> Applied | None:
    """Carry a change out; None where it waits for a second administrator. Raises as `registry.proposals.change`."""
    done = call.write(lambda work: service.change(work, action, arguments, reason, call.services.keys))
    call.services.worker.wake()
    return done if isinstance(done, Applied) else None


@router.get("/proposals")
def list_proposals(request: Request, call: OfCall) -> Response:
    """双人复核：待办与记录。"""
    return show(request, "proposals.html", _page(call, texts_for(request)))


@router.post("/proposals/{proposal_id}/approve")
def approve(request: Request, proposal_id: str, call: OfCall) -> Response:
    """通过：变更立即生效；新的口令或令牌只在此时显示一次。"""
    t = texts_for(request)
    try:
        proposal, applied = call.write(lambda work: service.approve(work, proposal_id, call.services.keys))
    except SHOWN_ERRORS as refused:
        return _again(request, call, proposal_id, refused)
    call.services.worker.wake()
    for kind, value in applied.once.items():
        name = str(proposal.arguments.get("name") or proposal.after.get("username") or "")
        title = t("tokens.made", name=name) if kind == "secret" else t("accounts.made", name=name)
        secret = Secret(title, value, t("tokens.once") if kind == "secret" else t("accounts.once"))
        return show(request, "proposals.html", _page(call, t, secret=secret))
    return go("/proposals", done="proposal_approved")


@router.post("/proposals/{proposal_id}/refuse")
def refuse(request: Request, proposal_id: str, call: OfCall, form: OfForm) -> Response:
    """退回，并说明理由。"""
    reason = form.text("reason")
    return _decide(
        request, call, proposal_id, "proposal_refused", lambda work: service.refuse(work, proposal_id, reason)
    )


@router.post("/proposals/{proposal_id}/withdraw")
def withdraw(request: Request, proposal_id: str, call: OfCall) -> Response:
    """撤回自己的申请。"""
    return _decide(request, call, proposal_id, "proposal_withdrawn", lambda work: service.withdraw(work, proposal_id))


def _decide(request: Request, call: Call, proposal_id: str, done: str, act: Callable[[Work], Proposal]) -> Response:
    try:
        call.write(act)
    except SHOWN_ERRORS as refused:
        return _again(request, call, proposal_id, refused)
    return go("/proposals", done=done)


def own_waiting(work: Work, t: Texts) -> list[ProposalCard]:
    """What the reader proposed and nobody decided yet."""
    words = _Words.read(work, t)
    return [words.card(work, row) for row in service.list_own(work, open_only=True)]


def _again(request: Request, call: Call, proposal_id: str, refused: Exception) -> Response:
    if isinstance(refused, NotFoundError):
        raise refused
    t = texts_for(request)
    view = _page(call, t, problem=problem_view(refused, t), at=proposal_id, errors=field_errors(refused, t))
    return show(request, "proposals.html", view, status=status_of(refused))


def _page(
    call: Call,
    t: Texts,
    *,
    secret: Secret | None = None,
    problem: ProblemView | None = None,
    at: str = "",
    errors: Mapping[str, str] | None = None,
) -> ProposalsPage:
    def ask(work: Work) -> ProposalsPage:
        words = _Words.read(work, t)
        waiting = service.list_all(work, open_only=True)
        still = {row.id for row in waiting}
        since = control.binding_since(work)
        return ProposalsPage(
            waiting=[words.card(work, row) for row in waiting],
            decided=[words.card(work, row) for row in service.list_all(work) if row.id not in still],
            binding_since=since,
            lonely=since is not None and len(control.administrators(work)) < control.NEEDED,
            secret=secret, problem=problem, at=at, errors=errors or {},
        )  # fmt: skip

    return call.read(ask)


@dataclass(frozen=True, slots=True)
class _Words:
    """Names instead of codes, in the reader's language."""

    t: Texts
    departments: Mapping[str, str]
    types: Mapping[str, str]

    @classmethod
    def read(cls, work: Work, t: Texts) -> _Words:
        """The names of now."""
        types = {row.code: row.name for row in catalogue.list_types(work)}
        return cls(t, wording.department_names(work), types)

    def card(self, work: Work, row: Proposal) -> ProposalCard:
        """A proposal as the page shows it."""
        state = rules.shown_state(row.state, row.expires_at, work.at)
        is_open = state == rules.OPEN
        return ProposalCard(
            id=row.id, title=self.t(f"proposal.{row.action}"), about=self._about(row), lines=self._lines(row),
            reason=row.reason, proposer=wording.actor_name(work, row.proposed_by, self.t), proposed_at=row.proposed_at,
            expires_at=row.expires_at, tone=_TONES[state], state=self.t(f"proposal.state.{state}"), is_open=is_open,
            is_stale=is_open and service.is_stale(work, row), is_own=row.proposed_by == work.actor.id,
            may_decide=is_open and service.may_decide(work, row),
            decider=wording.actor_name(work, row.decided_by, self.t) if row.decided_by else "",
            decided_at=row.decided_at, because=row.decided_because or "",
            look=_look(row) if is_open else "",
        )  # fmt: skip

    def _about(self, row: Proposal) -> str:
        """Whom or what the change is about, in a few words."""
        given = row.arguments
        code = given.get("department") or given.get("code") or str(given.get("purpose", "")).removeprefix("department:")
        named = row.after.get("username") or row.before.get("username")
        return str(named or self.departments.get(code) or given.get("name") or row.after.get("name") or code or "")

    def _lines(self, row: Proposal) -> list[Line]:
        names = sorted({*row.before, *row.after} - _UNSHOWN, key=_rank)
        lines = [
            Line(
                self.t.find(f"proposal.field.{name}") or name,
                self._value(name, row.before.get(name)),
                self._value(name, row.after.get(name)),
            )
            for name in names
        ]
        return [line for line in lines if line.before or line.after]

    def _value(self, name: str, value: Any) -> str:
        if value is None or value in ("", []):
            return ""
        if isinstance(value, list):
            shown = [wording.role_name(one, self.t) if name == "roles" else str(one) for one in value]
            return self.t("list.separator").join(shown)
        text = str(value)
        if name in ("valid_from", "valid_to", "expires_at", "second_factor_since"):
            return times.moment(datetime.fromisoformat(text), self.t)
        if name == "sha256":
            return wording.in_groups(text)
        known = {"department": self.departments, "type_code": self.types}.get(name, {})
        return known.get(text) or self.t.find(f"proposal.value.{name}.{text}") or text


def _look(row: Proposal) -> str:
    """The page of what a proposal would make, where a few facts are not all of it."""
    return f"/types/drafts/{row.arguments['draft_id']}/publish" if row.action == "type.publish" else ""


def _rank(name: str) -> tuple[int, str]:
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)
