"""Who may apply for a venue code, and with what."""

from __future__ import annotations

from typing import Final

from registry.errors import FieldError

APPLICANTS: Final = {"legal": "法定代表人", "handler": "授权经办人"}
STATES: Final = {"open": "待审核", "approved": "已通过", "refused": "未通过"}
MAX_DOCUMENT_CHARACTERS: Final = 200
MAX_REASON_CHARACTERS: Final = 300
#: The rule of a venue that was just approved: passes only, and none is granted until its department does.
FIRST_RULE: Final = {"hours": [], "admit": {"types": [], "pass": True}, "anti_passback_seconds": 0}


def check_applicant(role: str, document: str) -> list[FieldError]:
    """Faults of who applies and of what they showed."""
    errors = []
    if role not in APPLICANTS:
        errors.append(FieldError("applicant_role", "unknown_role", f"申请人应为{'或'.join(APPLICANTS.values())}。"))
    if not 0 < len(document.strip()) <= MAX_DOCUMENT_CHARACTERS or not document.isprintable():
        message = "请写明核对的材料名称和编号，例如“营业执照 05…、授权书 2026-01”，不写姓名。"
        errors.append(FieldError("document", "document_missing", message))
    return errors


def check_reason(reason: str, *, approved: bool) -> list[FieldError]:
    """Faults of the reason of a decision: a refusal needs one."""
    if (not approved and not reason.strip()) or len(reason) > MAX_REASON_CHARACTERS or not reason.isprintable():
        return [FieldError("reason", "reason_missing", f"不予通过须写明理由，最多 {MAX_REASON_CHARACTERS} 个字。")]
    return []
