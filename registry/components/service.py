"""Use cases of components: register, move, remove; report a fault and see it through; inspect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, func, select

from registry.codes import service as codes
from registry.codes.rules import CodeRequest
from registry.components import rules
from registry.components.tables import Component, Fault, Inspection
from registry.departments import service as departments
from registry.errors import (
    DuplicateError,
    FieldError,
    InvalidDraftError,
    LimitError,
    NotFoundError,
    NotPermittedError,
    TransitionError,
)
from registry.ids import id_bytes, new_id_text
from registry.log import service as log
from registry.work import Work
from verifier.code import CodeKind
from verifier.commitment import seal
from verifier.entry import Entry, Kind
from verifier.suites import SigningKey


def register(work: Work, draft: rules.ComponentDraft, key: SigningKey) -> Component:
    """Register a component of the actor's department and sign the code for its label.

    Raises InvalidDraftError, DuplicateError (the code is taken; `existing_id` is its component), NotPermittedError.
    """
    errors = rules.check_draft(draft)
    if errors:
        raise InvalidDraftError(errors)
    department = _department(work)
    taken = find(work, draft.code)
    if taken is not None:
        raise DuplicateError("component_known", f"部件标识码 {draft.code} 已经登记。", taken.id)
    name, place = draft.shown_name, draft.place.strip()
    label = codes.issue(work, CodeRequest(CodeKind.COMPONENT, subject=draft.code, name=name, place=place), key)
    row = Component(
        id=new_id_text(work.at, work.draw), code=draft.code, name=name, place=place, unit=draft.unit,
        unit_name=draft.unit_name.strip(), department=department, code_id=label.id, registered_at=work.at,
        registered_by=work.actor.id, content=b"", salts=b"", entry_id=0,
    )  # fmt: skip
    _log(work, row, "registered")
    work.session.add(row)
    work.session.flush()
    return row


@dataclass(frozen=True, slots=True)
class Registered:
    """What became of a file: the new components, those that stood already with the same facts, and the faults."""

    new: tuple[Component, ...]
    known: tuple[Component, ...]
    errors: tuple[FieldError, ...]


def register_many(work: Work, drafts: Sequence[tuple[int, rules.ComponentDraft]], key: SigningKey) -> Registered:
    """Register every row that is in order; the others are named. Sending the same file again changes nothing.

    A row whose code stands with other facts is a fault: things are moved one by one. Raises NotPermittedError.
    """
    department, new, known, errors = _department(work), [], [], []
    for number, draft in drafts:
        faults = rules.check_draft(draft, number)
        present = None if faults else find(work, draft.code)
        if present is not None and not _same(present, draft, department):
            message = f"部件标识码 {draft.code} 已经登记，内容不同；请在该部件的页面上变更。"
            faults = [FieldError("code", "component_known", message, number)]
        if faults:
            errors += faults
        elif present is not None:
            known.append(present)
        else:
            new.append(register(work, draft, key))
    return Registered(tuple(new), tuple(known), tuple(errors))


def _same(row: Component, draft: rules.ComponentDraft, department: str) -> bool:
    stands = (row.name, row.place, row.unit, row.unit_name, row.department)
    wanted = (draft.shown_name, draft.place.strip(), draft.unit, draft.unit_name.strip(), department)
    return stands == wanted and row.removed_at is None


def move(work: Work, code: str, place: str, key: SigningKey) -> Component:
    """Say where a component stands now; its label is signed anew and the old one is dead.

    Raises NotFoundError, NotPermittedError, InvalidDraftError, TransitionError (removed).
    """
    row = _own(work, code)
    draft = rules.ComponentDraft(row.code, place, row.unit, row.unit_name, row.name)
    errors = rules.check_draft(draft)
    if errors:
        raise InvalidDraftError(errors)
    row.place = place.strip()
    label = codes.issue(work, CodeRequest(CodeKind.COMPONENT, subject=row.code, name=row.name, place=row.place), key)
    row.code_id = label.id
    _log(work, row, "moved")
    work.session.flush()
    return row


def remove(work: Work, code: str) -> Component:
    """Take a component out of the register: its label is dead, its history stays. Repeating it changes nothing.

    Raises NotFoundError, NotPermittedError.
    """
    row = get(work, code)
    _check_own(work, row)
    if row.removed_at is None:
        row.removed_at = work.at
        codes.revoke(work, row.code_id)
        _log(work, row, "removed")
        work.session.flush()
    return row


def _log(work: Work, row: Component, event: str) -> None:
    facts = {"code": row.code, "name": row.name, "place": row.place, "unit": row.unit, "label": row.code_id}
    sealed = seal({**facts, "event": event}, work.draw)
    entry = Entry(
        kind=Kind.COMPONENT, item=id_bytes(row.id), department=row.department, recorded_at=work.at,
        digest=sealed.digest, facts={"code": row.code, "event": event},
    )  # fmt: skip
    row.content, row.salts, row.entry_id = sealed.canonical, sealed.salts, log.submit(work, entry)


def find(work: Work, code: str) -> Component | None:
    """The component of this 16-digit code."""
    return work.session.scalars(select(Component).where(Component.code == code)).one_or_none()


def get(work: Work, code: str) -> Component:
    """The component of this 16-digit code. Raises NotFoundError."""
    found = find(work, code)
    if found is None:
        raise NotFoundError("component_unknown", "没有登记该部件，请核对标识码。")
    return found


def list_page(work: Work, department: str | None, query: str = "", after: str = "", limit: int = 50) -> list[Component]:
    """Components by code, of one department if given; `query` is in the code, the name or the place."""
    wanted: Select[tuple[Component]] = select(Component).where(Component.code > after).order_by(Component.code)
    if department is not None:
        wanted = wanted.where(Component.department == department)
    if query:
        wanted = wanted.where(
            Component.code.contains(query, autoescape=True)
            | Component.name.contains(query, autoescape=True)
            | Component.place.contains(query, autoescape=True)
        )
    return list(work.session.scalars(wanted.limit(max(1, min(limit, 1_000)))))


def report_fault(work: Work, code: str, description: str, photo: bytes | None = None) -> Fault:
    """Take what somebody says about a component; `photo` is the SHA-256 of a stored picture.

    Raises NotFoundError, InvalidDraftError, TransitionError (removed), LimitError (so many reports are open that one
    more tells nothing new).
    """
    row = _standing(get(work, code))
    errors = rules.check_text(description, "description", "情况说明")
    if errors:
        raise InvalidDraftError(errors)
    open_faults = select(func.count(Fault.id)).where(Fault.component_id == row.id, Fault.state == "open")
    if (work.session.scalar(open_faults) or 0) >= rules.MAX_OPEN_FAULTS:
        raise LimitError("reported_already", "这处设施已有多条报修在处理，谢谢，不必再报。")
    fault = Fault(
        id=new_id_text(work.at, work.draw), component_id=row.id, state="open", description=description.strip(),
        photo=photo, reported_at=work.at,
    )  # fmt: skip
    work.session.add(fault)
    work.session.flush()
    return fault


def handle_fault(work: Work, fault_id: str, handling: str) -> Fault:
    """Say what was done about a fault. Raises NotFoundError, NotPermittedError, InvalidDraftError, TransitionError."""
    fault = _own_fault(work, fault_id, "handled")
    errors = rules.check_text(handling, "handling", "处置情况")
    if errors:
        raise InvalidDraftError(errors)
    fault.state, fault.handling, fault.handled_at, fault.handled_by = (
        "handled",
        handling.strip(),
        work.at,
        work.actor.id,
    )
    work.session.flush()
    return fault


def close_fault(work: Work, fault_id: str) -> Fault:
    """Confirm that what was done is enough. Raises NotFoundError, NotPermittedError, TransitionError."""
    fault = _own_fault(work, fault_id, "closed")
    fault.state, fault.closed_at, fault.closed_by = "closed", work.at, work.actor.id
    work.session.flush()
    return fault


def _own_fault(work: Work, fault_id: str, wanted: str) -> Fault:
    fault = work.session.get(Fault, fault_id, with_for_update=True, populate_existing=True)
    if fault is None:
        raise NotFoundError("fault_unknown", "没有这条报修。")
    _check_own(work, work.session.get_one(Component, fault.component_id))
    if rules.NEXT.get(fault.state) != wanted:
        message = f"这条报修{rules.STATES[fault.state]}，不能改为{rules.STATES[wanted]}。"
        raise TransitionError(fault.state, wanted, message)
    return fault


def list_faults(work: Work, department: str | None, *, closed: bool = False) -> list[tuple[Fault, Component]]:
    """A department's faults that are not closed yet (or those that are), the oldest first."""
    query = select(Fault, Component).join(Component, Component.id == Fault.component_id)
    query = query.where(Fault.state == "closed" if closed else Fault.state != "closed")
    if department is not None:
        query = query.where(Component.department == department)
    return [(fault, row) for fault, row in work.session.execute(query.order_by(Fault.id).limit(200))]


def faults_of(work: Work, row: Component) -> list[Fault]:
    """The newest faults of a component."""
    query = select(Fault).where(Fault.component_id == row.id).order_by(Fault.id.desc()).limit(20)
    return list(work.session.scalars(query))


def find_fault(work: Work, fault_id: str) -> Fault:
    """A fault that the actor's department answers for. Raises NotFoundError, NotPermittedError."""
    fault = work.session.get(Fault, fault_id)
    if fault is None:
        raise NotFoundError("fault_unknown", "没有这条报修。")
    _check_own(work, work.session.get_one(Component, fault.component_id))
    return fault


def inspect(work: Work, code: str, result: str, note: str = "") -> Inspection:
    """Record that somebody of the staff scanned the label and looked. Raises NotFoundError, NotPermittedError,
    InvalidDraftError, TransitionError (removed)."""
    row = _own(work, code)
    if result not in rules.RESULTS:
        message = f"巡查结果应为 {'、'.join(rules.RESULTS.values())} 之一。"
        raise InvalidDraftError([FieldError("result", "unknown_result", message)])
    errors = rules.check_text(note, "note", "说明") if note.strip() or result != "ok" else []
    if errors:
        raise InvalidDraftError(errors)
    found = Inspection(
        id=new_id_text(work.at, work.draw), component_id=row.id, result=result, note=note.strip(),
        inspected_at=work.at, inspected_by=work.actor.id,
    )  # fmt: skip
    work.session.add(found)
    work.session.flush()
    return found


def inspections_of(work: Work, row: Component) -> list[Inspection]:
    """The newest inspections of a component."""
    query = select(Inspection).where(Inspection.component_id == row.id).order_by(Inspection.id.desc()).limit(20)
    return list(work.session.scalars(query))


def _department(work: Work) -> str:
    return work.actor.department or departments.operator(work).code


def _own(work: Work, code: str) -> Component:
    row = get(work, code)
    _check_own(work, row)
    return _standing(row)


def _standing(row: Component) -> Component:
    if row.removed_at is not None:
        raise TransitionError("removed", "use", "该部件已拆除，标签不再有效。", reason="component_removed")
    return row


def _check_own(work: Work, row: Component) -> None:
    if work.actor.kind != "registry" and work.actor.department != row.department:
        raise NotPermittedError("not_the_components_department", "只能管理本部门的部件。")
