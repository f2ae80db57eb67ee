"""Materials: register, look at, receipt."""

from __future__ import annotations

from datetime import date, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field

from api.http import receipts
from api.http.calls import Answer, Call, get_call
from api.http.certificates import Attachment, Holder
from api.http.forms import USUAL, Cursor, Incoming, Limit, Outgoing, problems
from api.http.guard import GuardedRoute
from registry.catalogue import service as catalogue
from registry.certificates import masking, sight
from registry.certificates.holders import HolderDraft
from registry.files.service import AttachedFile
from registry.log.receipts import receipt_of_item
from registry.log.standing import places_of
from registry.materials import service as materials
from registry.materials.rules import MaterialDraft
from registry.materials.tables import Material
from registry.work import Work
from verifier.entry import Kind
from verifier.status import CHINESE, Status

router = APIRouter(prefix="/api/v1", tags=["材料"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]


class NewMaterial(Incoming):
    """A material to be registered."""

    type_code: str = Field(max_length=32, description="材料类型代码，21 位")
    title: str = Field(max_length=200, description="材料名称")
    holders: list[Holder] = Field(min_length=1, max_length=64, description="材料涉及的人或单位")
    valid_from: str = Field(max_length=8, description="有效期起始，yyyymmdd")
    valid_to: str = Field(default="长期", max_length=8, description="有效期截止，yyyymmdd 或“长期”")
    data: dict[str, Any] = Field(default_factory=dict, description="内容，按类型的模式")
    matter_code: str | None = Field(default=None, max_length=32, description="事项编码")
    case_no: str | None = Field(default=None, max_length=64, description="办件编号")
    files: list[Attachment] = Field(default_factory=list, max_length=16, description="附件")


class MaterialAccepted(Outgoing):
    """The material is safe; it goes into the log by itself."""

    id: str
    status_url: str


class MaterialShown(Outgoing):
    """A material as this caller may see it."""

    id: str
    type_code: str
    title: str
    department: str
    matter_code: str | None
    case_no: str | None
    status: str
    status_name: str
    valid_from_on: date
    valid_to_on: date | None
    registered_at: datetime
    holders: list[dict[str, Any]]
    data: dict[str, Any]
    files: list[dict[str, Any]]
    masked: bool
    stage: str
    index: int | None


class MaterialLine(Outgoing):
    """A material in a list."""

    id: str
    type_code: str
    title: str
    department: str
    matter_code: str | None
    case_no: str | None
    status: int = Field(description="状态，0 为有效")
    valid_from_on: date
    valid_to_on: date | None
    registered_at: datetime


class Materials(Outgoing):
    """Materials, newest first."""

    items: list[MaterialLine]
    next_cursor: str | None


@router.post(
    "/materials", status_code=202, response_model=MaterialAccepted, summary="登记材料", responses=problems(404)
)
def register(body: NewMaterial, call: OfCall) -> Response:
    """登记办件中提交或产生的材料；相同内容重复登记得到同一份材料。"""
    draft = MaterialDraft(
        type_code=body.type_code,
        title=body.title,
        holders=tuple(HolderDraft(one.holder_name, one.holder_code, one.holder_code_type_code) for one in body.holders),
        valid_from=body.valid_from,
        valid_to=body.valid_to,
        data=body.data,
        matter_code=body.matter_code,
        case_no=body.case_no,
    )
    files = tuple(AttachedFile(file.name, bytes.fromhex(file.sha256)) for file in body.files)

    def act(work: Work) -> Answer:
        row = materials.register(work, draft, files)
        accepted = MaterialAccepted(id=row.id, status_url=f"/api/v1/materials/{row.id}")
        return Answer(HTTPStatus.ACCEPTED, accepted)

    return call.answer(act)


@router.get("/materials", summary="材料列表")
def list_materials(
    call: OfCall,
    cursor: Cursor = None,
    limit: Limit = 50,
    type_code: Annotated[str | None, Query(max_length=21, description="材料类型代码，或对应的本地目录代码")] = None,
    case_no: Annotated[str | None, Query(max_length=64, description="办件编号")] = None,
) -> Materials:
    """本部门登记的，新登记的在前；审计员可见全部。"""

    def ask(work: Work) -> Materials:
        page = materials.list_page(work, materials.Search(seen_of(work), type_code, case_no), cursor, limit)
        return Materials(items=[MaterialLine.model_validate(row) for row in page.materials], next_cursor=page.cursor)

    return call.read(ask)


def seen_of(work: Work) -> str | None:
    """The department whose materials the actor lists; None for auditors, who list all."""
    return None if work.actor.has_role("auditor") else work.actor.department or ""


@router.get("/materials/{material_id}", summary="材料详情", responses=problems(404))
def get_material(material_id: str, call: OfCall) -> MaterialShown:
    """登记部门的登记员与窗口可见全部；用过它或有该类用证权限的部门可见脱敏后的内容：不含名称（以类型名称代替）和附件。"""
    return call.read(lambda work: _shown(work, look_at(work, material_id)))


def look_at(work: Work, material_id: str) -> Material:
    """The material of this id, for the actor's eyes. Raises NotFoundError, NotPermittedError."""
    row = materials.get(work, material_id)
    sight.check(work, row)
    return row


@router.get("/materials/{material_id}/receipt", summary="存证回执", responses=problems(404, 409))
def get_receipt(material_id: str, call: OfCall) -> receipts.Receipt:
    """登记条目在最新已上链日志头之下的证明；尚未上链时答复 409 not_anchored_yet。"""

    def ask(work: Work) -> receipts.Receipt:
        look_at(work, material_id)
        return receipts.show(receipt_of_item(work, call.services.pipeline.log, material_id, Kind.MATERIAL))

    return call.read(ask)


def _shown(work: Work, row: Material) -> MaterialShown:
    content = materials.content_of(row)
    own = work.actor.department == row.department and work.actor.has_role("registrar", "window")
    title = row.title
    if not own:
        definition = catalogue.definition_at(work, row.type_code, row.type_version)
        # A title and the names of files may hold people's names.
        title, content["files"] = definition.name, []
        alike = {"holders": content["holders"], "certificate_number": "", "extend_info": content["data"]}
        masked = masking.mask_face(alike, definition)
        content["holders"], content["data"] = masked["holders"], masked["extend_info"]
    place = places_of(work, [row.id], Kind.MATERIAL).get(row.id)
    status = Status(row.status)
    return MaterialShown(
        id=row.id,
        type_code=row.type_code,
        title=title,
        department=row.department,
        matter_code=row.matter_code,
        case_no=row.case_no,
        status=status.name.lower(),
        status_name=CHINESE[status],
        valid_from_on=row.valid_from_on,
        valid_to_on=row.valid_to_on,
        registered_at=row.registered_at,
        holders=content["holders"],
        data=content["data"],
        files=content["files"],
        masked=not own,
        stage=place.stage if place else "registered",
        index=place.index if place else None,
    )
