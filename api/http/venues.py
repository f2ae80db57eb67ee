"""Venues, passes, and the visits that gates hand in."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.http.calls import Answer, Call, get_call
from api.http.forms import USUAL, HolderReference, Incoming, Moment, Outgoing, problems
from api.http.guard import GuardedRoute
from registry.errors import FieldError, InvalidDraftError
from registry.venues import service as venues
from registry.venues.tables import Venue
from registry.work import Work
from verifier.errors import MalformedError
from verifier.status import Status
from verifier.visit import Visit

router = APIRouter(prefix="/api/v1", tags=["场所"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]

MAX_VISITS = 10_000


class NewVenue(Incoming):
    """A venue to be registered."""

    name: str = Field(max_length=200, description="场所名称")
    address: str = Field(max_length=300, description="详细地址")
    area_code: str = Field(default="310105", max_length=6, description="属地编码")
    responsible: str = Field(max_length=18, description="责任单位的统一社会信用代码")
    rule: dict[str, Any] = Field(
        description="通行规则：{hours: [{days, from, to}], admit: {types, pass}, anti_passback_seconds, dynamic_only?}"
    )
    department: str | None = Field(default=None, max_length=18, description="管理部门，缺省为本部门")


class VenueShown(Outgoing):
    """A venue."""

    id: str
    name: str
    address: str
    area_code: str
    responsible: str
    department: str
    rule: dict[str, Any]
    rule_version: int
    created_at: datetime


class Venues(Outgoing):
    """All venues."""

    items: list[VenueShown]
    next_cursor: None = None


class NewPass(HolderReference):
    """A pass to be granted."""

    valid_from_at: Moment | None = Field(default=None, description="起始时间，缺省为现在", strict=False)
    valid_to_at: Moment = Field(description="截止时间（不含）", strict=False)


class PassShown(Outgoing):
    """A pass; whose it is, is not shown."""

    id: str
    venue_id: str
    valid_from_at: datetime
    valid_to_at: datetime
    status: str


class HandIn(Incoming):
    """Lines of a gate's journal."""

    visits: list[dict[str, Any]] = Field(min_length=1, max_length=MAX_VISITS, description="通行记录，按顺序")


class HandedIn(Outgoing):
    """What became of a hand-in."""

    id: str | None
    entry_id: int | None
    accepted: int = Field(description="新接收的记录数")
    duplicate: int = Field(description="先前已接收的记录数")
    last: dict[str, int] = Field(description="每个闸口已接收到的最后序号")


def _shown(row: Venue) -> VenueShown:
    return VenueShown.model_validate(row)


@router.post("/venues", status_code=201, response_model=VenueShown, summary="登记场所", responses=problems(404))
def register(body: NewVenue, call: OfCall) -> Response:
    """登记场所及其通行规则；闸口随下一份信任包得到规则。"""

    def act(work: Work) -> Answer:
        # Only an administrator may register for another department.
        department = body.department if work.actor.has_role("administrator") else None
        row = venues.register(work, body.name, body.address, body.area_code, body.responsible, body.rule, department)
        return Answer(HTTPStatus.CREATED, _shown(row))

    return call.answer(act)


@router.get("/venues", summary="场所列表")
def list_venues(call: OfCall) -> Venues:
    """场所管理员看本部门的场所，管理员与审计员看全部。"""
    actor = call.known.actor
    department = None if actor.has_role("administrator", "auditor") else actor.department
    return call.read(lambda work: Venues(items=[_shown(row) for row in venues.list_all(work, department)]))


@router.post(
    "/venues/{venue_id}/passes",
    status_code=201,
    response_model=PassShown,
    summary="签发通行证",
    responses=problems(404),
)
def grant_pass(venue_id: str, body: NewPass, call: OfCall) -> Response:
    """允许一人在期间内进入；只保存证件号码的盲索引。"""

    def act(work: Work) -> Answer:
        row = venues.grant_pass(
            work, venue_id, body.holder_code_type_code, body.holder_code, body.valid_from_at or work.at,
            body.valid_to_at,
        )  # fmt: skip
        shown = PassShown(
            id=row.id,
            venue_id=row.venue_id,
            valid_from_at=row.valid_from_at,
            valid_to_at=row.valid_to_at,
            status=Status(row.status).name.lower(),
        )
        return Answer(HTTPStatus.CREATED, shown)

    return call.answer(act)


@router.post("/venues/{venue_id}/visits", response_model=HandedIn, summary="上交通行记录", responses=problems(404, 413))
def hand_in(venue_id: str, body: HandIn, call: OfCall) -> Response:
    """闸口日志中的记录，全部接收或全部拒绝；重复上交无妨。"""
    visits = _visits(body.visits)

    def act(work: Work) -> Answer:
        delivery = venues.hand_in(work, venue_id, visits)
        shown = HandedIn(
            id=delivery.id,
            entry_id=delivery.entry_id,
            accepted=delivery.new,
            duplicate=delivery.repeated,
            last=delivery.last,
        )
        return Answer(HTTPStatus.OK, shown)

    return call.answer(act)


def _visits(values: list[dict[str, Any]]) -> list[Visit]:
    visits: list[Visit] = []
    errors: list[FieldError] = []
    for place, value in enumerate(values):
        try:
            visits.append(Visit.from_json(value))
        except MalformedError as wrong:
            errors.append(FieldError(f"visits[{place}]", wrong.reason, f"{wrong.message}。", row=place + 1))
    if errors:
        raise InvalidDraftError(errors[:100])
    return visits
