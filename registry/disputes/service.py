"""Use cases of disputes: raise, accept, correct, reject, close. Each step is an entry of the log."""

from __future__ import annotations

from datetime import date

from sqlalchemy import func, or_, select
from sqlalchemy.exc import IntegrityError

from registry.calendar import service as calendars
from registry.certificates import service as certificates
from registry.certificates.tables import Certificate
from registry.disputes import rules
from registry.disputes.marks import open_of
from registry.disputes.recording import record
from registry.disputes.tables import Dispute
from registry.errors import DuplicateError, InvalidDraftError, NotFoundError, NotPermittedError, TransitionError
from registry.ids import new_id_text
from registry.notices import service as notices
from registry.work import Work
from verifier.status import Status
from verifier.times import shanghai_day


def raise_dispute(work: Work, certificate_id: str, statement: str, *, for_holder: bool) -> Dispute:
    """Say that a certificate is wrong, as a department that uses it or for a holder at its window.

    The issuer gets a notice. Raises NotFoundError, NotPermittedError, InvalidDraftError, DuplicateError (one
    about this certificate is open).
    """
    department = work.actor.department
    if department is None or not work.actor.has_role("window", "registrar"):
        raise NotPermittedError("no_department", "只有窗口或部门的登记员可以提出异议。")
    certificate = certificates.get(work, certificate_id)
    errors = rules.check_text("statement", statement, "异议内容：哪一项不对，应是什么")
    if errors:
        raise InvalidDraftError(errors)
    open_one = open_of(work, certificate.id)
    if open_one is not None:
        raise _known(open_one.id)
    row = Dispute(
        id=new_id_text(work.at, work.draw), certificate_id=certificate.id, issuer=certificate.department,
        raised_by=department, clerk=work.actor.id, for_holder=for_holder, statement=statement.strip(), state="raised",
        holds=False, raised_at=work.at, due_on=_due(work, "raised"),
    )  # fmt: skip
    try:
        with work.session.begin_nested():
            work.session.add(row)
            work.session.flush()
    except IntegrityError as rival:
        raise _known("") from rival
    notices.tell(work, row.issuer, "dispute_raised", "certificate", certificate.id, dispute_id=row.id)
    record(work, row, department)
    return row


def _known(dispute_id: str) -> DuplicateError:
    return DuplicateError("dispute_open", "该证照的异议正在处理，请查看已有的异议，不必重复提出。", dispute_id)


def accept(work: Work, dispute_id: str, *, holds: bool) -> Dispute:
    """Take a dispute up, as the issuer; `holds` stops every reuse until it is decided. Relying departments are told.

    Raises NotFoundError, NotPermittedError, TransitionError.
    """
    row = _lock_as_issuer(work, dispute_id)
    _move(work, row, "accepted")
    row.accepted_at, row.holds = work.at, holds
    notices.tell_relying(work, "dispute_accepted", "certificate", row.certificate_id, dispute_id=row.id)
    record(work, row, row.issuer)
    return row


def correct(work: Work, dispute_id: str, outcome: str) -> Dispute:
    """Record that the certificate was put right, as the issuer.

    It must have been replaced by a new certificate that names it, or withdrawn: those operations tell the relying
    departments themselves. Raises NotFoundError, NotPermittedError, TransitionError, InvalidDraftError.
    """
    row = _lock_as_issuer(work, dispute_id)
    certificate = certificates.get(work, row.certificate_id)
    rules.check_step(row.state, "corrected")
    if Status(certificate.status) not in rules.CORRECTED_STATUSES:
        message = "请先登记更正后的新证照（关联本证照标识）或撤销、注销本证照，再把异议记为已更正。"
        raise TransitionError(row.state, "corrected", message, reason="not_corrected_yet")
    successor = work.session.scalars(
        select(Certificate.id).where(Certificate.associated_identifier == certificate.identifier)
        .order_by(Certificate.id.desc()).limit(1)
    ).first()  # fmt: skip
    return _decide(work, row, "corrected", outcome, successor)


def reject(work: Work, dispute_id: str, outcome: str) -> Dispute:
    """Say that the certificate is right as it stands, and why, as the issuer. Raises like `correct`."""
    return _decide(work, _lock_as_issuer(work, dispute_id), "rejected", outcome, None)


def _decide(work: Work, row: Dispute, state: str, outcome: str, successor: str | None) -> Dispute:
    errors = rules.check_text("outcome", outcome, "处理结果和理由")
    if errors:
        raise InvalidDraftError(errors)
    was_accepted = row.state == "accepted"
    _move(work, row, state)
    row.outcome, row.successor_id = outcome.strip(), successor
    row.decided_at, row.decided_by, row.holds = work.at, work.actor.id, False
    notices.tell(work, row.raised_by, "dispute_decided", "certificate", row.certificate_id, dispute_id=row.id)
    if was_accepted:
        notices.tell_relying(work, "dispute_decided", "certificate", row.certificate_id, dispute_id=row.id)
    record(work, row, row.issuer)
    return row


def close(work: Work, dispute_id: str) -> Dispute:
    """Note that whoever raised it has been told, as the department that took it. Raises like `accept`."""
    row = _lock(work, dispute_id)
    if work.actor.department != row.raised_by or not work.actor.has_role("window", "registrar"):
        raise NotPermittedError("not_who_raised_it", "只有提出异议的部门可以办结。")
    _move(work, row, "closed")
    row.closed_at, row.closed_by = work.at, work.actor.id
    record(work, row, row.raised_by)
    return row


def get(work: Work, dispute_id: str) -> Dispute:
    """A dispute that the actor's department raised or answers; auditors see all. Raises NotFoundError."""
    row = work.session.get(Dispute, dispute_id)
    if row is None or not (work.actor.department in (row.raised_by, row.issuer) or work.actor.has_role("auditor")):
        raise NotFoundError("dispute_unknown", "没有这件异议，或与本部门无关。")
    return row


def waiting(work: Work, department: str) -> int:
    """How many disputes wait for a step of this department."""
    query = select(func.count()).select_from(Dispute)
    to_answer = Dispute.state.in_(rules.OPEN) & (Dispute.issuer == department)
    to_close = Dispute.state.in_(("corrected", "rejected")) & (Dispute.raised_by == department)
    return work.session.scalar(query.where(or_(to_answer, to_close))) or 0


def of_certificate(work: Work, certificate_id: str) -> list[Dispute]:
    """Every dispute about a certificate, newest first."""
    query = select(Dispute).where(Dispute.certificate_id == certificate_id).order_by(Dispute.id.desc())
    return list(work.session.scalars(query))


def _due(work: Work, state: str) -> date:
    return rules.due_on(calendars.calendar(work), state, shanghai_day(work.at))


def _move(work: Work, row: Dispute, state: str) -> None:
    rules.check_step(row.state, state)
    row.state, row.due_on = state, _due(work, state)


def _lock(work: Work, dispute_id: str) -> Dispute:
    row = work.session.get(Dispute, dispute_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise NotFoundError("dispute_unknown", "没有这件异议，请核对编号。")
    return row


def _lock_as_issuer(work: Work, dispute_id: str) -> Dispute:
    row = _lock(work, dispute_id)
    if work.actor.department != row.issuer or not work.actor.has_role("registrar"):
        raise NotPermittedError("not_the_issuer", "只有颁发部门的登记员可以处理该异议。")
    return row
