"""What a code may grant, for how long, and to whom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from registry.errors import FieldError
from verifier.code import MAX_GRANTS, CodeClaims, CodeKind
from verifier.identifiers import IdentifierError, check_uscc, is_organisation

#: How long codes of a kind last at most, and by default. Printed codes: 180 days as practised; enterprise codes stand
#: for years; all are parameters of this registry.
LONGEST = {
    CodeKind.PERSON: timedelta(days=180),
    CodeKind.ENTERPRISE: timedelta(days=3650),
    CodeKind.VENUE: timedelta(days=3650),
    CodeKind.COMPONENT: timedelta(days=3650),
    CodeKind.PRINTED: timedelta(days=180),
}
#: Codes of a person: what they show is what that person holds.
OF_PEOPLE = (CodeKind.PERSON, CodeKind.PRINTED)
#: What is issued to whoever stands at a desk.
OF_DESKS = (*OF_PEOPLE, CodeKind.ENTERPRISE)
#: What a QR of version 12 holds at level Q (ISO/IEC 18004 table 7): larger ones cannot be read when printed small.
MAX_PRINTED_CHARS = 296
SHORTEST = timedelta(seconds=30)
#: An end for grants without one (长期), and the last there is: what four bytes hold. The code itself ends long before.
FAR = datetime.fromtimestamp(2**32 - 1, UTC)


@dataclass(frozen=True, slots=True)
class CodeRequest:
    """A code to be issued. Give what the kind needs.

    PERSON, PRINTED: `holder` (code type, number), `types` (certificates to show), `venues` (passes to show).
    PRINTED: `relative` (code type, number) where a bound relative claims it.
    ENTERPRISE: `subject` (USCC) and `name`. VENUE: `subject` (venue id). COMPONENT: `subject` (16-digit code), `name`,
    `place`, checked by registry.components. `lasts` None: as long as the kind allows.
    """

    kind: CodeKind
    holder: tuple[str, str] | None = None
    subject: str | None = None
    name: str | None = None
    types: tuple[str, ...] = ()
    venues: tuple[str, ...] = ()
    lasts: timedelta | None = None
    relative: tuple[str, str] | None = None
    place: str | None = None


def apart(claims: CodeClaims) -> tuple[CodeClaims, ...]:
    """A phone's code as it is signed: without grants, and once for each grant, for nobody sees more than one."""
    return replace(claims, grants=()), *(replace(claims, grants=(grant,)) for grant in claims.grants)


def check_request(request: CodeRequest) -> list[FieldError]:
    """Every fault of a request's form."""
    errors = []
    if request.lasts is not None and not SHORTEST <= request.lasts <= LONGEST[request.kind]:
        message = f"有效时长应为 {SHORTEST.seconds} 秒至 {LONGEST[request.kind].days} 天。"
        errors.append(FieldError("lasts", "out_of_range", message))
    if len(request.types) + len(request.venues) > MAX_GRANTS:
        errors.append(FieldError("types", "too_many_grants", f"一个码最多承载 {MAX_GRANTS} 项权益。"))
    if request.relative is not None and request.kind is not CodeKind.PRINTED:
        errors.append(FieldError("relative", "not_for_this_kind", "只有离线码可以由亲属代领。"))
    if request.kind in OF_PEOPLE:
        return errors + _check_person(request)
    if request.holder is not None or request.types or request.venues:
        errors.append(FieldError("holder", "not_for_this_kind", "只有个人码和离线码可以指明持证人和权益。"))
    if request.kind is CodeKind.ENTERPRISE:
        return errors + _check_enterprise(request)
    if request.subject is None:
        what = "场所码应指明场所编号。" if request.kind is CodeKind.VENUE else "部件码应指明部件标识码。"
        errors.append(FieldError("subject", "subject_missing", what))
    return errors


def _check_person(request: CodeRequest) -> list[FieldError]:
    if request.holder is None or is_organisation(request.holder[0]):
        return [FieldError("holder", "holder_missing", "个人码、离线码应指明自然人的证件代码类型和证件号码。")]
    if request.subject is not None or request.name is not None:
        return [FieldError("name", "nothing_personal", "个人码、离线码不能含姓名或号码。")]
    return []


def _check_enterprise(request: CodeRequest) -> list[FieldError]:
    errors = []
    try:
        check_uscc(request.subject or "", "subject")
    except IdentifierError as wrong:
        errors.append(FieldError("subject", wrong.reason, f"{wrong.message}。"))
    name = request.name or ""
    if not 0 < len(name.strip()) <= 60 or not name.isprintable():
        errors.append(FieldError("name", "wrong_length", "企业名称应为 1 至 60 个字。"))
    return errors


@dataclass(frozen=True, slots=True)
class Holding:
    """Something a person holds that a code can show: `ref` a type code or a venue id; `until` exclusive."""

    ref: str
    slot: tuple[int, int]
    until: datetime


def best(holdings: Sequence[Holding], wanted: Sequence[str]) -> dict[str, Holding]:
    """For each wanted reference the holding that lasts longest."""
    chosen: dict[str, Holding] = {}
    for holding in holdings:
        present = chosen.get(holding.ref)
        if holding.ref in wanted and (present is None or holding.until > present.until):
            chosen[holding.ref] = holding
    return chosen
