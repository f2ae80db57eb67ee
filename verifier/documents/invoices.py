"""E-invoices (电子发票) inside files: two XML dialects and the custom data of OFD.xml, each field with its source.

The dialects: eInvoice (edrm.org.cn 2019, and the EInvoice of fully digital invoices), and XBRL instances of the
accounting standard for electronic vouchers (电子凭证会计数据标准). Not every field need be covered by a seal: each says
whether it is.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from xml.etree.ElementTree import Element

from verifier.documents import markup
from verifier.documents.ofd import ENTRANCE, Package
from verifier.errors import MalformedError

E_INVOICE, XBRL, CUSTOM_DATA = "einvoice", "xbrl", "custom_data"
_TAXONOMY = "xbrl.mof.gov.cn"
MAX_INVOICE_BYTES = 4 * 1024 * 1024
_MAX_VALUE = 300
DIGITAL_DIGITS = 20
_KEY = re.compile(r"[0-9]{8,20}", re.ASCII)
_DAY = re.compile(r"(\d{4})\s{0,4}[年./-]?\s{0,4}(\d{1,2})\s{0,4}[月./-]?\s{0,4}(\d{1,2})", re.ASCII)
_GROUPED = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
#: The mark of the currency, in front of the sign or after it.
_CURRENCY = re.compile(r"^([-+]?)[¥￥]([-+]?)")

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
class Source:
    """What one part of a file states: values by our names of the fields."""

    dialect: str
    entry: str
    values: Mapping[str, str]


def find_invoice(package: Package, covered: set[str]) -> dict[str, Any] | None:
    """The invoice of a package, or None, as `composed`. `covered` names the entries that an intact seal covers."""
    return composed((source, source.entry in covered) for source in _sources(package))


def composed(parts: Iterable[tuple[Source, bool]]) -> dict[str, Any] | None:
    """The invoice that parts of a file state, each with whether an intact seal covers it; None without a number.

    {dialects, code, number, key, fields: {name: {value, dialect, entry, covered}}, differing: names of fields whose
    sources differ}. What the first part states counts.
    """
    found = list(parts)
    sources, covered = [source for source, _ in found], {source.entry for source, is_covered in found if is_covered}
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

    Fully digital invoices (数电票) have a number of 20 digits, which is their whole name: a code beside it would make
    it two. None where the texts are no such numbers.
    """
    code, number = "".join(code.split()), "".join(number.split())
    if len(number) == DIGITAL_DIGITS:
        code = ""
    if not _KEY.fullmatch(number) or (code and not _KEY.fullmatch(code)):
        return None
    if not code and len(number) != DIGITAL_DIGITS:
        return None
    return f"invoice:{code}:{number}"


def _sources(package: Package) -> list[Source]:
    found = list[Source]()
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
            found.append(Source(CUSTOM_DATA, package.archive.find(ENTRANCE) or ENTRANCE, values))
    return found


def _attached(package: Package, entry: str) -> Source | None:
    if package.archive.size(entry) > MAX_INVOICE_BYTES:
        return None
    try:
        data = package.archive.read(entry)
        if not is_xml(data):
            return None
        root = package.parse(entry)
    except MalformedError as error:
        if error.reason == "too_much_work":
            raise
        package.note(error.reason, error.message, entry=entry)
        return None
    return read_xml(root, entry)


def is_xml(data: bytes) -> bool:
    """Whether the bytes begin as XML does."""
    return data.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<")


def read_xml(root: Element, entry: str) -> Source | None:
    """What an XML states, if it is of a dialect of invoices."""
    dialect = _dialect(root)
    return None if dialect is None else Source(dialect, entry, _values(root))


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


def day_of(text: str) -> str | None:
    """The day that a text begins with, as yyyymmdd: 2026年1月5日, 2026-01-05 10:00:00, 20260105. None for none."""
    found = _DAY.match(unicodedata.normalize("NFKC", text).strip())
    return None if found is None else f"{found[1]}{int(found[2]):02}{int(found[3]):02}"


def amount_of(text: str) -> Decimal | None:
    """The yuan of an amount of at most two decimal places: ¥1,234.50, -100.00. None where it is no amount."""
    plain = _CURRENCY.sub(r"\1\2", "".join(unicodedata.normalize("NFKC", text).split()))
    try:
        found = Decimal(plain.replace(",", "") if _GROUPED.fullmatch(plain) else plain)
        if found.is_finite() and abs(found) < 10**12 and found == found.quantize(Decimal("0.01")):
            return found
    except InvalidOperation:
        pass
    return None


def joined(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """An invoice that two readers found in the same file; what the first states counts, `differing` names the rest."""
    if one is None or other is None:
        return one or other
    fields, more = one["fields"], other["fields"]
    both = [name for name in _FIELDS if name in fields and name in more]
    differing = {
        name for name in both if _comparable(name, fields[name]["value"]) != _comparable(name, more[name]["value"])
    }
    differing |= {*one["differing"], *other["differing"]}
    return {
        **one,
        "dialects": [*one["dialects"], *other["dialects"]],
        "fields": {**more, **fields},
        "differing": [name for name in _FIELDS if name in differing],
    }


def _comparable(name: str, value: str) -> object:
    text = "".join(value.split())
    if name == "issued_on":
        return day_of(value) or text
    if name.startswith(("amount", "tax")):
        amount = amount_of(value)
        return text if amount is None else amount
    return unicodedata.normalize("NFKC", text)
