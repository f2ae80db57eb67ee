"""Dual control: what waits for a second administrator, and the decision about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from api.http.calls import Answer, Call, get_call
from api.http.forms import USUAL, Incoming, Outgoing, problems
from api.http.guard import GuardedRoute
from registry.accounts import control
from registry.proposals import rules, service
from registry.proposals.actions import Applied
from registry.proposals.tables import Proposal as ProposalRow
from registry.work import Work

router = APIRouter(prefix="/api/v1", tags=["双人复核"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]


class Reason(Incoming):
    """Why."""

    reason: str = Field(max_length=200, description="理由")


class Proposal(Outgoing):
    """A change that waits or waited for a second administrator."""

    id: str
    action: str = Field(description="变更，如 scope.grant、key.own")
    state: str = Field(
        description="open 待复核，approved 已通过，refused 已退回，withdrawn 已撤回，expired 已过期，"
        "alone 当时只有一名管理员、直接生效"
    )
    stale: bool = Field(description="提出之后情况已变，不能再按原申请通过")
    before: dict[str, Any]
    after: dict[str, Any]
    reason: str
    proposed_by: str
    proposed_at: datetime
    expires_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    decided_because: str | None


class Proposals(Outgoing):
    """Proposals, and since when two administrators have to decide."""

    items: list[Proposal]
    binding_since: datetime | None = Field(description="双人复核自何时起实行；只有一名管理员时为 null")
    next_cursor: None = None


class Approved(Proposal):
    """A proposal that was carried out; secrets it made are shown this once."""

    once: dict[str, str] | None = Field(description="仅显示一次的口令或令牌内容；重放时为 null")


def shown(work: Work, row: ProposalRow) -> Proposal:
    """A proposal as it stands now."""
    state = rules.shown_state(row.state, row.expires_at, work.at)
    stale = state == rules.OPEN and service.is_stale(work, row)
    fields = {name: getattr(row, name) for name in Proposal.model_fields if name not in ("state", "stale")}
    return Proposal(**fields, state=state, stale=stale)


def waiting(work: Work, row: ProposalRow) -> Answer:
    """The answer to a wish that waits for somebody else."""
    return Answer(HTTPStatus.ACCEPTED, shown(work, row))


def changing(
    call: Call,
    action: str,
    arguments: Mapping[str, Any],
    reason: str,
    answer: Callable[[Work, Applied], Answer],
) -> Response:
    """Carry a change out and answer it, or answer 202 with the proposal that waits for somebody else."""

    def act(work: Work) -> Answer:
        done = service.change(work, action, arguments, reason, call.services.keys)
        return answer(work, done) if isinstance(done, Applied) else waiting(work, done)

    return call.answer(act)


@router.get("/proposals", summary="双人复核：申请列表")
def list_proposals(
    call: OfCall, open_only: Annotated[bool, Query(alias="open", description="只看待复核的")] = False
) -> Proposals:
    """新的在前；待复核的以先提出的在前。登记员只看到自己提出的。"""

    def ask(work: Work) -> Proposals:
        items = [shown(work, row) for row in service.list_all(work, open_only=open_only)]
        return Proposals(items=items, binding_since=control.binding_since(work))

    return call.read(ask)


@router.get("/proposals/{proposal_id}", summary="一项申请", responses=problems(404))
def get_proposal(proposal_id: str, call: OfCall) -> Proposal:
    """提出人可以查看自己的申请；管理员与审计员可以查看全部。"""
    return call.read(lambda work: shown(work, service.get(work, proposal_id)))


@router.post(
    "/proposals/{proposal_id}/approve", response_model=Approved, summary="通过申请", responses=problems(404, 409)
)
def approve(proposal_id: str, call: OfCall) -> Response:
    """通过后变更立即生效。提出人不能复核自己的申请；情况已变的申请不能通过。"""

    def act(work: Work) -> Answer:
        proposal, applied = service.approve(work, proposal_id, call.services.keys)
        body = Approved(**shown(work, proposal).model_dump(), once=dict(applied.once))
        return Answer(HTTPStatus.OK, body, shown_once=("once",))

    return call.answer(act)


@router.post(
    "/proposals/{proposal_id}/refuse", response_model=Proposal, summary="退回申请", responses=problems(404, 409)
)
def refuse(proposal_id: str, body: Reason, call: OfCall) -> Response:
    """退回须说明理由；变更不生效。"""
    return call.answer(lambda work: Answer(HTTPStatus.OK, shown(work, service.refuse(work, proposal_id, body.reason))))


@router.post(
    "/proposals/{proposal_id}/withdraw", response_model=Proposal, summary="撤回申请", responses=problems(404, 409)
)
def withdraw(proposal_id: str, call: OfCall) -> Response:
    """提出人撤回自己的申请。"""
    return call.answer(lambda work: Answer(HTTPStatus.OK, shown(work, service.withdraw(work, proposal_id))))
