"""CSV as people save it: UTF-8 with or without a mark, GB 18030 from Chinese Excel, UTF-16 "Unicode text"; separated by
comma, tab or semicolon."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator

from api.imports.sheets import MAX_CELL_CHARS, Sheet, SheetError, SheetRow, bounded_rows

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_DELIMITERS = ",\t;"
#: Room for the doubled quotation marks of the longest cell; the sheet itself has the exact limit.
_FIELD_CHARS = 4 * MAX_CELL_CHARS


def read_csv(data: bytes) -> Sheet:
    """The sheet of a CSV file. A row's number counts records, as a spreadsheet program does, not lines of text.

    Raises SheetError.
    """
    text = _decode(data)
    return Sheet(bounded_rows(_rows(text)))


def _decode(data: bytes) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _strict(data[len(mark) :], encoding)
    if b"\0" in data:
        raise SheetError("not_text", "文件不是文本，无法按 CSV 读取；请上传 CSV 或 XLSX 文件。")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        # Bytes of GB 18030 are hardly ever valid UTF-8: the order of the two attempts decides rightly.
        return _strict(data, "gb18030")


def _strict(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SheetError(
            "unknown_encoding",
            f"无法识别文件的字符编码（约在文本第 {line} 行）；请另存为“CSV UTF-8”或 XLSX 后重试。",
        ) from error


def _rows(text: str) -> Iterator[SheetRow]:
    csv.field_size_limit(_FIELD_CHARS)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    number = 0
    while True:
        number += 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise SheetError("broken_csv", f"第 {number} 行的引号不成对或内容过长，请检查后重试。") from error
        yield SheetRow(number, tuple(_unwrap(cell) for cell in record))


def _delimiter(text: str) -> str:
    """The delimiter that stands most often in the first line that has one."""
    for line in text.splitlines()[:10]:
        counts = {mark: line.count(mark) for mark in _DELIMITERS}
        best = max(counts, key=lambda mark: counts[mark])
        if counts[best]:
            return best
    return ","


def _unwrap(cell: str) -> str:
    """A cell without what people put round it so that a spreadsheet eats no digits: ="00123", a leading apostrophe."""
    text = cell.strip()
    if text.startswith('="') and text.endswith('"') and len(text) >= 3:
        return text[2:-1].strip()
    return text[1:].strip() if text.startswith("'") else text
