"""Use cases of quality: the figures of a month, the findings of one cell, and what departments report.

Cost: counts, punctuality and delays are one grouped query on the index of days of issue (no row of the table is read),
so they grow with the month, not with the registry. Faces are read in chunks, never more than MAX_FACES in a request,
those issued last first and the same number for every cell: where a month has more, the denominators of completeness and
accuracy say how many were checked. Nothing takes a write lock.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import func, select

from registry import upserts
from registry.calendar import service as calendars
from registry.catalogue import service as catalogue
from registry.catalogue.tables import TypeVersion
from registry.certificates.tables import Certificate
from registry.departments import service as departments
from registry.errors import FieldError, InvalidDraftError, NotPermittedError
from registry.quality import rules
from registry.quality.counting import Cell, examined, of_month, registered_on
from registry.quality.rules import Fault, Figures, Ratio
from registry.quality.tables import IssueReport
from registry.work import Work
from verifier.times import shanghai_day

MAX_FACES: Final = 20_000
MAX_FINDINGS: Final = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault and the certificate that has it."""

    certificate_id: str
    fault: Fault


@dataclass(frozen=True, slots=True)
class Findings:
    """Faults of one cell; `more` where the list was cut at MAX_FINDINGS or not every certificate was checked."""

    items: list[Finding]
    checked: int
    more: bool


def scope(work: Work, department: str | None) -> str | None:
    """The department whose figures are shown: None is all, which auditors and administrators may see; others see their
    own. Raises NotPermittedError."""
    if work.actor.has_role("auditor", "administrator"):
        return department
    own = work.actor.department
    if own is None or department not in (None, own):
        raise NotPermittedError("not_own_department", "只能查看本部门的证照质量。")
    return own


def newest_month(work: Work, department: str | None) -> date:
    """The newest month with a certificate or a report that the actor may see, else the present one."""
    department = scope(work, department)
    issued, reported = select(func.max(Certificate.issued_on)), select(func.max(IssueReport.month))
    if department is not None:
        issued = issued.where(Certificate.department == department)
        reported = reported.where(IssueReport.department == department)
    days = [day for day in (work.session.scalar(issued), work.session.scalar(reported)) if day is not None]
    return max(days, default=shanghai_day(work.at)).replace(day=1)


def figures(work: Work, month: date, department: str | None = None) -> list[Figures]:
    """The figures of every type and department with a certificate of, or a report for, the month. Raises
    NotPermittedError."""
    department = scope(work, department)
    punctuality = _punctuality(work, month, department)
    query = select(IssueReport).where(IssueReport.month == month)
    if department is not None:
        query = query.where(IssueReport.department == department)
    reported = {(row.type_code, row.department): row.should_issue for row in work.session.scalars(query)}
    begun = _beginnings(work)
    cells = sorted(punctuality.keys() | reported.keys())
    share = MAX_FACES // max(1, len(cells))
    return [
        _figures(work, cell, month, punctuality.get(cell, {}), reported.get(cell), begun[cell[0]], share)
        for cell in cells
    ]


def _figures(
    work: Work, cell: Cell, month: date, days: dict[tuple[date, date], int], should: int | None, begun: date, share: int
) -> Figures:
    calendar = calendars.calendar(work)
    delays: dict[int, int] = defaultdict(int)
    for (issued, registered), count in days.items():
        delays[calendar.between(issued, registered)] += count
    total = sum(days.values())
    punctual = sum(count for (issued, registered), count in days.items() if registered <= issued)
    faces = examined(work, month, share, type_code=cell[0], department=cell[1]) if total else ()
    complete, accurate = rules.standing(faces)
    return Figures(
        type_code=cell[0], department=cell[1], month=month, historic=month < begun, registered=total,
        should_issue=should,
        on_time=Ratio(punctual, total), delay_median=rules.percentile(delays, 50),
        delay_p90=rules.percentile(delays, 90), complete=complete, accurate=accurate,
    )  # fmt: skip


def findings(work: Work, month: date, type_code: str, department: str) -> Findings:
    """What is wrong in one cell. Raises NotPermittedError."""
    scope(work, department)
    items: list[Finding] = []
    checked = 0
    for certificate_id, faults in examined(work, month, MAX_FACES, type_code=type_code, department=department):
        checked += 1
        items += [Finding(certificate_id, fault) for fault in faults]
        if len(items) > MAX_FINDINGS:
            return Findings(items[:MAX_FINDINGS], checked, True)
    return Findings(items, checked, checked == MAX_FACES)


def report(work: Work, type_code: str, month: date, should_issue: int, source: str) -> IssueReport:
    """State how many the actor's department should have issued; a later statement takes the place of an earlier one.

    Raises NotPermittedError (no department, no scope), NotFoundError (type), InvalidDraftError.
    """
    department, today = work.actor.department, shanghai_day(work.at)
    if department is None or not work.actor.has_role("registrar"):
        raise NotPermittedError("not_a_registrar", "只有部门的登记人员可以填报本部门的应发证数。")
    errors = []
    if catalogue.get_type(work, type_code).kind != "certificate":
        errors.append(FieldError("type_code", "not_a_certificate", "该类型是材料，不是证照，不计应发证数。"))
    if month > today:
        errors.append(FieldError("month", "month_not_begun", "该月尚未开始，不能填报。"))
    if not 0 <= should_issue <= rules.MAX_COUNT:
        errors.append(FieldError("should_issue", "wrong_count", f"应发证数应为 0 至 {rules.MAX_COUNT} 的整数。"))
    if not 0 < len(source.strip()) <= 100 or not source.isprintable():
        errors.append(FieldError("source", "source_missing", "请写明依据，例如办件系统的统计，最多 100 个字。"))
    if errors:
        raise InvalidDraftError(errors)
    departments.check_scope(work, department, type_code, "issue", today)
    key = ("type_code", "department", "month")
    columns = ("should_issue", "source", "reported_at", "reported_by")
    row = {
        "type_code": type_code, "department": department, "month": month, "should_issue": should_issue,
        "source": source.strip(), "reported_at": work.at, "reported_by": work.actor.id,
    }  # fmt: skip
    work.session.execute(upserts.insert_or_update(work.session, IssueReport, key, columns).values(**row))
    found = work.session.get(IssueReport, (type_code, department, month), populate_existing=True)
    assert found is not None
    return found


def _punctuality(work: Work, month: date, department: str | None) -> dict[Cell, dict[tuple[date, date], int]]:
    """{cell: {(day of issue, day of registration): how many}}."""
    day = registered_on(work).label("registered_on")
    query = select(
        Certificate.type_code, Certificate.department, Certificate.issued_on, day, func.count()
    ).where(of_month(month))  # fmt: skip
    if department is not None:
        query = query.where(Certificate.department == department)
    query = query.group_by(Certificate.type_code, Certificate.department, Certificate.issued_on, day)
    found: dict[Cell, dict[tuple[date, date], int]] = defaultdict(dict)
    for type_code, issuer, issued, registered, count in work.session.execute(query):
        found[type_code, issuer][issued, date.fromisoformat(str(registered))] = count
    return found


def _beginnings(work: Work) -> dict[str, date]:
    """{type code: first day of the month in which its first version was installed}."""
    query = select(TypeVersion.code, func.min(TypeVersion.installed_at)).group_by(TypeVersion.code)
    return {code: shanghai_day(at).replace(day=1) for code, at in work.session.execute(query)}
