"""Certificates: register one, list, look at, change the status, get receipt and evidence."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from api.http import receipts
from api.http.calls import Answer, Call, get_call
from api.http.certificate_lists import Line, line_of
from api.http.forms import USUAL, Incoming, Outgoing, problems
from api.http.guard import GuardedRoute
from api.http.registrations import Registration
from registry.certificates import masking, sight
from registry.certificates import service as certificates
from registry.certificates.drafts import parse_draft
from registry.certificates.outcomes import Registered
from registry.certificates.tables import Certificate
from registry.errors import NotPermittedError
from registry.evidence import service as evidence
from registry.files.service import AttachedFile
from registry.idempotency.service import Answer as StoredAnswer
from registry.log.receipts import receipt_of_item
from registry.log.standing import places_of
from registry.statuses.tables import StatusEvent
from registry.work import Work
from verifier.entry import Kind
from verifier.status import Status

router = APIRouter(prefix="/api/v1", tags=["证照"], route_class=GuardedRoute, responses=USUAL)
#: Of its own, because routes are tried in turn: the application has it before all others.
registering = APIRouter(prefix="/api/v1", tags=["证照"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]

EVIDENCE_MEDIA_TYPE = "application/vnd.suizheng.evidence+cbor"


class Holder(Incoming):
    """A holder as handed in."""

    holder_name: str = Field(description="持证主体：姓名或单位名称")
    holder_code: str = Field(description="持证主体代码：证件号码")
    holder_code_type_code: str = Field(description="持证主体代码类型，如 001 统一社会信用代码、111 公民身份号码")


class Attachment(Incoming):
    """A file that was uploaded before."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="已上传文件的 SHA-256")
    name: str = Field(max_length=200, description="文件名")


class Draft(Incoming):
    """A certificate to be registered. Names and issuer are filled in by the registry."""

    certificate_type_code: str = Field(description="证照类型代码，21 位")
    certificate_number: str = Field(description="证照编号：证照上印的号码")
    certificate_version: str | None = Field(default=None, description="证照版本号，缺省 001")
    certificate_identifier: str | None = Field(default=None, description="证照标识；缺省由系统生成")
    issue_date: str = Field(description="颁发日期，yyyymmdd")
    valid_from: str = Field(description="有效期起始，yyyymmdd")
    valid_to: str = Field(description="有效期截止，yyyymmdd 或“长期”")
    area_code: str | None = Field(default=None, description="属地编码，缺省 310105")
    associated_identifier: str | None = Field(default=None, description="关联证照标识：延续、变更前的证照")
    holders: list[Holder] = Field(description="持证主体，可有多个")
    extend_info: dict[str, Any] = Field(default_factory=dict, description="照面信息，按类型的模式")
    files: list[Attachment] = Field(default_factory=list, max_length=16, description="附件")


class Accepted(Outgoing):
    """The certificate is safe; it goes into the log by itself."""

    id: str
    identifier: str
    duplicate: bool = Field(description="内容相同的证照先前已登记，本次未新增")
    entry_id: int | None
    status_url: str


class Event(Outgoing):
    """A status event."""

    id: str
    operation: str
    operation_code: str
    from_status: str
    to_status: str
    reason: str
    authority: str
    document: str | None
    successor: str | None
    effective_at: datetime
    recorded_at: datetime
    entry_id: int


class Detail(Line):
    """A certificate with its face as this caller may see it."""

    face: dict[str, Any]
    masked: bool
    sha256: str = Field(description="承诺摘要（SHA-256）")
    sm3: str = Field(description="承诺摘要（SM3）")
    events: list[Event]


class DisclosureForm(Incoming):
    """Why the whole face is needed."""

    purpose: str = Field(max_length=200, description="查看用途，记入审计")


class Disclosed(Outgoing):
    """The whole face."""

    id: str
    face: dict[str, Any]


def event_of(event: StatusEvent) -> Event:
    """A status event as it is shown."""
    return Event(
        id=event.id,
        operation=event.operation,
        operation_code=event.operation_code,
        from_status=Status(event.from_status).name.lower(),
        to_status=Status(event.to_status).name.lower(),
        reason=event.reason,
        authority=event.authority,
        document=event.document,
        successor=event.successor,
        effective_at=event.effective_at,
        recorded_at=event.recorded_at,
        entry_id=event.entry_id,
    )


def detail_of(work: Work, certificate_id: str) -> Detail:
    """A certificate with face, events and place in the log, for the work's actor. Raises NotFoundError,
    NotPermittedError (not_shown_here)."""
    row = sight.look_at(work, certificate_id)
    place = places_of(work, [row.id], Kind.CERTIFICATE).get(row.id)
    face = masking.masked(work, row, work.actor)
    events = [event_of(event) for event in certificates.events_of(work, row.id)]
    line = line_of(work, row, place)
    return Detail(
        **line.model_dump(),
        face=face,
        masked=not _sees_whole(work, row),
        sha256=row.sha256.hex(),
        sm3=row.sm3.hex(),
        events=events,
    )


def _sees_whole(work: Work, row: Certificate) -> bool:
    return work.actor.department == row.department and work.actor.has_role("registrar")


@registering.post(
    "/certificates", status_code=202, response_model=Accepted, summary="登记一份证照", responses=problems(404, 409)
)
async def register(body: Draft, call: OfCall) -> Response:
    """校验、计算承诺并落盘后答复 202；入日志与上链由系统随后自动完成。相同内容重复登记得到同一份证照。"""
    draft = parse_draft(body.model_dump(exclude_none=True, exclude={"files"}))
    files = tuple(AttachedFile(file.name, bytes.fromhex(file.sha256)) for file in body.files)
    if draft.associated_identifier is not None:
        # It changes its predecessor as well: such a request has a transaction of its own.
        return await run_in_threadpool(
            call.answer, lambda work: Answer(*_accepted(certificates.register(work, draft, files)))
        )
    return await call.answer_by(
        lambda claim: call.services.registrations.do(
            Registration(call.known.actor, claim, draft, files, lambda done: StoredAnswer(*_accepted(done)))
        )
    )


def _accepted(done: Registered) -> tuple[int, dict[str, Any]]:
    accepted = Accepted(
        id=done.id,
        identifier=done.identifier,
        duplicate=done.duplicate,
        entry_id=done.entry_id,
        status_url=f"/api/v1/certificates/{done.id}",
    )
    return HTTPStatus.ACCEPTED, accepted.model_dump(mode="json")


@router.get("/certificates/{certificate_id}", summary="证照详情", responses=problems(404))
def get_certificate(certificate_id: str, call: OfCall) -> Detail:
    """颁发部门、用过它的部门和有该类用证权限的部门可见；照面脱敏，只有颁发部门的登记员可见全部。"""
    return call.read(lambda work: detail_of(work, certificate_id))


@router.post(
    "/certificates/{certificate_id}/disclosures",
    status_code=201,
    response_model=Disclosed,
    summary="查看完整照面",
    responses=problems(404),
)
def disclose(certificate_id: str, body: DisclosureForm, call: OfCall) -> Response:
    """须说明用途；谁在何时为何查看，一并记录。"""

    def act(work: Work) -> Answer:
        face = masking.disclose(work, certificates.get(work, certificate_id), body.purpose)
        # Not stored with the key: the face would outlive its own erasure there.
        return Answer(HTTPStatus.CREATED, Disclosed(id=certificate_id, face=face), shown_once=("face",))

    return call.answer(act)


@router.get("/certificates/{certificate_id}/receipt", summary="存证回执", responses=problems(404, 409))
def get_receipt(certificate_id: str, call: OfCall) -> receipts.Receipt:
    """登记条目在最新已上链日志头之下的证明；尚未上链时答复 409 not_anchored_yet。"""

    def ask(work: Work) -> receipts.Receipt:
        sight.look_at(work, certificate_id)
        return receipts.show(receipt_of_item(work, call.services.pipeline.log, certificate_id, Kind.CERTIFICATE))

    return call.read(ask)


@router.get(
    "/certificates/{certificate_id}/evidence",
    summary="证据包",
    response_class=Response,
    responses={200: {"content": {EVIDENCE_MEDIA_TYPE: {}}}, **problems(404, 409)},
)
def get_evidence(certificate_id: str, call: OfCall) -> Response:
    """离线核验所需的一切，含完整照面：只给颁发部门的登记员。尚未上链时答复 409 not_anchored_yet。"""
    return evidence_response(call, certificate_id)


def evidence_response(call: Call, certificate_id: str) -> Response:
    """The evidence bundle as a download, for registrars of the issuer.

    Raises NotFoundError, NotPermittedError, NotAnchoredYetError.
    """

    def ask(work: Work) -> tuple[str, bytes]:
        row = certificates.get(work, certificate_id)
        if not _sees_whole(work, row):
            raise NotPermittedError("not_the_issuer", "证据包含完整照面，只能由颁发部门的登记员导出。")
        read_file = call.services.files.reader(work)
        return row.id, evidence.export(work, call.services.pipeline.log, certificate_id, read_file)

    name, data = call.read(ask)
    headers = {"Content-Disposition": f'attachment; filename="{name}.szb"'}
    return Response(data, media_type=EVIDENCE_MEDIA_TYPE, headers=headers)
