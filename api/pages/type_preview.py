"""A draft of a type as its certificates will look, however unfinished it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any, Final

from api.pages import wording
from api.pages.faces import face_of
from api.pages.texts import Texts
from api.pages.type_views import TypeLook
from api.pages.views import Face, Fact
from registry.catalogue.field_rows import RECEIVERS, FieldRow
from registry.catalogue.receivers import FACE_PARTS, HOLDER_PARTS, OWN
from registry.catalogue.rules import TypeDefinition, compile_definition
from registry.catalogue.samples import sample_face
from registry.catalogue.sheets import Sheet, definition_of
from registry.departments.rules import LEVELS
from registry.errors import FieldError, InvalidDraftError
from registry.extracts.rules import receivers_of, title_of

_PLAIN: Final = Sheet(
    name="未命名类型", title="未命名类型", definer_code="11310105MB9T00011M", definer_name="定义机构", serial="000",
    long_term=True, rows=(FieldRow("field", "字段"),),
)  # fmt: skip
#: What is put in place of faulty texts goes together in these families.
_FAMILIES: Final = ("holder_", "number_", "minimum_years", "maximum_years")
_TOGETHER: Final = {
    "holder_": ("holder_types", "holder_minimum", "holder_maximum"),
    "number_": ("number_pattern", "number_hint", "number_example"),
    "minimum_years": ("minimum_years", "maximum_years", "long_term"),
    "maximum_years": ("minimum_years", "maximum_years", "long_term"),
}
_NUMBER: Final = 9999


def preview(sheet: Sheet, today: date, t: Texts) -> TypeLook:
    """The look of the sheet with sample data; what is faulty is left out or stands as in a plain type."""
    definition = _presentable(sheet)
    return look_of(compile_definition(definition), definition["number_example"] or "", today, t)


def look_of(definition: TypeDefinition, number_example: str, today: date, t: Texts) -> TypeLook:
    """The face of a type with sample data, and who may be told what of it."""
    return TypeLook(sample(definition, number_example, today), audiences(definition, t))


def sample(definition: TypeDefinition, number_example: str, today: date) -> Face:
    """The face of a type with sample data."""
    return face_of(sample_face(definition, number_example, today), definition)


def audiences(definition: TypeDefinition, t: Texts) -> list[Fact]:
    """To whom extracts may tell which parts, the widest audience first; of materials there are no extracts."""
    if definition.kind != "certificate":
        return []
    told: dict[tuple[str, ...], list[str]] = {}
    for part in (*HOLDER_PARTS, *FACE_PARTS, *(f"{OWN}.{name}" for name in definition.order)):
        levels = receivers_of(part, definition)
        told.setdefault(tuple(level for level in LEVELS if level in levels), []).append(title_of(part, definition))
    widest_first = sorted(told.items(), key=lambda one: -len(one[0]))
    return [Fact(_audience(levels, t), t("list.separator").join(titles)) for levels, titles in widest_first]


def _audience(levels: tuple[str, ...], t: Texts) -> str:
    named = next((name for name, these in RECEIVERS.items() if these == levels), None)
    if named is not None:
        return wording.receivers_name(named, t)
    return t("list.separator").join(t.said(f"level.{level}", LEVELS[level]) for level in levels)


def _presentable(sheet: Sheet) -> dict[str, Any]:
    try:
        return definition_of(sheet, _NUMBER)
    except InvalidDraftError as faults:
        mended = _mended(sheet, faults.errors)
    try:
        return definition_of(mended, _NUMBER)
    except InvalidDraftError:
        return definition_of(replace(_PLAIN, title=mended.title or _PLAIN.title), _NUMBER)


def _mended(sheet: Sheet, errors: Iterable[FieldError]) -> Sheet:
    faulty = {error.field for error in errors}
    rows = [row for place, row in enumerate(sheet.rows) if not any(f.startswith(f"rows[{place}].") for f in faulty)]
    plain: dict[str, Any] = {"rows": tuple(rows) or _PLAIN.rows}
    for name in faulty:
        family = next((begin for begin in _FAMILIES if name.startswith(begin)), None)
        for one in _TOGETHER[family] if family else (name,):
            if hasattr(_PLAIN, one) and one != "rows":
                plain[one] = getattr(_PLAIN, one)
    return replace(sheet, **plain)
