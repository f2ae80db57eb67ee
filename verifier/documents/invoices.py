"""E-invoices (电子发票) inside OFD files: two XML dialects and the custom data of OFD.xml, each field with its source.

The dialects: eInvoice (edrm.org.cn 2019, and the EInvoice of fully digital invoices), and XBRL instances of the
accounting standard for electronic vouchers (电子凭证会计数据标准). Not every field need be covered by a seal: each says
whether it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from verifier.documents import markup
from verifier.documents.ofd import ENTRANCE, Package
from verifier.errors import MalformedError

E_INVOICE, XBRL, CUSTOM_DATA = "einvoice", "xbrl", "custom_data"
_TAXONOMY = "xbrl.mof.gov.cn"
_MAX_INVOICE_BYTES = 4 * 1024 * 1024
_MAX_VALUE = 300
_KEY = re.compile(r"[0-9]{8,20}", re.ASCII)

#: Our name of a field: local names in both dialects (first found counts), then names in the custom data.
_FIELDS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "code": (("InvoiceCode", "CodeOfInvoice"), ("发票代码",)),
    "number": (
        (
            "InvoiceNo",
            "InvoiceNumber",
            "NumberOfInvoice",
            "EIid",
            "ElectronicInvoiceRailwayETicketNumber",
            "ElectronicInvoiceAirTransportReceiptNumber",
        ),
        ("发票号码",),
    ),
    "issued_on": (("IssueDate", "DateOfIssue", "IssueTime", "RequestTime"), ("开票日期",)),
    "check_code": (("InvoiceCheckCode", "CheckCode"), ("校验码",)),
    "amount_without_tax": (
        ("TaxExclusiveTotalAmount", "TotalAmWithoutTax", "TotalAmountWithoutTax", "TotalAmountExcludingTax"),
        ("合计金额",),
    ),
    "tax": (("TaxTotalAmount", "TotalTaxAm", "TotalTaxAmount", "TotalAmountOfTax", "TaxAmount"), ("合计税额",)),
    "amount_with_tax": (
        (
            "TaxInclusiveTotalAmount",
            "TotalTax-includedAmount",
            "TotalTaxIncludedAmount",
            "TotalAmountIncludingTax",
            "TotalAmount",
            "Fare",
        ),
        ("价税合计",),
    ),
    "seller_name": (("SellerName", "NameOfSeller"), ("销售方名称",)),
    "seller_tax_id": (
        ("SellerTaxID", "SellerIdNum", "SellerTaxpayerId", "UnifiedSocialCreditCodeOfSeller"),
        ("销售方纳税人识别号",),
    ),
    "buyer_name": (("BuyerName", "NameOfBuyer", "NameOfPurchaser"), ("购买方名称",)),
    "buyer_tax_id": (
        ("BuyerTaxID", "BuyerIdNum", "BuyerTaxpayerId", "UnifiedSocialCreditCodeOfPurchaser"),
        ("购买方纳税人识别号",),
    ),
}


@dataclass(frozen=True, slots=True)
class _Source:
    dialect: str
    entry: str
    values: Mapping[str, str]


def find_invoice(package: Package, covered: set[str]) -> dict[str, Any] | None:
    """The invoice of a package, or None.

    {dialects, code, number, key, fields: {name: {value, dialect, entry, covered}}, differing: names of fields whose
    sources differ}. `covered` names the entries that an intact seal covers.
    """
    sources = _sources(package)
    fields, differing = dict[str, Any](), list[str]()
    for name in _FIELDS:
        stated = [(source, source.values[name]) for source in sources if source.values.get(name)]
        if not stated:
            continue
        source, value = stated[0]
        fields[name] = {
            "value": value,
            "dialect": source.dialect,
            "entry": source.entry,
            "covered": source.entry in covered,
        }
        if len({_comparable(name, text) for _, text in stated}) > 1:
            differing.append(name)
    if "number" not in fields:
        return None
    code, number = fields.get("code", {}).get("value", ""), fields["number"]["value"]
    return {
        "dialects": [source.dialect for source in sources],
        "code": code,
        "number": number,
        "key": one_time_key(code, number),
        "fields": fields,
        "differing": differing,
    }


def one_time_key(code: str, number: str) -> str | None:
    """The name under which an invoice is registered as a one-time material (一次性材料): `invoice:<code>:<number>`.

    Fully digital invoices (数电票) have a number of 20 digits and no code. None where the texts are no such numbers.
    """
    code, number = "".join(code.split()), "".join(number.split())
    if not _KEY.fullmatch(number) or (code and not _KEY.fullmatch(code)):
        return None
    if not code and len(number) != 20:
        return None
    return f"invoice:{code}:{number}"


def _sources(package: Package) -> list[_Source]:
    found = list[_Source]()
    for body in package.bodies:
        for _, entry in body.attachments:
            source = _attached(package, entry)
            if source is not None:
                found.append(source)
        values = {
            name: body.custom_data[custom][:_MAX_VALUE]
            for name, (_, customs) in _FIELDS.items()
            for custom in customs
            if body.custom_data.get(custom)
        }
        if values:
            found.append(_Source(CUSTOM_DATA, package.archive.find(ENTRANCE) or ENTRANCE, values))
    return found


def _attached(package: Package, entry: str) -> _Source | None:
    if package.archive.size(entry) > _MAX_INVOICE_BYTES:
        return None
    try:
        data = package.archive.read(entry)
        if not data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
            return None
        root = package.parse(entry)
    except MalformedError as error:
        if error.reason == "too_much_work":
            raise
        package.note(error.reason, error.message, entry=entry)
        return None
    dialect = _dialect(root)
    return None if dialect is None else _Source(dialect, entry, _values(root))


def _dialect(root: Element) -> str | None:
    name = markup.local(root).lower()
    if name == "einvoice":
        return E_INVOICE
    if name == "xbrl" and any(_TAXONOMY in str(element.tag) for element in root.iter()):
        return XBRL
    return None


def _values(root: Element) -> dict[str, str]:
    texts = dict[str, str]()
    for element in root.iter():
        value = (element.text or "").strip()
        if value and not len(element):
            texts.setdefault(markup.local(element).lower(), value[:_MAX_VALUE])
    values = dict[str, str]()
    for name, (locals_, _) in _FIELDS.items():
        found = next((texts[local.lower()] for local in locals_ if local.lower() in texts), None)
        if found is not None:
            values[name] = found
    return values


def _comparable(name: str, value: str) -> str:
    text = "".join(value.split()).lstrip("¥￥")
    if name == "issued_on":
        return "".join(re.findall(r"\d", text))[:8]
    try:
        return f"{float(text):.2f}" if name.startswith(("amount", "tax")) else text
    except ValueError:
        return text
