"""JSON Schema 2020-12 for the face data of a certificate type, with errors a clerk can act on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from verifier.canonical import JSON
from verifier.errors import MalformedError, SchemaError

MAX_ERRORS = 50

_REMOTE = "只允许引用模式内部"


class FaceSchema:
    """A compiled schema. Nothing outside it is ever fetched."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = dict(schema)
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                self.schema, validate_formats=True, retriever=_refuse_remote
            )
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, TypeError) as error:
            raise MalformedError("wrong_schema", "证照类型的 JSON Schema 无效") from error
        self.is_valid = self._validator.is_valid

    def check(self, face: JSON) -> None:
        """Raises SchemaError listing up to 50 fields as (path, Chinese message)."""
        if self._validator.is_valid(face):
            return
        found: list[tuple[str, str]] = []
        for error in self._validator.iter_errors(face):
            found += self._explain(error)
            if len(found) >= MAX_ERRORS:
                break
        first = found[0][1] if found else "不符合类型要求"
        raise SchemaError("schema_mismatch", f"照面数据不符合证照类型的要求：{first}", errors=tuple(found[:MAX_ERRORS]))

    def title(self, path: list[str | int]) -> str:
        """The Chinese title of a field, or its path."""
        node: Any = self.schema
        for step in path:
            inner = node.get("items") if isinstance(step, int) else node.get("properties", {}).get(step)
            if not isinstance(inner, dict):
                return ".".join(map(str, path))
            node = inner
        return str(node.get("title") or ".".join(map(str, path)))

    def _explain(self, error: jsonschema_rs.ValidationError) -> list[tuple[str, str]]:
        path: list[str | int] = list(error.instance_path)
        kind = error.kind
        if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
            name = str(kind.property).strip('"')
            return [(_dotted([*path, name]), f"缺少“{self.title([*path, name])}”")]
        if isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
            return [(_dotted([*path, str(name)]), f"“{name}”不是该类型的字段") for name in kind.unexpected]
        return [(_dotted(path), f"“{self.title(path)}”{_expectation(kind)}")]


def _expectation(kind: Any) -> str:
    """What was expected, in Chinese, by the failed keyword."""
    kinds = jsonschema_rs.ValidationErrorKind
    wordings: tuple[tuple[type, str, str], ...] = (
        (kinds.Type, "types", "的类型不对，应为 {}"),
        (kinds.Pattern, "pattern", "的格式不对，应符合 {}"),
        (kinds.Format, "format", "的格式不对，应为 {}"),
        (kinds.MaxLength, "limit", "过长，最多 {} 个字符"),
        (kinds.MinLength, "limit", "过短，至少 {} 个字符"),
        (kinds.Enum, "options", "不在可选值之中：{}"),
        (kinds.Constant, "expected_value", "应为 {}"),
        (kinds.Maximum, "limit", "过大，最大 {}"),
        (kinds.Minimum, "limit", "过小，最小 {}"),
        (kinds.MaxItems, "limit", "项数过多，最多 {} 项"),
        (kinds.MinItems, "limit", "项数过少，至少 {} 项"),
    )
    for known, attribute, wording in wordings:
        if isinstance(kind, known):
            return wording.format(getattr(kind, attribute, ""))
    return f"不符合要求（{getattr(kind, 'name', type(kind).__name__)}）"


def _dotted(path: list[str | int]) -> str:
    return ".".join(map(str, path)) or "(整体)"


def _refuse_remote(uri: str) -> Any:
    raise ValueError(_REMOTE)
