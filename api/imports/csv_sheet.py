"""CSV as people save it: UTF-8 with or without a mark, GB 18030 from Chinese Excel, UTF-16 "Unicode text"; separated by
comma, tab or semicolon."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from typing import BinaryIO, Final

from api.imports.sheets import MAX_CELL_CHARS, SheetError, SheetRow

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_DELIMITERS = ",\t;"
#: Room for the doubled quotation marks of the longest cell; the sheet itself has the exact limit.
_FIELD_CHARS = 4 * MAX_CELL_CHARS
_CHUNK_BYTES: Final = 1024 * 1024
#: How much of the file is looked at for its delimiter.
_PEEKED_BYTES: Final = 64 * 1024


def csv_rows(file: BinaryIO) -> Iterator[SheetRow]:
    """The rows of a CSV file. A row's number counts records, as a spreadsheet program does, not lines of text.

    The file is read twice: once to find its encoding, once for its rows. Raises SheetError.
    """
    encoding, skipped = _encoding_of(file)
    file.seek(skipped)
    # A character cut at the end of what is looked at does not matter to the delimiter.
    delimiter = _delimiter(file.read(_PEEKED_BYTES).decode(encoding, "ignore"))
    file.seek(skipped)
    # The wrapper would close the file, which is the caller's.
    text = io.TextIOWrapper(file, encoding, newline="")
    try:
        yield from _rows(text, delimiter)
    finally:
        # Who gave up reading may have closed the file before this generator is closed.
        if not file.closed:
            text.detach()


def _encoding_of(file: BinaryIO) -> tuple[str, int]:
    """Encoding and the bytes of its mark. Every byte is looked at, so that reading the rows meets no surprise."""
    file.seek(0)
    beginning = file.read(4)
    for mark, encoding in _MARKS:
        if beginning.startswith(mark):
            _check(file, encoding, len(mark))
            return encoding, len(mark)
    _check_text(file)
    try:
        _check(file, "utf-8", 0)
    except SheetError:
        # Bytes of GB 18030 are hardly ever valid UTF-8: the order of the two attempts decides rightly.
        _check(file, "gb18030", 0)
        return "gb18030", 0
    return "utf-8", 0


def _check_text(file: BinaryIO) -> None:
    file.seek(0)
    line = 1
    while chunk := file.read(_CHUNK_BYTES):
        place = chunk.find(b"\0")
        if place >= 0:
            line += chunk.count(b"\n", 0, place)
            what = f"文件不是文本，或没有写明是 UTF-16（约在文本第 {line} 行有空字符）"
            raise SheetError("not_text", f"{what}；请另存为“CSV UTF-8”或 XLSX 后重试。")
        line += chunk.count(b"\n")


def _check(file: BinaryIO, encoding: str, skipped: int) -> None:
    """Raises SheetError naming the line where the bytes are not of this encoding."""
    file.seek(skipped)
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    line = 1
    while True:
        chunk = file.read(_CHUNK_BYTES)
        try:
            line += decoder.decode(chunk, final=not chunk).count("\n")
        except UnicodeDecodeError as error:
            line += chunk.count(b"\n", 0, max(0, error.start - max(0, len(error.object) - len(chunk))))
            raise SheetError(
                "unknown_encoding",
                f"无法识别文件的字符编码（约在文本第 {line} 行）；请另存为“CSV UTF-8”或 XLSX 后重试。",
            ) from error
        if not chunk:
            return


def _rows(text: io.TextIOWrapper, delimiter: str) -> Iterator[SheetRow]:
    csv.field_size_limit(_FIELD_CHARS)
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    number = 0
    while True:
        number += 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise SheetError("broken_csv", f"第 {number} 行的引号不成对或内容过长，请检查后重试。") from error
        yield SheetRow(number, tuple(map(_unwrap, record)))


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
