"""Relatives: bind, list, end."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.http.calls import Answer, Call, get_call
from api.http.codes import number_of
from api.http.forms import USUAL, HolderReference, Incoming, Outgoing, problems
from api.http.guard import GuardedRoute
from registry.relatives import rules
from registry.relatives import service as relatives
from registry.relatives.tables import Relative
from registry.work import Work

router = APIRouter(prefix="/api/v1", tags=["亲属"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]


class NewRelative(Incoming):
    """A relation to be recorded."""

    holder: HolderReference = Field(description="持码人")
    relative: HolderReference = Field(description="代办的亲属")
    relation: str = Field(
        max_length=12, description="、".join(f"{key} {name}" for key, name in rules.RELATIONS.items())
    )
    document: str = Field(max_length=200, description="证明材料的名称和编号，不写姓名")


class RelativeShown(Outgoing):
    """A relation; whose it is, is not shown."""

    id: str
    relation: str
    relation_name: str
    document: str
    department: str
    bound_at: datetime
    revoked_at: datetime | None


class Relatives(Outgoing):
    """The live relations of a holder."""

    items: list[RelativeShown]
    next_cursor: None = None


def _shown(row: Relative) -> RelativeShown:
    return RelativeShown(
        id=row.id, relation=row.relation, relation_name=rules.RELATIONS[row.relation], document=row.document,
        department=row.department, bound_at=row.bound_at, revoked_at=row.revoked_at,
    )  # fmt: skip


@router.post("/relatives", status_code=201, response_model=RelativeShown, summary="绑定亲属", responses=problems(409))
def bind(body: NewRelative, call: OfCall) -> Response:
    """凭证明材料记录亲属关系，此后该亲属可代领离线码；只保存证件号码的盲索引。"""

    def act(work: Work) -> Answer:
        pair = number_of(body.holder), number_of(body.relative)
        return Answer(HTTPStatus.CREATED, _shown(relatives.bind(work, *pair, body.relation, body.document)))

    return call.answer(act)


@router.post("/relatives/search", summary="查某人绑定的亲属")
def search(body: HolderReference, call: OfCall) -> Relatives:
    """证件号码放在请求内容里，不进地址。"""
    found = call.read(lambda work: relatives.of_holder(work, number_of(body)))
    return Relatives(items=[_shown(row) for row in found])


@router.delete("/relatives/{relative_id}", response_model=RelativeShown, summary="解除绑定", responses=problems(404))
def end(relative_id: str, call: OfCall) -> Response:
    """解除后不能再代领；已领的码另行挂失。重复操作无妨。"""
    return call.answer(lambda work: Answer(HTTPStatus.OK, _shown(relatives.end(work, relative_id))))
