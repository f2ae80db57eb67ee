"""Departments and their scopes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.http import proposals
from api.http.calls import Answer, Call, get_call
from api.http.forms import USUAL, Incoming, Outgoing, problems
from api.http.guard import GuardedRoute
from registry.departments import service as departments
from registry.departments import standing
from registry.departments.tables import Department as DepartmentRow
from registry.departments.tables import Scope as ScopeRow
from registry.departments.tables import ScopeEnd
from registry.work import Work

router = APIRouter(prefix="/api/v1", tags=["部门"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]


class NewDepartment(Incoming):
    """A department to be registered."""

    code: str = Field(max_length=32, description="统一社会信用代码，18 位")
    name: str = Field(max_length=200, description="名称")
    short_name: str = Field(max_length=60, description="简称")
    level: Literal["municipal", "district", "street", "unit"] = Field(default="district", description="层级")
    reason: str = Field(default="", max_length=200, description="理由；实行双人复核时必填")


class NewScope(Incoming):
    """What a department shall be allowed to do with a type."""

    type_code: str = Field(max_length=32, description="证照类型代码，21 位")
    action: Literal["issue", "use"] = Field(description="issue 颁发，use 用证")
    valid_from_on: date | None = Field(default=None, description="起始日（含），缺省为今天", strict=False)
    valid_to_on: date | None = Field(default=None, description="截止日（含），缺省为不限", strict=False)
    reason: str = Field(default="", max_length=200, description="理由；实行双人复核时必填")


class Decision(Incoming):
    """Why a department is suspended or reinstated."""

    reason: str = Field(max_length=200, description="理由")


class ScopeEnding(Incoming):
    """When a scope shall end, and why."""

    valid_to_on: date = Field(description="截止日（含），今天或以后，且早于原截止日", strict=False)
    reason: str = Field(max_length=200, description="理由")


class Scope(Outgoing):
    """What a department may do with a type, both days inclusive."""

    id: str
    type_code: str
    action: str
    valid_from_on: date
    valid_to_on: date | None
    ended_at: datetime | None = Field(default=None, description="何时决定提前截止；没有提前为 null")
    ended_because: str | None = Field(default=None, description="提前截止的理由")


class Department(Outgoing):
    """A department and its scopes."""

    code: str
    name: str
    short_name: str
    level: str
    operator: bool = Field(description="是否为本系统的运行部门")
    suspended: bool = Field(description="已暂停：恢复之前不能颁发或使用证照")
    scopes: list[Scope]


class Departments(Outgoing):
    """All departments."""

    items: list[Department]
    next_cursor: None = None


def _scope(row: ScopeRow, end: ScopeEnd | None) -> Scope:
    shown = Scope.model_validate(row)
    return shown if end is None else shown.model_copy(update={"ended_at": end.decided_at, "ended_because": end.reason})


def _shown(work: Work, row: DepartmentRow, scopes: list[ScopeRow], ends: Mapping[str, ScopeEnd]) -> Department:
    return Department(
        code=row.code,
        name=row.name,
        short_name=row.short_name,
        level=row.level,
        operator=row.operator,
        suspended=standing.is_suspended(work.session, row.code),
        scopes=[_scope(scope, ends.get(scope.id)) for scope in scopes if scope.department == row.code],
    )


def _whole(work: Work, row: DepartmentRow) -> Department:
    return _shown(work, row, departments.list_scopes(work, row.code), departments.ends_of(work))


@router.post(
    "/departments",
    status_code=201,
    response_model=Department,
    summary="登记部门",
    responses={202: {"model": proposals.Proposal}, **problems(409)},
)
def register_department(body: NewDepartment, call: OfCall) -> Response:
    """登记部门并写入存证日志；相同内容重复登记无妨。"""

    given = body.model_dump(include={"code", "name", "short_name", "level"})
    return proposals.changing(
        call, "department.register", given, body.reason,
        lambda work, applied: Answer(HTTPStatus.CREATED, _whole(work, applied.value)),
    )  # fmt: skip


@router.get("/departments", summary="部门列表")
def list_departments(call: OfCall) -> Departments:
    """全部部门及其颁发、用证权限。"""

    def ask(work: Work) -> Departments:
        scopes, ends = departments.list_scopes(work), departments.ends_of(work)
        return Departments(items=[_shown(work, row, scopes, ends) for row in departments.list_all(work)])

    return call.read(ask)


@router.post(
    "/departments/{code}/scopes", status_code=201, response_model=Scope, summary="授予权限",
    responses={202: {"model": proposals.Proposal}, **problems(404, 409)},
)  # fmt: skip
def grant_scope(code: str, body: NewScope, call: OfCall) -> Response:
    """允许部门在期间内颁发或使用某类证照。"""

    given = {"department": code, **body.model_dump(mode="json", exclude={"reason"})}
    return proposals.changing(
        call, "scope.grant", given, body.reason,
        lambda _, applied: Answer(HTTPStatus.CREATED, Scope.model_validate(applied.value)),
    )  # fmt: skip


@router.post(
    "/departments/{code}/scopes/{scope_id}/end", response_model=Scope, summary="提前截止权限", responses=problems(404)
)
def end_scope(code: str, scope_id: str, body: ScopeEnding, call: OfCall) -> Response:
    """截止日当天仍有效，此前的签署不受影响；只收回权限，不须复核。需要恢复的，重新授予。"""

    def act(work: Work) -> Answer:
        row = departments.end_scope(work, code, scope_id, body.valid_to_on, body.reason)
        return Answer(HTTPStatus.OK, _scope(row, departments.ends_of(work).get(row.id)))

    return call.answer(act)


@router.post("/departments/{code}/suspend", response_model=Department, summary="暂停部门", responses=problems(403, 404))
def suspend(code: str, body: Decision, call: OfCall) -> Response:
    """部门在恢复之前不能颁发或使用证照；此前所做不受影响。决定写入存证日志，并在链上登记。"""

    return call.answer(lambda work: Answer(HTTPStatus.OK, _whole(work, standing.suspend(work, code, body.reason))))


@router.post(
    "/departments/{code}/reinstate", response_model=Department, summary="恢复部门",
    responses={202: {"model": proposals.Proposal}, **problems(403, 404)},
)  # fmt: skip
def reinstate(code: str, body: Decision, call: OfCall) -> Response:
    """恢复已暂停的部门。"""

    return proposals.changing(
        call, "department.reinstate", {"code": code}, body.reason,
        lambda work, applied: Answer(HTTPStatus.OK, _whole(work, applied.value)),
    )  # fmt: skip
