"""An inspected file as people read it: state and reason first, then what it is, its invoice, its seals, remarks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

from api.cli.program import copyable
from api.cli.report import SHAPES, printable
from verifier import times
from verifier.documents.findings import FORMAT_CHINESE, Inspection, Signed
from verifier.errors import Check, MalformedError
from verifier.verdict import CHECK_CHINESE, STATE_CHINESE, Outcome, State

_REFERENCES = {"match": "一致", "changed": "已改动", "missing": "已缺失", "named_only": "没有摘要、无法核对"}
_KINDS = {"seal": "电子签章", "signature": "数字签名", "integrity": "完整性签名", "timestamp": "文档时间戳"}
_OUTCOMES = {Outcome.PASSED: "✓ 通过", Outcome.FAILED: "✕ 未过", Outcome.NOT_CHECKED: "· 未核"}
_CHECKS = {**CHECK_CHINESE, Check.COMMITMENT: "内容未改", Check.ISSUER: "来源可信", Check.VALIDITY: "当时有效"}
_STATES = {**STATE_CHINESE, State.NOT_IN_FORCE: "签章时不在有效期"}
_INVOICE = {
    "code": "发票代码",
    "number": "发票号码",
    "issued_on": "开票日期",
    "check_code": "校验码",
    "amount_without_tax": "合计金额",
    "tax": "合计税额",
    "amount_with_tax": "价税合计",
    "seller_name": "销售方",
    "seller_tax_id": "销售方税号",
    "buyer_name": "购买方",
    "buyer_tax_id": "购买方税号",
}
_SHOWN = 20


def write_inspection(out: TextIO, name: str, found: Inspection) -> None:
    """Write the report of one file."""
    lines = [
        f"文件：{name}",
        f"{SHAPES[found.state]} {_STATES[found.state]}",
        f"原因：{found.message}（{found.reason}）",
        "",
        f"类型：{FORMAT_CHINESE[found.format]}，{found.size:,} 字节{_extent(found.document)}",
        f"SHA-256：{found.sha256}",
        f"SM3：{found.sm3}",
        f"核验时间：{times.for_people(found.at)}",
        *_parts(found.document),
        *(f"  {path}：{value[:200]}" for path, value in found.document.get("told", {}).items()),
        *_invoice(found.invoice),
    ]
    for signed in found.signatures:
        lines += ["", *_signed(signed)]
    if found.notes:
        lines += ["", "备注："]
        lines += [f"  - {copyable(note.message)}（{note.reason}）" for note in found.notes]
    out.write("\n".join(map(printable, lines)) + "\n\n")


def _extent(document: dict[str, Any]) -> str:
    if document.get("width"):
        pages = f"，{document['pages']} 页" if document["pages"] > 1 else ""
        return f"，{document['width']}×{document['height']} 像素{pages}"
    return f"，{document['pages']} 页" if "pages" in document else ""


def _parts(document: dict[str, Any]) -> Iterator[str]:
    for one in document.get("documents", []):
        told = [f"{one['pages']} 页", *(one[key] for key in ("title", "author", "creator", "created") if key in one)]
        yield f"文档 {one['root']}：{'，'.join(told)}"
        yield from _attachments(one["attachments"])
    yield from _attachments(document.get("attachments", []))


def _attachments(attachments: list[dict[str, Any]]) -> Iterator[str]:
    for one in attachments[:_SHOWN]:
        size = f"，{one['size']:,} 字节" if "size" in one else ""
        yield f"  附件：{one['name'] or one.get('entry', '')}{size}"
    if len(attachments) > _SHOWN:
        yield f"  另有 {len(attachments) - _SHOWN} 个附件"


def _invoice(invoice: dict[str, Any] | None) -> Iterator[str]:
    if invoice is None:
        return
    yield ""
    yield "电子发票："
    for name, label in _INVOICE.items():
        if name in invoice["fields"]:
            field = invoice["fields"][name]
            cover = "签章覆盖" if field["covered"] else "没有签章覆盖"
            differs = "，各处写法不一致" if name in invoice["differing"] else ""
            yield f"  {label}：{field['value']}（{cover}{differs}）"


def _signed(signed: Signed) -> Iterator[str]:
    verdict, facts = signed.verdict, signed.facts
    head = f"{_KINDS[signed.kind]} {signed.identity}"
    yield f"{head}：{SHAPES[verdict.state]} {_STATES[verdict.state]}，{verdict.message}"
    seal = facts.get("seal")
    if seal:
        period = f"{_day(seal['valid_from'])} 至 {_day(seal['valid_to'])}"
        yield f"  印章：{seal['name']}（{seal['seal_id']}），有效期 {period}"
    for key, label in (("maker", "制章人"), ("signer", "签章人" if seal else "签名人")):
        person = facts.get(key)
        if person:
            yield f"  {label}：{person['subject']}，由 {person['issuer']} 签发"
    moment = facts.get("time")
    if moment:
        yield f"  时间：{_for_people(moment['at'])}{'（时区不明）' if moment['ambiguous'] else ''}"
    provider = facts.get("provider")
    if provider:
        yield f"  签章软件：{' '.join(provider.values())}"
    for result in verdict.checks:
        yield f"  {_OUTCOMES[result.outcome]}　{_CHECKS[result.check]}　{result.message}"
    references = facts.get("references", [])
    if references:
        yield f"  覆盖 {len(references)} 个条目：{_compared(references)}（{facts['digest_method'].upper()}）"
        yield from (f"    ✕ {one['entry']}" for one in references if one["result"] in ("changed", "missing"))
    yield from (f"  - {note.message}" for note in signed.notes)


def _compared(references: Sequence[Mapping[str, Any]]) -> str:
    """How many entries came out how; what does not occur is not named."""
    counts = Counter(one["result"] for one in references)
    return "，".join(f"{counts[result]} 个{words}" for result, words in _REFERENCES.items() if counts[result])


def _day(text: str) -> str:
    try:
        day = times.compact_date(text[:8])
    except MalformedError:
        return text
    return f"{day.year}年{day.month}月{day.day}日"


def _for_people(text: str) -> str:
    return times.for_people(times.from_text(text))
