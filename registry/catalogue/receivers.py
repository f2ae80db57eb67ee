"""To which levels of departments the parts of a face may go in extracts. Pure.

A part is named by its path: a member of the face (`certificate_number`), one of every holder (`holders.holder_name`) or
one of the type's own (`extend_info.address`). A schema says so of its own fields by `x-disclose` beside each (a list of
levels), and of the other parts by `x-disclose` beside its `properties` (an object of such lists).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from registry.departments.rules import LEVELS
from registry.errors import FieldError, InvalidDraftError

OWN: Final = "extend_info"
#: Members of a face and of its holders that are told part by part.
FACE_PARTS: Final = ("certificate_number", "certificate_identifier", "area_code")
HOLDER_PARTS: Final = ("holders.holder_name", "holders.holder_code")
#: Levels that are government: what a type says nothing about goes to these, and masked fields to nobody.
GOVERNMENT: Final = frozenset(("municipal", "district", "street"))
NOBODY: Final = frozenset[str]()

_KEYWORD = "x-disclose"


def read_receivers(schema: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """By part, the levels that the schema names. Raises InvalidDraftError."""
    properties = schema.get("properties", {})
    own = {f"{OWN}.{name}": part[_KEYWORD] for name, part in properties.items() if _KEYWORD in part}
    others = schema.get(_KEYWORD, {})
    if not isinstance(others, dict) or not others.keys() <= {*FACE_PARTS, *HOLDER_PARTS}:
        known = "、".join((*HOLDER_PARTS, *FACE_PARTS))
        raise _wrong(_KEYWORD, f"字段之外的 x-disclose 应为对象，键取自 {known}。")
    return {part: _levels(part, value) for part, value in {**others, **own}.items()}


def _levels(part: str, value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) and one in LEVELS for one in value):
        raise _wrong(part.removeprefix(f"{OWN}."), f"x-disclose 应为部门层级的数组：{'、'.join(LEVELS)}。")
    return frozenset(value)


def _wrong(field: str, message: str) -> InvalidDraftError:
    return InvalidDraftError([FieldError(f"schema.{field}", "wrong_definition", message)])
