"""What makes an inspected file an invoice that can be registered: pure decisions, every fault named by its field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from registry.certificates.rules import day
from registry.errors import FieldError, InvalidDraftError
from verifier.documents.apart import NOT_READ
from verifier.documents.findings import FORMAT_CHINESE, Format, Inspection
from verifier.documents.invoices import DIGITAL_DIGITS, amount_of, day_of, joined, one_time_key
from verifier.identifiers import IdentifierError, check_uscc
from verifier.verdict import STATE_CHINESE, State

#: Field of the type's schema -> name in an inspection, what people call it.
FIELDS: Mapping[str, tuple[str, str]] = {
    "invoice_code": ("code", "发票代码"),
    "invoice_number": ("number", "发票号码"),
    "issued_on": ("issued_on", "开票日期"),
    "amount_without_tax": ("amount_without_tax", "合计金额"),
    "tax": ("tax", "合计税额"),
    "amount_with_tax": ("amount_with_tax", "价税合计"),
    "seller_name": ("seller_name", "销售方名称"),
    "seller_tax_id": ("seller_tax_id", "销售方纳税人识别号"),
    "buyer_name": ("buyer_name", "购买方名称"),
    "buyer_tax_id": ("buyer_tax_id", "购买方纳税人识别号"),
    "check_code": ("check_code", "校验码"),
}
_NEEDED = ("invoice_number", "issued_on", "amount_with_tax")
_AMOUNTS = ("amount_without_tax", "tax", "amount_with_tax")
_FORMATS = (Format.OFD, Format.PDF)
_UNTAXED = re.compile(r"\*+|免税|不征税|零税率")
_MAX_MESSAGE = 300
_REFUSED = "发票文件有误，不能登记。"


@dataclass(frozen=True, slots=True)
class ReadInvoice:
    """An invoice as its file states it. key: that of verifier.documents.invoices; data: by the type's schema."""

    key: str
    data: dict[str, str]
    issued_on: str
    seal: State
    message: str
    format: Format

    @property
    def buyer(self) -> tuple[str, str] | None:
        """Name and unified social credit code (统一社会信用代码) of a buyer that has both."""
        name, code = self.data.get("buyer_name", ""), self.data.get("buyer_tax_id", "").upper()
        try:
            check_uscc(code, "buyer_tax_id")
        except IdentifierError:
            return None
        return (name, code) if name else None


def examine(found: Inspection, today: date, face: Mapping[str, Any] | None = None) -> ReadInvoice:
    """The invoice of an inspected file. Raises InvalidDraftError naming every field at fault.

    face: what the pages of a PDF show of it (verifier.documents.invoice_faces).
    """
    invoice = _invoice_of(found, face)
    errors: list[FieldError] = []
    stated: Mapping[str, Mapping[str, Any]] = invoice["fields"]
    for name, (inner, chinese) in FIELDS.items():
        if inner in invoice["differing"]:
            errors.append(
                _fault(name, "contradictory", f"发票文件中的“{chinese}”前后不一致，请向开票方索取正确的文件。")
            )
        elif name in _NEEDED and inner not in stated:
            errors.append(_fault(name, "missing_in_file", f"发票文件中没有“{chinese}”，不能登记。"))
        elif name in ("invoice_code", *_NEEDED) and inner in stated and not stated[inner]["covered"]:
            message = f"发票文件中的“{chinese}”没有任何完好的签章覆盖，可能被改动，请向开票方索取带签章的原文件。"
            errors.append(_fault(name, "not_sealed", message))
    texts = {name: " ".join(stated[inner]["value"].split()) for name, (inner, _) in FIELDS.items() if inner in stated}
    data = _read_values(texts, today, errors)
    code, number = data.get("invoice_code", ""), data.get("invoice_number", "")
    key = one_time_key(code, number)
    if key is None and number:
        message = "发票号码应为 20 位数字（数电票），或 8 至 20 位数字并带发票代码。"
        errors.append(_fault("invoice_number", "wrong_form", message))
    if errors or key is None:
        raise InvalidDraftError(errors, _REFUSED)
    message = found.message[:_MAX_MESSAGE]
    data |= {"seal_state": found.state.value, "seal_reason": found.reason, "seal_message": message}
    return ReadInvoice(key, data, data["issued_on"], found.state, message, found.format)


def differing(data: Mapping[str, Any], registered: Mapping[str, Any]) -> list[str]:
    """Names of the fields in which a file of an invoice states something else than what is registered."""
    return [name for name in FIELDS if name in data and name in registered and data[name] != registered[name]]


def _invoice_of(found: Inspection, face: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if found.reason in NOT_READ:
        raise _refused(found.reason, found.message)
    if found.format not in _FORMATS:
        message = f"请上传 OFD 或 PDF 格式的电子发票；这是{FORMAT_CHINESE[found.format]}。"
        raise _refused("not_ofd_or_pdf", message)
    if found.state is State.INVALID or any(one.integrity == "broken" for one in found.signatures):
        raise _refused("altered", f"文件被改动或已损坏：{found.message}。请向开票方索取原文件。")
    lost = next((note for note in found.notes if note.reason == "lost_signature"), None)
    if lost is not None:
        raise _refused("altered", f"{lost.message}。请向开票方索取原文件。")
    if found.format is Format.PDF:
        _check_signed(found)
    invoice = joined(found.invoice, face)
    if invoice is None:
        raise _refused("no_invoice", "文件中没有电子发票的数据，也没有发票的二维码，请确认上传的是发票原文件。")
    return invoice


def _check_signed(found: Inspection) -> None:
    """A PDF is signed as a whole or not: its pages and attachments are covered together. Raises InvalidDraftError."""
    if found.document.get("sealed_whole"):
        return
    unknown = next((one for one in found.signatures if one.integrity == "unknown"), None)
    if unknown is not None:
        message = f"PDF 的签名未能核验：{unknown.verdict.message}。请上传同一发票的 OFD 原文件。"
        raise _refused("seal_not_judged", message)
    if found.signatures:
        raise _refused("not_all_covered", "PDF 在签名之后又有新版本，或前面有多余的内容，请向开票方索取原文件。")
    said = found.message if found.state is State.UNDECIDED else "没有数字签名"
    raise _refused("not_sealed", f"PDF 不能证明没有被改动：{said}。请上传同一发票的 OFD 原文件。")


def refuse_face(reason: str, message: str) -> InvalidDraftError:
    """The refusal of a file whose pages could not be read as those of one invoice."""
    return _refused(reason, f"{message}。")


def _refused(reason: str, message: str) -> InvalidDraftError:
    return InvalidDraftError([_fault("file", reason, message)], _REFUSED)


def _fault(field: str, reason: str, message: str) -> FieldError:
    return FieldError(field, reason, message)


def _read_values(texts: dict[str, str], today: date, errors: list[FieldError]) -> dict[str, str]:
    data = dict(texts)
    for name in ("invoice_code", "invoice_number", "seller_tax_id", "buyer_tax_id", "check_code"):
        if name in data:
            data[name] = data[name].replace(" ", "")
    if len(data.get("invoice_number", "")) == DIGITAL_DIGITS:
        # What is no part of the name is not shown as if it were.
        data.pop("invoice_code", None)
    if "issued_on" in data:
        data["issued_on"] = _day(data["issued_on"], today, errors)
    amounts = {name: _amount(name, data[name], errors) for name in _AMOUNTS if name in data}
    for name, amount in amounts.items():
        data[name] = f"{amount:.2f}" if amount is not None else ""
    net, tax, gross = (amounts.get(name) for name in _AMOUNTS)
    if net is not None and tax is not None and gross is not None and net + tax != gross:
        message = f"发票文件自相矛盾：合计金额 {net:.2f} 加合计税额 {tax:.2f} 不等于价税合计 {gross:.2f}。"
        errors.append(_fault("amount_with_tax", "contradictory", message))
    return data


def _day(text: str, today: date, errors: list[FieldError]) -> str:
    written = day_of(text) or ""
    found = day(written)
    if found is None:
        errors.append(_fault("issued_on", "date_does_not_exist", "发票文件中的“开票日期”不是存在的日期。"))
    elif found > today:
        errors.append(_fault("issued_on", "in_the_future", "发票文件中的“开票日期”晚于今天。"))
    return written


def _amount(name: str, text: str, errors: list[FieldError]) -> Decimal | None:
    if name == "tax" and _UNTAXED.fullmatch(text.replace(" ", "")):
        return Decimal(0)
    found = amount_of(text)
    if found is None:
        errors.append(_fault(name, "no_amount", f"发票文件中的“{FIELDS[name][1]}”不是金额（元，最多两位小数）。"))
    return found


def seal_chinese(state: str) -> str:
    """有效, 无法判定 … for a stored state."""
    return STATE_CHINESE[State(state)]
