"""The visits of gates: each line made anew from its row, and the last of them held against what was signed.

A hand-in's entry commits to the digest of the last line of every gate, and each line to the one before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Table, select

from api.audit.findings import Findings
from registry.venues.tables import HandIn, VisitRow
from verifier.commitment import parse_object
from verifier.errors import VerificationError
from verifier.visit import Visit

_HAND_INS: Table = HandIn.__table__  # type: ignore[assignment]
_VISITS: Table = VisitRow.__table__  # type: ignore[assignment]


def check(connection: Connection, findings: Findings) -> None:
    """Every visit of every hand-in; those of releases that did not keep the whole line are told as not checked."""
    for hand_in in connection.execute(select(_HAND_INS.c.id, _HAND_INS.c.content).order_by(_HAND_INS.c.id)).all():
        try:
            gates: Mapping[str, Any] = parse_object(bytes(hand_in.content))["gates"]
        except (VerificationError, KeyError):
            # Told where hand-ins are held against their entries.
            continue
        rows = select(_VISITS).where(_VISITS.c.hand_in_id == hand_in.id).order_by(_VISITS.c.gate, _VISITS.c.sequence)
        by_gate: dict[str, list[Row[Any]]] = defaultdict(list)
        for row in connection.execute(rows):
            by_gate[row.gate].append(row)
        for gate in sorted(gates.keys() | by_gate.keys()):
            _check_gate(hand_in.id, gate, gates.get(gate), by_gate[gate], findings)


def _check_gate(
    hand_in: str, gate: str, signed: Mapping[str, Any] | None, rows: Sequence[Row[Any]], findings: Findings
) -> None:
    """The visits of one gate in one hand-in; `signed` says from where to where they go, and the last one's digest."""
    where = {"table": "visits", "item": hand_in, "id": gate}
    wanted = [] if signed is None else list(range(signed["from"], signed["to"] + 1))
    present = [row.sequence for row in rows]
    odd = sorted(set(wanted) ^ set(present))
    if odd:
        expected, found = f"第 {wanted[0]} 至 {wanted[-1]} 条" if wanted else "没有", f"{len(present)} 条"
        findings.report("visit_missing", expected=expected, found=found, **where, sequence=odd[0])
    before: bytes | None = None
    for row in rows:
        _check_visit(row, before, findings)
        before = bytes(row.digest)
    if signed is not None and before is not None:
        findings.compare("visit_differs", bytes.fromhex(signed["last"]), before, **where, sequence=present[-1])


def _check_visit(row: Row[Any], before: bytes | None, findings: Findings) -> None:
    where = {"table": "visits", "item": row.hand_in_id, "id": row.event_id}
    if row.previous is None:
        findings.skip("通行记录", "有的由早先的版本收下，没有保存重算所需的全部字段")
        return
    findings.count("通行记录")
    try:
        digest = _visit_of(row).digest()
    except (VerificationError, ValueError) as wrong:
        findings.report("visit_differs", expected=bytes(row.digest), found=wrong, **where)
        return
    if findings.compare("visit_differs", bytes(row.digest), digest, **where) and before is not None:
        findings.compare("visit_differs", before, bytes(row.previous), **where, field="previous")


def _visit_of(row: Row[Any]) -> Visit:
    return Visit(
        venue=row.venue_id, gate=row.gate, sequence=row.sequence, decided_at=row.decided_at,
        admitted=bool(row.admitted), reason=row.reason,
        code_id=None if row.code_id is None else bytes.fromhex(row.code_id), code_issued_at=row.code_issued_at,
        trust_version=row.trust_version, trust_age_seconds=row.trust_age_seconds, previous=bytes(row.previous),
    )  # fmt: skip
