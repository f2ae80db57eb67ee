"""Disputes as their steps tell them: in a lawful order, to where they stand now, in the words committed to."""

from __future__ import annotations

from datetime import datetime
from itertools import pairwise
from typing import Any

from sqlalchemy import Connection, Row, Table, func, select

from api.audit.findings import Findings
from registry.disputes.rules import NEXT
from registry.disputes.tables import Dispute, DisputeStep
from registry.log.tables import LogEntry
from verifier.commitment import parse_object
from verifier.entry import Kind
from verifier.errors import VerificationError

_DISPUTES: Table = Dispute.__table__  # type: ignore[assignment]
_STEPS: Table = DisputeStep.__table__  # type: ignore[assignment]
_ENTRIES: Table = LogEntry.__table__  # type: ignore[assignment]
#: What a dispute keeps of what was said; the rest of the committed content may have changed with a later step.
_KEPT = ("certificate_id", "issuer", "raised_by", "for_holder", "statement")


def check(connection: Connection, findings: Findings) -> None:
    """Every dispute against its steps; that each step has its entry is held by `holdings`."""
    since = _recorded_since(connection)
    steps: dict[str, list[Row[Any]]] = {}
    for step in connection.execute(select(_STEPS).order_by(_STEPS.c.id)):
        steps.setdefault(step.dispute_id, []).append(step)
    for row in connection.execute(select(_DISPUTES).order_by(_DISPUTES.c.id)):
        findings.count("异议")
        # Those of versions that recorded no steps have only the later ones, or none.
        is_older = since is None or row.raised_at < since
        _check_dispute(row, steps.get(row.id, []), findings, is_older=is_older)


def _recorded_since(connection: Connection) -> datetime | None:
    """When the first step of all was recorded."""
    first = select(func.min(_ENTRIES.c.recorded_at)).where(_ENTRIES.c.kind == int(Kind.DISPUTE))
    at: datetime | None = connection.scalar(first)
    return at


def _check_dispute(row: Row[Any], steps: list[Row[Any]], findings: Findings, *, is_older: bool) -> None:
    where: dict[str, int | str] = {"table": "disputes", "id": row.id}
    taken = [step.step for step in steps]
    lawful = all(after in NEXT.get(before, ()) for before, after in pairwise(taken))
    begins = is_older or taken[:1] == ["raised"]
    if is_older and not taken:
        return
    if not (lawful and begins and taken[-1:] == [row.state]):
        findings.report("status_not_latest", expected="→".join(taken) or "没有经过", found=row.state, **where)
        return
    for step in steps:
        try:
            content = parse_object(bytes(step.content))
        except VerificationError:
            # Told where the content is held against its entry.
            continue
        for name in _KEPT:
            findings.compare("item_facts_differ", content.get(name), getattr(row, name), **where, field=name)
    findings.compare("item_facts_differ", content.get("outcome"), row.outcome or "", **where, field="outcome")
