"""Disputes page by page: what is due first comes first, what is closed last."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import ColumnElement, case, literal, or_, select, tuple_

from registry.disputes.tables import Dispute
from registry.errors import FieldError, InvalidDraftError
from registry.work import Work

MAX_PAGE_ROWS: Final = 200
#: Whether it is closed, its day, its id.
_CURSOR: Final = re.compile(r"([01])_(\d{4}-\d{2}-\d{2})_([0-9a-z]{26})", re.ASCII)
_IS_CLOSED: Final = case((Dispute.state == "closed", 1), else_=0)


@dataclass(frozen=True, slots=True)
class Page:
    """Some disputes; `cursor` continues the list, None at its end."""

    disputes: list[Dispute]
    cursor: str | None


def list_page(work: Work, department: str | None, cursor: str | None = None, limit: int = 50) -> Page:
    """One page of those that a department raised or answers (None: all). Raises InvalidDraftError (cursor)."""
    limit = max(1, min(limit, MAX_PAGE_ROWS))
    query = select(Dispute).order_by(_IS_CLOSED, Dispute.due_on, Dispute.id).limit(limit + 1)
    if department is not None:
        query = query.where(or_(Dispute.issuer == department, Dispute.raised_by == department))
    if cursor is not None:
        query = query.where(_after(cursor))
    found = list(work.session.scalars(query))
    return Page(found[:limit], _cursor(found[limit - 1]) if len(found) > limit else None)


def _cursor(row: Dispute) -> str:
    return f"{int(row.state == 'closed')}_{row.due_on.isoformat()}_{row.id}"


def _after(cursor: str) -> ColumnElement[bool]:
    found = _CURSOR.fullmatch(cursor)
    try:
        if found is None:
            raise ValueError(cursor)
        place = (int(found[1]), date.fromisoformat(found[2]), found[3])
    except ValueError as wrong:
        message = "翻页标记不对，请从第一页重新开始。"
        raise InvalidDraftError([FieldError("cursor", "wrong_cursor", message)]) from wrong
    return tuple_(_IS_CLOSED, Dispute.due_on, Dispute.id) > tuple_(*map(literal, place))
