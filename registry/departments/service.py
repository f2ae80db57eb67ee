"""Use cases of departments and scopes."""

from __future__ import annotations

from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry import upserts
from registry.departments import rules
from registry.departments.standing import is_suspended
from registry.departments.tables import Department, Scope, ScopeEnd
from registry.errors import DuplicateError, InvalidDraftError, NotFoundError, NotPermittedError
from registry.ids import new_id_text
from registry.log import service as log
from registry.work import Work
from verifier.commitment import seal
from verifier.entry import Entry, Kind
from verifier.times import day_for_people, shanghai_day

#: The department that runs a registry nobody has configured: fictional, with valid check characters.
DEFAULT_OPERATOR_CODE = "11310105MB9T00011M"
DEFAULT_OPERATOR_NAME = "上海市长宁区政务服务办公室（示例）"


def register(
    work: Work, code: str, name: str, short_name: str, level: str = "district", *, operator: bool = False
) -> Department:
    """Register a department; its entry is signed with the department's own key.

    Repeating the same facts gives the same department. Raises InvalidDraftError, DuplicateError (other facts stand
    there).
    """
    errors = rules.check_department(code, name, short_name, level)
    if errors:
        raise InvalidDraftError(errors)
    facts = {"code": code, "name": name.strip(), "short_name": short_name.strip(), "level": level}
    inserted = work.session.execute(
        upserts.insert_or_ignore(work.session, Department).returning(Department.code),
        [{**facts, "operator": operator, "created_at": work.at}],
    ).all()
    department = work.session.get_one(Department, code)
    if inserted:
        _log_department(work, facts)
    elif any(getattr(department, field) != value for field, value in facts.items()):
        raise DuplicateError("department_exists", "该统一社会信用代码已登记为另一部门。", code)
    return department


def _log_department(work: Work, facts: dict[str, str]) -> None:
    entry = Entry(
        kind=Kind.DEPARTMENT,
        item=rules.item_of(facts["code"]),
        department=facts["code"],
        recorded_at=work.at,
        digest=seal(facts, work.draw).digest,
        facts={"code": facts["code"], "level": facts["level"]},
    )
    log.submit(work, entry)


def install_operator(work: Work, code: str = DEFAULT_OPERATOR_CODE, name: str = DEFAULT_OPERATOR_NAME) -> Department:
    """Make sure that some department runs this registry; the one that already does stays."""
    present = work.session.scalars(select(Department).where(Department.operator)).first()
    return present or register(work, code, name, name[:30], "district", operator=True)


def operator(work: Work) -> Department:
    """The department that runs this registry. Raises NotFoundError before `install_operator`."""
    found = work.session.scalars(select(Department).where(Department.operator)).first()
    if found is None:
        raise NotFoundError("no_operator", "尚未登记本系统的运行部门，请先完成初始化。")
    return found


def find(work: Work, code: str) -> Department | None:
    """The department of this code."""
    return work.session.get(Department, code)


def get(work: Work, code: str) -> Department:
    """The department of this code. Raises NotFoundError."""
    found = find(work, code)
    if found is None:
        raise NotFoundError("department_unknown", "没有登记该部门，请核对统一社会信用代码。", {"code": code})
    return found


def list_all(work: Work) -> list[Department]:
    """Every department, by code."""
    return list(work.session.scalars(select(Department).order_by(Department.code)))


def grant_scope(
    work: Work,
    department: str,
    type_code: str,
    action: str,
    valid_from_on: date | None = None,
    valid_to_on: date | None = None,
) -> Scope:
    """Let a department issue or use a type, from today on if no day is given. Repeating it gives the same scope.

    Raises InvalidDraftError, NotFoundError (department), DuplicateError (one that begins on that day has another end).
    """
    start = valid_from_on or shanghai_day(work.at)
    errors = rules.check_scope(type_code, action, start, valid_to_on)
    if errors:
        raise InvalidDraftError(errors)
    get(work, department)
    key = {"department": department, "type_code": type_code, "action": action, "valid_from_on": start}
    granted = {"id": new_id_text(work.at, work.draw), "granted_at": work.at, "granted_by": work.actor.id}
    work.session.execute(
        upserts.insert_or_ignore(work.session, Scope), [{**key, **granted, "valid_to_on": valid_to_on}]
    )
    scope = work.session.scalars(select(Scope).filter_by(**key)).one()
    if scope.valid_to_on != valid_to_on:
        stands = "长期有效" if scope.valid_to_on is None else f"到 {scope.valid_to_on:%Y-%m-%d} 为止"
        message = f"从 {start:%Y-%m-%d} 起的这项权限已有，{stands}；截止日不同的，请从另一日起授予，或提前截止。"
        raise DuplicateError("scope_exists", message, scope.id, {"valid_to_on": str(scope.valid_to_on or "")})
    return scope


def end_scope(work: Work, department: str, scope_id: str, valid_to_on: date, reason: str) -> Scope:
    """Let a scope of the department end with that day, which is today or later and earlier than its end so far.

    What was signed within the scope stays good, and granting anew undoes it. Repeating it changes nothing. Raises
    NotFoundError, InvalidDraftError.
    """
    scope = work.session.get(Scope, scope_id, with_for_update=True, populate_existing=True)
    if scope is None or scope.department != department:
        raise NotFoundError("scope_unknown", "该部门没有这项权限，请刷新后重试。")
    errors = rules.check_reason(reason)
    if scope.valid_to_on != valid_to_on:
        errors = rules.check_end(scope, valid_to_on, shanghai_day(work.at)) + errors
    if errors:
        raise InvalidDraftError(errors)
    if scope.valid_to_on == valid_to_on:
        return scope
    work.session.add(
        ScopeEnd(
            id=new_id_text(work.at, work.draw), scope_id=scope_id, valid_to_on=valid_to_on,
            ended_on_before=scope.valid_to_on, reason=reason.strip(), decided_at=work.at, decided_by=work.actor.id,
        )
    )  # fmt: skip
    scope.valid_to_on = valid_to_on
    work.session.flush()
    return scope


def ends_of(work: Work) -> dict[str, ScopeEnd]:
    """The newest decision to end each scope that was ended early, by the scope's id."""
    return {row.scope_id: row for row in work.session.scalars(select(ScopeEnd).order_by(ScopeEnd.id))}


def list_scopes(work: Work, department: str | None = None, action: str | None = None) -> list[Scope]:
    """Scopes, narrowed by department and action, in the order they were granted."""
    query = select(Scope).order_by(Scope.id)
    if department is not None:
        query = query.where(Scope.department == department)
    if action is not None:
        query = query.where(Scope.action == action)
    return list(work.session.scalars(query))


def has_scope(session: Session, department: str, type_code: str, action: rules.Action, on: date) -> bool:
    """Whether the department may do that with the type on that day; a suspended one may do nothing."""
    if is_suspended(session, department):
        return False
    scopes = session.scalars(select(Scope).filter_by(department=department, type_code=type_code, action=action))
    return rules.covers(scopes, on)


def types_in_scope(session: Session, department: str, action: rules.Action, on: date) -> frozenset[str]:
    """Every type with which the department may do that on that day; none for a suspended one."""
    if is_suspended(session, department):
        return frozenset()
    scopes = session.scalars(select(Scope).filter_by(department=department, action=action))
    return frozenset(scope.type_code for scope in scopes if rules.covers([scope], on))


def check_standing(work: Work, department: str) -> None:
    """Raises NotPermittedError for a department that is suspended."""
    if is_suspended(work.session, department):
        message = "该部门已被暂停，恢复之前不能颁发或使用证照，也不能签发码，请联系管理员。"
        raise NotPermittedError("department_suspended", message, {"department": department})


def check_scope(work: Work, department: str, type_code: str, action: rules.Action, on: date) -> None:
    """Raises NotPermittedError unless the department may do that with the type on that day."""
    check_standing(work, department)
    if not has_scope(work.session, department, type_code, action, on):
        verb = "颁发" if action == "issue" else "使用"
        raise NotPermittedError(
            "scope_missing",
            f"该部门在 {day_for_people(on)}没有{verb}此类证照的权限，请联系管理员。",
            {"department": department, "type_code": type_code, "action": action},
        )
