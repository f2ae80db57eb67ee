"""Which reader a file is for: decided by its bytes, never by its name."""

from __future__ import annotations

from api.imports.csv_sheet import read_csv
from api.imports.sheets import MAX_FILE_BYTES, Sheet, SheetError
from api.imports.xlsx_sheet import read_xlsx

_ZIP = b"PK\x03\x04"
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")


def read_sheet(data: bytes) -> Sheet:
    """The sheet in a CSV or XLSX file. Raises SheetError with what to do about it."""
    if len(data) > MAX_FILE_BYTES:
        raise SheetError("too_large", f"文件超过上限 {MAX_FILE_BYTES // 1024**2} MB，请拆分后重试。", status=413)
    if not data.strip():
        raise SheetError("empty_file", "文件是空的。请下载模板，填写后再上传。")
    if data.startswith(_OLE):
        raise SheetError("old_or_encrypted", "这是旧版 .xls 文件或加密的文件；请另存为 .xlsx（不设密码）后重试。")
    if data.startswith(_ZIP):
        return read_xlsx(data)
    return read_csv(data)
