"""Use cases of materials: register, change the status, find, list."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

import orjson
from sqlalchemy import insert, select

from registry import upserts
from registry.catalogue import service as catalogue
from registry.catalogue.rules import TypeDefinition
from registry.certificates.rules import Issuer
from registry.departments import service as departments
from registry.errors import FieldError, InvalidDraftError, NotFoundError, NotPermittedError
from registry.files import service as files_service
from registry.files.service import AttachedFile
from registry.ids import id_text, new_id
from registry.log import service as log
from registry.materials import rules
from registry.materials.tables import Material, MaterialFile, MaterialHolder
from registry.statuses import service as statuses
from registry.statuses.rules import Operation
from registry.statuses.tables import StatusEvent
from registry.work import Work
from verifier.canonical import canonicalise
from verifier.commitment import seal
from verifier.digests import double_digest
from verifier.entry import Entry, Kind
from verifier.errors import MalformedError
from verifier.status import Status
from verifier.times import SHANGHAI, shanghai_day

MAX_PAGE_ROWS = 200


def register(work: Work, draft: rules.MaterialDraft, files: Sequence[AttachedFile] = ()) -> Material:
    """Register a material with its files: data, holders, status slot and log entry, all or nothing.

    The same content again gives the same material and no second entry. Raises InvalidDraftError, NotPermittedError,
    NotFoundError (type, department).
    """
    if draft.type_code in rules.READ_FROM_FILES:
        message = "电子发票的内容由系统从 OFD 文件读取，不能填写，请在“电子发票”中上传文件登记。"
        raise InvalidDraftError([FieldError("type_code", "read_from_file", message)])
    return register_as(work, draft, files)[0]


def register_as(
    work: Work, draft: rules.MaterialDraft, files: Sequence[AttachedFile] = (), key: bytes | None = None
) -> tuple[Material, bool]:
    """`register` under a key of 32 bytes that stands for the content, and whether it is new.

    Whatever was registered under the key first is the material, whatever this draft holds. Raises as `register` does.
    """
    definition, issuer = check_desk(work, draft.type_code, draft.department)
    shown, errors = files_service.show(files, files_service.find_many(work, {file.sha256 for file in files}))
    examined = rules.examine(draft, definition, issuer, shown)
    if not isinstance(examined, rules.ExaminedMaterial):
        raise InvalidDraftError([*errors, *examined])
    if errors:
        raise InvalidDraftError(errors)
    key = key or _content_key(work, examined.content)
    present = find_by_key(work, key)
    return (present, False) if present else _store(work, draft, definition, examined, key, files)


def check_desk(work: Work, type_code: str, department_code: str | None = None) -> tuple[TypeDefinition, Issuer]:
    """The type and the department that may register it now.

    Raises InvalidDraftError (no type of materials), NotPermittedError, NotFoundError.
    """
    definition = catalogue.definition_of(work, type_code)
    if definition.kind != "material":
        raise InvalidDraftError([FieldError("type_code", "not_a_material_type", "该类型是证照类型，不能登记为材料。")])
    department = departments.get(work, department_code or work.actor.department or "")
    if work.actor.kind != "registry" and work.actor.department != department.code:
        raise NotPermittedError("not_the_issuer", "只能登记本部门的材料。")
    departments.check_scope(work, department.code, definition.code, "issue", shanghai_day(work.at))
    return definition, Issuer(department.code, department.name)


def _content_key(work: Work, content: dict[str, Any]) -> bytes:
    # Keyed, because the content has little entropy; over two digests, so that one broken function merges nothing.
    try:
        digest = double_digest(canonicalise(content))
    except MalformedError as wrong:
        raise InvalidDraftError([FieldError("data", wrong.reason, f"{wrong.message}。")]) from wrong
    return work.blind.of("material", digest.sha256.hex() + digest.sm3.hex())


def _store(
    work: Work,
    draft: rules.MaterialDraft,
    definition: TypeDefinition,
    examined: rules.ExaminedMaterial,
    key: bytes,
    files: Sequence[AttachedFile],
) -> tuple[Material, bool]:
    item = new_id(work.at, work.draw)
    sealed = seal(examined.content, work.draw)
    ((list_id, slot),) = statuses.allot(work, 1)
    values = {
        "id": id_text(item), "type_code": definition.code, "type_version": definition.version,
        "department": examined.content["department_code"], "title": examined.content["material_title"],
        "matter_code": draft.matter_code, "case_no": draft.case_no, "content_key": key, "status": int(Status.VALID),
        "status_list": list_id, "status_index": slot, "valid_from_on": examined.valid_from_on,
        "valid_to_on": examined.valid_to_on, "registered_at": work.at, "registered_by": work.actor.id,
        "content": sealed.canonical, "salts": sealed.salts, "sha256": sealed.digest.sha256, "sm3": sealed.digest.sm3,
    }  # fmt: skip
    inserted = work.session.execute(
        upserts.insert_or_ignore(work.session, Material).returning(Material.id), [values]
    ).all()
    if not inserted:
        # A rival registered the same content between our look and our insert.
        return work.session.scalars(select(Material).where(Material.content_key == key)).one(), False
    _store_parts(work, str(values["id"]), examined, files)
    facts: dict[str, int | str | bytes] = {
        "type": definition.code, "type_version": definition.version, "status_list": list_id, "status_index": slot,
    }  # fmt: skip
    entry = Entry(Kind.MATERIAL, item, str(values["department"]), work.at, sealed.digest, facts)
    log.submit(work, entry)
    return work.session.get_one(Material, values["id"]), True


def _store_parts(work: Work, material_id: str, examined: rules.ExaminedMaterial, files: Sequence[AttachedFile]) -> None:
    holders = [
        {"holder_index": work.blind.of(*key), "material_id": material_id, "position": position}
        for position, key in enumerate(examined.holders)
    ]
    work.session.execute(insert(MaterialHolder), holders)
    attached = [
        {"material_id": material_id, "position": position, "sha256": file.sha256, "name": file.name}
        for position, file in enumerate(files)
    ]
    if attached:
        work.session.execute(insert(MaterialFile), attached)


def change_status(
    work: Work,
    material_id: str,
    operation: str,
    reason: str,
    authority: str | None = None,
    effective_at: datetime | None = None,
    document: str | None = None,
) -> StatusEvent:
    """Record a legal event about a material; see certificates.service.change_status.

    Who relied on it is listed by uses.service.relying_on. Raises NotFoundError, NotPermittedError, TransitionError,
    InvalidDraftError.
    """
    wanted = Operation.of(operation)
    query = select(Material).where(Material.id == material_id).with_for_update()
    material = work.session.scalars(query.execution_options(populate_existing=True)).first()
    if material is None:
        raise _unknown()
    if wanted not in rules.OPERATIONS:
        raise NotPermittedError("not_for_materials", f"材料不能办理“{wanted.chinese}”。")
    if work.actor.kind != "registry" and work.actor.department != material.department:
        raise NotPermittedError("not_the_issuer", "只有登记部门可以变更该材料的状态。")
    subject = statuses.Subject(
        "material", material.id, material.department, Status(material.status),
        (material.status_list, material.status_index), datetime.combine(material.valid_from_on, time.min, SHANGHAI),
    )  # fmt: skip
    change = statuses.Change(wanted, reason, authority or material.department, effective_at or work.at, document)
    event = statuses.record_change(work, subject, change)
    material.status = event.to_status
    work.session.flush()
    return event


def find(work: Work, material_id: str) -> Material | None:
    """The material of this id."""
    return work.session.get(Material, material_id)


def find_by_key(work: Work, key: bytes) -> Material | None:
    """The material that was registered under this key; see `register_as`."""
    return work.session.scalars(select(Material).where(Material.content_key == key)).first()


def get(work: Work, material_id: str) -> Material:
    """The material of this id. Raises NotFoundError."""
    found = find(work, material_id)
    if found is None:
        raise _unknown()
    return found


def content_of(material: Material) -> dict[str, Any]:
    """The material's content in clear; mask it before showing (certificates.masking.mask_data)."""
    content: dict[str, Any] = orjson.loads(material.content)
    return content


def files_of(work: Work, material_id: str) -> list[MaterialFile]:
    """The files of a material, in order."""
    query = select(MaterialFile).where(MaterialFile.material_id == material_id)
    return list(work.session.scalars(query.order_by(MaterialFile.position)))


def holders_of(work: Work, material_id: str) -> list[bytes]:
    """The blind indexes of the people and organisations the material is about, in order."""
    query = select(MaterialHolder.holder_index).where(MaterialHolder.material_id == material_id)
    return list(work.session.scalars(query.order_by(MaterialHolder.position)))


def of_holder(
    work: Work, holder_index: bytes, *, among: Collection[str] = (), most: int | None = None
) -> list[Material]:
    """Materials about a holder known by blind index, newest first; or so many of these types, those whose state is good
    before all others."""
    query = select(Material).join(MaterialHolder, MaterialHolder.material_id == Material.id)
    query = query.where(MaterialHolder.holder_index == holder_index)
    if among:
        query = query.where(Material.type_code.in_(among))
    if most is not None:
        query = query.order_by(Material.status != Status.VALID).limit(most)
    return list(work.session.scalars(query.order_by(Material.id.desc())))


@dataclass(frozen=True, slots=True)
class Search:
    """What to narrow a list by; all given parts must hold. `type_code` may be a local one; file: SHA-256 of a file."""

    department: str | None = None
    type_code: str | None = None
    case_no: str | None = None
    file: bytes | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some materials, newest first; `cursor` continues the list, None at its end."""

    materials: list[Material]
    cursor: str | None


def list_page(work: Work, search: Search, cursor: str | None = None, limit: int = 50) -> Page:
    """One page of materials, newest first. A page stays the same when others are added meanwhile."""
    limit = max(1, min(limit, MAX_PAGE_ROWS))
    query = select(Material).order_by(Material.id.desc()).limit(limit + 1)
    if search.department is not None:
        query = query.where(Material.department == search.department)
    if search.type_code is not None:
        query = query.where(Material.type_code == catalogue.national_code(work, search.type_code))
    if search.case_no is not None:
        query = query.where(Material.case_no == search.case_no)
    if search.file is not None:
        having = select(MaterialFile.material_id).where(MaterialFile.sha256 == search.file)
        query = query.where(Material.id.in_(having))
    found = list(work.session.scalars(query if cursor is None else query.where(Material.id < cursor)))
    return Page(found[:limit], found[limit - 1].id if len(found) > limit else None)


def _unknown() -> NotFoundError:
    return NotFoundError("material_unknown", "没有登记该材料，请核对编号。")
