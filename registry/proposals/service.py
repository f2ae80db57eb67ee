"""Use cases of dual control: change or propose, approve, refuse, withdraw, list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from sqlalchemy import Select, func, select

from registry.accounts import control
from registry.accounts.tables import ApiToken
from registry.errors import NotFoundError, NotPermittedError
from registry.ids import new_id_text
from registry.keys.service import KeyService
from registry.proposals import rules
from registry.proposals.actions import ACTIONS, Applied, Arguments
from registry.proposals.tables import Proposal
from registry.work import Work

_REGISTRAR_MAY_PROPOSE = frozenset({"key.own", "key.compromised"})
LISTED = 200


#: What becomes of a wish: it was carried out now, or waits as a proposal for somebody else.
Changed: TypeAlias = Applied | Proposal


def change(work: Work, action: str, arguments: Arguments, reason: str, keys: KeyService) -> Changed:
    """Carry a change out, or propose it where it needs a second person; either is recorded.

    An administrator acts alone as long as there was never a second one; what a department asks for always waits for an
    administrator. An open proposal of the same content by the same actor is that proposal. What the change itself would
    refuse is refused now. Raises InvalidDraftError (no reason where one is needed), NotPermittedError, and what the
    change itself raises; TransitionError (too_many_proposals).
    """
    is_binding = control.observe(work)
    is_administrator = work.actor.has_role(control.ADMINISTRATOR)
    if not is_administrator and action not in _REGISTRAR_MAY_PROPOSE:
        raise NotPermittedError("not_administrator", "此项变更只能由管理员提出。")
    waits = work.actor.kind != "registry" and (is_binding or not is_administrator)
    text = rules.check_reason(reason, required=waits)
    kind = ACTIONS[action]
    given = {**arguments, "reason": text}
    before, after = kind.snapshot(work, given), kind.after(work, given)
    proposal = Proposal(
        id=new_id_text(work.at, work.draw), action=action, arguments=given, before=before, after=after, reason=text,
        proposed_by=work.actor.id, proposed_at=work.at, expires_at=work.at + rules.LASTS, state=rules.OPEN,
        department=None if is_administrator else work.actor.department,
    )  # fmt: skip
    if waits:
        same = _same(work, proposal)
        if same is not None:
            return same
        _check_room(work, is_administrator=is_administrator)
        if not kind.draws:
            tried = work.session.begin_nested()
            kind.apply(work, given, keys)
            tried.rollback()
        work.session.add(proposal)
        work.session.flush()
        return proposal
    applied = kind.apply(work, given, keys)
    proposal.state, proposal.decided_by, proposal.decided_at = "alone", work.actor.id, work.at
    work.session.add(proposal)
    work.session.flush()
    return applied


def approve(work: Work, proposal_id: str, keys: KeyService) -> tuple[Proposal, Applied]:
    """Carry a proposal out. Raises NotFoundError, NotPermittedError (own_proposal, person_needed), TransitionError
    (proposal_decided, proposal_expired, proposal_stale), and as the change itself."""
    proposal = _for_decision(work, proposal_id, "approve")
    kind = ACTIONS[proposal.action]
    rules.check_fresh(proposal.before, kind.snapshot(work, proposal.arguments), "approve")
    applied = kind.apply(work, proposal.arguments, keys)
    _decide(work, proposal, "approved", None)
    return proposal, applied


def refuse(work: Work, proposal_id: str, reason: str) -> Proposal:
    """Decide against a proposal. Raises as `approve`, and InvalidDraftError without a reason."""
    proposal = _for_decision(work, proposal_id, "refuse")
    return _decide(work, proposal, "refused", rules.check_reason(reason, required=True))


def withdraw(work: Work, proposal_id: str) -> Proposal:
    """Take one's own proposal back. Raises NotFoundError, NotPermittedError, TransitionError."""
    proposal = _locked(work, proposal_id)
    if proposal.proposed_by != work.actor.id:
        raise NotPermittedError("not_own_proposal", "只有提出人可以撤回申请；如不同意，请退回并说明理由。")
    rules.check_open(proposal.state, proposal.expires_at, work.at, "withdraw")
    return _decide(work, proposal, "withdrawn", None)


def get(work: Work, proposal_id: str) -> Proposal:
    """A proposal that the actor may see: administrators and auditors all, others their own. Raises NotFoundError."""
    row = work.session.get(Proposal, proposal_id)
    if row is None or not (work.actor.has_role(control.ADMINISTRATOR, "auditor") or row.proposed_by == work.actor.id):
        raise NotFoundError("proposal_unknown", "没有这项申请，请核对编号。")
    return row


def list_all(work: Work, *, open_only: bool = False) -> list[Proposal]:
    """The newest proposals that the actor may see; or those of them that can be decided now, the oldest first."""
    if work.actor.has_role(control.ADMINISTRATOR, "auditor"):
        return _listed(work, select(Proposal), open_only=open_only)
    return list_own(work, open_only=open_only)


def list_own(work: Work, *, open_only: bool = False) -> list[Proposal]:
    """`list_all` of what the actor proposed."""
    return _listed(work, select(Proposal).where(Proposal.proposed_by == work.actor.id), open_only=open_only)


def _listed(work: Work, found: Select[tuple[Proposal]], *, open_only: bool) -> list[Proposal]:
    if open_only:
        found = found.where(Proposal.state == rules.OPEN, Proposal.expires_at > work.at).order_by(Proposal.id)
    else:
        found = found.order_by(Proposal.id.desc())
    return list(work.session.scalars(found.limit(LISTED)))


def _check_room(work: Work, *, is_administrator: bool) -> None:
    # Nobody else proposes meanwhile: `control.observe` lets one through at a time.
    actor = work.actor
    of_one = Proposal.proposed_by == actor.id if is_administrator else Proposal.department == actor.department
    counted = select(func.count()).where(of_one)
    waiting = work.session.scalar(counted.where(Proposal.state == rules.OPEN, Proposal.expires_at > work.at)) or 0
    lately = work.session.scalar(counted.where(Proposal.proposed_at > work.at - rules.DAY)) or 0
    rules.check_room(waiting, lately, is_administrator=is_administrator)


def find_open(work: Work, action: str, **given: Any) -> Proposal | None:
    """The first proposal of this action that can be decided now and was made with these arguments."""
    among = (row for row in list_all(work, open_only=True) if row.action == action)
    return next((row for row in among if given.items() <= row.arguments.items()), None)


def is_stale(work: Work, proposal: Proposal) -> bool:
    """Whether what an open proposal started from was changed since."""
    try:
        return bool(ACTIONS[proposal.action].snapshot(work, proposal.arguments) != proposal.before)
    except NotFoundError:
        return True


def may_decide(work: Work, proposal: Proposal) -> bool:
    """Whether the actor is somebody who may approve or refuse it."""
    is_person = work.actor.kind == "staff" and work.actor.has_role(control.ADMINISTRATOR)
    return is_person and work.actor.id not in _behind(work, proposal)


def _for_decision(work: Work, proposal_id: str, wanted: str) -> Proposal:
    proposal = _locked(work, proposal_id)
    if not work.actor.has_role(control.ADMINISTRATOR):
        raise NotPermittedError("not_administrator", "申请只能由管理员复核。")
    rules.check_other_person(work.actor.id, work.actor.kind, _behind(work, proposal))
    rules.check_open(proposal.state, proposal.expires_at, work.at, wanted)
    return proposal


def _locked(work: Work, proposal_id: str) -> Proposal:
    # One decision at a time: what two proposals start from is looked at by the second after the first was done.
    control.observe(work)
    row = work.session.get(Proposal, proposal_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFoundError("proposal_unknown", "没有这项申请，请核对编号。")
    return row


def _behind(work: Work, proposal: Proposal) -> set[str]:
    """Who proposed it: a token's wish is also that of whoever asked for the token and of whoever approved it, once
    there are two who can decide; both may have its secret."""
    if control.binding_since(work) is None:
        return {proposal.proposed_by}
    found: set[str] = set()
    unknown = {proposal.proposed_by}
    while unknown:
        who = unknown.pop()
        found.add(who)
        unknown |= _makers_of(work, who) - found
    return found


def _makers_of(work: Work, actor: str) -> set[str]:
    """Who asked for a token and who approved it; nobody made a person."""
    token = work.session.get(ApiToken, actor.removeprefix("token:")) if actor.startswith("token:") else None
    if token is None:
        return set()
    asked = select(Proposal.proposed_by).where(
        Proposal.action == "token.create", Proposal.decided_by == token.created_by,
        Proposal.decided_at == token.created_at,
    )  # fmt: skip
    return {token.created_by, *work.session.scalars(asked)}


def _same(work: Work, wanted: Proposal) -> Proposal | None:
    mine = select(Proposal).where(
        Proposal.state == rules.OPEN, Proposal.proposed_by == wanted.proposed_by, Proposal.action == wanted.action,
        Proposal.expires_at > work.at,
    )  # fmt: skip
    return next((row for row in work.session.scalars(mine) if _content(row) == _content(wanted)), None)


def _content(row: Proposal) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    return row.arguments, row.before


def _decide(work: Work, proposal: Proposal, state: str, because: str | None) -> Proposal:
    proposal.state, proposal.decided_by, proposal.decided_at = state, work.actor.id, work.at
    proposal.decided_because = because
    work.session.flush()
    return proposal
