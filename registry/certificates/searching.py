"""Lists of certificates: narrowed, newest first, in pages that continue from a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from sqlalchemy import ColumnElement, Select, select, text, true, tuple_

from registry.catalogue import service as catalogue
from registry.certificates import sight
from registry.certificates.names import normalise_code
from registry.certificates.tables import Certificate, CertificateHolder, CertificateLookup
from registry.errors import FieldError, InvalidDraftError
from registry.ids import new_id_text
from registry.work import Work
from verifier.status import Status

MAX_PAGE_ROWS = 200
MAX_PURPOSE_CHARACTERS = 200
_BETWEEN = "."

#: By what somebody's certificates were looked for.
Sought = Literal["holder", "number", "identifier"]


@dataclass(frozen=True, slots=True)
class Search:
    """What to narrow a list by; all given parts must hold.

    `holder` is (code type, number), `type_code` national or local. `issued_from` and `issued_to` are days of issue,
    both inclusive.
    """

    department: str | None = None
    type_code: str | None = None
    status: Status | None = None
    number: str | None = None
    identifier: str | None = None
    holder: tuple[str, str] | None = None
    issued_from: date | None = None
    issued_to: date | None = None

    @property
    def by_day(self) -> bool:
        """Whether a period narrows it: then the list goes by day of issue, as its index does."""
        return self.issued_from is not None or self.issued_to is not None


@dataclass(frozen=True, slots=True)
class Page:
    """Some certificates, newest first; `cursor` continues the list, None at its end."""

    certificates: list[Certificate]
    cursor: str | None


def list_page(work: Work, search: Search, cursor: str | None = None, limit: int = 50) -> Page:
    """One page of the certificates that the actor is shown without a purpose (`sight.listed`), last registered first;
    within a period, last issued first. A page stays the same when others are added meanwhile.

    Raises InvalidDraftError for a period that ends before it begins, and for a cursor that no such page gave.
    """
    if sight.sees_all(work) or (search.department is not None and search.department == work.actor.department):
        return _page(work, search, cursor, limit, [true()])
    return _page(work, search, cursor, limit, sight.listed(work))


def look_up(work: Work, search: Search, purpose: str, cursor: str | None = None, limit: int = 50) -> Page:
    """`list_page` of the certificates with this holder, number or identifier, among all that the actor may use; who
    asked, for what number (by blind index) and what for is written down.

    Raises InvalidDraftError (purpose, and as `list_page` does).
    """
    sought, index = _sought(work, search)
    if not 0 < len(purpose.strip()) <= MAX_PURPOSE_CHARACTERS or not purpose.isprintable():
        message = f"请填写查询用途，最多 {MAX_PURPOSE_CHARACTERS} 个字。"
        raise InvalidDraftError([FieldError("purpose", "purpose_missing", message)])
    page = _page(work, search, cursor, limit, [true() if sight.sees_all(work) else sight.reached(work)])
    record_lookup(work, sought, index, purpose)
    return page


def record_lookup(work: Work, sought: Sought, index: bytes, purpose: str) -> None:
    """Write down that the actor looked for somebody's certificates by a number, kept as its blind index alone."""
    work.session.add(
        CertificateLookup(
            id=new_id_text(work.at, work.draw), sought=sought, sought_index=index, actor=work.actor.id,
            department=work.actor.department, purpose=purpose.strip(), looked_up_at=work.at,
        )
    )  # fmt: skip


def _sought(work: Work, search: Search) -> tuple[Sought, bytes]:
    if search.holder is not None:
        return "holder", _index_of(work, search.holder)
    if search.number is not None:
        return "number", work.blind.of("certificate-number", search.number)
    assert search.identifier is not None
    return "identifier", work.blind.of("certificate-identifier", search.identifier)


def _page(work: Work, search: Search, cursor: str | None, limit: int, parts: Sequence[ColumnElement[bool]]) -> Page:
    """A page of the rows in any of the parts, each walked by its own index: together they would be walked by none."""
    _check_period(search)
    limit = max(1, min(limit, MAX_PAGE_ROWS))
    found: dict[str, Certificate] = {}
    for part in parts:
        query = _narrowed(work, search).where(part).order_by(*(key.desc() for key in _keys(search))).limit(limit + 1)
        if cursor is not None:
            query = query.where(_below(search, cursor))
        found.update((row.id, row) for row in work.session.scalars(query))
    rows = sorted(found.values(), key=lambda row: (row.issued_on if search.by_day else date.min, row.id), reverse=True)
    return Page(rows[:limit], _cursor(search, rows[limit - 1]) if len(rows) > limit else None)


def _check_period(search: Search) -> None:
    if search.issued_from is not None and search.issued_to is not None and search.issued_to < search.issued_from:
        raise InvalidDraftError([FieldError("issued_to", "ends_before_it_begins", "颁发日期的止日早于起日，请对调。")])


def _keys(search: Search) -> tuple[ColumnElement[date] | ColumnElement[str], ...]:
    by_id = Certificate.id.expression
    return (Certificate.issued_on.expression, by_id) if search.by_day else (by_id,)


def _cursor(search: Search, row: Certificate) -> str:
    return f"{row.issued_on.isoformat()}{_BETWEEN}{row.id}" if search.by_day else row.id


def _below(search: Search, cursor: str) -> ColumnElement[bool]:
    if not search.by_day:
        return Certificate.id < cursor
    day, _, certificate_id = cursor.partition(_BETWEEN)
    try:
        return tuple_(*_keys(search)) < (date.fromisoformat(day), certificate_id)
    except ValueError as wrong:
        message = "翻页标记与筛选条件不符，请从第一页重新开始。"
        raise InvalidDraftError([FieldError("cursor", "wrong_cursor", message)]) from wrong


def _narrowed(work: Work, search: Search) -> Select[tuple[Certificate]]:
    query = select(Certificate)
    type_code = None if search.type_code is None else catalogue.national_code(work, search.type_code)
    if search.holder is not None:
        query = query.join(CertificateHolder, CertificateHolder.certificate_id == Certificate.id)
        query = query.where(CertificateHolder.holder_index == _index_of(work, search.holder))
    for column, value in (
        (Certificate.department, search.department),
        (Certificate.type_code, type_code),
        (Certificate.status, search.status),
        (Certificate.number, search.number),
        (Certificate.identifier, search.identifier),
    ):
        if value is not None:
            query = query.where(column == value)
    if search.issued_from is not None:
        query = query.where(Certificate.issued_on >= search.issued_from)
    if search.issued_to is not None:
        query = query.where(Certificate.issued_on <= search.issued_to)
    if search.status:
        # In clear, so that both databases see that their index of what is not valid serves it.
        query = query.where(text("certificates.status <> 0"))
    return query


def _index_of(work: Work, holder: tuple[str, str]) -> bytes:
    return work.blind.of(holder[0], normalise_code(holder[1]))
