"""Use cases of type drafts: start, save, take back, discard, publish. Nobody but the editors sees a draft."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import func, select

from registry.catalogue import service as catalogue
from registry.catalogue import sheets
from registry.catalogue.field_rows import FieldRow
from registry.catalogue.sheets import Sheet
from registry.catalogue.tables import CertificateType, TypeDraft
from registry.departments import service as departments
from registry.errors import DuplicateError, FieldError, InvalidDraftError, NotFoundError, TransitionError
from registry.ids import id_bytes, new_id_text
from registry.work import Work

#: Small numbers from here on are those of the built-in materials.
_FIRST_MATERIAL_NUMBER = 900
_LAST_NUMBER = 9999


def start(work: Work, type_code: str | None = None) -> TypeDraft:
    """A draft of a new type, or of the next version of one: the one that is being written, if there is one.

    Raises NotFoundError (type).
    """
    if type_code is None:
        operator = departments.operator(work)
        sheet = Sheet(definer_code=operator.code, definer_name=operator.name, rows=(FieldRow(),))
        sheet = replace(sheet, serial=_next_serial(work, operator.code))
        return _add(work, None, sheet)
    present = catalogue.get_type(work, type_code)
    live = select(TypeDraft).where(TypeDraft.type_code == present.code, TypeDraft.discarded_at.is_(None))
    found = work.session.scalars(live.order_by(TypeDraft.id).limit(1)).first()
    return found or _add(work, present.code, sheets.sheet_of(present.definition))


def _next_serial(work: Work, definer: str) -> str:
    codes = work.session.scalars(select(CertificateType.code).where(CertificateType.definer_code == definer))
    taken = {code[18:] for code in codes}
    return next((text for text in (f"{number:03d}" for number in range(1, 1000)) if text not in taken), "")


def _add(work: Work, type_code: str | None, sheet: Sheet) -> TypeDraft:
    row = TypeDraft(
        id=new_id_text(work.at, work.draw), type_code=type_code, content=sheets.sheet_json(sheet), previous=None,
        revision=1, changed_at=work.at, changed_by=work.actor.id, discarded_at=None,
    )  # fmt: skip
    work.session.add(row)
    work.session.flush()
    return row


def get(work: Work, draft_id: str) -> TypeDraft:
    """The draft, discarded or not. Raises NotFoundError: unknown, or published meanwhile."""
    id_bytes(draft_id)
    found = work.session.get(TypeDraft, draft_id)
    if found is None:
        raise NotFoundError("type_draft_unknown", "没有这份类型草稿，可能已经发布，请到类型目录查看。")
    return found


def list_drafts(work: Work) -> list[TypeDraft]:
    """Every draft, the newest change first."""
    return list(work.session.scalars(select(TypeDraft).order_by(TypeDraft.changed_at.desc())))


def sheet(row: TypeDraft) -> Sheet:
    """The form of a draft."""
    return sheets.sheet_from(row.content)


def save(work: Work, draft_id: str, revision: int, wanted: Sheet) -> TypeDraft:
    """Keep what was typed, faults and all; what stood before can be taken back. What one version hands on to the next
    stays as it is. Raises NotFoundError, TransitionError, DuplicateError (somebody saved meanwhile)."""
    row = _open(work, draft_id)
    if row.revision != revision:
        message = "这份草稿刚被另一处保存过，请刷新后在新的内容上修改。"
        raise DuplicateError("draft_changed", message, row.id, {"revision": row.revision})
    before = sheet(row)
    kept = replace(wanted, based_on=before.based_on)
    if before.based_on:
        kept = replace(kept, **{name: getattr(before, name) for name in sheets.FIXED})
    content = sheets.sheet_json(kept)
    if content != row.content:
        row.content, row.previous = content, row.content
        _touch(work, row)
    return row


def take_back(work: Work, draft_id: str) -> TypeDraft:
    """Change the last save back; once more brings it again. Raises NotFoundError, TransitionError."""
    row = _open(work, draft_id)
    if row.previous is None:
        raise TransitionError("draft", "take_back", "没有可以撤回的修改。", reason="nothing_to_take_back")
    row.content, row.previous = row.previous, row.content
    _touch(work, row)
    return row


def discard(work: Work, draft_id: str) -> TypeDraft:
    """Put a draft aside; `restore` brings it back. Raises NotFoundError, TransitionError."""
    row = _open(work, draft_id)
    row.discarded_at = work.at
    _touch(work, row)
    return row


def restore(work: Work, draft_id: str) -> TypeDraft:
    """Bring back a draft that was put aside. Raises NotFoundError, DuplicateError (the type has another draft)."""
    row = _lock(work, draft_id)
    live = select(TypeDraft.id).where(TypeDraft.type_code == row.type_code, TypeDraft.discarded_at.is_(None))
    rival = work.session.scalars(live.limit(1)).first()
    if rival is not None and rival != row.id:
        raise DuplicateError("draft_exists", "该类型已有另一份草稿，请先放弃或发布它。", rival)
    row.discarded_at = None
    _touch(work, row)
    return row


def publish(work: Work, draft_id: str, revision: int) -> CertificateType:
    """Install what the draft says as a version that never changes; its entry is logged and the draft is gone.

    Raises NotFoundError, TransitionError, InvalidDraftError naming every wrong field, DuplicateError (somebody saved,
    or published a version, meanwhile).
    """
    row = _open(work, draft_id)
    if row.revision != revision:
        raise DuplicateError("draft_changed", "这份草稿刚被另一处保存过，请刷新后核对再发布。", row.id)
    wanted = sheet(row)
    present = catalogue.find_type(work, wanted.code)
    if present is not None and not wanted.based_on:
        message = f"类型代码 {wanted.code} 已是“{present.name}”，请改用另一流水号。"
        raise InvalidDraftError([FieldError("serial", "type_code_taken", message)])
    definition = sheets.definition_of(wanted, present.number if present else _next_number(work))
    made = catalogue.install_type(work, definition)
    work.session.delete(row)
    work.session.flush()
    return made


def _next_number(work: Work) -> int:
    taken = set(work.session.scalars(select(CertificateType.number)))
    free = next((number for number in range(1, _FIRST_MATERIAL_NUMBER) if number not in taken), None)
    if free is not None:
        return free
    newest = work.session.scalars(select(func.max(CertificateType.number))).one()
    if newest >= _LAST_NUMBER:
        raise TransitionError("full", "publish", "类型编号已用完，不能再新建类型。", reason="type_numbers_used_up")
    return int(newest) + 1


def _open(work: Work, draft_id: str) -> TypeDraft:
    row = _lock(work, draft_id)
    if row.discarded_at is not None:
        raise TransitionError("discarded", "edit", "这份草稿已放弃，请先恢复。", reason="draft_discarded")
    return row


def _lock(work: Work, draft_id: str) -> TypeDraft:
    id_bytes(draft_id)
    query = select(TypeDraft).where(TypeDraft.id == draft_id).with_for_update()
    found = work.session.scalars(query.execution_options(populate_existing=True)).first()
    return found if found is not None else get(work, draft_id)


def _touch(work: Work, row: TypeDraft) -> None:
    row.revision += 1
    row.changed_at, row.changed_by = work.at, work.actor.id
    work.session.flush()
