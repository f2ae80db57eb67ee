"""A face with nobody's data, to see how a type looks. Its people were born in 1899 and its companies are invented."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from registry.catalogue.rules import TypeDefinition, add_years
from verifier.evidence import LONG_TERM
from verifier.identifiers import is_organisation

_PERSON = ("陆文清", "31010518991231999X")
_COMPANY = ("上海长宁示例有限公司", "91310105MA1FWT014B")
_OTHER_CODE = "EA00000001"


def sample_face(definition: TypeDefinition, number_example: str, today: date) -> dict[str, Any]:
    """Face data of this type as `registry.certificates` would store them."""
    day = today.strftime("%Y%m%d")
    validity = definition.validity
    last = LONG_TERM if validity.maximum_years is None else add_years(today, validity.maximum_years).strftime("%Y%m%d")
    kind = sorted(definition.holder.code_types, key=lambda code: code not in ("001", "111"))[0]
    name, code = _COMPANY if is_organisation(kind) else _PERSON
    known = kind in ("001", "111")
    properties: Mapping[str, Any] = definition.schema.schema.get("properties", {})
    return {
        "certificate_name": definition.name, "certificate_number": number_example or f"{day}0001",
        "certificate_type_code": definition.code, "issuing_authority_name": definition.definer_name,
        "issue_date": day, "valid_from": day, "valid_to": last,
        "holders": [
            {"holder_name": name, "holder_code": code if known else _OTHER_CODE, "holder_code_type_code": kind}
        ],
        "extend_info": {name: _sample(part, day) for name, part in properties.items()},
    }  # fmt: skip


def _sample(part: Mapping[str, Any], day: str) -> Any:
    if part.get("examples"):
        return part["examples"][0]
    if "enum" in part:
        return part["enum"][0] if part["enum"] else ""
    if part.get("format") == "yyyymmdd":
        return day
    kind, title = part.get("type"), str(part.get("title") or "")
    if kind == "integer":
        return part.get("minimum", 1)
    if kind == "boolean":
        return True
    return [f"{title}（示例）"] if kind == "array" else f"{title}（示例）"
