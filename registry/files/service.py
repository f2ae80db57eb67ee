"""Use cases of files: note what was stored, find it again, show it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import func, select, update

from registry import upserts
from registry.departments.tables import Department
from registry.errors import FieldError, LimitError, NotFoundError
from registry.files.store import StoredFile
from registry.files.tables import StoredFileRow
from registry.trust.rules import midnight
from registry.work import Work
from verifier import times

_MB = 10**6

Shown: TypeAlias = dict[str, str | int]


@dataclass(frozen=True, slots=True)
class Quota:
    """What one department may hand in, in bytes: on one day (Asia/Shanghai), and in all; 0 for no limit."""

    daily: int = 0
    total: int = 0


NO_QUOTA = Quota()


def check_quota(work: Work, quota: Quota, stored: Sequence[StoredFile]) -> None:
    """Whether the actor's department may hand these in as well; what is stored already costs nothing.

    To be called in the transaction that notes the files: others of the department wait for its end, so that together
    they stay within the quota. Raises LimitError.
    """
    department = work.actor.department
    if department is None or not stored or not (quota.daily or quota.total):
        return
    # No key of the row changes: who only refers to the department goes on. On SQLite there is one writer anyway.
    work.session.execute(select(Department.code).where(Department.code == department).with_for_update(key_share=True))
    sizes = {one.sha256: one.size for one in stored}
    fresh = sum(size for digest, size in sizes.items() if work.session.get(StoredFileRow, digest) is None)
    today = midnight(times.shanghai_day(work.at))
    for name, limit, since in (("今日", quota.daily, today), ("累计", quota.total, None)):
        if not limit or not fresh:
            continue
        query = select(func.coalesce(func.sum(StoredFileRow.size), 0)).where(StoredFileRow.department == department)
        used = int(work.session.scalar(query if since is None else query.where(StoredFileRow.stored_at >= since)) or 0)
        if used + fresh > limit:
            message = (
                f"本部门{name}已上传 {used / _MB:.1f} MB，加上本次 {fresh / _MB:.1f} MB，"
                f"超过限额 {limit / _MB:.0f} MB；"
                + ("请明日再传，或联系管理员调整。" if since else "请联系管理员调整。")
            )
            raise LimitError("quota_exceeded", message, {"used_bytes": used, "limit_bytes": limit})


def register(work: Work, stored: StoredFile) -> StoredFileRow:
    """Note a stored file, so that certificates and materials can refer to it; the same bytes give the same row."""
    register_many(work, [stored])
    return work.session.get_one(StoredFileRow, stored.sha256)


def register_many(work: Work, stored: Sequence[StoredFile]) -> None:
    """Note many stored files at once."""
    if not stored:
        return
    distinct = {one.sha256: one for one in stored}.values()
    values = [{**_place(one), "sha256": one.sha256, "sm3": one.sm3, "size": one.size, "media_type": one.media_type,
               "stored_at": work.at, "stored_by": work.actor.id, "department": work.actor.department}
              for one in distinct]  # fmt: skip
    work.session.execute(upserts.insert_or_ignore(work.session, StoredFileRow), values)
    for one in distinct:
        if one.lost is not None:
            gone = (StoredFileRow.sha256 == one.sha256) & (StoredFileRow.object == one.lost)
            work.session.execute(update(StoredFileRow).where(gone).values(_place(one)))


def _place(stored: StoredFile) -> dict[str, Any]:
    sealed = stored.sealed
    if sealed is None:
        return {"object": None, "master": None, "wrapped": None}
    return {"object": sealed.object, "master": sealed.master, "wrapped": sealed.wrapped}


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """A stored file to attach to an item under this name; `sha256` has 32 bytes."""

    name: str
    sha256: bytes


MAX_ATTACHED = 16
MAX_FILE_NAME_CHARACTERS = 200


def find_many(work: Work, digests: Collection[bytes]) -> dict[bytes, StoredFileRow]:
    """The rows of those files that are stored, by SHA-256."""
    if not digests:
        return {}
    query = select(StoredFileRow).where(StoredFileRow.sha256.in_(digests))
    return {row.sha256: row for row in work.session.scalars(query)}


def show(files: Sequence[AttachedFile], stored: Mapping[bytes, StoredFileRow]) -> tuple[list[Shown], list[FieldError]]:
    """The files as a face shows them, and every fault."""
    shown: list[Shown] = []
    errors: list[FieldError] = []
    if len(files) > MAX_ATTACHED:
        errors.append(FieldError("files", "too_many_files", f"附件最多 {MAX_ATTACHED} 个。"))
    for place, file in enumerate(files):
        row = stored.get(file.sha256)
        if row is None:
            errors.append(FieldError(f"files[{place}]", "file_unknown", "附件尚未上传，请先上传文件。"))
            continue
        if not 0 < len(file.name) <= MAX_FILE_NAME_CHARACTERS or not file.name.isprintable():
            errors.append(FieldError(f"files[{place}].name", "wrong_name", "附件名称应为 1 至 200 个字符。"))
        digests = {"sha256": row.sha256.hex(), "sm3": row.sm3.hex()}
        shown.append({"name": file.name, "media_type": row.media_type, "size": row.size, **digests})
    return shown, errors


def get(work: Work, sha256: bytes) -> StoredFileRow:
    """The row of a stored file. Raises NotFoundError."""
    found = work.session.get(StoredFileRow, sha256)
    if found is None:
        raise NotFoundError("file_unknown", "该文件尚未上传。", {"sha256": sha256.hex()})
    return found
