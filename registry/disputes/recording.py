"""Each step of a dispute as an entry of the log: the words stay here, the log has a salted commitment to them."""

from __future__ import annotations

from registry.disputes.tables import Dispute, DisputeStep
from registry.ids import id_bytes, new_id_text
from registry.log import service as log
from registry.work import Work
from verifier.commitment import seal
from verifier.entry import Entry, Kind


def record(work: Work, row: Dispute, department: str) -> None:
    """Submit the step that has just led to the dispute's state, signed by the department that took it."""
    sealed = seal(content_of(row), work.draw)
    entry = Entry(Kind.DISPUTE, id_bytes(row.id), department, work.at, sealed.digest, {"step": row.state})
    work.session.add(
        DisputeStep(
            id=new_id_text(work.at, work.draw), dispute_id=row.id, department=department, step=row.state,
            content=sealed.canonical, salts=sealed.salts, entry_id=log.submit(work, entry),
        )
    )  # fmt: skip
    work.session.flush()


def content_of(row: Dispute) -> dict[str, object]:
    """What the entry of a step commits to: all that the dispute said when it was taken."""
    return {
        "dispute_id": row.id, "certificate_id": row.certificate_id, "issuer": row.issuer, "raised_by": row.raised_by,
        "for_holder": row.for_holder, "statement": row.statement, "state": row.state, "holds": row.holds,
        "outcome": row.outcome or "", "successor_id": row.successor_id or "",
    }  # fmt: skip
