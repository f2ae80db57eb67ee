"""PDF files (ISO 32000) through pyHanko: pages, attachments, what runs when opened, and the signatures.

pyHanko comes with the extra `documents`; without it a PDF is only recognised. Nothing is fetched from a network.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from verifier.documents.findings import Note, Roots, Signed
from verifier.documents.pdf_invoices import find_attached
from verifier.documents.pdf_parts import BROKEN, TRAILING, held
from verifier.documents.pdf_reading import open_pdf
from verifier.documents.pdf_repairing import rebuilt, without_tail
from verifier.errors import Check, MalformedError, UndecidedError

MAX_PAGES = 20_000
_MAX_DEPTH = 40
_MAX_ATTACHMENTS = 1000
_MAX_NODES = 10_000
_ACTIONS = frozenset(("/JavaScript", "/Launch", "/SubmitForm", "/ImportData"))

_SILENT = logging.NullHandler()


def inspect_pdf(
    data: bytes, roots: Roots, at: datetime
) -> tuple[dict[str, Any], dict[str, Any] | None, tuple[Signed, ...], tuple[Note, ...], Note | None]:
    """Facts, invoice, signatures, notes, and the note that keeps the file from being valid although its signatures are.

    Raises MalformedError for a broken file, UndecidedError for an encrypted one and where pyHanko is not installed.
    """
    if importlib.util.find_spec("pyhanko") is None:
        raise UndecidedError(
            "documents_not_installed",
            "这是 PDF 文件；解析它需要 PDF 组件，请先安装：pip install 'suizheng[documents]'",
            check=Check.FORMAT,
        )
    from pyhanko.pdf_utils.misc import PdfError

    # What pyHanko finds is in the answer; without a handler its log would go to standard error.
    logging.getLogger("pyhanko").addHandler(_SILENT)
    broken = (PdfError, *BROKEN)
    # What stands in front of the header belongs to no reader's offsets, nor to a signature's.
    front = data.index(b"%PDF-")
    plain, has_tail = without_tail(data[front:])
    is_all = len(plain) == len(data)
    try:
        facts, invoice, signed, notes, doubt = _read(plain, roots, at, is_all)
    except broken as error:
        try:
            mended = rebuilt(plain)
            if mended is None:
                raise MalformedError("broken_pdf", "PDF 已损坏，无法解析；请重新获取文件") from error
            facts, invoice, signed, notes, doubt = _read(mended, roots, at, False)
        except broken as again:
            raise MalformedError("broken_pdf", "PDF 已损坏，无法解析；请重新获取文件") from again
        notes.append(Note("table_rebuilt", "PDF 的对象索引已损坏，已按内容重新查找；不同的阅读器可能显示不同的内容"))
    extras = list[Note]()
    if front:
        extras.append(Note("leading_bytes", f"PDF 文件头之前有 {front} 个多余的字节，不受签名保护"))
    if has_tail:
        extras.append(Note("trailing_bytes", TRAILING))
    if signed and extras:
        doubt = doubt or extras[0]
    return facts, invoice, signed, (*notes, *extras), doubt


def _read(
    plain: bytes, roots: Roots, at: datetime, is_all: bool
) -> tuple[dict[str, Any], dict[str, Any] | None, tuple[Signed, ...], list[Note], Note | None]:
    """As `inspect_pdf`, of what has nothing in front or behind. is_all: whether it is the file as it came."""
    from verifier.documents.pdf_signatures import judge_all

    reader = open_pdf(plain)
    notes = list[Note]()
    if reader.encrypted:
        _open_without_password(reader)
        notes.append(Note("usage_restricted", "PDF 设有使用限制（打印、复制等），阅读不需要密码"))
    facts = _describe(reader, notes)
    signed, remarks, doubt = judge_all(reader, plain, roots, at)
    facts["sealed_whole"] = is_all and doubt is None and any(map(_covers_all, signed))
    invoice = find_attached(attached_files(reader.root), facts["sealed_whole"])
    return facts, invoice, signed, [*notes, *remarks], doubt


def _covers_all(signed: Signed) -> bool:
    """Whether it holds, and no version of the file came after it."""
    return signed.integrity == "intact" and signed.facts.get("coverage") == "entire_file"


def _open_without_password(reader: Any) -> None:
    """Most protected files ask only those who want to change them for a password. Raises UndecidedError for others."""
    from pyhanko.pdf_utils.crypt import AuthStatus, StandardSecurityHandler

    handler = reader.security_handler
    if not isinstance(handler, StandardSecurityHandler) or reader.decrypt("").status is AuthStatus.FAILED:
        raise UndecidedError("encrypted", "PDF 已加密，无法核验；请提供未加密的文件", check=Check.FORMAT)


def _describe(reader: Any, notes: list[Note]) -> dict[str, Any]:
    root = reader.root
    pages = list(_pages(root["/Pages"], {}, 0))
    attachments = _attachments(root)
    if attachments:
        notes.append(Note("has_attachments", f"文件内嵌 {len(attachments)} 个附件，阅读正文看不到它们"))
    if _runs_script(root):
        notes.append(Note("has_javascript", "文件含有 JavaScript 或打开时执行的动作；阅读时请停用脚本"))
    if "/XFA" in (held(root, "/AcroForm") or {}):
        notes.append(Note("has_xfa", "文件含有 XFA 动态表单，显示内容可能随程序变化"))
    return {
        "pages": len(pages),
        "page_size_mm": pages[0] if pages else None,
        "revisions": int(reader.total_revisions),
        "version": ".".join(str(part) for part in reader.input_version),
        "attachments": attachments,
    }


def _pages(node: Any, seen: dict[int, Any], depth: int, inherited: Any = None) -> Iterator[list[float] | None]:
    """The size of each page in millimetres; a tree that runs in a ring or too deep is broken."""
    if id(node) in seen or depth > _MAX_DEPTH or len(seen) > 2 * MAX_PAGES:
        raise MalformedError("broken_pdf", "PDF 的页面树有误")
    # Held on to, so that no other node gets its identity.
    seen[id(node)] = node
    box = held(node, "/MediaBox") or inherited
    kids = held(node, "/Kids")
    if kids is None:
        yield _size(box)
        return
    for number in range(len(kids)):
        yield from _pages(kids[number], seen, depth + 1, box)


def _size(box: Any) -> list[float] | None:
    try:
        left, bottom, right, top = (float(box[number]) for number in range(4))
    except (LookupError, TypeError, ValueError):
        return None
    return [round(abs(right - left) * 25.4 / 72, 1), round(abs(top - bottom) * 25.4 / 72, 1)]


def _attachments(root: Any) -> list[dict[str, Any]]:
    return [{"name": name} for name, _ in attached_files(root)]


def attached_files(root: Any) -> Iterator[tuple[str, Any]]:
    """Name and file specification (ISO 32000-2 section 7.11.3) of each attachment, up to a limit."""
    tree = held(held(root, "/Names"), "/EmbeddedFiles")
    for name, file in islice([] if tree is None else _names(tree, {}), _MAX_ATTACHMENTS):
        stated = held(file, "/UF") or held(file, "/F") or name
        yield str(stated)[:200], file


def _names(node: Any, seen: dict[int, Any]) -> Iterator[tuple[str, Any]]:
    if id(node) in seen or len(seen) > _MAX_NODES:
        raise MalformedError("broken_pdf", "PDF 的名称树有误")
    seen[id(node)] = node
    leaves, kids = held(node, "/Names") or (), held(node, "/Kids") or ()
    for at in range(0, len(leaves) - 1, 2):
        yield str(leaves[at]), leaves[at + 1]
    for number in range(len(kids)):
        yield from _names(kids[number], seen)


def _runs_script(root: Any) -> bool:
    if held(held(root, "/Names"), "/JavaScript") is not None or "/AA" in root:
        return True
    return str(held(held(root, "/OpenAction"), "/S")) in _ACTIONS
