"""What a face shows to whom: masking happens here, on the server, before anything leaves it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from registry.catalogue import service as catalogue
from registry.catalogue.rules import TypeDefinition
from registry.certificates.tables import Certificate, CertificateDisclosure
from registry.departments import service as departments
from registry.errors import FieldError, InvalidDraftError, NotPermittedError
from registry.ids import new_id_text
from registry.work import Actor, Work
from verifier.identifiers import USCC, is_organisation, mask_name, mask_number
from verifier.times import shanghai_day

_HIDDEN = "***"


def masked(work: Work, certificate: Certificate, actor: Actor) -> dict[str, Any]:
    """The face as this actor may see it: whole for registrars of the issuer, masked for everyone else."""
    face: dict[str, Any] = orjson.loads(certificate.face)
    if _sees_whole(certificate, actor):
        return face
    return mask_face(face, catalogue.definition_at(work, certificate.type_code, certificate.type_version))


def _sees_whole(certificate: Certificate, actor: Actor) -> bool:
    return actor.department == certificate.department and actor.has_role("registrar")


def mask_face(face: Mapping[str, Any], definition: TypeDefinition) -> dict[str, Any]:
    """The face with people's names and numbers masked; facts about organisations are public and stay."""
    shown = dict(face)
    shown["holders"] = [_mask_holder(holder) for holder in face["holders"]]
    if definition.number_is_personal:
        shown["certificate_number"] = mask_number(str(face["certificate_number"]))
    shown["extend_info"] = mask_data(face["extend_info"], definition)
    return shown


def mask_data(data: Mapping[str, Any], definition: TypeDefinition) -> dict[str, Any]:
    """Type-specific data, masked as the type's schema says (`x-mask`: name, number or hide)."""
    return {name: _mask(value, definition.masks.get(name)) for name, value in data.items()}


def _keep_back(face: dict[str, Any], definition: TypeDefinition, actor: Actor) -> dict[str, Any]:
    """The face with what the type does not show to any of the actor's roles (`x-shown-to`) masked, or hidden."""
    kept_back = {name for name, roles in definition.shown_to.items() if roles.isdisjoint(actor.roles)}
    info = {
        name: _mask(value, definition.masks[name]) if name in kept_back else value
        for name, value in face["extend_info"].items()
    }
    return {**face, "extend_info": info}


def _mask(value: Any, how: str | None) -> Any:
    if how is None:
        return value
    if how == "name":
        return mask_name(str(value))
    return mask_number(str(value)) if how == "number" else _HIDDEN


def _mask_holder(holder: Mapping[str, str]) -> dict[str, str]:
    name, code, code_type = holder["holder_name"], holder["holder_code"], holder["holder_code_type_code"]
    if not is_organisation(code_type):
        return {**holder, "holder_name": mask_name(name), "holder_code": mask_number(code)}
    # 92: sole traders (个体工商户), whose names are often a person's.
    if code_type == USCC and code.startswith("92"):
        return {**holder, "holder_name": mask_name(name), "holder_code": mask_number(code)}
    return dict(holder)


def _may_see(work: Work, certificate: Certificate) -> bool:
    department = work.actor.department
    if work.actor.has_role("auditor") or department == certificate.department:
        return True
    today = shanghai_day(work.at)
    return department is not None and departments.has_scope(
        work.session, department, certificate.type_code, "use", today
    )


def disclose(work: Work, certificate: Certificate, purpose: str) -> dict[str, Any]:
    """The face as far as its type discloses it to the actor's roles, for a stated purpose; who saw it and why is
    recorded in the same transaction.

    For auditors, and for windows and registrars of the issuer or of a department that may use certificates of the type.
    Raises NotPermittedError, InvalidDraftError (no purpose).
    """
    if not work.actor.has_role("window", "auditor", "registrar"):
        raise NotPermittedError("disclosure_not_allowed", "您的角色不能查看完整照面。")
    if not _may_see(work, certificate):
        message = "本部门没有该类证照的用证权限，不能查看完整照面；如确需使用，请向管理员申请授权。"
        raise NotPermittedError("type_not_used_here", message, {"type": certificate.type_code})
    if not 0 < len(purpose.strip()) <= 200 or not purpose.isprintable():
        raise InvalidDraftError([FieldError("purpose", "purpose_missing", "请填写查看用途，最多 200 个字。")])
    work.session.add(
        CertificateDisclosure(
            id=new_id_text(work.at, work.draw),
            certificate_id=certificate.id,
            actor=work.actor.id,
            department=work.actor.department,
            purpose=purpose.strip(),
            disclosed_at=work.at,
        )
    )
    work.session.flush()
    face: dict[str, Any] = orjson.loads(certificate.face)
    if _sees_whole(certificate, work.actor):
        return face
    definition = catalogue.definition_at(work, certificate.type_code, certificate.type_version)
    return _keep_back(face, definition, work.actor)
