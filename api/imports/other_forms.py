"""Files that people take for a spreadsheet: each refused by what it is, with what to do instead."""

from __future__ import annotations

import re
import zipfile
from typing import Final, NoReturn

from api.imports.sheets import SheetError
from verifier.documents.findings import FORMAT_CHINESE, Format
from verifier.documents.sniffing import sniff

_SAVE_AS: Final = "请用表格软件打开，另存为 .xlsx 或 CSV 后重试。"
_OLE: Final = bytes.fromhex("d0cf11e0a1b11ae1")
#: The first record of a worksheet before files were compound ones (BIFF 2 to 5).
_OLD_SHEETS: Final = (
    b"\x09\x00\x04\x00",
    b"\x09\x02\x06\x00",
    b"\x09\x04\x06\x00",
    b"\x09\x08\x08\x00",
    b"\x09\x08\x06\x00",
)
#: How text of other forms begins.
_MARKED: Final = (
    (b"{\\rtf", "RTF 文档"),
    (b"MIME-Version:", "网页归档（.mht）"),
    (b"ID;P", "SYLK 文件"),
    (b"TABLE\r\n0,1", "DIF 文件"),
    (b"TABLE\n0,1", "DIF 文件"),
)
_JSON: Final = re.compile(rb"\s*(?:\[\s*)?\{\s*\"")
_UTF32: Final = (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")
#: What a sheet can be: text, or something nobody knows.
_TEXTS: Final = frozenset((Format.TEXT, Format.UNKNOWN))
_WORKBOOK: Final = "xl/workbook.xml"
#: The namespaces of ISO/IEC 29500 strict.
_STRICT: Final = b"purl.oclc.org/ooxml"
_LOOKED_AT_BYTES: Final = 4096


def refuse_other_forms(beginning: bytes) -> None:
    """Raises SheetError if a file begins as something that is neither CSV nor a ZIP."""
    if beginning.startswith(_OLE):
        _refuse("old_or_encrypted", "这是旧版 .xls 文件或加密的文件；请另存为 .xlsx（不设密码）后重试。")
    _refuse_marked(beginning)
    if beginning.startswith(_UTF32):
        _refuse("unknown_encoding", "文件的字符编码是 UTF-32；请另存为“CSV UTF-8”或 XLSX 后重试。")
    if beginning.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        _refuse("web_page", f"这是网页或 XML，只是文件名像表格（有些系统这样导出 .xls）；{_SAVE_AS}")
    kind = sniff(beginning)
    if kind not in _TEXTS:
        _refuse("not_a_sheet", f"这是{FORMAT_CHINESE[kind]}，不是表格；请上传 CSV 或 XLSX 文件。")


def _refuse_marked(beginning: bytes) -> None:
    if beginning.startswith(_OLD_SHEETS):
        _refuse("old_or_encrypted", f"这是很旧的 .xls 文件；{_SAVE_AS}")
    for mark, what in _MARKED:
        if beginning.startswith(mark):
            _refuse("not_a_sheet", f"这是{what}，不是 CSV 或 XLSX；{_SAVE_AS}")
    if _JSON.match(beginning.removeprefix(b"\xef\xbb\xbf")):
        _refuse("not_a_sheet", "这是 JSON，不是表格；请上传 CSV 或 XLSX 文件，或用接口逐件登记。")


def refuse_other_packages(archive: zipfile.ZipFile) -> None:
    """Raises SheetError if a ZIP is a document of another kind than an XLSX, or an XLSX of the strict form."""
    found = set(archive.namelist())
    if _WORKBOOK in found:
        with archive.open(_WORKBOOK) as part:
            if _STRICT in part.read(_LOOKED_AT_BYTES):
                _refuse("strict_xlsx", f"这是“严格 Open XML”格式的文件；{_SAVE_AS}")
        return
    if "xl/workbook.bin" in found:
        _refuse("not_a_sheet", f"这是二进制的 .xlsb 文件；{_SAVE_AS}")
    if "mimetype" in found:
        _refuse("not_a_sheet", f"这是 OpenDocument（.ods 等）文件；{_SAVE_AS}")
    if any(name.startswith("Index/") and name.endswith(".iwa") for name in found):
        _refuse("not_a_sheet", "这是苹果 Numbers 文件；请在 Numbers 中导出为 Excel（.xlsx）后重试。")
    for folder, what in (("word/", "Word 文档"), ("ppt/", "PowerPoint 演示文稿")):
        if any(name.startswith(folder) for name in found):
            _refuse("not_a_sheet", f"这是 {what}，不是表格；请上传 CSV 或 XLSX 文件。")


def _refuse(reason: str, message: str) -> NoReturn:
    raise SheetError(reason, message)
