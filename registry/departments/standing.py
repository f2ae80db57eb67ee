"""Suspending a department and letting it act again. What it did before stays as it is."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from registry.departments import rules
from registry.departments.tables import Department, DepartmentStanding
from registry.errors import InvalidDraftError, NotFoundError, NotPermittedError
from registry.ids import new_id_text
from registry.log import service as log
from registry.work import Work
from verifier.commitment import seal
from verifier.entry import Entry, Kind


def suspend(work: Work, code: str, reason: str) -> Department:
    """Let a department issue and use nothing until it is reinstated. Repeating it changes nothing.

    Raises NotFoundError, InvalidDraftError (no reason), NotPermittedError (the department that runs this registry).
    """
    return _decide(work, code, "suspended", reason)


def reinstate(work: Work, code: str, reason: str) -> Department:
    """Let a suspended department act again. Repeating it changes nothing. Raises as `suspend`."""
    return _decide(work, code, "active", reason)


def is_suspended(session: Session, code: str) -> bool:
    """Whether the department may not act now."""
    present = _newest(session, code)
    return present is not None and present.state == "suspended"


def suspended_among(session: Session, codes: Iterable[str]) -> frozenset[str]:
    """Those of the departments that may not act now."""
    decisions = select(func.max(DepartmentStanding.id)).where(DepartmentStanding.department.in_(set(codes)))
    newest = decisions.group_by(DepartmentStanding.department)
    suspended = select(DepartmentStanding.department).where(
        DepartmentStanding.id.in_(newest), DepartmentStanding.state == "suspended"
    )
    return frozenset(session.scalars(suspended))


def history(work: Work, code: str) -> list[DepartmentStanding]:
    """Every decision about a department, oldest first."""
    found = select(DepartmentStanding).where(DepartmentStanding.department == code).order_by(DepartmentStanding.id)
    return list(work.session.scalars(found))


def _newest(session: Session, code: str) -> DepartmentStanding | None:
    found = select(DepartmentStanding).where(DepartmentStanding.department == code)
    return session.scalars(found.order_by(DepartmentStanding.id.desc()).limit(1)).first()


def _decide(work: Work, code: str, state: str, reason: str) -> Department:
    # Locked: of two decisions at the same moment one comes second, and its id is the later one.
    department = work.session.get(Department, code, with_for_update=True)
    if department is None:
        raise NotFoundError("department_unknown", "没有登记该部门，请核对统一社会信用代码。", {"code": code})
    if department.operator:
        raise NotPermittedError("operator_stays", "运行本系统的部门不能在本系统中暂停，请由治理成员在链上办理。")
    if errors := rules.check_reason(reason):
        raise InvalidDraftError(errors)
    present = _newest(work.session, code)
    if (present.state if present else "active") == state:
        return department
    row = DepartmentStanding(
        id=new_id_text(work.at, work.draw), department=code, state=state, since_at=work.at, reason=reason.strip(),
        decided_by=work.actor.id,
    )  # fmt: skip
    work.session.add(row)
    work.session.flush()
    _log_standing(work, department, row)
    return department


def _log_standing(work: Work, department: Department, row: DepartmentStanding) -> None:
    # Signed by the department that runs the registry: a suspended one signs nothing. The reason stays off the log.
    operator = work.session.scalars(select(Department.code).where(Department.operator)).one()
    facts = {"code": department.code, "level": department.level, "state": row.state}
    entry = Entry(
        kind=Kind.DEPARTMENT,
        item=rules.item_of(department.code),
        department=operator,
        recorded_at=work.at,
        digest=seal({**facts, "reason": row.reason}, work.draw).digest,
        facts=facts,
    )
    log.submit(work, entry)
