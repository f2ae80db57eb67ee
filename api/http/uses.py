"""Uses (用证): rely on an item for a case, and the use's receipt."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.http import receipts
from api.http.calls import Answer, Call, get_call
from api.http.delegations import shown_code
from api.http.forms import USUAL, Cursor, HolderReference, Incoming, Limit, Outgoing, problems
from api.http.guard import GuardedRoute
from registry.errors import FieldError, InvalidDraftError, NotPermittedError
from registry.log.receipts import receipt_of
from registry.log.standing import places_of
from registry.uses import service as uses
from registry.uses.rules import ReuseRequest
from registry.uses.tables import Use
from registry.work import Work
from verifier.entry import Kind

router = APIRouter(prefix="/api/v1", tags=["授权与用证"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]


class NewUse(Incoming):
    """What a window relies on, for which case, under which authorisation."""

    item_kind: Literal["certificate", "material"] = Field(default="certificate", description="证照或材料")
    item_id: str = Field(max_length=26, description="证照或材料编号")
    matter_code: str = Field(max_length=32, description="事项编码")
    case_no: str = Field(max_length=64, description="办件编号")
    purpose: str = Field(max_length=200, description="用途，须与事项和授权一致")
    authorisation_id: str | None = Field(default=None, max_length=26, description="授权编号")
    delegated_code: str | None = Field(
        default=None, max_length=2048, description="企业授权码（经办人当场出示），代替授权编号"
    )
    slot_code: str | None = Field(default=None, max_length=32, description="材料项编码，缺省为第一个可接受的材料项")
    subject: HolderReference | None = Field(default=None, description="申请人；给出时须为持证主体之一")
    operator: str = Field(max_length=64, description="经办人工号（不填姓名）")
    device: str = Field(max_length=64, description="经办设备编号")


class UseShown(Outgoing):
    """A use."""

    id: str
    item_kind: str
    item_id: str
    department: str
    matter_code: str
    slot_code: str
    case_no: str
    purpose: str
    authorisation_id: str
    used_at: datetime
    entry_id: int
    stage: str
    index: int | None
    status_url: str
    receipt_url: str


class Uses(Outgoing):
    """Uses, newest first."""

    items: list[UseShown]
    next_cursor: str | None


def _shown(work: Work, rows: list[Use]) -> list[UseShown]:
    places = places_of(work, [row.id for row in rows], Kind.USE)
    return [
        UseShown(
            id=row.id,
            item_kind=row.item_kind,
            item_id=row.item_id,
            department=row.department,
            matter_code=row.matter_code,
            slot_code=row.slot_code,
            case_no=row.case_no,
            purpose=row.purpose,
            authorisation_id=row.authorisation_id,
            used_at=row.used_at,
            entry_id=row.entry_id,
            stage=places[row.id].stage if row.id in places else "registered",
            index=places[row.id].index if row.id in places else None,
            status_url=f"/api/v1/uses/{row.id}",
            receipt_url=f"/api/v1/uses/{row.id}/receipt",
        )
        for row in rows
    ]


@router.post("/uses", status_code=201, response_model=UseShown, summary="用证", responses=problems(404, 409))
def reuse(body: NewUse, call: OfCall) -> Response:
    """按授权使用另一部门持有的证照或材料。不能复用时答复 409，reason 为具名原因，并记录在案。"""

    if (body.authorisation_id is None) == (body.delegated_code is None):
        message = "授权编号与企业授权码应填且只填一项。"
        raise InvalidDraftError([FieldError("authorisation_id", "authorisation_or_code", message)])
    shown = None if body.delegated_code is None else shown_code(call.services, body.delegated_code, "delegated_code")

    def act(work: Work) -> Answer:
        subject = body.subject
        index = (
            None if subject is None else uses.subject_index(work, subject.holder_code_type_code, subject.holder_code)
        )
        request = ReuseRequest(
            item_kind=body.item_kind,
            item_id=body.item_id,
            matter_code=body.matter_code,
            case_no=body.case_no,
            purpose=body.purpose,
            authorisation_id=body.authorisation_id or "",
            shown=shown,
            subject_index=index,
            operator=body.operator,
            device=body.device,
            slot_code=body.slot_code,
        )
        return Answer(HTTPStatus.CREATED, _shown(work, [uses.reuse(work, request)])[0])

    return call.answer(act)


@router.get("/uses", summary="用证记录")
def list_uses(call: OfCall, cursor: Cursor = None, limit: Limit = 50) -> Uses:
    """窗口看本部门的用证记录，审计员看全部；新的在前。"""
    actor = call.known.actor
    department = None if actor.has_role("auditor") else actor.department

    def ask(work: Work) -> Uses:
        rows = uses.list_page(work, department, cursor, limit)
        more = rows[-1].id if len(rows) == limit else None
        return Uses(items=_shown(work, rows), next_cursor=more)

    return call.read(ask)


@router.get("/uses/{use_id}", summary="用证记录详情", responses=problems(404))
def get_use(use_id: str, call: OfCall) -> UseShown:
    """本部门的用证记录；审计员可看全部。"""
    return call.read(lambda work: _shown(work, [_own(work, use_id)])[0])


@router.get("/uses/{use_id}/receipt", summary="用证回执", responses=problems(404, 409))
def get_receipt(use_id: str, call: OfCall) -> receipts.Receipt:
    """用证条目在最新已上链日志头之下的证明；尚未上链时答复 409 not_anchored_yet。"""
    return call.read(
        lambda work: receipts.show(receipt_of(work, call.services.pipeline.log, _own(work, use_id).entry_id))
    )


def _own(work: Work, use_id: str) -> Use:
    use = uses.get(work, use_id)
    if not work.actor.has_role("auditor") and work.actor.department != use.department:
        raise NotPermittedError("another_departments_use", "只能查看本部门的用证记录。")
    return use
