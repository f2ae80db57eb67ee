"""Use cases of matters once they are registered: change them, bring an older edition back, retire them and restore."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import delete, select

from registry.catalogue import rules
from registry.catalogue import service as catalogue
from registry.catalogue.tables import Matter, MatterEdition, MatterSlot
from registry.departments.rules import check_reason
from registry.errors import DuplicateError, InvalidDraftError, NotFoundError
from registry.work import Work


@dataclass(frozen=True, slots=True)
class Content:
    """What may change about a matter; its code and department stay."""

    name: str
    purpose: str
    slots: tuple[rules.Slot, ...]


def content_of(work: Work, row: Matter) -> Content:
    """What a matter says now."""
    return Content(row.name, row.purpose, catalogue.slots_of(work, row.code))


def edit(work: Work, code: str, revision: int, wanted: Content) -> Matter:
    """Say something else from now on; the edition before is kept. The same content again changes nothing.

    Uses that were made stay as they are; authorisations name a purpose, so those for another one count no more. Raises
    NotFoundError, InvalidDraftError, DuplicateError (somebody changed it since `revision`).
    """
    row = _lock(work, code)
    if row.revision != revision:
        message = "该事项刚被另一处修改过，请刷新后在新的内容上修改。"
        raise DuplicateError("matter_changed", message, code, {"revision": row.revision})
    errors = catalogue.check_matter(work, code, wanted.name, wanted.purpose, wanted.slots)
    if errors:
        raise InvalidDraftError(errors)
    wanted = Content(wanted.name.strip(), wanted.purpose.strip(), wanted.slots)
    before = content_of(work, row)
    if wanted == before:
        return row
    work.session.add(
        MatterEdition(
            matter_code=code, revision=row.revision, content=asdict(before), until_at=work.at, changed_by=work.actor.id
        )
    )
    row.name, row.purpose, row.revision = wanted.name, wanted.purpose, row.revision + 1
    work.session.execute(delete(MatterSlot).where(MatterSlot.matter_code == code))
    catalogue.add_slots(work, code, wanted.slots)
    return row


def bring_back(work: Work, code: str, edition: int, revision: int) -> Matter:
    """Say again what an older edition said. Raises as `edit`."""
    found = work.session.get(MatterEdition, (code, edition))
    if found is None:
        raise NotFoundError("matter_edition_unknown", "该事项没有这一版，请刷新后重试。")
    return edit(work, code, revision, _content(found.content))


def retire(work: Work, code: str, reason: str) -> Matter:
    """Let nobody start anything for a matter: no use and no authorisation. Repeating it changes nothing.

    What was done stays. Raises NotFoundError, InvalidDraftError (no reason).
    """
    row = _lock(work, code)
    if errors := check_reason(reason):
        raise InvalidDraftError(errors)
    if row.retired_at is None:
        row.retired_at, row.retired_because = work.at, reason.strip()
        work.session.flush()
    return row


def restore(work: Work, code: str) -> Matter:
    """Take a retirement back. Repeating it changes nothing. Raises NotFoundError."""
    row = _lock(work, code)
    row.retired_at = row.retired_because = None
    work.session.flush()
    return row


def editions(work: Work, code: str) -> Sequence[MatterEdition]:
    """What a matter said before, the newest first."""
    found = select(MatterEdition).where(MatterEdition.matter_code == code)
    return work.session.scalars(found.order_by(MatterEdition.revision.desc())).all()


def _lock(work: Work, code: str) -> Matter:
    row = work.session.get(Matter, code, with_for_update=True, populate_existing=True)
    return row or catalogue.get_matter(work, code)


def _content(stored: Any) -> Content:
    slots = tuple(
        rules.Slot(slot["code"], slot["name"], tuple(slot["accepts"]), slot["required"], tuple(slot["fields"]))
        for slot in stored["slots"]
    )
    return Content(stored["name"], stored["purpose"], slots)
