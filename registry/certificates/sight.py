"""Which certificates and materials an actor is shown at all, masked or whole: what its department issued, what it has
used for a matter, and, for a stated purpose, what it may use. Auditors and the registry are shown every one."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, false, or_, select

from registry.certificates import service as certificates
from registry.certificates.tables import Certificate
from registry.departments import service as departments
from registry.errors import NotPermittedError
from registry.materials.tables import Material
from registry.uses.tables import Use
from registry.work import Work
from verifier.times import shanghai_day


def sees_all(work: Work) -> bool:
    """Whether nothing is kept from the actor."""
    return work.actor.has_role("auditor")


def listed(work: Work) -> Sequence[ColumnElement[bool]]:
    """What a list holds without a purpose: each part of it narrow, so that none has to be looked for among all."""
    department = work.actor.department
    if department is None:
        return [false()]
    used = select(Use.item_id).where(Use.department == department, Use.item_kind == "certificate")
    return [Certificate.department == department, Certificate.id.in_(used)]


def reached(work: Work) -> ColumnElement[bool]:
    """What can be found or opened by whoever knows of it already: what is listed, and the types that may be used."""
    return or_(*listed(work), Certificate.type_code.in_(_usable(work)))


def sees(work: Work, item: Certificate | Material) -> bool:
    """Whether the certificate or material may be shown to the actor."""
    department = work.actor.department
    if sees_all(work) or department == item.department:
        return True
    if department is None:
        return False
    kind = "certificate" if isinstance(item, Certificate) else "material"
    used = select(Use.id).where(Use.item_kind == kind, Use.item_id == item.id, Use.department == department).limit(1)
    return item.type_code in _usable(work) or work.session.scalar(used) is not None


def look_at(work: Work, certificate_id: str) -> Certificate:
    """The certificate of this id, for the actor's eyes. Raises NotFoundError, NotPermittedError."""
    certificate = certificates.get(work, certificate_id)
    check(work, certificate)
    return certificate


def check(work: Work, item: Certificate | Material) -> None:
    """Raises NotPermittedError for what may not be shown to the actor."""
    if not sees(work, item):
        message = "本部门没有颁发、收取或使用过它，也没有这一类型的用证权限，不能查看；如确需使用，请向管理员申请授权。"
        raise NotPermittedError("not_shown_here", message, {"type": item.type_code})


def _usable(work: Work) -> frozenset[str]:
    department = work.actor.department
    if department is None:
        return frozenset()
    return departments.types_in_scope(work.session, department, "use", shanghai_day(work.at))
