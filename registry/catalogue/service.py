"""Use cases of the catalogue: types with their versions, matters with their slots."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from importlib import resources
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from registry import upserts
from registry.catalogue import rules
from registry.catalogue.tables import CertificateType, LocalTypeCode, Matter, MatterSlot, TypeVersion
from registry.departments import service as departments
from registry.errors import DuplicateError, FieldError, InvalidDraftError, NotFoundError, NotPermittedError
from registry.log import service as log
from registry.work import Work
from verifier.commitment import seal
from verifier.entry import Entry, Kind


@cache
def builtin_versions() -> tuple[Mapping[str, Any], ...]:
    """Every version of the definitions that come with the registry, by their small numbers, the earlier ones first."""
    folder = resources.files("registry.catalogue") / "types"
    files = [file for part in (folder, folder / "earlier") for file in part.iterdir() if file.name.endswith(".json")]
    found = [orjson.loads(file.read_bytes()) for file in files]
    return tuple(sorted(found, key=lambda definition: (definition["number"], definition["version"])))


def builtin_definitions() -> tuple[Mapping[str, Any], ...]:
    """The definitions that come with the registry, in their newest version, by their small numbers."""
    return tuple({definition["code"]: definition for definition in builtin_versions()}.values())


def install_builtin(work: Work) -> list[str]:
    """Install the built-in types, and an operating department if there is none; the codes that are new or newer now."""
    departments.install_operator(work)
    changed = dict[str, None]()
    # Each version in its turn: on the chain, too, one follows the other.
    for definition in builtin_versions():
        present = work.session.get(CertificateType, definition["code"])
        if present is None or present.version < definition["version"]:
            install_type(work, definition)
            changed[str(definition["code"])] = None
    return list(changed)


def install_type(work: Work, definition: Mapping[str, Any]) -> CertificateType:
    """Install a type, or a newer version of one; its entry is signed by the operating department.

    Repeating the same definition changes nothing. Raises InvalidDraftError, DuplicateError (another definition stands
    under this code and version, a newer version does, or the small number is taken).
    """
    compiled = rules.compile_definition(definition)
    present = work.session.get(CertificateType, compiled.code, with_for_update=True)
    if present is not None and present.version >= compiled.version:
        if present.version == compiled.version and present.definition == definition:
            return present
        message = "该类型代码已有同版本或更新版本的定义，请提高 version 后重试。"
        raise DuplicateError("type_version_exists", message, compiled.code, {"version": present.version})
    try:
        with work.session.begin_nested():
            row = _store(work, compiled, definition, present)
    except IntegrityError as taken:
        message = "该类型代码或编号刚被另一定义占用，请刷新后重试。"
        raise DuplicateError("type_number_taken", message, compiled.code, {"number": compiled.number}) from taken
    _log_type(work, compiled, definition)
    return row


def _store(
    work: Work, compiled: rules.TypeDefinition, definition: Mapping[str, Any], present: CertificateType | None
) -> CertificateType:
    values = {
        "number": compiled.number, "kind": compiled.kind, "name": compiled.name, "definer_code": compiled.definer_code,
        "definer_name": compiled.definer_name, "one_time": compiled.one_time, "version": compiled.version,
        "definition": dict(definition), "installed_at": work.at,
    }  # fmt: skip
    row = present or CertificateType(code=compiled.code)
    for name, value in values.items():
        setattr(row, name, value)
    work.session.add(row)
    work.session.flush()
    version = TypeVersion(
        code=compiled.code, version=compiled.version, definition=dict(definition), installed_at=work.at
    )
    work.session.add(version)
    work.session.flush()
    return row


def _log_type(work: Work, compiled: rules.TypeDefinition, definition: Mapping[str, Any]) -> None:
    entry = Entry(
        kind=Kind.TYPE,
        item=hashlib.sha256(b"suizheng/type/1" + compiled.code.encode()).digest()[:16],
        department=departments.operator(work).code,
        recorded_at=work.at,
        digest=seal(definition, work.draw).digest,
        facts={
            "type": compiled.code,
            "type_version": compiled.version,
            "schema_sha256": hashlib.sha256(orjson.dumps(compiled.schema.schema, option=orjson.OPT_SORT_KEYS)).digest(),
        },
    )
    log.submit(work, entry)


def find_type(work: Work, code: str) -> CertificateType | None:
    """The newest version of a type."""
    return work.session.get(CertificateType, code)


def get_type(work: Work, code: str) -> CertificateType:
    """The newest version of a type, by its code or by a code that stands for it locally. Raises NotFoundError."""
    found = find_type(work, national_code(work, code))
    if found is None:
        raise NotFoundError("type_unknown", "证照类型目录中没有该类型代码。", {"type_code": code})
    return found


def national_code(work: Work, code: str) -> str:
    """The code of the type that a local code stands for; any other code is itself."""
    local = work.session.get(LocalTypeCode, code)
    return code if local is None else local.type_code


def definition_of(work: Work, code: str) -> rules.TypeDefinition:
    """The compiled newest version of a type; compiled once per process. Raises NotFoundError."""
    return rules.compile_definition(get_type(work, code).definition)


def definition_at(work: Work, code: str, version: int) -> rules.TypeDefinition:
    """The compiled version under which something was registered. Raises NotFoundError."""
    found = work.session.get(TypeVersion, (code, version))
    if found is None:
        raise NotFoundError("type_unknown", "证照类型目录中没有该类型的这一版本。", {"type_code": code})
    return rules.compile_definition(found.definition)


def list_types(work: Work, kind: str | None = None) -> list[CertificateType]:
    """Types in their newest version, by number."""
    query = select(CertificateType).order_by(CertificateType.number)
    return list(work.session.scalars(query if kind is None else query.where(CertificateType.kind == kind)))


def list_versions(work: Work) -> list[TypeVersion]:
    """Every version of every type, by code and version."""
    return list(work.session.scalars(select(TypeVersion).order_by(TypeVersion.code, TypeVersion.version)))


def register_matter(
    work: Work, code: str, name: str, department: str, purpose: str, slots: tuple[rules.Slot, ...]
) -> Matter:
    """Register a matter with its slots. Repeating the same facts gives the same matter.

    Raises InvalidDraftError (also for slots that accept unknown types), NotFoundError (department), DuplicateError.
    """
    errors = check_matter(work, code, name, purpose, slots)
    if errors:
        raise InvalidDraftError(errors)
    departments.get(work, department)
    facts = {"code": code, "name": name.strip(), "department": department, "purpose": purpose.strip()}
    fresh = work.session.execute(
        upserts.insert_or_ignore(work.session, Matter).returning(Matter.code), [{**facts, "created_at": work.at}]
    ).all()
    matter = work.session.get_one(Matter, code)
    if not fresh:
        same = all(getattr(matter, field) == value for field, value in facts.items())
        if not same or slots_of(work, code) != slots:
            raise DuplicateError("matter_exists", "该事项编码已登记为另一事项。", code)
        return matter
    add_slots(work, code, slots)
    return matter


def check_matter(work: Work, code: str, name: str, purpose: str, slots: tuple[rules.Slot, ...]) -> list[FieldError]:
    """Every fault of a matter's facts, slots that accept unknown types among them."""
    errors = rules.check_matter(code, name, purpose, slots)
    known = set(work.session.scalars(select(CertificateType.code)))
    for place, slot in enumerate(slots):
        unknown = [accepted for accepted in slot.accepts if accepted not in known]
        if unknown:
            errors.append(FieldError(f"slots[{place}].accepts", "type_unknown", f"类型代码 {unknown[0]} 不在目录中。"))
    return errors


def add_slots(work: Work, matter_code: str, slots: tuple[rules.Slot, ...]) -> None:
    """Store the slots of a matter that has none, in their order."""
    for position, slot in enumerate(slots):
        values = {**asdict(slot), "accepts": list(slot.accepts), "fields": list(slot.fields)}
        work.session.add(MatterSlot(matter_code=matter_code, position=position, **values))
    work.session.flush()


def find_matter(work: Work, code: str) -> Matter | None:
    """The matter of this code."""
    return work.session.get(Matter, code)


def get_matter(work: Work, code: str) -> Matter:
    """The matter of this code. Raises NotFoundError."""
    found = find_matter(work, code)
    if found is None:
        raise NotFoundError("matter_unknown", "没有登记该事项，请核对事项编码。", {"matter_code": code})
    return found


def get_live_matter(work: Work, code: str) -> Matter:
    """A matter for which something may be started. Raises NotFoundError, NotPermittedError (retired)."""
    found = get_matter(work, code)
    if found.retired_at is not None:
        message = "该事项已停用，不能再据以授权或用证，请选择其他事项。"
        raise NotPermittedError("matter_retired", message, {"matter_code": code})
    return found


def list_matters(work: Work, department: str | None = None, *, live_only: bool = False) -> list[Matter]:
    """Matters by code, of one department if given, without the retired ones if wanted."""
    query = select(Matter).order_by(Matter.code)
    if live_only:
        query = query.where(Matter.retired_at.is_(None))
    return list(work.session.scalars(query if department is None else query.where(Matter.department == department)))


def slots_of(work: Work, matter_code: str) -> tuple[rules.Slot, ...]:
    """The slots of a matter in their order."""
    rows = work.session.scalars(
        select(MatterSlot).where(MatterSlot.matter_code == matter_code).order_by(MatterSlot.position)
    )
    return tuple(rules.Slot(row.code, row.name, tuple(row.accepts), row.required, tuple(row.fields)) for row in rows)
