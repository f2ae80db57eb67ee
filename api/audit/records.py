"""What follows from the entries in other tables: present states, consumptions, codes, departments, types.

Here are also the kinds of entries that neither `holdings` nor `lives` can hold against one table's rows: BY_KIND.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import orjson
from sqlalchemy import Connection, Row, Table, func, select

from api.audit import disputes
from api.audit.findings import Findings
from api.audit.holdings import entries_of_kind, entry_of
from registry.catalogue.tables import TypeVersion
from registry.certificates.tables import Certificate
from registry.codes.tables import Code
from registry.copies.tables import DerivedCopy
from registry.departments import rules as departments
from registry.departments.tables import Department, DepartmentStanding
from registry.ids import id_bytes, id_text
from registry.log.tables import LogEntry
from registry.materials.tables import Material
from registry.statuses.tables import StatusEvent, StatusValue
from registry.uses import rules as use_rules
from registry.uses.tables import Consumption, Use
from verifier.entry import Entry, Kind
from verifier.status import Status

_CERTIFICATES: Table = Certificate.__table__  # type: ignore[assignment]
_MATERIALS: Table = Material.__table__  # type: ignore[assignment]
_EVENTS: Table = StatusEvent.__table__  # type: ignore[assignment]
_VALUES: Table = StatusValue.__table__  # type: ignore[assignment]
_CODES: Table = Code.__table__  # type: ignore[assignment]
_USES: Table = Use.__table__  # type: ignore[assignment]
_CONSUMPTIONS: Table = Consumption.__table__  # type: ignore[assignment]
_DEPARTMENTS: Table = Department.__table__  # type: ignore[assignment]
_STANDINGS: Table = DepartmentStanding.__table__  # type: ignore[assignment]
_TYPES: Table = TypeVersion.__table__  # type: ignore[assignment]
_COPIES: Table = DerivedCopy.__table__  # type: ignore[assignment]
_ENTRIES: Table = LogEntry.__table__  # type: ignore[assignment]

_ITEMS = {"certificate": _CERTIFICATES, "material": _MATERIALS}


def check(connection: Connection, findings: Findings) -> None:
    """All of them."""
    check_status_events(connection, findings)
    check_present_states(connection, findings)
    check_consumptions(connection, findings)
    disputes.check(connection, findings)
    for check_kind in BY_KIND.values():
        check_kind(connection, findings)


def check_status_events(connection: Connection, findings: Findings) -> None:
    """Sequences count from 1 without a gap, and each event begins in the state in which the one before it ended."""
    item, sequence, status = "", 0, int(Status.VALID)
    wanted = select(_EVENTS.c.item_id, _EVENTS.c.sequence, _EVENTS.c.from_status, _EVENTS.c.to_status)
    for row in connection.execute(wanted.order_by(_EVENTS.c.item_id, _EVENTS.c.sequence)):
        if row.item_id != item:
            item, sequence, status = row.item_id, 0, int(Status.VALID)
        findings.compare("status_sequence_broken", sequence + 1, row.sequence, item=item)
        findings.compare("status_sequence_broken", f"状态 {status}", f"状态 {row.from_status}", item=item,
                         sequence=row.sequence)  # fmt: skip
        sequence, status = row.sequence, row.to_status


def check_present_states(connection: Connection, findings: Findings) -> None:
    """Each item's state, and that of its slot in the status list, is where its last event led."""
    for name, table in _ITEMS.items():
        slot = (_VALUES.c.list_id == table.c.status_list) & (_VALUES.c.slot == table.c.status_index)
        last = (_EVENTS.c.item_id == table.c.id) & _is_last()
        joined = table.outerjoin(_EVENTS, last).outerjoin(_VALUES, slot)
        wanted = select(table.c.id, table.c.status, _EVENTS.c.to_status, _VALUES.c.value).select_from(joined)
        wanted = wanted.order_by(table.c.id)
        for row in connection.execute(wanted):
            findings.count("现行状态")
            expected = int(Status.VALID) if row.to_status is None else row.to_status
            findings.compare("status_not_latest", expected, row.status, table=name, id=row.id)
            listed = int(Status.VALID) if row.value is None else row.value
            findings.compare("status_not_latest", expected, listed, table="status_values", id=row.id)


def _is_last() -> Any:
    later = _EVENTS.alias("later")
    newest = select(func.max(later.c.sequence)).where(later.c.item_id == _EVENTS.c.item_id).scalar_subquery()
    return _EVENTS.c.sequence == newest


def check_consumptions(connection: Connection, findings: Findings) -> None:
    """Each consumption is that of its use, and each use of a one-time item has one."""
    known: set[str] = set()
    wanted = (
        select(_CONSUMPTIONS, _USES.c.id.label("use"), _USES.c.department.label("use_department"),
               _USES.c.item_id.label("use_item"), _ENTRIES.c.signed, _ENTRIES.c.payload)
        .select_from(_CONSUMPTIONS.outerjoin(_USES, _USES.c.id == _CONSUMPTIONS.c.use_id)
                     .outerjoin(_ENTRIES, _ENTRIES.c.id == _USES.c.entry_id))
        .order_by(_CONSUMPTIONS.c.use_id)
    )  # fmt: skip
    for row in connection.execute(wanted):
        findings.count("一次性占用")
        known.add(row.use_id)
        if row.use is None:
            findings.report("consumption_differs", expected="用证记录", found="没有", use=row.use_id)
            continue
        _check_consumption(connection, row, findings)
    for row, entry in entries_of_kind(connection, Kind.USE):
        if entry.facts.get("one_time") == 1 and id_text(entry.item) not in known:
            findings.report("use_unconsumed", expected="占用记录", found="没有", use=row.item)


def _check_consumption(connection: Connection, row: Row[Any], findings: Findings) -> None:
    entry = entry_of(row)
    if entry is not None:
        findings.compare("consumption_differs", entry.digest.sha256, row.commitment, use=row.use_id)
    expected, found = f"{row.use_department} {row.use_item}", f"{row.department} {row.item_id}"
    findings.compare("consumption_differs", expected, found, use=row.use_id)
    table = _ITEMS.get(row.item_kind)
    salts = None if table is None else connection.scalar(select(table.c.salts).where(table.c.id == row.item_id))
    if salts is not None:
        nullifier = use_rules.nullifier(id_bytes(row.item_id), bytes(salts))
        findings.compare("consumption_differs", nullifier, row.nullifier, use=row.use_id)


def check_codes(connection: Connection, findings: Findings) -> None:
    """Each code's present state is that of its last entry; its entries and it name the same slot."""
    last: dict[bytes, Entry] = {}
    for _, entry in entries_of_kind(connection, Kind.CODE):
        last[entry.item] = entry
    for row in connection.execute(select(_CODES).order_by(_CODES.c.id)):
        findings.count("码")
        signed = last.pop(id_bytes(row.item_id), None)
        if signed is None:
            findings.report("item_without_entry", expected="存证条目", found="没有", table="codes", id=row.id)
            continue
        facts = {"code_kind": row.kind, "generation": row.generation, "status_list": row.status_list,
                 "status_index": row.status_index}  # fmt: skip
        for name, value in facts.items():
            findings.compare("item_facts_differ", signed.facts.get(name), value, table="codes", id=row.id, field=name)
        findings.compare("status_not_latest", signed.facts.get("status"), row.status, table="codes", id=row.id)
    for item in last:
        findings.report("entry_without_item", expected="码", found="没有", table="codes", item=id_text(item))


def check_departments(connection: Connection, findings: Findings) -> None:
    """Departments as their last entries say, and every decision about their standing."""
    levels = {
        entry.facts.get("code"): entry.facts.get("level") for _, entry in entries_of_kind(connection, Kind.DEPARTMENT)
    }
    for row in connection.execute(select(_DEPARTMENTS).order_by(_DEPARTMENTS.c.code)):
        findings.count("部门")
        if row.code not in levels:
            findings.report("item_without_entry", expected="存证条目", found="没有", table="departments", id=row.code)
        else:
            findings.compare("item_facts_differ", levels.pop(row.code), row.level, table="departments", id=row.code)
    for code in levels:
        item = id_text(departments.item_of(str(code)))
        findings.report("entry_without_item", expected="部门", found="没有", table="departments", item=item)
    _check_standings(connection, findings)


def _check_standings(connection: Connection, findings: Findings) -> None:
    """Every decision about a department's standing, in order, as its entries tell it."""
    signed: dict[str, list[str]] = {}
    for _, entry in entries_of_kind(connection, Kind.DEPARTMENT):
        if "state" in entry.facts:
            signed.setdefault(str(entry.facts["code"]), []).append(str(entry.facts["state"]))
    stored: dict[str, list[str]] = {}
    for row in connection.execute(select(_STANDINGS).order_by(_STANDINGS.c.id)):
        findings.count("部门状态")
        stored.setdefault(row.department, []).append(row.state)
    for code in sorted(signed.keys() | stored.keys()):
        expected, found = "、".join(signed.get(code, [])), "、".join(stored.get(code, []))
        findings.compare("status_not_latest", expected, found, table="department_standings", id=code)


def check_types(connection: Connection, findings: Findings) -> None:
    """The schema of each version of a type as its entry says."""
    schemas = {
        (entry.facts.get("type"), entry.facts.get("type_version")): entry.facts.get("schema_sha256")
        for _, entry in entries_of_kind(connection, Kind.TYPE)
    }
    for row in connection.execute(select(_TYPES).order_by(_TYPES.c.code, _TYPES.c.version)):
        findings.count("证照类型")
        where: dict[str, int | str] = {"table": "certificate_type_versions", "id": row.code, "version": row.version}
        signed = schemas.pop((row.code, row.version), None)
        if signed is None:
            findings.report("item_without_entry", expected="存证条目", found="没有", **where)
            continue
        stored = hashlib.sha256(orjson.dumps(row.definition["schema"], option=orjson.OPT_SORT_KEYS)).digest()
        findings.compare("item_facts_differ", signed, stored, **where, field="schema")
    for code, version in schemas:
        findings.report("entry_without_item", expected="证照类型", found="没有", table="certificate_type_versions",
                        type=str(code), version=int(version or 0))  # fmt: skip


def check_copies(connection: Connection, findings: Findings) -> None:
    """A copy is revoked alone where an entry says so and nowhere else, and its place in the status list agrees."""
    revoked = {id_text(entry.item) for _, entry in entries_of_kind(connection, Kind.COPY_STATUS)}
    slot = (_VALUES.c.list_id == _COPIES.c.status_list) & (_VALUES.c.slot == _COPIES.c.status_index)
    known = set()
    wanted = select(_COPIES.c.id, _COPIES.c.revoked_at, _VALUES.c.value).select_from(_COPIES.outerjoin(_VALUES, slot))
    for row in connection.execute(wanted.order_by(_COPIES.c.id)):
        known.add(row.id)
        expected = int(Status.REVOKED if row.id in revoked else Status.VALID)
        held = int(Status.REVOKED if row.revoked_at is not None else Status.VALID)
        for table, found in (("derived_copies", held), ("status_values", row.value or 0)):
            findings.compare("status_not_latest", expected, found, table=table, id=row.id)
    for copy in sorted(revoked - known):
        findings.report("entry_without_item", expected="加注件", found="没有", table="derived_copies", item=copy)


#: The kinds of entries that are held against what is stored by a check of their own.
BY_KIND: Mapping[Kind, Callable[[Connection, Findings], None]] = MappingProxyType(
    {
        Kind.CODE: check_codes,
        Kind.COPY_STATUS: check_copies,
        Kind.DEPARTMENT: check_departments,
        Kind.TYPE: check_types,
    }
)
