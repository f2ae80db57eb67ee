"""E-invoices: upload an OFD or PDF file, see what the registry reads from it, register it once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response

from api.http.calls import Call, get_call
from api.http.files import take_in
from api.http.guard import GuardedRoute
from api.http.invoices import read_stored
from api.pages import wording
from api.pages.forms import Form, get_form
from api.pages.problems import SHOWN_ERRORS, field_errors, problem_view, status_of
from api.pages.rendering import go, show, texts_for
from api.pages.texts import Texts
from api.pages.views import Option, ProblemView
from registry.catalogue import service as catalogue
from registry.certificates.holders import HolderDraft
from registry.certificates.masking import mask_data
from registry.departments import service as departments
from registry.errors import FieldError, InvalidDraftError, NotFoundError
from registry.invoices import rules
from registry.invoices import service as invoices
from registry.invoices.rules import ReadInvoice
from registry.materials import service as materials
from registry.materials.rules import INVOICE_TYPE
from registry.uses import service as uses
from registry.work import Work

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)
OfCall = Annotated[Call, Depends(get_call)]
OfForm = Annotated[Form, Depends(get_form)]

_FILE_LIMIT_BYTES: Final = 16 * 1024 * 1024
_TONES: Final = {"valid": "valid", "undecided": "undecided", "not_in_force": "dormant"}


@dataclass(frozen=True, slots=True)
class InvoiceShown:
    """An invoice's fields with their labels, and what its seals are worth."""

    facts: list[tuple[str, str]]
    tone: str
    seal: str
    seal_message: str


@dataclass(frozen=True, slots=True)
class InvoicePage:
    """The form, and the invoice that was read from the file with this SHA-256, if one was."""

    code_types: list[Option]
    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    invoice: InvoiceShown | None = None
    sha256: str = ""
    problem: ProblemView | None = None


@dataclass(frozen=True, slots=True)
class RegisteredPage:
    """A registered invoice: by whom and when, as how many files, whether it was used, and where this file differs."""

    id: str
    invoice: InvoiceShown
    department: str
    registered_at: datetime
    files: int
    used: bool
    masked: bool
    differs: list[str]


@router.get("/invoices")
def upload_page(request: Request) -> Response:
    """上传电子发票。"""
    return show(request, "invoices.html", InvoicePage(_code_types(texts_for(request))))


@router.post("/invoices/file")
def read_upload(request: Request, call: OfCall, form: OfForm) -> Response:
    """读取上传的文件，登记之前先给人看。"""
    t = texts_for(request)
    try:
        upload = form.upload("file")
        if upload is None:
            raise InvalidDraftError([FieldError("file", "file_missing", "请选择一个 OFD 或 PDF 文件。")])
        stored = call.services.files.put(upload.content, _FILE_LIMIT_BYTES)
        invoice = read_stored(call, stored)
        call.write(lambda work: take_in(call, work, [stored]))
    except SHOWN_ERRORS as refused:
        view = InvoicePage(_code_types(t), problem=problem_view(refused, t, _labels(t)))
        return show(request, "invoices.html", view, status=status_of(refused))
    return show(request, "invoices.html", _read_page(invoice, stored.sha256.hex(), t))


@router.post("/invoices")
def register(request: Request, call: OfCall, form: OfForm) -> Response:
    """登记读出的发票；同一发票只有一件。"""
    t, sha256 = texts_for(request), form.text("sha256")
    try:
        digest = bytes.fromhex(sha256)
    except ValueError as wrong:
        raise NotFoundError("file_missing", "文件库中没有该文件。") from wrong
    invoice = read_stored(call, digest)
    name, code = form.text("holder_name"), form.text("holder_code")
    holder = HolderDraft(name, code, form.text("holder_code_type_code")) if name or code else None
    case_no = form.text("case_no") or None
    try:
        done = call.write(lambda work: invoices.register(work, invoice, digest, holder, None, case_no))
    except SHOWN_ERRORS as refused:
        named = {key.removeprefix("holders.0."): said for key, said in field_errors(refused, t).items()}
        view = _read_page(
            invoice, sha256, t, {one: form.text(one) for one in form.texts}, named,
            problem_view(refused, t, _labels(t)),
        )  # fmt: skip
        return show(request, "invoices.html", view, status=status_of(refused))
    differs = {"differs": ",".join(done.differs)} if done.differs else {}
    return go(f"/invoices/{done.material.id}", done="invoice" if done.is_new else "invoice_known", **differs)


@router.get("/invoices/{material_id}")
def registered_page(request: Request, call: OfCall, material_id: str, differs: str = "") -> Response:
    """一件已登记的电子发票。"""
    t = texts_for(request)
    names = [_label(name, t) for name in differs.split(",") if name in rules.FIELDS]
    return show(request, "invoice.html", call.read(lambda work: _registered(work, material_id, names, t)))


def _registered(work: Work, material_id: str, differs: list[str], t: Texts) -> RegisteredPage:
    row = materials.get(work, material_id)
    if row.type_code != INVOICE_TYPE:
        raise NotFoundError("material_unknown", "没有登记该材料，请核对编号。")
    data, own = materials.content_of(row)["data"], work.actor.department == row.department
    if not own:
        data = mask_data(data, catalogue.definition_at(work, row.type_code, row.type_version))
    return RegisteredPage(
        id=row.id, invoice=_shown(data, t), department=departments.get(work, row.department).name,
        registered_at=row.registered_at, files=invoices.count_files(work, row.id),
        used=uses.consumption_of(work, "material", row.id) is not None, masked=not own, differs=differs,
    )  # fmt: skip


def _read_page(
    invoice: ReadInvoice,
    sha256: str,
    t: Texts,
    values: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    problem: ProblemView | None = None,
) -> InvoicePage:
    if values is None:
        name, code = invoice.buyer or (invoice.data.get("buyer_name", ""), "")
        values = {"holder_name": name, "holder_code": code, "holder_code_type_code": "001" if code else "111"}
    return InvoicePage(_code_types(t), values, errors or {}, _shown(invoice.data, t), sha256, problem)


def _shown(data: Mapping[str, Any], t: Texts) -> InvoiceShown:
    state = str(data["seal_state"])
    return InvoiceShown(
        facts=[(_label(name, t), _written(name, str(data[name]))) for name in rules.FIELDS if data.get(name)],
        tone=_TONES[state], seal=t.said(f"invoice.seal.{state}", rules.seal_chinese(state)),
        seal_message=str(data["seal_message"]),
    )  # fmt: skip


def _written(name: str, value: str) -> str:
    if name == "issued_on":
        return f"{value[:4]}-{value[4:6]}-{value[6:]}"
    return f"¥ {value}" if name.startswith(("amount", "tax")) else value


def _label(name: str, t: Texts) -> str:
    return t.said(f"invoice.{name}", rules.FIELDS[name][1])


def _labels(t: Texts) -> dict[str, str]:
    return {name: _label(name, t) for name in rules.FIELDS}


def _code_types(t: Texts) -> list[Option]:
    return list(wording.code_type_options(t))
