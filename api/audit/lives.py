"""Rows whose life several entries tell: each step in its order, and nothing that the row does not show.

What such an entry commits to beyond its public facts is held by `holdings` where the registry keeps the salts; where it
threw them away, as for authorisations, delegations and devices, the facts are all that can be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, select

from api.audit.findings import Findings
from api.audit.holdings import entries_of_kind
from registry.authorisations.tables import Authorisation
from registry.components.tables import Component
from registry.delegations.tables import Delegation
from registry.devices.service import EVENTS
from registry.devices.tables import Device
from registry.ids import id_text
from registry.statuses.tables import StatusValue
from verifier.entry import Entry, Kind
from verifier.status import Status

_AUTHORISATIONS: Table = Authorisation.__table__  # type: ignore[assignment]
_COMPONENTS: Table = Component.__table__  # type: ignore[assignment]
_DELEGATIONS: Table = Delegation.__table__  # type: ignore[assignment]
_DEVICES: Table = Device.__table__  # type: ignore[assignment]
_VALUES: Table = StatusValue.__table__  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Life:
    """One table whose rows are told of by entries of one kind, which name the row as their item.

    step: the fact that says what happened. steps_of: what must have happened to a row, given how many entries there
    are. facts_of: what each of them must say.
    """

    word: str
    table: Table
    kind: Kind
    step: str
    steps_of: Callable[[Row[Any], int], Sequence[Any]]
    facts_of: Callable[[Row[Any]], Mapping[str, Any]]


def _granted(row: Row[Any], _count: int) -> list[str]:
    return ["granted", *_revoked(row)]


def _delegated(row: Row[Any], _count: int) -> list[str]:
    """A link under another one is recorded first, and granted when the device of the one above has signed."""
    recorded = [] if row.parent_id is None else ["recorded"]
    return [*recorded, *([] if row.signature is None else ["granted"]), *_revoked(row)]


def _revoked(row: Row[Any]) -> list[str]:
    return [] if row.revoked_at is None else ["revoked"]


def _enrolled(row: Row[Any], _count: int) -> list[int]:
    return [EVENTS["enrolled"], *([] if row.ended_at is None else [EVENTS[row.ended_by_reason]])]


def _registered(row: Row[Any], count: int) -> list[str]:
    """The row does not say how often a component was moved."""
    removed = [] if row.removed_at is None else ["removed"]
    return ["registered", *["moved"] * (count - 1 - len(removed)), *removed]


LIVES = (
    Life("授权", _AUTHORISATIONS, Kind.AUTHORISATION, "action", _granted,
         lambda row: {"grantee": row.grantee, "matter": row.matter_code}),
    Life("委托", _DELEGATIONS, Kind.DELEGATION, "action", _delegated,
         lambda row: {"role": row.role, "status_list": row.status_list, "status_index": row.status_index}),
    Life("手机", _DEVICES, Kind.DEVICE, "event", _enrolled, lambda _row: {}),
    Life("部件", _COMPONENTS, Kind.COMPONENT, "event", _registered, lambda row: {"code": row.code}),
)  # fmt: skip


def check(connection: Connection, findings: Findings) -> None:
    """Every row of every life, and every entry that should have a row."""
    for life in LIVES:
        check_life(life, connection, findings)
    _check_slots(connection, findings)


def check_life(life: Life, connection: Connection, findings: Findings) -> None:
    """The rows of one table and its entries."""
    told: dict[str, list[Entry]] = {}
    for _, entry in entries_of_kind(connection, life.kind):
        told.setdefault(id_text(entry.item), []).append(entry)
    for row in connection.execute(select(life.table).order_by(life.table.c.id)):
        findings.count(life.word)
        _check_row(life, row, told.pop(row.id, []), findings)
    for item in told:
        findings.report("entry_without_item", expected=f"{life.word}记录", found="没有这一行", table=life.table.name,
                        item=item)  # fmt: skip


def _check_row(life: Life, row: Row[Any], entries: Sequence[Entry], findings: Findings) -> None:
    where: dict[str, int | str] = {"table": life.table.name, "id": row.id}
    if not entries:
        findings.report("item_without_entry", expected="存证条目", found="没有", **where)
        return
    steps = [entry.facts.get(life.step) for entry in entries]
    if not findings.compare("status_not_latest", steps, list(life.steps_of(row, len(entries))), **where):
        return
    for entry in entries:
        findings.compare("item_facts_differ", entry.department, row.department, **where, field="department")
        for name, value in life.facts_of(row).items():
            findings.compare("item_facts_differ", entry.facts.get(name), value, **where, field=name)


def _check_slots(connection: Connection, findings: Findings) -> None:
    """The slot of a delegation in the status list says whether it was revoked."""
    for row in connection.execute(_with_slots()):
        expected = int(Status.REVOKED if row.revoked_at is not None else Status.VALID)
        findings.compare("status_not_latest", expected, row.value or 0, table="delegations", id=row.id)


def _with_slots() -> Select[Any]:
    slot = (_VALUES.c.list_id == _DELEGATIONS.c.status_list) & (_VALUES.c.slot == _DELEGATIONS.c.status_index)
    wanted = select(_DELEGATIONS.c.id, _DELEGATIONS.c.revoked_at, _VALUES.c.value)
    return wanted.select_from(_DELEGATIONS.outerjoin(_VALUES, slot)).order_by(_DELEGATIONS.c.id)
