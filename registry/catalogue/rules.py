"""What a type of certificates or materials demands, and what a matter's slots accept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import orjson

from registry.catalogue.layouts import Layout, read_layout, reading_order
from registry.catalogue.patterns import WholePattern
from registry.catalogue.receivers import read_receivers
from registry.errors import FieldError, InvalidDraftError
from verifier.errors import MalformedError
from verifier.identifiers import HOLDER_CODE_TYPES, IdentifierError, check_uscc
from verifier.schema import FaceSchema

KINDS = {"certificate": "证照", "material": "材料"}
MAX_SLOTS = 64
_KEYS = frozenset(
    (
        "code", "number", "kind", "name", "definer_code", "definer_name", "holder", "number_pattern", "number_hint",
        "number_example", "number_is_personal", "number_begins_with_holder_code", "validity", "one_time", "version",
        "source", "schema",
    )
)  # fmt: skip
#: What a definition may also have: how its faces are laid out.
_OPTIONAL = frozenset(("face",))
_CODE = re.compile(r"[0-9A-Z]{18}[0-9]{3}", re.ASCII)
_MATTER_CODE = re.compile(r"[0-9A-Z][0-9A-Z-]{3,31}", re.ASCII)
_FIELD = re.compile(
    r"certificate_number|certificate_identifier|area_code|holders\.holder_(name|code)|extend_info\.\w{1,60}", re.ASCII
)
MAX_SLOT_FIELDS = 40


@dataclass(frozen=True, slots=True)
class Validity:
    """How long items of a type are valid: 长期 allowed or not, and the range of years (None: only 长期)."""

    long_term: bool
    minimum_years: int | None
    maximum_years: int | None

    def fault(self, valid_from: date, valid_to: date | None) -> str | None:
        """What is wrong with this period, in Chinese; None if nothing is.

        A period of n years may end on the day before the anniversary or on the anniversary itself: both are practised.
        """
        if valid_to is None:
            return None if self.long_term else "此类证照有固定期限，不能填“长期”"
        if self.minimum_years is None or self.maximum_years is None:
            return "此类证照长期有效，截止日期应填“长期”"
        earliest = add_years(valid_from, self.minimum_years) - timedelta(days=1)
        if earliest <= valid_to <= add_years(valid_from, self.maximum_years):
            return None
        span = str(self.minimum_years) if self.minimum_years == self.maximum_years else self._range()
        return f"此类证照的有效期应为 {span} 年"

    def _range(self) -> str:
        return f"{self.minimum_years} 至 {self.maximum_years}"


def add_years(day: date, years: int) -> date:
    """The same day so many years later; 29 February becomes 28 February where there is none."""
    year = min(day.year + years, date.max.year)
    try:
        return day.replace(year=year)
    except ValueError:
        return day.replace(year=year, day=28)


@dataclass(frozen=True, slots=True)
class HolderRule:
    """Who can hold items of a type, and how many together."""

    code_types: frozenset[str]
    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True, eq=False)
class TypeDefinition:
    """A type in one version, ready to judge drafts; `schema` is that of `extend_info`, or of a material's `data`."""

    code: str
    number: int
    kind: str
    name: str
    definer_code: str
    definer_name: str
    holder: HolderRule
    number_pattern: WholePattern | None
    number_hint: str
    number_is_personal: bool
    number_begins_with_holder_code: bool
    validity: Validity
    one_time: bool
    version: int
    schema: FaceSchema
    #: Names of top-level fields that hold a day (yyyymmdd): the schema checks their form, the rules that they exist.
    date_fields: tuple[str, ...]
    #: How fields are masked: name, number or hide.
    masks: Mapping[str, str]
    #: To which levels of departments parts of a face may go in extracts (`x-disclose`), where the type says so.
    receivers: Mapping[str, frozenset[str]]
    #: Roles to which pages may show fields whole for a purpose (`x-shown-to`), where the type says so.
    shown_to: Mapping[str, frozenset[str]]
    #: Names of top-level fields as they are read and typed.
    order: tuple[str, ...]
    #: None: the plain face of a definition that says nothing about it.
    layout: Layout | None


def compile_definition(definition: Mapping[str, Any]) -> TypeDefinition:
    """The type of a definition as it stands in a file or in the database. Raises InvalidDraftError naming the field."""
    return _compile(orjson.dumps(definition, option=orjson.OPT_SORT_KEYS))


@lru_cache(maxsize=512)
def _compile(definition: bytes) -> TypeDefinition:
    value = orjson.loads(definition)
    if not isinstance(value, dict) or value.keys() - _OPTIONAL != _KEYS:
        missing = sorted(_KEYS ^ (value.keys() - _OPTIONAL)) if isinstance(value, dict) else []
        raise _invalid("definition", f"类型定义的字段不完整或多余：{'、'.join(map(str, missing))}。")
    _check_facts(value)
    try:
        holder, validity = _holder(value["holder"]), _validity(value["validity"])
        schema = FaceSchema(value["schema"])
        properties: dict[str, Any] = value["schema"].get("properties", {})
        layout = read_layout(value["face"], frozenset(properties)) if "face" in value else None
    except MalformedError as wrong:
        raise _invalid("schema", f"类型的 JSON Schema 无效：{wrong.message}。") from wrong
    except (KeyError, TypeError) as wrong:
        raise _invalid("definition", "类型定义的持证主体、有效期规则或照面样式不正确。") from wrong
    return TypeDefinition(
        code=value["code"], number=value["number"], kind=value["kind"], name=value["name"],
        definer_code=value["definer_code"], definer_name=value["definer_name"], holder=holder,
        number_pattern=_number_pattern(value["number_pattern"]),
        number_hint=value["number_hint"] or "", number_is_personal=bool(value["number_is_personal"]),
        number_begins_with_holder_code=bool(value["number_begins_with_holder_code"]), validity=validity,
        one_time=value["one_time"], version=value["version"], schema=schema,
        date_fields=tuple(name for name, part in properties.items() if part.get("format") == "yyyymmdd"),
        masks={name: mask for name, part in properties.items() if (mask := _mask_of(part)) is not None},
        receivers=read_receivers(value["schema"]),
        shown_to={name: frozenset(part["x-shown-to"]) for name, part in properties.items() if "x-shown-to" in part},
        order=reading_order(value["schema"], layout), layout=layout,
    )  # fmt: skip


def _number_pattern(pattern: str | None) -> WholePattern | None:
    try:
        return WholePattern(pattern) if pattern else None
    except MalformedError as wrong:
        raise _invalid("number_pattern", "编号格式应为正则表达式，如 ^JY[0-9]{14}$。") from wrong


def _mask_of(part: Mapping[str, Any]) -> str | None:
    # What is not shown to everybody who asks is not shown to those who do not.
    mask: str | None = part.get("x-mask", "hide" if "x-shown-to" in part else None)
    return mask


def _check_facts(value: Mapping[str, Any]) -> None:
    code, definer = str(value["code"]), str(value["definer_code"])
    try:
        check_uscc(definer, "definer_code")
    except IdentifierError as wrong:
        raise _invalid("definer_code", wrong.message) from wrong
    if not _CODE.fullmatch(code) or not code.startswith(definer):
        raise _invalid("code", "证照类型代码应为定义机构的 18 位代码加 3 位流水号。")
    if value["kind"] not in KINDS or type(value["one_time"]) is not bool:
        raise _invalid("kind", "kind 应为 certificate 或 material，one_time 应为 true 或 false。")
    if type(value["version"]) is not int or value["version"] < 1 or type(value["number"]) is not int:
        raise _invalid("version", "version 与 number 应为正整数。")
    if not 1 <= value["number"] <= 9999 or not isinstance(value["name"], str) or not 0 < len(value["name"]) <= 60:
        raise _invalid("name", "名称应为 1 至 60 个字，number 应为 1 至 9999。")


def _holder(value: Mapping[str, Any]) -> HolderRule:
    types = frozenset(value["code_types"])
    if not types or not types <= HOLDER_CODE_TYPES.keys() or not 1 <= value["minimum"] <= value["maximum"] <= 64:
        raise TypeError("holder rule")
    return HolderRule(types, value["minimum"], value["maximum"])


def _validity(value: Mapping[str, Any]) -> Validity:
    return Validity(bool(value["long_term"]), value["minimum_years"], value["maximum_years"])


def _invalid(field: str, message: str) -> InvalidDraftError:
    return InvalidDraftError([FieldError(field, "wrong_definition", message)])


@dataclass(frozen=True, slots=True)
class Slot:
    """One material slot of a matter: which type codes satisfy it, and which fields of theirs the matter needs.

    fields: parts of a face (registry.extracts.rules); more than these no extract for the matter may hold.
    """

    code: str
    name: str
    accepts: tuple[str, ...]
    required: bool = True
    fields: tuple[str, ...] = ()


def check_matter(code: str, name: str, purpose: str, slots: tuple[Slot, ...]) -> list[FieldError]:
    """Every fault of a matter's facts."""
    errors = []
    if not _MATTER_CODE.fullmatch(code):
        errors.append(FieldError("code", "wrong_form", "事项编码应为 4 至 32 位大写字母、数字或连字符。"))
    for field, text, chinese in (("name", name, "事项名称"), ("purpose", purpose, "用途")):
        if not _is_title(text):
            errors.append(FieldError(field, "wrong_length", f"{chinese}应为 1 至 100 个字。"))
    codes = [slot.code for slot in slots]
    if not 1 <= len(slots) <= MAX_SLOTS or len(set(codes)) != len(codes):
        errors.append(FieldError("slots", "wrong_slots", f"材料项应有 1 至 {MAX_SLOTS} 个，编码不能重复。"))
    return [*errors, *(error for place, slot in enumerate(slots) for error in _check_slot(place, slot))]


def _check_slot(place: int, slot: Slot) -> list[FieldError]:
    errors = []
    if not _MATTER_CODE.fullmatch(slot.code) or not _is_title(slot.name):
        message = f"第 {place + 1} 个材料项应有名称，编码应为 4 至 32 位大写字母、数字或连字符。"
        errors.append(FieldError(f"slots[{place}]", "wrong_slot", message))
    if not slot.accepts:
        message = f"第 {place + 1} 个材料项应至少选一类可用的证照或材料。"
        errors.append(FieldError(f"slots[{place}].accepts", "nothing_accepted", message))
    if not _are_fields(slot.fields):
        message = (
            f"所需字段应为不重复的照面字段，如 certificate_number、extend_info.address，最多 {MAX_SLOT_FIELDS} 个。"
        )
        errors.append(FieldError(f"slots[{place}].fields", "wrong_field_name", message))
    return errors


def _are_fields(fields: tuple[str, ...]) -> bool:
    return len(set(fields)) == len(fields) <= MAX_SLOT_FIELDS and all(map(_FIELD.fullmatch, fields))


def _is_title(text: str) -> bool:
    return 0 < len(text.strip()) <= 100 and text.isprintable()
