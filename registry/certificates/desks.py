"""Who may register what: one desk per type and issuer, opened once for a whole batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from registry.catalogue import service as catalogue
from registry.certificates.rules import Examiner, Issuer
from registry.departments import service as departments
from registry.departments.standing import is_suspended
from registry.errors import FieldError, NotFoundError
from registry.work import Work
from verifier.times import shanghai_day


@dataclass(frozen=True, slots=True)
class Desk:
    """Registration of one type by one issuer is allowed, and judged by this examiner."""

    examiner: Examiner


@dataclass(frozen=True, slots=True)
class Closed:
    """Why nothing of that type and issuer can be registered by this actor."""

    error: FieldError
    permitted: bool = True


def opener(work: Work) -> Callable[[str, str | None], Desk | Closed]:
    """A function that opens the desk of a type and an issuer (None: the actor's department) and remembers it."""
    known: dict[tuple[str, str | None], Desk | Closed] = {}

    def open_desk(type_code: str, department: str | None) -> Desk | Closed:
        key = (type_code, department)
        desk = known.get(key)
        if desk is None:
            desk = known[key] = _open(work, type_code, department or work.actor.department)
        return desk

    return open_desk


def _open(work: Work, type_code: str, department: str | None) -> Desk | Closed:
    try:
        definition = catalogue.definition_of(work, type_code)
        issuer = departments.get(work, department or "")
    except NotFoundError as missing:
        field = "certificate_type_code" if missing.reason == "type_unknown" else "issuing_authority_code"
        return Closed(FieldError(field, missing.reason, missing.message))
    if definition.kind != "certificate":
        return Closed(
            FieldError("certificate_type_code", "not_a_certificate_type", "该类型是材料类型，不能登记为证照。")
        )
    if work.actor.kind != "registry" and work.actor.department != issuer.code:
        message = "只能登记本部门颁发的证照。"
        return Closed(FieldError("issuing_authority_code", "not_the_issuer", message), permitted=False)
    today = shanghai_day(work.at)
    if not departments.has_scope(work.session, issuer.code, definition.code, "issue", today):
        if is_suspended(work.session, issuer.code):
            message = f"{issuer.short_name}已被暂停，恢复之前不能颁发证照，请联系管理员。"
            return Closed(FieldError("issuing_authority_code", "department_suspended", message), permitted=False)
        message = f"{issuer.short_name}没有颁发“{definition.name}”的权限，请联系管理员。"
        return Closed(FieldError("certificate_type_code", "scope_missing", message), permitted=False)
    return Desk(Examiner(definition, Issuer(issuer.code, issuer.name), today))
