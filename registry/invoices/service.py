"""Use cases of e-invoices: read a file, register the invoice in it once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from codes import pages
from codes.picture import PictureError
from registry import upserts
from registry.certificates.holders import HolderDraft
from registry.errors import FieldError, InvalidDraftError
from registry.files import service as files
from registry.files.service import AttachedFile
from registry.invoices import rules
from registry.invoices.rules import ReadInvoice
from registry.invoices.tables import InvoiceFile
from registry.materials import service as materials
from registry.materials.rules import INVOICE_TYPE, MaterialDraft
from registry.materials.tables import Material
from registry.trust import certificates as trust
from registry.work import Work
from verifier.documents.apart import inspect_apart
from verifier.documents.certificates import Certificate
from verifier.documents.findings import Roots
from verifier.documents.invoice_faces import read_face
from verifier.errors import MalformedError
from verifier.evidence import LONG_TERM
from verifier.times import shanghai_day


@dataclass(frozen=True, slots=True)
class HandedIn:
    """The invoice's one material; `differs` names fields in which this file states something else than it does."""

    material: Material
    is_new: bool
    differs: list[str]


def trusted_makers(work: Work) -> Roots:
    """The makers of seals that the administrator trusts now."""
    makers, _ = trust.trusted(work.session)
    return Roots(tuple(Certificate.load(maker) for maker in makers))


def read_file(data: bytes, makers: Roots, at: datetime) -> ReadInvoice:
    """The invoice in an OFD or PDF file; slow, so outside of a transaction. Raises InvalidDraftError."""
    found = inspect_apart(data, "", makers, at)
    # Pages of what is refused anyway are not drawn.
    return rules.examine(found, shanghai_day(at), _face(data) if found.document.get("sealed_whole") else None)


def _face(data: bytes) -> Mapping[str, Any] | None:
    """What the pages of a signed PDF show of an invoice; None where there is no code on them."""
    try:
        reading = pages.read(data)
        if reading.unread:
            raise rules.refuse_face("pages_unread", reading.unread)
        return read_face([one.text for one in reading.found], reading.words, covered=True)
    except (PictureError, MalformedError) as error:
        if error.reason == "no_code_on_pages":
            return None
        raise rules.refuse_face(error.reason, error.message) from error


def register(
    work: Work,
    invoice: ReadInvoice,
    sha256: bytes,
    holder: HolderDraft | None = None,
    matter_code: str | None = None,
    case_no: str | None = None,
) -> HandedIn:
    """Register the invoice that was read from a stored file, or find it where anybody registered it before.

    holder: who hands it in; without one, the buyer where the invoice names an organisation. Raises InvalidDraftError,
    NotPermittedError, NotFoundError.
    """
    _, issuer = materials.check_desk(work, INVOICE_TYPE)
    if sha256 not in files.find_many(work, {sha256}):
        raise InvalidDraftError([FieldError("sha256", "file_unknown", "没有这个文件，请先上传。")])
    key = work.blind.of("invoice", invoice.key)
    material, is_new = materials.find_by_key(work, key), False
    if material is None:
        title, holders = f"电子发票 {invoice.data['invoice_number']}", (_holder(invoice, holder),)
        draft = MaterialDraft(
            type_code=INVOICE_TYPE, title=title, holders=holders, valid_from=invoice.issued_on, valid_to=LONG_TERM,
            data=invoice.data, matter_code=matter_code, case_no=case_no,
        )  # fmt: skip
        file = AttachedFile(f"invoice.{invoice.format.value}", sha256)
        material, is_new = materials.register_as(work, draft, (file,), key)
    values = {
        "material_id": material.id, "sha256": sha256, "department": issuer.code, "handed_in_at": work.at,
        "handed_in_by": work.actor.id,
    }  # fmt: skip
    work.session.execute(upserts.insert_or_ignore(work.session, InvoiceFile), [values])
    return HandedIn(material, is_new, rules.differing(invoice.data, materials.content_of(material)["data"]))


def _holder(invoice: ReadInvoice, holder: HolderDraft | None) -> HolderDraft:
    if holder is not None:
        return holder
    if invoice.buyer is None:
        message = "发票上没有单位购买方的统一社会信用代码，请填写交来发票的人或单位。"
        raise InvalidDraftError([FieldError("holder", "holder_missing", message)])
    return HolderDraft(*invoice.buyer, "001")


def count_files(work: Work, material_id: str) -> int:
    """How many different files this invoice was handed in as."""
    query = select(func.count(InvoiceFile.sha256.distinct())).where(InvoiceFile.material_id == material_id)
    return work.session.scalar(query) or 0
