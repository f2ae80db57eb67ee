"""A cell as the text of a draft's field. A value that a spreadsheet has already spoiled is refused, never guessed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final

from api.imports.columns import Column
from api.imports.sheets import EMPTY_FORMULA, PADDED_NUMBER, Cell
from verifier.identifiers import HOLDER_CODE_TYPES

LONG_TERM: Final = "长期"
_LONG_TERM_WORDS: Final = frozenset({"长期", "长期有效", "永久", "永久有效", "无固定期限", "long-term", "permanent"})
_DATE: Final = re.compile(
    r"(\d{4})(?:\s*[-–/.年]\s*(\d{1,2})\s*[-–/.月]\s*(\d{1,2})\s*日?|(\d{2})(\d{2}))(?:[ T]0{1,2}:00(?::00)?)?"
)
#: What is pasted along with a text from web pages and chats and cannot be seen: zero-width spaces, marks of direction.
_INVISIBLE: Final = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
#: What no text holds on purpose: control characters, and the mark that programs put for what they could not read.
_SPOILED: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffd]")
_DAY_NUMBER: Final = re.compile(r"\d{5}(?:\.\d+)?", re.ASCII)
#: A spreadsheet keeps 15 decimal digits of a number; longer ones have lost their end.
_EXACT_BELOW: Final = 10**15
_SCIENTIFIC: Final = re.compile(r"\d(?:\.\d+)?[eE]\+?\d{2}")
#: Day 0 of a spreadsheet's serial numbers, counted so that its 29 February 1900 does no harm after it.
_SERIAL_DAY_ZERO: Final = date(1899, 12, 30)
#: 1 March 1900 and 31 December 9999.
_FIRST_SERIAL, LAST_SERIAL = 61, 2_958_465
_ERRORS: Final = frozenset({"#REF!", "#N/A", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!", "#CALC!"})
_BOOLEANS: Final = {
    "是": True,
    "true": True,
    "1": True,
    "有": True,
    "否": False,
    "false": False,
    "0": False,
    "无": False,
}
_CODE_TYPES: Final = {name: code for code, name in HOLDER_CODE_TYPES.items()} | {
    "身份证": "111",
    "居民身份证": "111",
    "护照": "414",
    "因私护照": "414",
    "社会信用代码": "001",
    "台胞证": "511",
    "回乡证": "516",
}
_LIST_MARKS: Final = re.compile(r"[、；;\n]+")


class CellError(ValueError):
    """A cell that cannot stand for its field. Do: what `message` says, in that cell."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


def value_of(cell: Cell, column: Column) -> Any:
    """What the field holds; None for an empty cell. Raises CellError naming the expected form."""
    if type(cell) is not str:
        return None if cell is None else _READERS[column.kind](cell, column)
    text = cell.strip()
    if not text.isprintable():
        text = _INVISIBLE.sub("", text).strip()
    if not text:
        return None
    if "\ufffd" in text or not text.isprintable():
        _check_characters(text)
    if text[0] in "#=":
        _check_formula(text)
    kind = column.kind
    if kind == "text":
        # By far the most cells of a large file.
        return _text(text) if text[0].isdecimal() else text
    if kind in ("day", "last_day"):
        return _written_day(text, column)
    return _READERS[kind](text, column)


def _check_characters(text: str) -> None:
    found = _SPOILED.search(text)
    if found is None:
        return
    if found[0] == "\ufffd":
        raise CellError("garbled", f"“{text[:20]}”中有乱码（�），原来的字已丢失；请从原始数据重新导出")
    raise CellError("control_character", f"单元格中有控制字符（U+{ord(found[0]):04X}），请删除后重新填写")


def _check_formula(text: str) -> None:
    if not text.strip("#"):
        raise CellError("not_shown", "单元格里只有 #：列太窄，导出的不是内容；请加宽该列后重新导出")
    if text in _ERRORS:
        raise CellError("formula_error", f"单元格是公式错误 {text}，请改为实际内容")
    if text == PADDED_NUMBER:
        raise CellError("kept_as_number", "单元格存为数值，前面的 0 只是显示格式；请设为文本格式后重新填写")
    if text == EMPTY_FORMULA:
        raise CellError("formula_without_value", "单元格是公式，但文件中没有它的计算结果；请用表格软件打开、保存后重试")


def _text(cell: Cell) -> str:
    if isinstance(cell, bool):
        return "是" if cell else "否"
    if isinstance(cell, datetime | date | time):
        shown = f"{cell:%H:%M}" if isinstance(cell, time) else f"{cell:%Y-%m-%d}"
        message = f"单元格存为日期或时间（{shown}），表格软件可能改动了所填的内容；请设为文本格式后重新填写"
        raise CellError("kept_as_date", message)
    if isinstance(cell, int | float):
        if abs(cell) >= _EXACT_BELOW or (isinstance(cell, float) and not cell.is_integer()):
            raise CellError("kept_as_number", "单元格存为数值，可能已丢失末尾数字；请设为文本格式后重新填写")
        return str(int(cell))
    text = str(cell).strip()
    if ("E" in text or "e" in text) and _SCIENTIFIC.fullmatch(text):
        raise CellError("kept_as_number", f"“{text}”是科学计数，已丢失数字；请设为文本格式后重新填写")
    return text


def _day(cell: Cell, column: Column) -> str:
    if isinstance(cell, datetime | date):
        return f"{cell:%Y%m%d}".rjust(8, "0")
    if isinstance(cell, int | float) and not isinstance(cell, bool) and _FIRST_SERIAL <= cell <= LAST_SERIAL:
        return f"{_SERIAL_DAY_ZERO + timedelta(days=int(cell)):%Y%m%d}"
    return _written_day(_text(cell), column)


@lru_cache(maxsize=16_384)
def _written_day(text: str, column: Column) -> str:
    if column.kind == "last_day" and "".join(text.split()).casefold() in _LONG_TERM_WORDS:
        return LONG_TERM
    match = _DATE.fullmatch(text)
    if match is None and _DAY_NUMBER.fullmatch(text):
        message = f"“{text}”像是表格软件的日期序号；请把该列设为日期格式后重新保存，应为{column.expected}"
        raise CellError("wrong_form", message)
    if match is None:
        raise CellError("wrong_form", f"“{text[:20]}”不是日期，应为{column.expected}")
    year, month, day = match[1], match[2] or match[4], match[3] or match[5]
    try:
        return f"{date(int(year), int(month), int(day)):%Y%m%d}".rjust(8, "0")
    except ValueError as error:
        raise CellError("no_such_day", f"“{text}”这一天不存在") from error


def _number(cell: Cell, column: Column) -> int | float:
    if isinstance(cell, bool | datetime | date | time):
        raise CellError("wrong_form", f"应为{column.expected}")
    try:
        value = float(cell or 0)
    except (ValueError, OverflowError) as error:
        raise CellError("wrong_form", f"“{str(cell)[:20]}”不是数字，应为{column.expected}") from error
    if abs(value) < _EXACT_BELOW and value.is_integer():
        return int(value)
    if column.kind == "integer" or abs(value) >= _EXACT_BELOW or value != value:
        raise CellError("wrong_form", f"“{str(cell)[:20]}”应为{column.expected}")
    return value


def _boolean(cell: Cell, column: Column) -> bool:
    if isinstance(cell, bool):
        return cell
    found = _BOOLEANS.get(_text(cell).casefold())
    if found is None:
        raise CellError("wrong_form", f"“{str(cell)[:20]}”应为{column.expected}")
    return found


def _list(cell: Cell, _column: Column) -> list[str]:
    return [part.strip() for part in _LIST_MARKS.split(_text(cell)) if part.strip()]


def _padded(text: str) -> str:
    """Three digits, as codes are written: a spreadsheet turns 001 into 1."""
    return text.zfill(3) if text.isascii() and text.isdigit() else text


def _code_type(text: str) -> str:
    """The code of a holder code type given by its code, its name, what people call it, or code and name."""
    digits = _padded(text.split(" ")[0])
    if digits in HOLDER_CODE_TYPES:
        return digits
    return _CODE_TYPES.get(text, text)


_READERS: Final[Mapping[str, Callable[[Cell, Column], Any]]] = {
    "text": lambda cell, _: _text(cell),
    "day": _day,
    "last_day": _day,
    "version": lambda cell, _: _padded(_text(cell)),
    "code_type": lambda cell, _: _code_type(_text(cell)),
    "integer": _number,
    "number": _number,
    "boolean": _boolean,
    "list": _list,
}
