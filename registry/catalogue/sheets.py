"""A type as a form that a person fills in: every text as it was typed, and the definition that comes of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from registry.catalogue import rules
from registry.catalogue.field_rows import FieldRow, row_from, row_json, rows_of, schema_of
from registry.catalogue.layouts import FRAMES_BY_NUMBER, check_layout
from registry.catalogue.patterns import WholePattern
from registry.errors import FieldError, InvalidDraftError
from verifier.errors import MalformedError
from verifier.identifiers import HOLDER_CODE_TYPES, IdentifierError, check_uscc
from verifier.schema import FaceSchema

MAX_YEARS = 100
MAX_REFERENCES = 16
MAX_DEPTH = 32
_SERIAL = re.compile(r"[0-9]{3}", re.ASCII)
_SOURCE = {"status": "local", "note": "Made with the editor of this registry."}


@dataclass(frozen=True, slots=True)
class Sheet:
    """The form of a type. `based_on` is the version it goes on from: 0 for a new type, whose code is not fixed yet."""

    based_on: int = 0
    kind: str = "certificate"
    name: str = ""
    definer_code: str = ""
    definer_name: str = ""
    serial: str = ""
    holder_types: tuple[str, ...] = ("111",)
    holder_minimum: str = "1"
    holder_maximum: str = "1"
    number_pattern: str = "^[0-9A-Z-]{4,40}$"
    number_hint: str = "4 至 40 位数字、大写字母或连字符"
    number_example: str = "CN-2026-0001"
    number_is_personal: bool = False
    number_begins_with_holder_code: bool = False
    long_term: bool = False
    minimum_years: str = ""
    maximum_years: str = ""
    one_time: bool = False
    title: str = ""
    emblem: str = ""
    footer: str = ""
    frame: str = "plain"
    rows: tuple[FieldRow, ...] = ()
    #: What the schema says beside its fields, such as `$defs`; only the expert view shows it.
    rest: Mapping[str, Any] | None = None

    @property
    def code(self) -> str:
        """The 21 characters of the type's code, as far as they are there."""
        return self.definer_code + self.serial


#: Texts and ticks of a sheet that a form sends under their own names.
TEXTS = (
    "name", "definer_code", "definer_name", "serial", "holder_minimum", "holder_maximum", "number_pattern",
    "number_hint", "number_example", "minimum_years", "maximum_years", "title", "emblem", "footer", "frame", "kind",
)  # fmt: skip
TICKS = ("number_is_personal", "number_begins_with_holder_code", "long_term", "one_time")
#: What cannot change from one version of a type to the next.
FIXED = ("kind", "definer_code", "serial")


def sheet_of(definition: Mapping[str, Any]) -> Sheet:
    """The form of a published definition, to make the next version from."""
    compiled = rules.compile_definition(definition)
    schema, validity = definition["schema"], definition["validity"]
    layout = compiled.layout
    return Sheet(
        based_on=compiled.version, kind=compiled.kind, name=compiled.name, definer_code=compiled.definer_code,
        definer_name=compiled.definer_name, serial=compiled.code[18:],
        holder_types=tuple(sorted(compiled.holder.code_types)), holder_minimum=str(compiled.holder.minimum),
        holder_maximum=str(compiled.holder.maximum), number_pattern=definition["number_pattern"] or "",
        number_hint=compiled.number_hint, number_example=definition["number_example"] or "",
        number_is_personal=compiled.number_is_personal,
        number_begins_with_holder_code=compiled.number_begins_with_holder_code, long_term=compiled.validity.long_term,
        minimum_years=_shown(validity["minimum_years"]), maximum_years=_shown(validity["maximum_years"]),
        one_time=compiled.one_time, title=layout.title if layout else compiled.name,
        emblem=layout.emblem if layout else "", footer=layout.footer if layout else "",
        frame=layout.frame if layout else FRAMES_BY_NUMBER.get(compiled.number, "plain"),
        rows=tuple(rows_of(schema, compiled.order)), rest=_rest(schema),
    )  # fmt: skip


def _shown(number: int | None) -> str:
    return "" if number is None else str(number)


def _rest(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    own = ("$schema", "title", "type", "properties", "required", "additionalProperties")
    return {key: value for key, value in schema.items() if key not in own} or None


def with_schema(sheet: Sheet, schema: object) -> Sheet:
    """The sheet with the fields of a schema that an expert wrote. Raises InvalidDraftError naming `schema`."""
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(schema, Mapping) or not isinstance(properties, Mapping) or not properties:
        raise _wrong_schema("模式应为有 properties 的 JSON 对象。")
    if not all(isinstance(part, Mapping) for part in properties.values()):
        raise _wrong_schema("每个字段的模式应为 JSON 对象。")
    try:
        FaceSchema(schema)
    except MalformedError as wrong:
        raise _wrong_schema(f"{wrong.message}。") from wrong
    if _references(schema, MAX_DEPTH) > MAX_REFERENCES:
        raise _wrong_schema(f"模式中的引用（$ref）最多 {MAX_REFERENCES} 处。")
    return replace(sheet, rows=tuple(rows_of(schema, properties)), rest=_rest(schema))


def _references(part: object, depth: int) -> int:
    """How many references a schema holds: references to what refers twice multiply. Raises InvalidDraftError for a
    schema that is nested deeper than this."""
    if not depth:
        raise _wrong_schema(f"模式的嵌套最多 {MAX_DEPTH} 层。")
    if isinstance(part, Mapping):
        own = sum(key in ("$ref", "$dynamicRef") for key in part)
        return own + sum(_references(inner, depth - 1) for inner in part.values())
    return sum(_references(inner, depth - 1) for inner in part) if isinstance(part, list) else 0


def _wrong_schema(message: str) -> InvalidDraftError:
    return InvalidDraftError([FieldError("schema", "wrong_schema", message)])


def definition_of(sheet: Sheet, number: int) -> dict[str, Any]:
    """The definition of the next version under this small number. Raises InvalidDraftError naming every wrong field;
    those of fields as `rows[0].name`."""
    errors = _check(sheet)
    face = {"title": sheet.title, "emblem": sheet.emblem, "footer": sheet.footer, "frame": sheet.frame}
    errors += check_layout(face)
    validity = {"long_term": sheet.long_term, **_years(sheet, errors)}
    fewest = _number(sheet.holder_minimum, "holder_minimum", 1, 64, errors)
    most = _number(sheet.holder_maximum, "holder_maximum", 1, 64, errors)
    holder = {"code_types": sorted(sheet.holder_types), "minimum": fewest, "maximum": most}
    if fewest > most:
        errors.append(FieldError("holder_maximum", "wrong_range", "最多人数不能少于最少人数。"))
    schema = schema_of(list(sheet.rows), sheet.name, sheet.rest or {}, errors)
    if errors:
        raise InvalidDraftError(errors)
    definition = {
        "code": sheet.code, "number": number, "kind": sheet.kind, "name": sheet.name,
        "definer_code": sheet.definer_code, "definer_name": sheet.definer_name, "holder": holder,
        "number_pattern": sheet.number_pattern or None, "number_hint": sheet.number_hint or None,
        "number_example": sheet.number_example or None, "number_is_personal": sheet.number_is_personal,
        "number_begins_with_holder_code": sheet.number_begins_with_holder_code, "validity": validity,
        "one_time": sheet.one_time, "version": sheet.based_on + 1, "source": _SOURCE, "schema": schema,
        "face": {**face, "fields": [row.name for row in sheet.rows]},
    }  # fmt: skip
    rules.compile_definition(definition)
    return definition


def _check(sheet: Sheet) -> list[FieldError]:
    errors = []
    try:
        check_uscc(sheet.definer_code, "definer_code")
    except IdentifierError as wrong:
        errors.append(FieldError("definer_code", wrong.reason, wrong.message))
    if not _SERIAL.fullmatch(sheet.serial):
        errors.append(FieldError("serial", "wrong_form", "流水号应为三位数字，如 001。"))
    for name, text, chinese, most in (
        ("name", sheet.name, "类型名称", 60), ("definer_name", sheet.definer_name, "定义机构名称", 100),
    ):  # fmt: skip
        if not 0 < len(text) <= most or not text.isprintable():
            errors.append(FieldError(name, "wrong_length", f"{chinese}应为 1 至 {most} 个字。"))
    if sheet.kind not in rules.KINDS:
        errors.append(FieldError("kind", "unknown_value", "请选择证照或材料。"))
    if not sheet.holder_types or not HOLDER_CODE_TYPES.keys() >= set(sheet.holder_types):
        errors.append(FieldError("holder_types", "missing", "请至少选择一种持证主体证件。"))
    return [*errors, *_check_number(sheet)]


def _check_number(sheet: Sheet) -> list[FieldError]:
    for name, text in (("number_hint", sheet.number_hint), ("number_example", sheet.number_example)):
        if len(text) > 100 or (text and not text.isprintable()):
            return [FieldError(name, "wrong_length", "应为一行文字，最多 100 个字。")]
    if not sheet.number_pattern:
        message = "证照须有编号格式，如 ^JY[0-9]{14}$。"
        return [FieldError("number_pattern", "missing", message)] if sheet.kind == "certificate" else []
    try:
        pattern = WholePattern(sheet.number_pattern)
    except MalformedError:
        return [FieldError("number_pattern", "wrong_pattern", "编号格式应为正则表达式，如 ^JY[0-9]{14}$。")]
    if not sheet.number_example or not pattern.fullmatch(sheet.number_example):
        return [FieldError("number_example", "wrong_example", "请给出一个符合编号格式的示例编号。")]
    return []


def _years(sheet: Sheet, errors: list[FieldError]) -> dict[str, int | None]:
    if not sheet.minimum_years and not sheet.maximum_years:
        if not sheet.long_term:
            errors.append(FieldError("minimum_years", "missing", "请填写有效期的年数，或勾选可以长期有效。"))
        return {"minimum_years": None, "maximum_years": None}
    low = _number(sheet.minimum_years or "0", "minimum_years", 0, MAX_YEARS, errors)
    high = _number(sheet.maximum_years or sheet.minimum_years, "maximum_years", 1, MAX_YEARS, errors)
    if low > high:
        errors.append(FieldError("maximum_years", "wrong_range", "最长年数不能少于最短年数。"))
    return {"minimum_years": low, "maximum_years": high}


def _number(text: str, name: str, low: int, high: int, errors: list[FieldError]) -> int:
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 3 else -1
    if not low <= number <= high:
        errors.append(FieldError(name, "wrong_number", f"应为 {low} 至 {high} 的整数。"))
    return number


def sheet_json(sheet: Sheet) -> dict[str, Any]:
    """The sheet as JSON."""
    return {**asdict(sheet), "holder_types": list(sheet.holder_types), "rows": [row_json(row) for row in sheet.rows]}


def sheet_from(value: Mapping[str, Any]) -> Sheet:
    """The sheet of its JSON."""
    rows = tuple(row_from(row) for row in value["rows"])
    return Sheet(**{**value, "holder_types": tuple(value["holder_types"]), "rows": rows})
