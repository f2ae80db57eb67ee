"""Codes in whatever somebody brings: pictures, and the pages of PDF (ISO 32000) and TIFF files.

Pages are looked at in a process of their own (codes.page_process), never in this one.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from dataclasses import dataclass, field
from typing import Any, Final

from codes import picture
from codes.apart import Room, TooManyError
from codes.picture import MAX_PICTURE_BYTES, NoCodeError, TooLargePictureError, UnreadablePictureError

MAX_PAGES: Final = 25
"""Our own largest sheet of labels."""
_PROCESSOR_SECONDS: Final = 15
"""Our own largest sheet takes two."""
#: Anybody may send documents: one processor is left to others.
_room = Room(max(1, (os.cpu_count() or 1) - 1), 8, 10.0)

_PICTURE = re.compile(rb"\x89PNG|\xff\xd8\xff|RIFF....WEBP|GIF8|BM....\0{4}|\s*<svg |\s*<\?xml", re.DOTALL)
_TIFF = (b"II*\0", b"MM\0*")
#: Readers of PDF look for the mark in the first kilobyte (ISO 32000-2 annex I).
_BEGINNING_BYTES: Final = 1024
_INSTALL: Final = "pip install 'suizheng[documents]'"


@dataclass(frozen=True, slots=True)
class Found:
    """The text of a QR code, and the page that it is on, from 1; None in a picture."""

    text: str
    page: int | None


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: never empty, in the order of the pages, each from top to bottom.

    pages: how many the document has; None for a picture. unread: why not all of it was looked at, for people; or "".
    words: the text that the pages of a PDF hold themselves.
    """

    found: tuple[Found, ...]
    pages: int | None = None
    unread: str = ""
    words: str = field(default="", compare=False)


def is_readable(data: bytes) -> bool:
    """Whether the bytes begin as a picture or document that `read` reads."""
    return _PICTURE.match(data[:_BEGINNING_BYTES]) is not None or _paged(data) is not None


def is_pdf(data: bytes) -> bool:
    """Whether the bytes begin as a PDF."""
    return _paged(data) == "pdf"


def read(data: bytes) -> Reading:
    """All QR codes, whosever they are, of a picture or of the first MAX_PAGES pages of a document.

    Raises TooLargePictureError, UnreadablePictureError, and NoCodeError where there is none on what was looked at.
    """
    kind = _paged(data)
    if kind is None:
        return Reading(tuple(Found(text, None) for text in picture.read_all(data)))
    if len(data) > MAX_PICTURE_BYTES:
        message = f"文件超过 {MAX_PICTURE_BYTES // 2**20} MB；请只把有码的那几页另存为一个文件"
        raise TooLargePictureError("too_many_bytes", message)
    if kind == "pdf" and importlib.util.find_spec("pypdfium2") is None:
        raise UnreadablePictureError("pdf_not_installed", f"读取 PDF 中的码需要 PDF 组件，请先安装：{_INSTALL}")
    return _reading(_looked_at(kind, data))


def _paged(data: bytes) -> str | None:
    if data.startswith(_TIFF):
        return "tiff"
    begin = data[:_BEGINNING_BYTES]
    return "pdf" if b"%PDF-" in begin and _PICTURE.match(begin) is None else None


def _looked_at(kind: str, data: bytes) -> list[dict[str, Any]]:
    """The lines that the process wrote, as far as it came."""
    try:
        done = _room.ask("codes.page_process", [kind, str(MAX_PAGES), str(_PROCESSOR_SECONDS)], data)
    except TooManyError as error:
        message = "同时识读的文件太多，请过一会儿再试，或把有码的那一页截图"
        raise UnreadablePictureError("reader_busy", message) from error
    # The last line of a process that was killed may be cut.
    return [json.loads(line) for line in done.written.splitlines(keepends=True) if line.endswith(b"\n")]


def _reading(lines: list[dict[str, Any]]) -> Reading:
    first, seen = lines[0] if lines else {}, lines[1:]
    if first.get("refused") == "encrypted":
        raise UnreadablePictureError("encrypted_document", "文件设有打开密码；请取消密码后再试，或把有码的那一页截图")
    if "pages" not in first:
        message = "文件已损坏，或超出解析所允许的时间或内存；请重新获取，或把有码的那一页截图"
        raise UnreadablePictureError("broken_document", message)
    found = tuple(Found(text, line["page"]) for line in seen for text in line["texts"])
    unread = _unread(first["pages"], seen, len(found))
    if not found:
        if unread:
            raise NoCodeError("pages_unread", unread)
        raise NoCodeError("no_code_on_pages", f"文件的 {first['pages']} 页上都没有读到二维码")
    return Reading(found, first["pages"], unread, "\n".join(line["words"] for line in seen))


def _unread(pages: int, seen: list[dict[str, Any]], codes: int) -> str:
    """Why not all of the pages were looked at, or "" where they were."""
    count, partly = len(seen), "、".join(str(line["page"]) for line in seen if not line["whole"])
    said = [f"第 {partly} 页没有看完（过密或已损坏）"] if partly else []
    if count < pages:
        seen_pages = f"只看了前 {count} 页" if count else "一页也没有看成"
        why = "" if count == MAX_PAGES else "（其后的页超出解析所允许的时间或内存，或已损坏）"
        said.insert(0, f"文件共 {pages} 页，{seen_pages}{why}")
    if not said:
        return ""
    return f"{'；'.join(said)}；读到 {codes} 个码。请把有码的页另存为一个文件，或截图后再试"
