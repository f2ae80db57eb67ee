"""From a JSON object or a row of a table to a draft: types and bounds, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.certificates.holders import HolderDraft
from registry.certificates.rules import FIRST_VERSION, CertificateDraft
from registry.errors import FieldError, InvalidDraftError

MAX_TEXT_CHARACTERS = 200
MAX_HOLDERS = 64
MAX_EXTEND_FIELDS = 100

#: The names a draft may have, and what they are called for people.
FIELDS = {
    "certificate_type_code": "证照类型代码",
    "certificate_number": "证照编号",
    "certificate_version": "证照版本号",
    "certificate_identifier": "证照标识",
    "issuing_authority_code": "颁发机构代码",
    "issue_date": "颁发日期",
    "valid_from": "有效期起始日期",
    "valid_to": "有效期截止日期",
    "area_code": "属地编码",
    "associated_identifier": "关联证照标识",
    "holders": "持证主体",
    "extend_info": "照面信息",
}
REQUIRED = (
    "certificate_type_code",
    "certificate_number",
    "issue_date",
    "valid_from",
    "valid_to",
    "holders",
    "extend_info",
)
_DEFAULTS = {"certificate_version": FIRST_VERSION, "area_code": "310105"}
HOLDER_FIELDS = {
    "holder_name": "持证主体名称",
    "holder_code": "持证主体代码",
    "holder_code_type_code": "持证主体代码类型代码",
}


def parse_draft(value: object) -> CertificateDraft:
    """The draft of a JSON object with the names of the face. Raises InvalidDraftError naming every wrong field."""
    if not isinstance(value, Mapping):
        raise InvalidDraftError([FieldError("", "not_an_object", "证照内容应为 JSON 对象。")])
    errors = [FieldError(str(name)[:60], "unknown_field", "没有这个字段。") for name in value if name not in FIELDS][
        :20
    ]
    texts = {name: _text(value, name, errors) for name in FIELDS if name not in ("holders", "extend_info")}
    holders = _holders(value.get("holders"), errors)
    info = value.get("extend_info")
    if (
        not isinstance(info, Mapping)
        or len(info) > MAX_EXTEND_FIELDS
        or not all(isinstance(name, str) for name in info)
    ):
        errors.append(FieldError("extend_info", "not_an_object", "照面信息应为 JSON 对象。"))
    if errors or not isinstance(info, Mapping):
        raise InvalidDraftError(errors)
    return CertificateDraft(
        type_code=texts["certificate_type_code"] or "", number=texts["certificate_number"] or "",
        holders=holders, issue_date=texts["issue_date"] or "", valid_from=texts["valid_from"] or "",
        valid_to=texts["valid_to"] or "", extend_info=dict(info),
        version=texts["certificate_version"] or FIRST_VERSION, area_code=texts["area_code"] or "",
        identifier=texts["certificate_identifier"], associated_identifier=texts["associated_identifier"],
        department=texts["issuing_authority_code"],
    )  # fmt: skip


def _text(value: Mapping[str, Any], name: str, errors: list[FieldError]) -> str | None:
    found = value.get(name)
    if type(found) is str and 0 < len(found) <= MAX_TEXT_CHARACTERS:
        return found
    found = value.get(name, _DEFAULTS.get(name))
    if found is None or found == "":
        if name in REQUIRED:
            errors.append(FieldError(name, "missing", f"缺少“{FIELDS[name]}”。"))
        return _DEFAULTS.get(name)
    if not isinstance(found, str) or len(found) > MAX_TEXT_CHARACTERS:
        message = f"“{FIELDS[name]}”应为文本，最多 {MAX_TEXT_CHARACTERS} 个字符。"
        errors.append(FieldError(name, "not_a_text", message))
        return None
    return found


def _holders(value: object, errors: list[FieldError]) -> tuple[HolderDraft, ...]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_HOLDERS:
        errors.append(FieldError("holders", "missing", f"“持证主体”应为 1 至 {MAX_HOLDERS} 项的列表。"))
        return ()
    holders = []
    for place, holder in enumerate(value):
        if not isinstance(holder, Mapping) or holder.keys() - HOLDER_FIELDS.keys():
            errors.append(FieldError(f"holders[{place}]", "wrong_fields", "持证主体的字段不正确。"))
            continue
        texts = []
        for name, chinese in HOLDER_FIELDS.items():
            text = holder.get(name)
            if not isinstance(text, str) or not 0 < len(text) <= MAX_TEXT_CHARACTERS:
                errors.append(FieldError(f"holders[{place}].{name}", "missing", f"缺少“{chinese}”，或过长。"))
                text = ""
            texts.append(text)
        holders.append(HolderDraft(*texts))
    return tuple(holders)
