"""Use cases of applications: apply, decide, list."""

from __future__ import annotations

from sqlalchemy import select

from registry.applications import rules
from registry.applications.tables import Application
from registry.codes import service as codes
from registry.codes.rules import CodeRequest
from registry.departments import service as departments
from registry.errors import DuplicateError, InvalidDraftError, NotFoundError, NotPermittedError, TransitionError
from registry.ids import id_bytes, new_id_text
from registry.log import service as log
from registry.relatives.service import Number, index_of
from registry.venues import rules as venue_rules
from registry.venues import service as venues
from registry.venues.tables import Venue
from registry.work import Work
from verifier.code import CodeKind
from verifier.commitment import seal
from verifier.entry import Entry, Kind
from verifier.suites import SigningKey


def apply(
    work: Work,
    unit: str,
    applicant: Number,
    role: str,
    document: str,
    name: str,
    address: str,
    area_code: str,
    department: str | None = None,
) -> Application:
    """Take an application at a window: `applicant` acts for the unit (USCC) as its legal representative or handler.

    Raises InvalidDraftError, NotFoundError (department), DuplicateError (the same place was asked for or has a code).
    """
    applicant_index = index_of(work, applicant, "applicant")
    errors = rules.check_applicant(role, document)
    errors += venue_rules.check_venue(name, address, area_code, unit, rules.FIRST_RULE)
    if errors:
        raise InvalidDraftError(errors)
    owner = departments.get(work, department or work.actor.department or "")
    _check_new(work, name.strip(), address.strip())
    row = Application(
        id=new_id_text(work.at, work.draw), unit=unit, applicant_index=applicant_index, applicant_role=role,
        document=document.strip(), name=name.strip(), address=address.strip(), area_code=area_code,
        department=owner.code, state="open", applied_at=work.at, applied_by=work.actor.id,
    )  # fmt: skip
    work.session.add(row)
    work.session.flush()
    return row


def _check_new(work: Work, name: str, address: str) -> None:
    same = select(Application.id).where(
        Application.name == name, Application.address == address, Application.state == "open"
    )
    waiting = work.session.scalars(same.limit(1)).one_or_none()
    if waiting is not None:
        raise DuplicateError("applied_already", "同名同址的申请正在审核。", waiting)
    stands = work.session.scalars(select(Venue.id).where(Venue.name == name, Venue.address == address).limit(1)).first()
    if stands is not None:
        raise DuplicateError("venue_known", "该场所已经登记，请在场所页面制作海报。", stands)


def decide(work: Work, application_id: str, *, approved: bool, reason: str, key: SigningKey) -> Application:
    """Approve, which registers the venue and issues its code, or refuse with a reason; the decision is an entry.

    Raises NotFoundError, NotPermittedError (another department, or who took the application), InvalidDraftError,
    TransitionError (decided already), BusyError.
    """
    row = work.session.get(Application, application_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFoundError("application_unknown", "没有这件申请。")
    if work.actor.department != row.department or not work.actor.has_role("venue"):
        raise NotPermittedError("not_the_deciding_office", "只能由受理部门的场所管理员审核。")
    if work.actor.id == row.applied_by:
        raise NotPermittedError("own_application", "收件人不能审核自己收的申请，请由另一名工作人员审核。")
    errors = rules.check_reason(reason, approved=approved)
    if errors:
        raise InvalidDraftError(errors)
    if row.state != "open":
        raise TransitionError(row.state, "decide", f"这件申请{rules.STATES[row.state]}，不能再审核。")
    row.state, row.reason = "approved" if approved else "refused", reason.strip() or None
    row.decided_at, row.decided_by = work.at, work.actor.id
    if approved:
        venue = venues.register(work, row.name, row.address, row.area_code, row.unit, rules.FIRST_RULE, row.department)
        codes.issue(work, CodeRequest(CodeKind.VENUE, subject=venue.id), key)
        row.venue_id = venue.id
    _log(work, row)
    work.session.flush()
    return row


def _log(work: Work, row: Application) -> None:
    facts = {
        "unit": row.unit, "role": row.applicant_role, "document": row.document, "name": row.name,
        "address": row.address, "state": row.state, "reason": row.reason or "", "venue": row.venue_id or "",
    }  # fmt: skip
    sealed = seal(facts, work.draw)
    entry = Entry(
        kind=Kind.VENUE, item=id_bytes(row.id), department=row.department, recorded_at=work.at, digest=sealed.digest,
        facts={"decision": row.state},
    )  # fmt: skip
    row.content, row.salts, row.entry_id = sealed.canonical, sealed.salts, log.submit(work, entry)


def list_all(work: Work, department: str | None) -> list[Application]:
    """Applications to a department, those that wait first, then the newest."""
    query = select(Application).order_by(Application.state != "open", Application.id.desc()).limit(100)
    return list(
        work.session.scalars(query if department is None else query.where(Application.department == department))
    )
