"""The face of a certificate as paper shows it. Faces stay Chinese in every language: they are the document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from api.pages import times
from api.pages.texts import Texts
from api.pages.views import Face, Fact
from registry.catalogue.layouts import FRAMES_BY_NUMBER
from registry.catalogue.rules import TypeDefinition
from verifier.identifiers import HOLDER_CODE_TYPES

#: Values longer than this take the whole width of the face.
_WIDE_CHARACTERS: Final = 16
_CHINESE: Final = Texts("zh")


def face_of(face: Mapping[str, Any], definition: TypeDefinition) -> Face:
    """The face data, already masked, laid out by the titles of the type's schema in their order."""
    layout = definition.layout
    return Face(
        frame=layout.frame if layout else FRAMES_BY_NUMBER.get(definition.number, "plain"),
        title=layout.title if layout else str(face["certificate_name"]),
        number=str(face["certificate_number"]),
        facts=[*_holders(face), *_details(face["extend_info"], definition)],
        validity=f"{times.day(face['valid_from'], _CHINESE)} 至 {times.day(face['valid_to'], _CHINESE)}",
        issuer=str(face["issuing_authority_name"]),
        issued=times.day(face["issue_date"], _CHINESE),
        emblem=layout.emblem if layout else "",
        footer=layout.footer if layout else "",
    )


def _holders(face: Mapping[str, Any]) -> list[Fact]:
    facts = []
    for holder in face["holders"]:
        organisation = str(holder["holder_code_type_code"]).startswith("0")
        kind = HOLDER_CODE_TYPES.get(holder["holder_code_type_code"], "证件号码")
        facts.append(Fact("名称" if organisation else "姓名", str(holder["holder_name"]), wide=organisation))
        facts.append(Fact(kind, str(holder["holder_code"]), wide=organisation))
    return facts


def _details(info: Mapping[str, Any], definition: TypeDefinition) -> list[Fact]:
    properties: Mapping[str, Any] = definition.schema.schema.get("properties", {})
    facts = []
    for name in definition.order:
        part = properties[name]
        if name not in info:
            continue
        value = times.day(info[name], _CHINESE) if name in definition.date_fields else _text(info[name])
        facts.append(Fact(str(part.get("title") or name), value, wide=len(value) > _WIDE_CHARACTERS))
    # Long texts last, across the whole face; the sort keeps the order of the others.
    return sorted(facts, key=lambda fact: fact.wide)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, list):
        return "、".join(_text(part) for part in value)
    if isinstance(value, dict):
        return "；".join(f"{name}：{_text(part)}" for name, part in value.items())
    return str(value)
