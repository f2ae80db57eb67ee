"""Since when two administrators decide together (双人复核).

A first start has one administrator, who cannot be asked to wait for a second one. The rule binds from the moment in
which two of them could act, that is, have a password of their own and are not shut out; and it never stops binding, so
that nobody frees himself from it by shutting the other one out.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from registry.accounts.tables import DualControl, Staff
from registry.work import Work

ADMINISTRATOR = "administrator"
NEEDED = 2


def observe(work: Work) -> bool:
    """Whether two have to decide; from now on for ever, if two can. Nobody else decides until the transaction ends."""
    row = work.session.get_one(DualControl, 1, with_for_update=True, populate_existing=True)
    if row.since_at is None and len(administrators(work)) >= NEEDED:
        row.since_at = work.at
        work.session.flush()
    return row.since_at is not None


def binding_since(work: Work) -> datetime | None:
    """Since when two have to decide; None while one decides alone. Only reads."""
    since = work.session.get_one(DualControl, 1).since_at
    return since or (work.at if len(administrators(work)) >= NEEDED else None)


def administrators(work: Work) -> list[Staff]:
    """Who could decide now: administrators with a password of their own, who are not shut out."""
    able = select(Staff).where(Staff.disabled_at.is_(None), Staff.must_change_password.is_(False))
    return [staff for staff in work.session.scalars(able.order_by(Staff.id)) if ADMINISTRATOR in staff.roles]
