"""Use cases of notices: tell a department, tell all that relied on an item, read, and see who was told."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import func, select

from registry.errors import NotFoundError
from registry.ids import new_id_text
from registry.notices.tables import Notice
from registry.uses.tables import Use
from registry.work import Work
from verifier.status import Status

KINDS = ("status_changed", "dispute_raised", "dispute_accepted", "dispute_decided")


def tell(
    work: Work, department: str, kind: str, item_kind: str, item_id: str, *, use_id: str | None = None,
    dispute_id: str | None = None, status: Status | None = None,
) -> Notice:  # fmt: skip
    """Put a notice into a department's inbox."""
    row = Notice(
        id=new_id_text(work.at, work.draw), department=department, kind=kind, item_kind=item_kind, item_id=item_id,
        use_id=use_id, dispute_id=dispute_id, status=None if status is None else int(status), sent_at=work.at,
    )  # fmt: skip
    work.session.add(row)
    return row


def tell_relying(
    work: Work, kind: str, item_kind: str, item_id: str, *, dispute_id: str | None = None, status: Status | None = None
) -> int:
    """Tell every department that relied on an item, once for each case; how many cases there are."""
    query = select(Use.id, Use.department).where(Use.item_kind == item_kind, Use.item_id == item_id)
    found = work.session.execute(query.order_by(Use.id)).tuples().all()
    for use_id, department in found:
        tell(work, department, kind, item_kind, item_id, use_id=use_id, dispute_id=dispute_id, status=status)
    return len(found)


def tell_relying_on_many(work: Work, kind: str, item_kind: str, statuses: Mapping[str, Status]) -> int:
    """`tell_relying` for many items of a kind, each with its new status; at most some thousand at once."""
    query = select(Use.item_id, Use.id, Use.department).where(Use.item_kind == item_kind, Use.item_id.in_(statuses))
    found = work.session.execute(query.order_by(Use.id)).tuples().all()
    for item_id, use_id, department in found:
        tell(work, department, kind, item_kind, item_id, use_id=use_id, status=statuses[item_id])
    return len(found)


def inbox(work: Work, department: str, cursor: str | None = None, limit: int = 50) -> list[Notice]:
    """A department's notices, newest first; `cursor` is the last id of the page before."""
    query = select(Notice).where(Notice.department == department).order_by(Notice.id.desc()).limit(limit)
    return list(work.session.scalars(query if cursor is None else query.where(Notice.id < cursor)))


def unread(work: Work, department: str) -> int:
    """How many of a department's notices nobody has read."""
    query = select(func.count()).select_from(Notice)
    return work.session.scalar(query.where(Notice.department == department, Notice.read_at.is_(None))) or 0


def mark_read(work: Work, notice_id: str) -> Notice:
    """Note that the actor's department has read a notice; the first reader stays. Raises NotFoundError."""
    row = work.session.get(Notice, notice_id, with_for_update=True, populate_existing=True)
    if row is None or row.department != work.actor.department:
        raise NotFoundError("notice_unknown", "本部门没有这条通知。")
    if row.read_at is None:
        row.read_at, row.read_by = work.at, work.actor.id
        work.session.flush()
    return row


def told_of(work: Work, item_id: str) -> list[Notice]:
    """Every notice about an item, oldest first: who was told, and who has read it."""
    return list(work.session.scalars(select(Notice).where(Notice.item_id == item_id).order_by(Notice.id)))
