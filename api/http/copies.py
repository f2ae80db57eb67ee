"""Derived copies: make one from a certificate, list, download the PDF and its evidence."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.http.calls import Answer, Call, get_call
from api.http.certificates import EVIDENCE_MEDIA_TYPE
from api.http.codes import signing_key
from api.http.forms import USUAL, Incoming, Moment, Outgoing, problems
from api.http.guard import GuardedRoute
from api.printing.copies import print_copy
from registry.catalogue import service as catalogue
from registry.copies import service as copies
from registry.copies.rules import CopyRequest
from registry.copies.service import CopyPlan
from registry.copies.tables import DerivedCopy
from registry.files import service as files
from registry.files.store import StoredFile
from registry.work import Work

router = APIRouter(prefix="/api/v1", tags=["加注件"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]


class NewCopy(Incoming):
    """A copy to be made."""

    receiver: str = Field(max_length=200, description="接收单位")
    expires_at: Moment = Field(strict=False, description="有效至（不含），带时区，最长 180 天")
    purpose: str = Field(default="", max_length=200, description="用途；依用证制作时取用证的用途")
    matter_code: str = Field(default="", max_length=64, description="事项编码；依用证制作时取用证的事项")
    masked: bool = Field(default=True, description="脱敏；只有颁发部门的登记员可以选择不脱敏")
    use_id: str | None = Field(default=None, max_length=26, description="依本部门的哪次用证制作")
    authorisation_id: str | None = Field(default=None, max_length=26, description="依哪项授权制作，计为使用一次")


class Ending(Incoming):
    """Why a copy ends."""

    reason: str = Field(max_length=200, description="作废事由")


class CopyShown(Outgoing):
    """A copy."""

    id: str
    certificate_id: str
    number: int
    department: str
    purpose: str
    matter_code: str
    receiver: str
    masked: bool
    use_id: str | None
    authorisation_id: str | None
    made_at: datetime
    expires_at: datetime
    state: str = Field(description="valid 有效，expired 已到期，revoked 已作废或原证照已撤销，其他为原证照的状态")
    revoked_at: datetime | None = Field(description="单独作废的时间")
    revoked_reason: str | None
    sha256: str = Field(description="PDF 的 SHA-256")
    sm3: str = Field(description="PDF 的 SM3")


class Copies(Outgoing):
    """The copies of a certificate, newest first."""

    items: list[CopyShown]


def make_copy(call: Call, work: Work, request: CopyRequest) -> DerivedCopy:
    """Make a copy, print it and keep its PDF. Raises as copies.make, FontMissingError."""

    def draw(planned: CopyPlan) -> StoredFile:
        definition = catalogue.definition_at(work, planned.type_code, planned.type_version)
        return call.services.files.put([print_copy(planned, definition)], is_new=True)

    return copies.make(work, request, signing_key(call), draw)


def pdf_of(call: Call, copy_id: str) -> Response:
    """The PDF of a copy as a download. Raises NotFoundError."""
    stored = call.read(lambda work: files.get(work, copies.get(work, copy_id).file))
    data = call.services.files.read(stored)
    headers = {"Content-Disposition": f'attachment; filename="{copy_id}.pdf"'}
    return Response(data, media_type="application/pdf", headers=headers)


def evidence_of(call: Call, copy_id: str) -> Response:
    """The evidence bundle of a copy as a download. Raises NotFoundError, NotAnchoredYetError."""
    services = call.services
    data = call.read(lambda work: copies.export(work, services.pipeline.log, copy_id, services.files.reader(work)))
    headers = {"Content-Disposition": f'attachment; filename="{copy_id}.szb"'}
    return Response(data, media_type=EVIDENCE_MEDIA_TYPE, headers=headers)


@router.post(
    "/certificates/{certificate_id}/copies",
    status_code=201,
    response_model=CopyShown,
    summary="制作加注件",
    responses=problems(404, 409, 503),
)
def make(certificate_id: str, body: NewCopy, call: OfCall) -> Response:
    """为一项用途制作带水印、有期限的 PDF；证照所附的原始文件不随附。原证照失效，加注件同时失效。"""
    request = CopyRequest(certificate_id=certificate_id, **body.model_dump())

    def act(work: Work) -> Answer:
        return Answer(HTTPStatus.CREATED, _shown(work, make_copy(call, work, request)))

    return call.answer(act)


@router.get("/certificates/{certificate_id}/copies", summary="证照的加注件", responses=problems(404))
def list_copies(certificate_id: str, call: OfCall) -> Copies:
    """颁发部门可见全部，其他部门可见本部门制作的。"""
    return call.read(lambda work: Copies(items=[_shown(work, copy) for copy in copies.list_of(work, certificate_id)]))


@router.get(
    "/copies/{copy_id}/file",
    summary="加注件 PDF",
    response_class=Response,
    responses={200: {"content": {"application/pdf": {}}}, **problems(404)},
)
def get_file(copy_id: str, call: OfCall) -> Response:
    """制作部门与颁发部门可以下载。"""
    return pdf_of(call, copy_id)


@router.get(
    "/copies/{copy_id}/evidence",
    summary="加注件证据包",
    response_class=Response,
    responses={200: {"content": {EVIDENCE_MEDIA_TYPE: {}}}, **problems(404, 409)},
)
def get_evidence(copy_id: str, call: OfCall) -> Response:
    """含 PDF，可离线核验；尚未上链时答复 409 not_anchored_yet。"""
    return evidence_of(call, copy_id)


@router.post("/copies/{copy_id}/revoke", response_model=CopyShown, summary="作废加注件", responses=problems(404, 409))
def revoke(copy_id: str, body: Ending, call: OfCall) -> Response:
    """单独作废一份：联网核验立即失效，离线核验随下一份状态列表失效；原证照和其他加注件不受影响。"""
    return call.answer(lambda work: Answer(HTTPStatus.OK, _shown(work, copies.revoke(work, copy_id, body.reason))))


def _shown(work: Work, row: DerivedCopy) -> CopyShown:
    state, file = copies.state_of(work, row), files.get(work, row.file)
    return CopyShown(
        id=row.id, certificate_id=row.certificate_id, number=row.number, department=row.department,
        purpose=row.purpose, matter_code=row.matter_code, receiver=row.receiver, masked=row.masked, use_id=row.use_id,
        authorisation_id=row.authorisation_id, made_at=row.made_at, expires_at=row.expires_at,
        state="expired" if state is None else state.name.lower(), sha256=file.sha256.hex(), sm3=file.sm3.hex(),
        revoked_at=row.revoked_at, revoked_reason=row.revoked_reason,
    )  # fmt: skip
