"""Components: register, show to anybody, report a fault, see it through, inspect."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from api.http.calls import Answer, Call, get_call
from api.http.codes import signing_key
from api.http.forms import USUAL, Cursor, Incoming, Limit, Outgoing, problems
from api.http.guard import GuardedRoute
from registry.components import rules
from registry.components import service as components
from registry.components.tables import Component, Fault
from registry.work import Work

router = APIRouter(prefix="/api/v1", tags=["部件"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]

MAX_AT_ONCE = 200


class NewComponent(Incoming):
    """A component to be registered."""

    code: str = Field(max_length=16, description="部件标识码：6 位区划、2 位大类、2 位小类、6 位流水号")
    place: str = Field(max_length=60, description="位置，例如：仙霞路 100 号东侧")
    unit: str = Field(max_length=18, description="权属单位的统一社会信用代码")
    unit_name: str = Field(max_length=100, description="权属单位名称")
    name: str | None = Field(default=None, max_length=60, description="部件名称，缺省为小类的名称")


class NewComponents(Incoming):
    """Several components."""

    items: list[NewComponent] = Field(min_length=1, max_length=MAX_AT_ONCE)


class NewPlace(Incoming):
    """Where a component stands now."""

    place: str = Field(max_length=60, description="新的位置")


class ComponentShown(Outgoing):
    """What anybody may know of a component."""

    code: str
    name: str
    class_name: str = Field(description="大类")
    place: str
    unit_name: str = Field(description="权属单位")
    in_use: bool


class ComponentKept(ComponentShown):
    """What its department knows of it."""

    unit: str
    department: str
    code_id: str = Field(description="现行标签上的码")
    registered_at: datetime


class Components(Outgoing):
    """A page of components."""

    items: list[ComponentKept]
    next_cursor: str | None


class RowFault(Outgoing):
    """A fault of a row, counted from 1."""

    row: int
    field: str
    reason: str
    message: str


class RegisteredMany(Outgoing):
    """What became of several components."""

    new: int
    known: int = Field(description="先前已登记且内容相同的")
    errors: list[RowFault]


class NewFault(Incoming):
    """What somebody saw."""

    description: str = Field(max_length=500, description="情况说明")


class FaultShown(Outgoing):
    """A fault."""

    id: str
    component: str = Field(description="部件标识码")
    state: str = Field(description="open 待处理，handled 已处置，closed 已办结")
    state_name: str
    description: str
    reported_at: datetime
    handling: str | None
    handled_at: datetime | None
    closed_at: datetime | None


class Faults(Outgoing):
    """Faults that are not closed."""

    items: list[FaultShown]
    next_cursor: None = None


class Handling(Incoming):
    """What was done about a fault."""

    handling: str = Field(max_length=500, description="处置情况")


class NewInspection(Incoming):
    """What an inspection found."""

    result: str = Field(description="、".join(f"{key} {name}" for key, name in rules.RESULTS.items()))
    note: str = Field(default="", max_length=500, description="说明；不完好时必填")


class InspectionShown(Outgoing):
    """An inspection."""

    id: str
    result: str
    note: str
    inspected_at: datetime


def _draft(body: NewComponent) -> rules.ComponentDraft:
    return rules.ComponentDraft(body.code, body.place, body.unit, body.unit_name, body.name)


def _public(row: Component) -> ComponentShown:
    return ComponentShown(
        code=row.code, name=row.name, class_name=rules.CLASSES[row.code[6:8]].name, place=row.place,
        unit_name=row.unit_name, in_use=row.removed_at is None,
    )  # fmt: skip


def _kept(row: Component) -> ComponentKept:
    return ComponentKept(
        **_public(row).model_dump(), unit=row.unit, department=row.department, code_id=row.code_id,
        registered_at=row.registered_at,
    )  # fmt: skip


def _fault(fault: Fault, code: str) -> FaultShown:
    return FaultShown(
        id=fault.id, component=code, state=fault.state, state_name=rules.STATES[fault.state],
        description=fault.description, reported_at=fault.reported_at, handling=fault.handling,
        handled_at=fault.handled_at, closed_at=fault.closed_at,
    )  # fmt: skip


@router.post("/components", status_code=201, response_model=ComponentKept, summary="登记部件", responses=problems(409))
def register(body: NewComponent, call: OfCall) -> Response:
    """登记一个部件并签发标签上的码。"""
    key = signing_key(call)
    return call.answer(lambda work: Answer(HTTPStatus.CREATED, _kept(components.register(work, _draft(body), key))))


@router.post("/components/batch", response_model=RegisteredMany, summary="成批登记部件")
def register_many(body: NewComponents, call: OfCall) -> Response:
    """正确的行登记，有误的行逐行说明；重复发送无妨。"""
    key, drafts = signing_key(call), [(place, _draft(item)) for place, item in enumerate(body.items, 1)]

    def act(work: Work) -> Answer:
        done = components.register_many(work, drafts, key)
        faults = [RowFault(row=one.row or 0, field=one.field, reason=one.reason, message=one.message)
                  for one in done.errors]  # fmt: skip
        return Answer(HTTPStatus.OK, RegisteredMany(new=len(done.new), known=len(done.known), errors=faults))

    return call.answer(act)


@router.get("/components", summary="部件列表")
def list_components(
    call: OfCall,
    q: Annotated[str, Query(max_length=60, description="标识码、名称或位置中的文字")] = "",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Components:
    """部件管理员看本部门的部件，管理员与审计员看全部。"""
    actor = call.known.actor
    department = None if actor.has_role("administrator", "auditor") else actor.department
    rows = call.read(lambda work: components.list_page(work, department, q.strip(), cursor or "", limit))
    return Components(items=[_kept(row) for row in rows], next_cursor=rows[-1].code if len(rows) == limit else None)


@router.get("/components/{code}", summary="扫码所见的部件", responses=problems(404))
def get_component(code: str, call: OfCall) -> ComponentShown:
    """无需登录：部件是什么、在哪里、归谁管。"""
    return call.read(lambda work: _public(components.get(work, code)))


@router.post("/components/{code}/place", response_model=ComponentKept, summary="变更位置", responses=problems(404, 409))
def move(code: str, body: NewPlace, call: OfCall) -> Response:
    """标签重新签发，旧标签立即失效。"""
    key = signing_key(call)
    return call.answer(lambda work: Answer(HTTPStatus.OK, _kept(components.move(work, code, body.place, key))))


@router.delete("/components/{code}", response_model=ComponentKept, summary="拆除部件", responses=problems(404))
def remove(code: str, call: OfCall) -> Response:
    """标签立即失效，历史保留；重复操作无妨。"""
    return call.answer(lambda work: Answer(HTTPStatus.OK, _kept(components.remove(work, code))))


@router.post(
    "/components/{code}/faults",
    status_code=201,
    response_model=FaultShown,
    summary="报修",
    responses=problems(404, 409, 413, 429),
)
def report_fault(code: str, body: NewFault, call: OfCall) -> FaultShown:
    """无需登录，不记录是谁报的；同一地址有次数限制。"""
    return call.write_as_anyone(lambda work: _fault(components.report_fault(work, code, body.description), code))


@router.post(
    "/components/{code}/inspections",
    status_code=201,
    response_model=InspectionShown,
    summary="记录巡查",
    responses=problems(404, 409),
)
def inspect(code: str, body: NewInspection, call: OfCall) -> Response:
    """工作人员扫标签后记录所见。"""

    def act(work: Work) -> Answer:
        found = components.inspect(work, code, body.result, body.note)
        return Answer(HTTPStatus.CREATED, InspectionShown.model_validate(found))

    return call.answer(act)


@router.get("/faults", summary="未办结的报修")
def list_faults(call: OfCall) -> Faults:
    """本部门部件的报修，先报的在前。"""
    actor = call.known.actor
    department = None if actor.has_role("administrator", "auditor") else actor.department
    found = call.read(lambda work: components.list_faults(work, department))
    return Faults(items=[_fault(fault, row.code) for fault, row in found])


@router.post("/faults/{fault_id}/handling", response_model=FaultShown, summary="处置", responses=problems(404, 409))
def handle(fault_id: str, body: Handling, call: OfCall) -> Response:
    """写明做了什么。"""
    return call.answer(lambda work: _done(work, components.handle_fault(work, fault_id, body.handling)))


@router.post("/faults/{fault_id}/closing", response_model=FaultShown, summary="办结", responses=problems(404, 409))
def close(fault_id: str, call: OfCall) -> Response:
    """确认处置到位。"""
    return call.answer(lambda work: _done(work, components.close_fault(work, fault_id)))


def _done(work: Work, fault: Fault) -> Answer:
    return Answer(HTTPStatus.OK, _fault(fault, work.session.get_one(Component, fault.component_id).code))
