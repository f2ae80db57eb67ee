"""Matters (事项) with their slots: list, register, change, retire, restore."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.http.calls import Answer, Call, get_call
from api.http.forms import USUAL, Incoming, Outgoing, problems
from api.http.guard import GuardedRoute
from registry.catalogue import matters, rules
from registry.catalogue import service as catalogue
from registry.catalogue.tables import Matter
from registry.work import Work

router = APIRouter(prefix="/api/v1", tags=["目录"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]


class Slot(Incoming):
    """A material slot (材料项) of a matter."""

    code: str = Field(max_length=32, description="材料项编码")
    name: str = Field(max_length=100, description="材料项名称")
    accepts: list[str] = Field(min_length=1, max_length=64, description="可接受的类型代码")
    required: bool = Field(default=True, description="是否必需")
    fields: list[str] = Field(default_factory=list, max_length=40, description="办理所需的照面字段，摘录件只给这些")


class MatterContent(Incoming):
    """What may change about a matter."""

    name: str = Field(max_length=200, description="事项名称")
    purpose: str = Field(max_length=200, description="用途：用证时须与之一致")
    slots: list[Slot] = Field(max_length=64, description="材料项")


class NewMatter(MatterContent):
    """A matter to be registered."""

    code: str = Field(max_length=32, description="事项编码")
    department: str = Field(max_length=18, description="办理部门的统一社会信用代码")


class ChangedMatter(MatterContent):
    """What a matter shall say from now on."""

    revision: int = Field(description="据以修改的版次；其间被他人改过的答复 409")


class Retirement(Incoming):
    """Why a matter is retired."""

    reason: str = Field(max_length=200, description="理由")


class MatterShown(Outgoing):
    """A matter with its slots."""

    code: str
    name: str
    department: str
    purpose: str
    slots: list[Slot]
    revision: int = Field(description="版次，每次修改加一")
    retired_at: datetime | None = Field(description="停用时间；在用为 null")
    retired_because: str | None


class Matters(Outgoing):
    """All matters."""

    items: list[MatterShown]
    next_cursor: None = None


def _shown(work: Work, row: Matter) -> MatterShown:
    slots = [
        Slot(
            code=slot.code, name=slot.name, accepts=list(slot.accepts), required=slot.required, fields=list(slot.fields)
        )
        for slot in catalogue.slots_of(work, row.code)
    ]
    return MatterShown(
        code=row.code, name=row.name, department=row.department, purpose=row.purpose, slots=slots,
        revision=row.revision, retired_at=row.retired_at, retired_because=row.retired_because,
    )  # fmt: skip


def _slots(slots: list[Slot]) -> tuple[rules.Slot, ...]:
    return tuple(
        rules.Slot(slot.code, slot.name, tuple(slot.accepts), slot.required, tuple(slot.fields)) for slot in slots
    )


def _changed(call: Call, act: Callable[[Work], Matter]) -> Response:
    return call.answer(lambda work: Answer(HTTPStatus.OK, _shown(work, act(work))))


@router.get("/matters", summary="事项列表")
def list_matters(call: OfCall) -> Matters:
    """全部事项及其材料项，含已停用的。"""
    return call.read(lambda work: Matters(items=[_shown(work, row) for row in catalogue.list_matters(work)]))


@router.get("/matters/{code}", summary="一个事项", responses=problems(404))
def get_matter(code: str, call: OfCall) -> MatterShown:
    """事项及其材料项。"""
    return call.read(lambda work: _shown(work, catalogue.get_matter(work, code)))


@router.post("/matters", status_code=201, response_model=MatterShown, summary="登记事项", responses=problems(404, 409))
def register_matter(body: NewMatter, call: OfCall) -> Response:
    """登记事项及其材料项；相同内容重复登记无妨。"""

    def act(work: Work) -> Answer:
        slots = _slots(body.slots)
        row = catalogue.register_matter(work, body.code, body.name, body.department, body.purpose, slots)
        return Answer(HTTPStatus.CREATED, _shown(work, row))

    return call.answer(act)


@router.put("/matters/{code}", response_model=MatterShown, summary="修改事项", responses=problems(404, 409))
def change_matter(code: str, body: ChangedMatter, call: OfCall) -> Response:
    """修改名称、用途和材料项；此前的用证不受影响，以原用途授权的须重新授权。"""
    wanted = matters.Content(body.name, body.purpose, _slots(body.slots))
    return _changed(call, lambda work: matters.edit(work, code, body.revision, wanted))


@router.post("/matters/{code}/retire", response_model=MatterShown, summary="停用事项", responses=problems(404))
def retire_matter(code: str, body: Retirement, call: OfCall) -> Response:
    """停用后不能再据以授权或用证；此前所做不受影响，可以恢复。"""
    return _changed(call, lambda work: matters.retire(work, code, body.reason))


@router.post("/matters/{code}/restore", response_model=MatterShown, summary="恢复事项", responses=problems(404))
def restore_matter(code: str, call: OfCall) -> Response:
    """恢复已停用的事项。"""
    return _changed(call, lambda work: matters.restore(work, code))
