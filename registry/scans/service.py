"""Use cases of scans: record one, tell the holder, forget."""

from __future__ import annotations

from sqlalchemy import delete, select

from registry.codes import service as codes
from registry.codes.tables import Code
from registry.devices.tables import Device
from registry.errors import InvalidDraftError
from registry.ids import new_id_text
from registry.relatives.service import Number, index_of
from registry.scans import rules
from registry.scans.tables import Scan
from registry.work import Work
from verifier.code import CodeKind

_PEOPLES = (int(CodeKind.PERSON), int(CodeKind.PRINTED))


def record(work: Work, code_id: str, purpose: str) -> Scan | None:
    """Note that the actor's department looked at a person's code, and why; None for signs and for codes of others.

    Raises InvalidDraftError (purpose).
    """
    errors = rules.check_purpose(purpose)
    if errors:
        raise InvalidDraftError(errors)
    code = codes.find(work, code_id)
    if code is None or code.kind not in _PEOPLES or work.actor.department is None:
        return None
    scan = Scan(
        id=new_id_text(work.at, work.draw), code_id=code.id, department=work.actor.department,
        purpose=purpose.strip(), scanned_at=work.at, scanned_by=work.actor.id,
    )  # fmt: skip
    work.session.add(scan)
    work.session.flush()
    return scan


def of_holder(work: Work, holder_index: bytes) -> list[Scan]:
    """Who looked at any code of a person lately, newest first: for that person."""
    by_phone = select(Device.code_id).where(Device.holder_index == holder_index)
    own = select(Code.id).where(Code.kind.in_(_PEOPLES), Code.subject == holder_index.hex())
    query = select(Scan).where(
        Scan.code_id.in_(by_phone) | Scan.code_id.in_(own), Scan.scanned_at > work.at - rules.KEPT_FOR
    )
    return list(work.session.scalars(query.order_by(Scan.id.desc()).limit(200)))


def of_number(work: Work, holder: Number) -> list[Scan]:
    """`of_holder` for the person who stands at the window and has no phone. Raises InvalidDraftError."""
    return of_holder(work, index_of(work, holder, "holder_code"))


def forget_old(work: Work) -> None:
    """Delete what is older than KEPT_FOR."""
    work.session.execute(delete(Scan).where(Scan.scanned_at < work.at - rules.KEPT_FOR))
