"""What the registry holds against what its departments signed: each record has its entry and each entry its record."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, exists, select

from api.audit.findings import Findings
from registry.applications.tables import Application
from registry.certificates.tables import Certificate
from registry.components.tables import Component
from registry.copies.tables import DerivedCopy
from registry.disputes.tables import DisputeStep
from registry.extracts.tables import Extract
from registry.ids import id_text
from registry.log.tables import LogEntry
from registry.materials.tables import Material
from registry.statuses.tables import StatusEvent
from registry.uses.tables import Use
from registry.venues.tables import HandIn
from verifier import cose
from verifier.commitment import parse_object, reseal
from verifier.digests import DoubleDigest
from verifier.entry import Entry, Kind
from verifier.errors import KindError, VerificationError
from verifier.times import to_text

_ENTRIES: Table = LogEntry.__table__  # type: ignore[assignment]
_CERTIFICATES: Table = Certificate.__table__  # type: ignore[assignment]
_MATERIALS: Table = Material.__table__  # type: ignore[assignment]
_EVENTS: Table = StatusEvent.__table__  # type: ignore[assignment]
_USES: Table = Use.__table__  # type: ignore[assignment]
_COPIES: Table = DerivedCopy.__table__  # type: ignore[assignment]
_EXTRACTS: Table = Extract.__table__  # type: ignore[assignment]
_COMPONENTS: Table = Component.__table__  # type: ignore[assignment]
_APPLICATIONS: Table = Application.__table__  # type: ignore[assignment]
_STEPS: Table = DisputeStep.__table__  # type: ignore[assignment]
_HAND_INS: Table = HandIn.__table__  # type: ignore[assignment]

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Holding:
    """One table whose rows are committed to by entries of one kind.

    join: the entry of a row. bytes_of, salts: the columns of what was committed to. facts_of: what the entry's public
    facts must say. fields_of: what the committed object must say. digests: the row keeps its digests. told: the row
    has an entry; without one, none of its item may be there. several: the item has earlier entries, held by `lives`.
    """

    word: str
    table: Table
    kind: Kind
    joined_by_row_id: bool
    bytes_column: str
    facts_of: Callable[[Row[Any]], Facts]
    fields_of: Callable[[Row[Any]], Facts]
    item_of: Callable[[Row[Any]], str]
    digests: bool = False
    told: Callable[[Row[Any]], bool] = lambda _row: True
    several: bool = False


HOLDINGS = (
    Holding(
        "证照", _CERTIFICATES, Kind.CERTIFICATE, False, "face",
        lambda row: {"type": row.type_code, "type_version": row.type_version, "status_list": row.status_list,
                     "status_index": row.status_index},
        lambda row: {"certificate_identifier": row.identifier, "certificate_number": row.number,
                     "certificate_type_code": row.type_code, "certificate_version": row.version,
                     "issuing_authority_code": row.department, "issue_date": f"{row.issued_on:%Y%m%d}",
                     "valid_from": f"{row.valid_from_on:%Y%m%d}", "valid_to": _day_or_forever(row.valid_to_on)},
        lambda row: row.id, digests=True,
    ),
    Holding(
        "材料", _MATERIALS, Kind.MATERIAL, False, "content",
        lambda row: {"type": row.type_code, "type_version": row.type_version, "status_list": row.status_list,
                     "status_index": row.status_index},
        lambda row: {"department_code": row.department, "material_title": row.title},
        lambda row: row.id, digests=True,
    ),
    Holding(
        "状态事件", _EVENTS, Kind.STATUS, True, "content",
        lambda row: {"operation": row.operation_code, "status": row.to_status,
                     "effective_at": int(row.effective_at.timestamp() * 1000)},
        lambda row: {"operation": row.operation, "reason": row.reason, "authority": row.authority,
                     "document": row.document, "successor": row.successor},
        lambda row: row.item_id,
    ),
    Holding(
        "用证", _USES, Kind.USE, True, "content",
        lambda row: {"matter": row.matter_code},
        lambda row: {"item_kind": row.item_kind, "item_id": row.item_id, "department": row.department,
                     "matter_code": row.matter_code, "case_no": row.case_no, "purpose": row.purpose,
                     "authorisation_id": row.authorisation_id, "operator": row.operator, "device": row.device},
        lambda row: row.id,
    ),
    Holding(
        "加注件", _COPIES, Kind.COPY, False, "content",
        lambda row: {"matter": row.matter_code, "masked": int(row.masked), "status_list": row.status_list,
                     "status_index": row.status_index},
        lambda row: {"copy_id": row.id, "number": row.number, "purpose": row.purpose, "matter_code": row.matter_code,
                     "receiver": row.receiver, "made_by": row.department, "masked": row.masked, "use_id": row.use_id,
                     "authorisation_id": row.authorisation_id, "made_at": to_text(row.made_at),
                     "expires_at": to_text(row.expires_at)},
        lambda row: row.id, digests=True,
    ),
    Holding(
        "摘录件", _EXTRACTS, Kind.EXTRACT, False, "content",
        lambda row: {"matter": row.matter_code, "fields": len(row.fields)},
        lambda row: {"extract_id": row.id, "certificate_id": row.certificate_id, "use_id": row.use_id,
                     "made_by": row.department, "receiver": row.receiver, "matter_code": row.matter_code,
                     "purpose": row.purpose, "fields": row.fields, "made_at": to_text(row.made_at),
                     "expires_at": to_text(row.expires_at),
                     "sd_jwt_sha256": hashlib.sha256(row.text.encode()).hexdigest()},
        lambda row: row.id, digests=True,
    ),
    Holding(
        "异议经过", _STEPS, Kind.DISPUTE, True, "content",
        lambda row: {"step": row.step},
        lambda row: {"dispute_id": row.dispute_id, "state": row.step},
        lambda row: row.dispute_id,
    ),
    Holding(
        "通行上交", _HAND_INS, Kind.VISITS, True, "content",
        lambda row: {"venue": row.venue_id, "visits": row.visits},
        lambda row: {"venue": row.venue_id, "visits": row.visits},
        lambda row: row.id,
    ),
    Holding(
        "部件内容", _COMPONENTS, Kind.COMPONENT, True, "content",
        lambda row: {"code": row.code},
        lambda row: {"code": row.code, "name": row.name, "place": row.place, "unit": row.unit, "label": row.code_id},
        lambda row: row.id, several=True,
    ),
    Holding(
        "场所码申请", _APPLICATIONS, Kind.VENUE, False, "content",
        lambda row: {"decision": row.state},
        lambda row: {"unit": row.unit, "role": row.applicant_role, "document": row.document, "name": row.name,
                     "address": row.address, "state": row.state, "reason": row.reason or "",
                     "venue": row.venue_id or ""},
        lambda row: row.id, told=lambda row: row.state != "open",
    ),
)  # fmt: skip


def _day_or_forever(day: Any) -> str:
    return "长期" if day is None else f"{day:%Y%m%d}"


def check(connection: Connection, findings: Findings) -> None:
    """Every row of every holding, then every entry that should have a row."""
    for holding in HOLDINGS:
        for row in connection.execute(_with_entries(holding)):
            findings.count(holding.word)
            _check_row(holding, row, findings)
        for orphan in () if holding.several else connection.execute(_without_row(holding)):
            where: dict[str, int | str] = {"table": holding.table.name, "item": orphan.item, "row": orphan.id}
            if orphan.log_index is not None:
                where["index"] = orphan.log_index
            findings.report("entry_without_item", expected=f"{holding.word}记录", found="没有这一行", **where)


def _with_entries(holding: Holding) -> Select[Any]:
    entry, table = _ENTRIES, holding.table
    joined = _ENTRIES.c.id == table.c.entry_id if holding.joined_by_row_id else (
        (_ENTRIES.c.item == table.c.id) & (_ENTRIES.c.kind == int(holding.kind))
    )  # fmt: skip
    # The same item has one entry of its own kind; the unique index on item and payload does not say so by itself.
    columns = [*table.c, entry.c.signed, entry.c.payload, entry.c.log_index, entry.c.id.label("entry_row")]
    return select(*columns).select_from(table.outerjoin(entry, joined)).order_by(table.c.id)


def _without_row(holding: Holding) -> Select[Any]:
    table = holding.table
    same = table.c.entry_id == _ENTRIES.c.id if holding.joined_by_row_id else table.c.id == _ENTRIES.c.item
    wanted = select(_ENTRIES.c.id, _ENTRIES.c.item, _ENTRIES.c.log_index)
    return wanted.where(_ENTRIES.c.kind == int(holding.kind), ~exists().where(same)).order_by(_ENTRIES.c.id)


def _check_row(holding: Holding, row: Row[Any], findings: Findings) -> None:
    where: dict[str, int | str] = {"table": holding.table.name, "id": row.id}
    if row.entry_row is None:
        if holding.told(row):
            findings.report("item_without_entry", expected="存证条目", found="没有", **where)
        return
    if row.log_index is not None:
        where["index"] = row.log_index
    entry = entry_of(row)
    if entry is None:
        # Told where the entries themselves are examined.
        return
    if entry.kind is not holding.kind or id_text(entry.item) != holding.item_of(row):
        found = f"{entry.kind.name} {id_text(entry.item)}"
        expected = f"{holding.kind.name} {holding.item_of(row)}"
        findings.report("item_without_entry", expected=expected, found=found, **where)
        return
    _check_entry(holding, row, entry, findings, where)


def _check_entry(
    holding: Holding, row: Row[Any], entry: Entry, findings: Findings, where: dict[str, int | str]
) -> None:
    kept = DoubleDigest(bytes(row.sha256), bytes(row.sm3)) if holding.digests else entry.digest
    if not findings.compare("item_digest_differs", entry.digest.sha256, kept.sha256, **where):
        return
    findings.compare("item_digest_differs", entry.digest.sm3, kept.sm3, **where)
    if "department" in holding.table.c:
        findings.compare("item_facts_differ", entry.department, row.department, **where, field="entry.department")
    _compare_facts(holding.facts_of(row), entry.facts, "entry", findings, where)
    if row.salts is not None:
        _check_content(holding, row, entry, findings, where)


def _check_content(
    holding: Holding, row: Row[Any], entry: Entry, findings: Findings, where: dict[str, int | str]
) -> None:
    content = bytes(getattr(row, holding.bytes_column))
    try:
        digest = reseal(content, bytes(row.salts)).digest
        fields = parse_object(content)
    except VerificationError as wrong:
        findings.report("item_content_differs", expected=entry.digest.sha256, found=wrong.message, **where)
        return
    if findings.compare("item_content_differs", entry.digest.sha256, digest.sha256, **where):
        findings.compare("item_content_differs", entry.digest.sm3, digest.sm3, **where)
        _compare_facts(holding.fields_of(row), fields, "content", findings, where)


def _compare_facts(stored: Facts, signed: Facts, what: str, findings: Findings, where: dict[str, int | str]) -> None:
    for name, value in stored.items():
        findings.compare("item_facts_differ", signed.get(name), value, **where, field=f"{what}.{name}")


def entry_of(row: Row[Any]) -> Entry | None:
    """The entry of a joined row, signed or still waiting; None if it cannot be read."""
    try:
        if row.signed is None:
            return Entry.from_bytes(bytes(row.payload))
        return Entry.from_bytes(cose.open_typed(bytes(row.signed), cose.Type.ENTRY, limit=8192)[1])
    except (VerificationError, KindError):
        return None


def entries_of_kind(connection: Connection, kind: Kind) -> Iterator[tuple[Row[Any], Entry]]:
    """Every readable entry of a kind, in the order of submission."""
    wanted = select(_ENTRIES.c.id, _ENTRIES.c.item, _ENTRIES.c.log_index, _ENTRIES.c.signed, _ENTRIES.c.payload)
    for row in connection.execute(wanted.where(_ENTRIES.c.kind == int(kind)).order_by(_ENTRIES.c.id)):
        entry = entry_of(row)
        if entry is not None:
            yield row, entry
