"""How the face of a type is laid out on paper and on pages: title, emblem line, fields in their order, footer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from registry.errors import FieldError

#: The drawn frames, and what they are called.
FRAMES = {
    "plain": "通用", "licence": "执照", "food": "许可", "care": "关爱", "elder": "敬老", "skill": "技能",
}  # fmt: skip
#: Those of the built-in types by their small numbers, where a definition names none.
FRAMES_BY_NUMBER = {1: "licence", 2: "food", 3: "care", 4: "elder", 5: "skill"}
MAX_TITLE_CHARACTERS = 40
MAX_LINE_CHARACTERS = 80
_KEYS = frozenset(("title", "emblem", "footer", "frame", "fields"))


@dataclass(frozen=True, slots=True)
class Layout:
    """A face template: `emblem` stands above the title, `footer` below everything; both may be empty."""

    title: str
    emblem: str
    footer: str
    frame: str
    #: Names of the type's own fields in the order in which they are shown.
    fields: tuple[str, ...]


def read_layout(value: object, names: frozenset[str]) -> Layout:
    """The layout of a definition whose fields have these names. Raises TypeError for anything else."""
    if not isinstance(value, Mapping) or value.keys() != _KEYS:
        raise TypeError("face layout")
    fields = value["fields"]
    if not isinstance(fields, list) or len(set(fields)) != len(fields) or not names.issuperset(fields):
        raise TypeError("face fields")
    if check_layout(value):
        raise TypeError("face texts")
    return Layout(value["title"], value["emblem"], value["footer"], value["frame"], tuple(fields))


def check_layout(value: Mapping[str, Any]) -> list[FieldError]:
    """Every fault of the layout's texts."""
    errors = []
    for name, chinese, most in (
        ("title", "照面标题", MAX_TITLE_CHARACTERS),
        ("emblem", "徽标行", MAX_LINE_CHARACTERS),
        ("footer", "页脚", MAX_LINE_CHARACTERS),
    ):
        text = value[name]
        if not isinstance(text, str) or len(text) > most or (text and not text.isprintable()):
            errors.append(FieldError(name, "wrong_length", f"{chinese}应为一行文字，最多 {most} 个字。"))
    if not value["title"]:
        errors.append(FieldError("title", "missing", "请填写照面标题。"))
    if value["frame"] not in FRAMES:
        errors.append(FieldError("frame", "unknown_value", "边框应取自列表。"))
    return errors


def reading_order(schema: Mapping[str, Any], layout: Layout | None) -> tuple[str, ...]:
    """The names of a type's fields: in the order of the layout, else the required ones as the schema lists them."""
    names = schema.get("properties", {})
    first = layout.fields if layout else tuple(name for name in schema.get("required", ()) if name in names)
    return (*first, *(name for name in names if name not in first))
