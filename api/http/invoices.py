"""E-invoices: register one that the registry reads from an uploaded OFD or PDF file."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from api.http.calls import Answer, Call, get_call
from api.http.certificates import Holder
from api.http.forms import USUAL, Incoming, Outgoing, problems
from api.http.guard import GuardedRoute
from registry.certificates.holders import HolderDraft
from registry.files import service as files
from registry.files.store import StoredFile
from registry.files.tables import StoredFileRow
from registry.invoices import rules
from registry.invoices import service as invoices
from registry.invoices.rules import ReadInvoice
from registry.materials import service as materials
from registry.materials.rules import INVOICE_TYPE
from registry.work import Work
from verifier.documents.findings import Roots

router = APIRouter(prefix="/api/v1", tags=["材料"], route_class=GuardedRoute, responses=USUAL)
OfCall = Annotated[Call, Depends(get_call)]


class NewInvoice(Incoming):
    """An invoice to be registered: the file, and who hands it in."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="已上传的 OFD 或 PDF 文件的 SHA-256")
    holder: Holder | None = Field(default=None, description="交来发票的人或单位；不填则为发票上的单位购买方")
    matter_code: str | None = Field(default=None, max_length=32, description="事项编码")
    case_no: str | None = Field(default=None, max_length=64, description="办件编号")


class SealShown(Outgoing):
    """What the seals of an invoice's file are worth."""

    state: str = Field(description="valid、undecided 或 not_in_force")
    state_name: str
    reason: str
    message: str


class InvoiceAccepted(Outgoing):
    """The one material of this invoice."""

    id: str
    status_url: str
    duplicate: bool = Field(description="该发票此前已登记；id 为已登记的那一件")
    department: str = Field(description="登记部门")
    registered_at: datetime
    seal: SealShown = Field(description="本次文件的签章结论")
    differs: list[str] = Field(description="本次文件与已登记内容不同的字段")


@router.post(
    "/invoices", status_code=202, response_model=InvoiceAccepted, summary="登记电子发票", responses=problems(404)
)
def register(body: NewInvoice, call: OfCall) -> Response:
    """登记已上传的 OFD 或带签名的 PDF 电子发票，内容由系统读取；同一发票（代码加号码）无论谁登记几次都只有一件。"""
    sha256 = bytes.fromhex(body.sha256)
    invoice = read_stored(call, sha256)
    one = body.holder
    holder = HolderDraft(one.holder_name, one.holder_code, one.holder_code_type_code) if one else None

    def act(work: Work) -> Answer:
        done = invoices.register(work, invoice, sha256, holder, body.matter_code, body.case_no)
        row, data = done.material, invoice.data
        state, reason, message = data["seal_state"], data["seal_reason"], data["seal_message"]
        seal = SealShown(state=state, state_name=rules.seal_chinese(state), reason=reason, message=message)
        accepted = InvoiceAccepted(
            id=row.id, status_url=f"/api/v1/materials/{row.id}", duplicate=not done.is_new, department=row.department,
            registered_at=row.registered_at, seal=seal, differs=done.differs,
        )  # fmt: skip
        return Answer(HTTPStatus.ACCEPTED, accepted)

    return call.answer(act)


def read_stored(call: Call, file: StoredFile | bytes) -> ReadInvoice:
    """The invoice in a stored file, or in the one with a SHA-256, read outside of any transaction.

    Raises InvalidDraftError, NotFoundError, NotPermittedError.
    """

    def prepare(work: Work) -> tuple[Roots, StoredFile | StoredFileRow]:
        materials.check_desk(work, INVOICE_TYPE)
        return invoices.trusted_makers(work), files.get(work, file) if isinstance(file, bytes) else file

    makers, stored = call.read(prepare)
    return invoices.read_file(call.services.files.read(stored), makers, call.services.registry.clock())
