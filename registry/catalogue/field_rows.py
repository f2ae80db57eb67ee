"""The fields of a type as rows that a person fills in, and the JSON Schema 2020-12 of each row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import orjson

from registry.errors import FieldError
from verifier.errors import MalformedError, SchemaError
from verifier.schema import FaceSchema

KINDS = {
    "text": "文字", "choice": "选项", "day": "日期", "integer": "整数", "yes_no": "是否", "list": "多项文字",
    "other": "其他（按模式）",
}  # fmt: skip
MASKS = {"": "不脱敏", "name": "按姓名", "number": "按号码", "hide": "隐藏"}
#: Who besides the issuer's registrars may be shown the whole value for a stated purpose (`x-shown-to`).
SHOWN_TO: Mapping[str, tuple[str, ...] | None] = {
    "all": None, "window": ("window",), "auditor": ("auditor",), "none": (),
}  # fmt: skip
#: To which levels of departments the field may go in extracts (`x-disclose`); all: the type does not say.
RECEIVERS: Mapping[str, tuple[str, ...] | None] = {
    "all": None, "everyone": ("municipal", "district", "street", "unit"), "public": ("municipal", "district", "street"),
    "district": ("municipal", "district"), "none": (),
}  # fmt: skip
MAX_ROWS = 60
MAX_LONGEST = 10_000
MAX_OPTIONS = 200
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_RANGE = re.compile(r"(\d{1,9})\s*[-–—~～]\s*(\d{1,9})", re.ASCII)
_OPTIONS = re.compile(r"[、；;\n]")
_DAY = {"type": "string", "pattern": "^[0-9]{8}$", "format": "yyyymmdd"}
_DEFAULT_LONGEST = "200"


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One field as it is typed. `form`: a pattern of text, the options of a choice, the range of an integer such as
    1–100, the most items of a list. `kept`: keywords of its schema that no column shows."""

    name: str = ""
    title: str = ""
    kind: str = "text"
    form: str = ""
    longest: str = _DEFAULT_LONGEST
    required: bool = False
    mask: str = ""
    shown_to: str = "all"
    receivers: str = "all"
    example: str = ""
    kept: Mapping[str, Any] = field(default_factory=dict)


def rows_of(schema: Mapping[str, Any], order: Iterable[str]) -> list[FieldRow]:
    """The rows of a schema's top-level fields. What a row cannot say becomes a row of kind `other`."""
    required = set(schema.get("required", ()))
    return [_row(name, schema["properties"][name], required=name in required) for name in order]


def _row(name: str, part: Mapping[str, Any], *, required: bool) -> FieldRow:
    rest = dict(part)
    title, mask = str(rest.pop("title", "")), str(rest.pop("x-mask", ""))
    shown_to = _named(SHOWN_TO, rest.pop("x-shown-to", None))
    receivers = _named(RECEIVERS, rest.get("x-disclose"))
    if receivers:
        rest.pop("x-disclose", None)
    examples = rest.pop("examples", None) or [""]
    kind, form, longest = _take_kind(rest)
    row = FieldRow(
        name, title, kind, form, longest, required, mask, shown_to or "none", receivers, _text(examples[0]), rest
    )
    if kind != "other" and _part(row, []) == {key: value for key, value in part.items() if key != "examples"}:
        return row
    shown = {"title", "x-mask", "x-shown-to", "examples"} | ({"x-disclose"} if receivers else set())
    kept = {key: value for key, value in part.items() if key not in shown}
    return replace(row, kind="other", form="", longest="", kept=kept)


def _named(table: Mapping[str, tuple[str, ...] | None], value: object) -> str:
    """The name of a choice in its table; empty for one that is not there."""
    wanted = tuple(value) if isinstance(value, list) else value
    return next((name for name, these in table.items() if these == wanted), "")


def _take_kind(rest: dict[str, Any]) -> tuple[str, str, str]:
    """Kind, form and longest of a part; takes the keywords that say so out of it."""
    kind = rest.pop("type", None)
    if kind == "string" and rest.get("format") == "yyyymmdd":
        del rest["format"]
        rest.pop("pattern", None)
        return "day", "", ""
    if kind == "string" and "enum" in rest:
        return "choice", "、".join(map(str, rest.pop("enum"))), ""
    if kind == "string":
        rest.pop("minLength", None)
        return "text", str(rest.pop("pattern", "")), str(rest.pop("maxLength", ""))
    if kind == "integer" and {"minimum", "maximum"} <= rest.keys():
        return "integer", f"{rest.pop('minimum')}–{rest.pop('maximum')}", ""
    if kind == "boolean":
        return "yes_no", "", ""
    if kind == "array" and isinstance(rest.get("items"), Mapping):
        items = rest.pop("items")
        rest.pop("minItems", None)
        rest.pop("uniqueItems", None)
        return "list", str(rest.pop("maxItems", "")), str(items.get("maxLength", ""))
    return "other", "", ""


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, list):
        return "、".join(map(str, value))
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def schema_of(rows: list[FieldRow], title: str, rest: Mapping[str, Any], errors: list[FieldError]) -> dict[str, Any]:
    """The schema of all rows; faults are added to `errors` under `rows[n].column`. `rest`: what a schema says beside
    its fields, such as `$defs`."""
    properties: dict[str, Any] = {}
    if not 1 <= len(rows) <= MAX_ROWS:
        errors.append(FieldError("rows", "wrong_count", f"字段应有 1 至 {MAX_ROWS} 个。"))
    for place, row in enumerate(rows):
        found: list[FieldError] = []
        part = _part(row, found)
        _check_texts(row, properties.keys(), found)
        if not found:
            _check_example(row, part, rest, found)
        errors += [FieldError(f"rows[{place}].{one.field}", one.reason, one.message) for one in found]
        properties[row.name] = part
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema", **rest, "title": title, "type": "object",
        "properties": properties, "required": [row.name for row in rows if row.required],
        "additionalProperties": False,
    }  # fmt: skip


def _check_texts(row: FieldRow, taken: Iterable[str], errors: list[FieldError]) -> None:
    if not _NAME.fullmatch(row.name):
        errors.append(FieldError("name", "wrong_form", "字段名应为小写字母开头的字母、数字或下划线，最多 40 位。"))
    elif row.name in taken:
        errors.append(FieldError("name", "twice", f"字段名“{row.name}”与前面的字段重复。"))
    if not 0 < len(row.title) <= 40 or not row.title.isprintable():
        errors.append(FieldError("title", "wrong_length", "中文名称应为 1 至 40 个字。"))
    elif row.title[0] in "=+-@":
        # It heads a column of the templates: a spreadsheet program would calculate it.
        errors.append(FieldError("title", "wrong_form", "中文名称不能以 = + - @ 开头。"))
    choices = {"mask": (row.mask, MASKS), "shown_to": (row.shown_to, SHOWN_TO), "receivers": (row.receivers, RECEIVERS)}
    for name, (value, table) in choices.items():
        # What an expert wrote about receivers and no choice says stays as it is.
        if value not in table and not (name == "receivers" and "x-disclose" in row.kept):
            errors.append(FieldError(name, "unknown_value", "应取自列表。"))
    if row.shown_to != "all" and not row.mask:
        errors.append(FieldError("mask", "mask_missing", "限制查看的字段平时也不能明示，请选择脱敏方式。"))


def _part(row: FieldRow, errors: list[FieldError]) -> dict[str, Any]:
    """The schema of one field, without its example."""
    part = {"title": row.title, **_of_kind(row, errors), **row.kept}
    if row.mask:
        part["x-mask"] = row.mask
    for keyword, choice in (("x-shown-to", SHOWN_TO.get(row.shown_to)), ("x-disclose", RECEIVERS.get(row.receivers))):
        if choice is not None:
            part[keyword] = list(choice)
    return part


def _of_kind(row: FieldRow, errors: list[FieldError]) -> dict[str, Any]:
    make = _MAKERS.get(row.kind)
    if make is not None:
        return make(row, errors)
    if row.kind != "other" or not row.kept:
        errors.append(FieldError("kind", "unknown_value", "请从列表中选择字段的种类。"))
    return {}


def _text_part(row: FieldRow, errors: list[FieldError]) -> dict[str, Any]:
    part: dict[str, Any] = {"type": "string"}
    if row.longest or not row.form:
        part |= {"minLength": 1, "maxLength": _longest(row, errors)}
    if row.form:
        part["pattern"] = row.form
        try:
            FaceSchema({"type": "string", "pattern": row.form})
        except MalformedError:
            errors.append(FieldError("form", "wrong_pattern", "格式应为正则表达式，如 ^[0-9]{6}$；没有要求就留空。"))
    return part


def _listed(text: str) -> list[str]:
    return [part for part in map(str.strip, _OPTIONS.split(text)) if part]


def _choice_part(row: FieldRow, errors: list[FieldError]) -> dict[str, Any]:
    options = _listed(row.form)
    if not 1 <= len(options) <= MAX_OPTIONS or len(set(options)) != len(options):
        errors.append(FieldError("form", "wrong_options", f"请列出 1 至 {MAX_OPTIONS} 个不重复的选项，用“、”分开。"))
    return {"type": "string", "enum": options}


def _integer_part(row: FieldRow, errors: list[FieldError]) -> dict[str, Any]:
    found = _RANGE.fullmatch(row.form.strip())
    low, high = (int(found[1]), int(found[2])) if found else (1, 0)
    if low > high:
        errors.append(FieldError("form", "wrong_range", "请填写范围，如 1–100。"))
    return {"type": "integer", "minimum": low, "maximum": high}


def _list_part(row: FieldRow, errors: list[FieldError]) -> dict[str, Any]:
    most = _count(row.form, "form", "请填写最多几项，如 20。", errors)
    items = {"title": row.title, "type": "string", "minLength": 1, "maxLength": _longest(row, errors)}
    return {"type": "array", "minItems": 1, "maxItems": most, "uniqueItems": True, "items": items}


_MAKERS: Mapping[str, Callable[[FieldRow, list[FieldError]], dict[str, Any]]] = {
    "text": _text_part,
    "choice": _choice_part,
    "day": lambda _row, _errors: dict(_DAY),
    "integer": _integer_part,
    "yes_no": lambda _row, _errors: {"type": "boolean"},
    "list": _list_part,
}


def _longest(row: FieldRow, errors: list[FieldError]) -> int:
    return _count(row.longest, "longest", f"长度上限应为 1 至 {MAX_LONGEST} 的整数。", errors)


def _count(text: str, name: str, message: str, errors: list[FieldError]) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_LONGEST)) else 0
    if not 1 <= number <= MAX_LONGEST:
        errors.append(FieldError(name, "wrong_number", message))
    return number


def _check_example(row: FieldRow, part: dict[str, Any], rest: Mapping[str, Any], errors: list[FieldError]) -> None:
    """An example is held against the field's own schema, and then stands in it."""
    if not row.example:
        return
    value = _value(row)
    try:
        FaceSchema({**rest, "type": "object", "properties": {row.name: part}}).check({row.name: value})
    except (MalformedError, SchemaError) as wrong:
        found = wrong.errors[0][1] if isinstance(wrong, SchemaError) and wrong.errors else "不符合要求"
        errors.append(FieldError("example", "wrong_example", f"示例不符合这一字段自己的要求：{found}。"))
    part["examples"] = [value]


def _value(row: FieldRow) -> Any:
    if row.kind == "list":
        return _listed(row.example)
    if row.kind == "yes_no":
        return {"是": True, "否": False}.get(row.example, row.example)
    if row.kind in ("integer", "other"):
        try:
            return orjson.loads(row.example)
        except orjson.JSONDecodeError:
            return row.example
    return row.example


def row_from(value: Mapping[str, Any]) -> FieldRow:
    """The row of its JSON."""
    return FieldRow(**value)


def row_json(row: FieldRow) -> dict[str, Any]:
    """The row as JSON."""
    return asdict(row)
