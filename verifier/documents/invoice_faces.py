"""E-invoices as their pages show them: the QR on the face, held against the text of the page.

The QR's text is `01,kind,code,number,amount,day,check code,checksum,`. Invoices of the older systems have a code of 10
or 12 digits and a number of 8, and their amount is the one without tax; so it stands in the OFD samples of three
makers. Fully digital invoices (数电票, kinds 31 and 32) have no code and a number of 20 digits, and their amount is the
one with tax; no published specification of it was at hand. So nothing is taken from the QR that the text of the page
does not say too: the amount must be what the sums on the page make of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from verifier.documents.invoices import DIGITAL_DIGITS, Source, amount_of, composed
from verifier.errors import MalformedError

FACE = "face"
_QR = re.compile(
    r"01,\d{2},(\d{10}|\d{12})?,(\d{8}|\d{20}),(-?\d{1,12}(?:\.\d{1,2})?),(\d{8}),(\d{0,20})(?:,.*)?", re.ASCII
)
_DAY = re.compile(r"(?<!\d)(\d{4})\s*[年-]\s*(\d{1,2})\s*[月-]\s*(\d{1,2})(?!\d)", re.ASCII)
_AMOUNT = re.compile(r"-?\s*[¥￥]\s*-?\s*\d[\d,]*\.\d{2}(?!\d)", re.ASCII)


def read_face(codes: Iterable[str], words: str, covered: bool) -> dict[str, Any] | None:
    """The invoice of the one invoice QR among the texts of the codes, or None where there is none.

    As `invoices.composed`, its fields being number, code, day, totals and check code; `differing` names those of them
    that the text of the pages does not say. covered: whether an intact signature covers the whole file. Raises
    MalformedError for several invoices, and for pages without any text.
    """
    found = {match.groups() for text in codes if (match := _QR.fullmatch(text.strip()))}
    if not found:
        return None
    if len(found) > 1:
        raise MalformedError("several_invoices", f"文件中有 {len(found)} 张发票的二维码，请一张一张地上传")
    ((code, number, amount, day, check_code),) = found
    plain = unicodedata.normalize("NFKC", words)
    if not plain.strip():
        raise MalformedError("no_text", "页面上没有可读的文字（可能是扫描件），无法与二维码核对，请上传发票原文件")
    totals = _totals(Decimal(amount), is_digital=len(number) == DIGITAL_DIGITS, stated=_amounts(plain))
    values = {"code": code or "", "number": number, "issued_on": day, "check_code": check_code}
    values |= {name: f"{total:.2f}" for name, total in (totals or {"amount_with_tax": Decimal(amount)}).items()}
    invoice = composed([(Source(FACE, FACE, {name: value for name, value in values.items() if value}), covered)])
    if invoice is not None:
        said = {"code": _says(plain, code or ""), "number": _says(plain, number), "issued_on": day in _days(plain)}
        invoice["differing"] = [name for name, is_said in said.items() if not is_said]
        invoice["differing"] += [] if totals else ["amount_with_tax"]
    return invoice


def _totals(amount: Decimal, *, is_digital: bool, stated: set[Decimal]) -> dict[str, Decimal] | None:
    """The totals that the QR's amount and the amounts on the page make together; None where they contradict."""
    gross = max(stated, key=abs, default=None)
    if gross is None or amount not in stated:
        return None
    if is_digital:
        return {"amount_with_tax": gross} if amount == gross else None
    tax = gross - amount
    if tax and tax not in stated:
        return None
    return {"amount_without_tax": amount, "tax": tax, "amount_with_tax": gross}


def _amounts(words: str) -> set[Decimal]:
    found = (amount_of("".join(text.split())) for text in _AMOUNT.findall(words))
    return {amount for amount in found if amount is not None}


def _days(words: str) -> set[str]:
    return {f"{year}{int(month):02}{int(day):02}" for year, month, day in _DAY.findall(words)}


def _says(words: str, digits: str) -> bool:
    """Whether the number stands on the page by itself, not as a part of a longer one."""
    return not digits or re.search(rf"(?<!\d){digits}(?!\d)", words, re.ASCII) is not None
