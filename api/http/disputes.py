"""Disputes (异议): say that a certificate is wrong, list, accept, decide, close."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.access import AUDITOR
from api.http.calls import Answer, Call, get_call
from api.http.forms import USUAL, Cursor, Incoming, Limit, Outgoing, problems
from api.http.guard import GuardedRoute
from registry.disputes import listing, rules
from registry.disputes import service as disputes
from registry.disputes.tables import Dispute as DisputeRow
from registry.work import Work
from verifier.times import shanghai_day

router = APIRouter(prefix="/api/v1", tags=["异议"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]


class NewDispute(Incoming):
    """What is wrong with a certificate."""

    statement: str = Field(max_length=500, description="哪一项不对，应是什么")
    for_holder: bool = Field(default=False, description="是否由持证主体在窗口提出")


class Acceptance(Incoming):
    """A dispute is taken up."""

    holds: bool = Field(default=False, description="处理期间是否停止一切用证")


class Decision(Incoming):
    """What became of a dispute."""

    decision: Literal["corrected", "rejected"] = Field(description="corrected 已更正，rejected 不成立")
    outcome: str = Field(max_length=500, description="处理结果和理由")


class Dispute(Outgoing):
    """A dispute as it stands now."""

    id: str
    certificate_id: str
    issuer: str = Field(description="颁发部门，由其答复")
    raised_by: str = Field(description="提出部门")
    for_holder: bool
    statement: str
    state: str = Field(description="raised、accepted、corrected、rejected 或 closed")
    state_name: str
    holds: bool = Field(description="处理期间停止用证")
    raised_at: datetime
    due_on: date | None = Field(description="下一步的最后一天，按工作日历计算；办结后为 null")
    overdue: bool
    accepted_at: datetime | None
    decided_at: datetime | None
    outcome: str | None
    successor_id: str | None = Field(description="更正后的证照")
    closed_at: datetime | None


class Disputes(Outgoing):
    """Some disputes, the one due first."""

    items: list[Dispute]
    next_cursor: str | None


def _shown(work: Work, row: DisputeRow) -> Dispute:
    is_closed = row.state == "closed"
    names = Dispute.model_fields.keys() - {"state_name", "due_on", "overdue"}
    return Dispute(
        **{name: getattr(row, name) for name in names},
        state_name=rules.STATES[row.state],
        due_on=None if is_closed else row.due_on,
        overdue=rules.is_overdue(row.state, row.due_on, shanghai_day(work.at)),
    )


def _step(call: Call, act: Callable[[Work], DisputeRow], status: int = HTTPStatus.OK) -> Response:
    return call.answer(lambda work: Answer(status, _shown(work, act(work))))


@router.post(
    "/certificates/{certificate_id}/disputes", status_code=201, response_model=Dispute, summary="提出异议",
    responses=problems(404, 409),
)  # fmt: skip
def raise_dispute(certificate_id: str, body: NewDispute, call: OfCall) -> Response:
    """由用证部门提出，或窗口代持证主体提出；颁发部门收到通知。同一证照同时只有一件在办，重复提出答复 409。"""
    return _step(
        call,
        lambda work: disputes.raise_dispute(work, certificate_id, body.statement, for_holder=body.for_holder),
        HTTPStatus.CREATED,
    )


@router.get("/disputes", summary="异议列表")
def list_disputes(call: OfCall, cursor: Cursor = None, limit: Limit = 50) -> Disputes:
    """本部门提出的和要答复的，先到期的在前，已办结的在后；审计员可见全部。"""

    def ask(work: Work) -> Disputes:
        department = None if work.actor.has_role(AUDITOR) else work.actor.department or ""
        page = listing.list_page(work, department, cursor, limit)
        return Disputes(items=[_shown(work, row) for row in page.disputes], next_cursor=page.cursor)

    return call.read(ask)


@router.get("/disputes/{dispute_id}", summary="一件异议", responses=problems(404))
def get_dispute(dispute_id: str, call: OfCall) -> Dispute:
    """提出部门、颁发部门和审计员可见。"""
    return call.read(lambda work: _shown(work, disputes.get(work, dispute_id)))


@router.post("/disputes/{dispute_id}/accept", response_model=Dispute, summary="受理异议", responses=problems(404, 409))
def accept(dispute_id: str, body: Acceptance, call: OfCall) -> Response:
    """由颁发部门受理；通知曾经用过该证照的部门。"""
    return _step(call, lambda work: disputes.accept(work, dispute_id, holds=body.holds))


@router.post(
    "/disputes/{dispute_id}/decision", response_model=Dispute, summary="作出处理结果", responses=problems(404, 409)
)
def decide(dispute_id: str, body: Decision, call: OfCall) -> Response:
    """由颁发部门作出。记为已更正之前，须先登记更正后的证照，或撤销、注销原证照。"""
    act = disputes.correct if body.decision == "corrected" else disputes.reject
    return _step(call, lambda work: act(work, dispute_id, body.outcome))


@router.post("/disputes/{dispute_id}/closing", response_model=Dispute, summary="办结异议", responses=problems(404, 409))
def close(dispute_id: str, call: OfCall) -> Response:
    """由提出部门记录：已把结果告知提出人。"""
    return _step(call, lambda work: disputes.close(work, dispute_id))
