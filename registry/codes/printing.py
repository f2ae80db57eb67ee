"""Who may have a printed code (离线码), and who may claim it for them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from registry.certificates import service as certificates
from registry.certificates.names import normalise_code
from registry.codes.rules import CodeRequest
from registry.departments import service as departments
from registry.errors import FieldError, InvalidDraftError, NotPermittedError
from registry.relatives import service as relatives
from registry.work import Work
from verifier.identifiers import CITIZEN, check_citizen_number
from verifier.status import Status
from verifier.times import shanghai_day


@dataclass(frozen=True, slots=True)
class Eligibility:
    """Whom printed codes are for: ages in whole years, and the types of which one certificate in force is enough."""

    under_years: int = 18
    from_years: int = 60
    #: 残疾人证.
    types: frozenset[str] = frozenset(("11310105MB9T00011M003",))

    def allows(self, age_years: int | None, held: Collection[str]) -> bool:
        """Whether somebody of this age (None: the number does not tell) who holds these types may have one."""
        by_age = age_years is not None and (age_years < self.under_years or age_years >= self.from_years)
        return by_age or not self.types.isdisjoint(held)


#: As practised since 2020; a parameter of this registry.
ELIGIBILITY = Eligibility()


def check_claim(work: Work, request: CodeRequest, eligibility: Eligibility = ELIGIBILITY) -> str | None:
    """The id of the relation by which a relative claims the code, None for the holder.

    Raises InvalidDraftError (not one of those whom printed codes are for), NotPermittedError (relative not bound, or
    bound by a department that is suspended).
    """
    if request.holder is None:
        return None
    holder = relatives.index_of(work, request.holder, "holder")
    held = {row.type_code for row in certificates.of_holder(work, holder) if row.status == Status.VALID}
    if not eligibility.allows(_age(request.holder, shanghai_day(work.at)), held):
        message = (
            f"离线码发给未满 {eligibility.under_years} 周岁、年满 {eligibility.from_years} 周岁的人和残疾人证持有人；"
            "其他人请使用手机上的个人码。"
        )
        raise InvalidDraftError([FieldError("holder", "not_eligible", message)])
    if request.relative is None:
        return None
    relation = relatives.find(work, holder, relatives.index_of(work, request.relative, "relative"))
    if relation is None:
        raise NotPermittedError("relative_not_bound", "这名亲属没有绑定，或绑定已解除，请先凭证明材料办理亲属绑定。")
    departments.check_standing(work, relation.department)
    return relation.id


def _age(holder: tuple[str, str], today: date) -> int | None:
    if holder[0] != CITIZEN:
        return None
    born = check_citizen_number(normalise_code(holder[1]))
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
