"""Authorisations: grant, list, revoke."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from api.http.calls import Answer, Call, get_call
from api.http.forms import USUAL, HolderReference, Incoming, Moment, Outgoing, problems
from api.http.guard import GuardedRoute
from registry.authorisations import service as authorisations
from registry.authorisations.rules import AuthorisationDraft
from registry.authorisations.tables import Authorisation
from registry.work import Work

router = APIRouter(prefix="/api/v1", tags=["授权与用证"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]


class NewAuthorisation(Incoming):
    """An authorisation to be granted: one item or one type, to one department, for one matter and purpose."""

    route: Literal["function", "holder", "delegation"] = Field(description="依职能、持证人授权、委托授权")
    grantee: str = Field(max_length=18, description="被授权部门的统一社会信用代码")
    matter_code: str = Field(max_length=32, description="事项编码")
    purpose: str = Field(max_length=200, description="用途")
    valid_from_at: Moment | None = Field(default=None, description="起始时间，缺省为现在", strict=False)
    valid_to_at: Moment = Field(description="截止时间（不含）", strict=False)
    item_kind: Literal["certificate", "material"] | None = Field(default=None, description="证照或材料")
    item_id: str | None = Field(default=None, max_length=26, description="证照或材料编号")
    type_code: str | None = Field(default=None, max_length=21, description="类型代码（不指定具体证照时）")
    subject: HolderReference | None = Field(default=None, description="持证主体")
    max_uses: int | None = Field(default=None, ge=1, description="最多使用次数，缺省不限")
    parent_id: str | None = Field(default=None, max_length=26, description="上级授权编号（委托）")


class Revocation(Incoming):
    """Why an authorisation ends."""

    reason: str = Field(default="授权人撤销", max_length=200, description="撤销事由")


class AuthorisationShown(Outgoing):
    """An authorisation; its subject is not shown."""

    id: str
    route: str
    grantee: str
    department: str = Field(description="登记授权的部门")
    item_kind: str | None
    item_id: str | None
    type_code: str | None
    matter_code: str
    purpose: str
    parent_id: str | None
    max_uses: int | None
    used: int
    valid_from_at: datetime
    valid_to_at: datetime
    granted_at: datetime
    revoked_at: datetime | None
    revoked_reason: str | None


class Authorisations(Outgoing):
    """Authorisations, newest first."""

    items: list[AuthorisationShown]
    next_cursor: None = None


def _shown(row: Authorisation) -> AuthorisationShown:
    return AuthorisationShown.model_validate(row)


@router.post(
    "/authorisations", status_code=201, response_model=AuthorisationShown, summary="登记授权", responses=problems(404)
)
def grant(body: NewAuthorisation, call: OfCall) -> Response:
    """授权绑定被授权部门、事项、用途与期限；可限次数。"""

    def act(work: Work) -> Answer:
        subject = body.subject
        draft = AuthorisationDraft(
            route=body.route,
            grantee=body.grantee,
            matter_code=body.matter_code,
            purpose=body.purpose,
            valid_from_at=body.valid_from_at or work.at,
            valid_to_at=body.valid_to_at,
            item_kind=body.item_kind,
            item_id=body.item_id,
            type_code=body.type_code,
            subject=None if subject is None else (subject.holder_code_type_code, subject.holder_code),
            max_uses=body.max_uses,
            parent_id=body.parent_id,
        )
        return Answer(HTTPStatus.CREATED, _shown(authorisations.grant(work, draft)))

    return call.answer(act)


@router.get("/authorisations", summary="授权列表")
def list_authorisations(
    call: OfCall, limit: Annotated[int, Query(ge=1, le=200, description="最多几条")] = 50
) -> Authorisations:
    """授予本部门的授权，新的在前。"""
    department = call.known.actor.department or ""
    return call.read(
        lambda work: Authorisations(
            items=[_shown(row) for row in authorisations.list_granted(work, department)[:limit]]
        )
    )


@router.delete(
    "/authorisations/{authorisation_id}",
    response_model=AuthorisationShown,
    summary="撤销授权",
    responses=problems(404),
)
def revoke(authorisation_id: str, call: OfCall, body: Revocation | None = None) -> Response:
    """立即撤销，其下的委托一并失效；重复操作无妨。请求体可省略。"""
    reason = (body or Revocation()).reason
    return call.answer(
        lambda work: Answer(HTTPStatus.OK, _shown(authorisations.revoke(work, authorisation_id, reason)))
    )
