"""What a window does with a delegated code that was shown: hold it against the registry, and record what it allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from registry import upserts
from registry.authorisations import service as authorisations
from registry.authorisations.rules import AuthorisationDraft
from registry.authorisations.tables import Authorisation
from registry.catalogue import service as catalogue
from registry.delegations import service
from registry.delegations.rules import REASONS, Shown
from registry.delegations.tables import Delegation, ShownCode
from registry.errors import BusyError, FieldError, InvalidDraftError
from registry.work import Work
from verifier.delegation import Reach

#: An authorisation by a shown code is for this case: over by tomorrow at the latest.
AUTHORISATION_LASTS = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Case:
    """For what a code is shown."""

    department: str
    matter_code: str
    case_no: str


def names_of(work: Work, slots: Sequence[tuple[int, int]]) -> list[str | None]:
    """The masked names of the delegates whose links have these slots (status list, index); None where unknown.

    No code says them: they are for a window that has stated a purpose, and for nobody else.
    """
    rows = [service.find_by_slot(work, *slot) for slot in slots]
    return [None if row is None else row.name for row in rows]


def refusal(work: Work, shown: Shown, case: Case, type_code: str | None) -> str | None:
    """Why the code does not carry this case (and this type); a reason of delegations.rules.REASONS, or None."""
    row = _row(work, shown)
    if row is None:
        return "delegation_unknown"
    path = service.path_to(work, row.id)
    if any(link.revoked_at is not None for link in path):
        return "delegation_revoked"
    if service.is_suspended(work, path):
        return "delegation_suspended"
    reach = shown.reach
    if not reach.covers(case.matter_code, None, reach.begins_at):
        return "delegation_wrong_matter"
    if not reach.covers(None, type_code, reach.begins_at):
        return "delegation_wrong_type"
    if not reach.covers(None, None, work.at):
        return "delegation_expired"
    seen = work.session.get(ShownCode, shown.digest)
    if seen is not None and _case_of(seen) != case:
        return "delegation_code_reused"
    return None


def accept(work: Work, shown: Shown, case: Case) -> None:
    """Take a code that was shown for a case: from then on it holds for that case, though its proof is soon over.

    Raises InvalidDraftError with a reason of delegations.rules.REASONS.
    """
    reason = refusal(work, shown, case, None)
    row = _row(work, shown)
    if reason is not None or row is None:
        raise InvalidDraftError([FieldError("text", str(reason), REASONS[str(reason)])])
    _remember(work, shown, case, row)


def shown_at(work: Work, digest: bytes, case: Case) -> datetime | None:
    """When a code was accepted for this case, if that was within a day."""
    seen = work.session.get(ShownCode, digest)
    if seen is None or _case_of(seen) != case or work.at - seen.shown_at > AUTHORISATION_LASTS:
        return None
    return seen.shown_at


def _remember(work: Work, shown: Shown, case: Case, row: Delegation) -> None:
    values = {
        "digest": shown.digest, "delegation_id": row.id, "department": case.department,
        "matter_code": case.matter_code, "case_no": case.case_no, "shown_at": work.at,
    }  # fmt: skip
    # Two windows may take the same code at the same moment: the row of the first one decides.
    work.session.execute(upserts.insert_or_ignore(work.session, ShownCode), [values])
    if _case_of(work.session.get_one(ShownCode, shown.digest, populate_existing=True)) != case:
        raise BusyError("code_contended", "这次出示的码正在用于另一办件，请经办人重新出示。")


def authorise(work: Work, shown: Shown, case: Case, type_code: str) -> Authorisation:
    """An authorisation (route: delegation) for one use of an item of a type of the code's enterprise.

    The caller has asked `refusal`.
    """
    row = _row(work, shown)
    assert row is not None
    _remember(work, shown, case, row)
    matter = catalogue.get_matter(work, case.matter_code)
    draft = AuthorisationDraft(
        route="delegation", grantee=case.department, matter_code=matter.code, purpose=matter.purpose,
        valid_from_at=work.at, valid_to_at=_end(work.at, shown.reach), type_code=type_code,
        subject=("001", shown.enterprise), max_uses=1, delegation_id=row.id,
    )  # fmt: skip
    return authorisations.grant(work, draft)


def _end(at: datetime, reach: Reach) -> datetime:
    return min(at + AUTHORISATION_LASTS, reach.ends_at)


def _row(work: Work, shown: Shown) -> Delegation | None:
    last = shown.code.claims[-1]
    row = service.find_by_slot(work, last.status_list, last.status_index)
    return row if row is not None and row.payload == shown.code.links[-1].payload else None


def _case_of(seen: ShownCode) -> Case:
    return Case(seen.department, seen.matter_code, seen.case_no)
