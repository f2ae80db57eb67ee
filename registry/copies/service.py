"""Use cases of derived copies: make, list, revoke, export."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from registry.authorisations import rules as authorisation_rules
from registry.authorisations import service as authorisations
from registry.authorisations.tables import Authorisation
from registry.catalogue import service as catalogue
from registry.certificates import masking
from registry.certificates import service as certificates
from registry.certificates.entries import original_entry
from registry.certificates.tables import Certificate
from registry.copies import rules
from registry.copies.rules import CopyRequest
from registry.copies.tables import DerivedCopy
from registry.departments import service as departments
from registry.departments.rules import check_reason
from registry.errors import (
    BusyError,
    InvalidDraftError,
    NotFoundError,
    NotPermittedError,
    TransitionError,
)
from registry.files import service as files
from registry.files.store import StoredFile
from registry.ids import id_bytes, new_id_text
from registry.items import Item, find_item
from registry.log import service as log
from registry.log.published import PublishedLog
from registry.log.receipts import receipt_of_item
from registry.statuses import service as statuses
from registry.uses import service as uses
from registry.uses.rules import REASONS
from registry.witnesses.service import cosigned_note
from registry.work import Work
from verifier import times
from verifier.anchor import AnchorProof
from verifier.code import CODE_ID_BYTES, CodeClaims, CodeKind, sign_code
from verifier.commitment import seal
from verifier.entry import Entry, Kind
from verifier.evidence import COPY_FORMAT, EvidenceBundle
from verifier.status import CHINESE, Status
from verifier.suites import SigningKey


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """A copy that will be made, and what its PDF shows. `face` is masked already; `code` is the text of its QR."""

    id: str
    request: CopyRequest
    number: int
    department: str
    department_name: str
    matter_name: str
    type_code: str
    type_version: int
    face: dict[str, Any]
    made_at: datetime
    code: str
    #: The copy's own place in a status list.
    slot: tuple[int, int]


def make(work: Work, request: CopyRequest, key: SigningKey, draw: Callable[[CopyPlan], StoredFile]) -> DerivedCopy:
    """Make a copy with its log entry; under an authorisation it counts as one of its uses. `key` signs codes now.

    `draw` makes the PDF and stores it, within the unit of work, so that a repetition of the request never draws twice.
    Raises InvalidDraftError, NotFoundError (certificate, matter, use), NotPermittedError (no right to it),
    TransitionError (the original is not in force), NotAnchoredYetError (the original's entry is not signed yet),
    BusyError (another copy took the number), and what `draw` raises.
    """
    request, row, chain = _examine(work, request)
    original = original_entry(work, row.id)
    planned = _plan(work, request, row, key)
    stored = draw(planned)
    authorisations.count_use(work, chain)
    content = {
        "copy_id": planned.id, "number": planned.number, "certificate_name": planned.face["certificate_name"],
        "purpose": request.purpose, "matter_code": request.matter_code, "receiver": request.receiver,
        "made_by": planned.department, "made_at": times.to_text(planned.made_at),
        "expires_at": times.to_text(request.expires_at), "masked": request.masked, "use_id": request.use_id,
        "authorisation_id": request.authorisation_id, "original_entry": original.hex(),
        "files": [{
            "name": f"{planned.id}.pdf", "media_type": stored.media_type, "size": stored.size,
            "sha256": stored.sha256.hex(), "sm3": stored.sm3.hex(),
        }],
    }  # fmt: skip
    sealed = seal(content, work.draw)
    files.register(work, stored)
    made = DerivedCopy(
        id=planned.id, certificate_id=row.id, number=planned.number, department=planned.department,
        matter_code=request.matter_code, purpose=request.purpose, receiver=request.receiver, masked=request.masked,
        use_id=request.use_id, authorisation_id=request.authorisation_id, file=stored.sha256, code=planned.code,
        made_at=planned.made_at, made_by=work.actor.id, expires_at=request.expires_at, content=sealed.canonical,
        salts=sealed.salts, sha256=sealed.digest.sha256, sm3=sealed.digest.sm3, status_list=planned.slot[0],
        status_index=planned.slot[1],
    )  # fmt: skip
    try:
        with work.session.begin_nested():
            work.session.add(made)
            work.session.flush()
    except IntegrityError as rival:
        raise BusyError("copy_contended", "同一证照正在制作另一份加注件，请重试。") from rival
    facts: dict[str, int | str | bytes] = {
        "matter": request.matter_code, "masked": int(request.masked), "status_list": planned.slot[0],
        "status_index": planned.slot[1],
    }  # fmt: skip
    log.submit(work, Entry(Kind.COPY, id_bytes(made.id), made.department, work.at, sealed.digest, facts))
    return made


def _plan(work: Work, request: CopyRequest, row: Certificate, key: SigningKey) -> CopyPlan:
    copy_id, made_at = new_id_text(work.at, work.draw), work.at.replace(microsecond=0)
    face = orjson.loads(row.face)
    if request.masked:
        face = masking.mask_face(face, catalogue.definition_at(work, row.type_code, row.type_version))
    (slot,) = statuses.allot(work, 1)
    # The original's place in its status list beside the copy's own: the code dies with either.
    claims = CodeClaims(
        kind=CodeKind.DERIVED, code_id=work.draw(CODE_ID_BYTES), generation=1, status_list=slot[0],
        status_index=slot[1], original=(row.status_list, row.status_index), issued_at=made_at,
        expires_at=request.expires_at, name=str(face["certificate_name"])[:60], subject=copy_id,
    )  # fmt: skip
    newest = work.session.scalars(select(func.max(DerivedCopy.number)).where(DerivedCopy.certificate_id == row.id))
    department = departments.get(work, work.actor.department or "")
    return CopyPlan(
        id=copy_id, request=request, number=(newest.one() or 0) + 1, department=department.code,
        department_name=department.name, matter_name=catalogue.get_matter(work, request.matter_code).name,
        type_code=row.type_code, type_version=row.type_version, face=face, made_at=made_at, code=sign_code(claims, key),
        slot=slot,
    )  # fmt: skip


def _examine(work: Work, request: CopyRequest) -> tuple[CopyRequest, Certificate, list[Authorisation]]:
    """The request as it will be carried out, its certificate, and the authorisations it counts against."""
    item = find_item(work, "certificate", request.certificate_id)
    if item is None:
        raise NotFoundError("certificate_unknown", "没有登记该证照，请核对编号。")
    row = certificates.get(work, item.id)
    request = replace(
        request, purpose=request.purpose.strip(), receiver=request.receiver.strip(),
        expires_at=request.expires_at.replace(microsecond=0),
    )  # fmt: skip
    if request.use_id is not None:
        request = _as_used(work, request, request.use_id)
    errors = rules.check_request(request, work.at, item.valid_to_on)
    if errors:
        raise InvalidDraftError(errors)
    catalogue.get_matter(work, request.matter_code)
    chain = _check_right(work, request, item)
    if item.status is not Status.VALID:
        name = item.status.name.lower()
        raise TransitionError(name, "copy", f"原证照{CHINESE[item.status]}，不能制作加注件。", "original_not_in_force")
    if item.salts is None:
        raise TransitionError("erased", "copy", "原证照的核验信息已依法删除，不能制作加注件。", "original_erased")
    return request, row, chain


def _as_used(work: Work, request: CopyRequest, use_id: str) -> CopyRequest:
    use = uses.get(work, use_id)
    if use.department != work.actor.department or (use.item_kind, use.item_id) != (
        "certificate", request.certificate_id,
    ):  # fmt: skip
        raise NotFoundError("use_unknown", "本部门没有对该证照的这次用证，请核对编号。")
    return replace(request, matter_code=use.matter_code, purpose=use.purpose)


def _check_right(work: Work, request: CopyRequest, item: Item) -> list[Authorisation]:
    department = work.actor.department
    if department is None:
        raise NotPermittedError("no_department", "只有部门可以制作加注件，请使用部门账号。")
    is_issuer = department == item.department
    if not request.masked and not (is_issuer and work.actor.has_role("registrar")):
        raise NotPermittedError("whole_face_not_allowed", "只有颁发部门的登记员可以制作不脱敏的加注件。")
    if request.use_id is not None:
        return []
    if request.authorisation_id is None:
        if not is_issuer:
            raise NotPermittedError("authorisation_missing", "请指明授权，或从本部门的用证记录制作。")
        return []
    chain = authorisations.lock_chain(work, request.authorisation_id)
    wanted = authorisation_rules.Wanted(
        department, item.kind, item.id, item.type_code, request.matter_code, request.purpose, item.holders, work.at
    )
    reason = authorisation_rules.refusal(chain, wanted) if chain else "authorisation_missing"
    if reason is not None:
        raise NotPermittedError(reason, REASONS[reason])
    return chain


def get(work: Work, copy_id: str) -> DerivedCopy:
    """A copy that the actor's department made, or of its certificate; auditors see all. Raises NotFoundError."""
    found = work.session.get(DerivedCopy, copy_id)
    if found is None or not _may_see(work, found, certificates.get(work, found.certificate_id)):
        raise NotFoundError("copy_unknown", "没有这份加注件，请核对编号。")
    return found


def list_of(work: Work, certificate_id: str) -> list[DerivedCopy]:
    """The copies of a certificate that the actor may see, newest first. Raises NotFoundError."""
    row = certificates.get(work, certificate_id)
    query = select(DerivedCopy).where(DerivedCopy.certificate_id == certificate_id).order_by(DerivedCopy.number.desc())
    return [copy for copy in work.session.scalars(query) if _may_see(work, copy, row)]


def _may_see(work: Work, copy: DerivedCopy, row: Certificate) -> bool:
    return work.actor.has_role("auditor") or work.actor.department in (copy.department, row.department)


def state_of(work: Work, copy: DerivedCopy) -> Status | None:
    """VALID, REVOKED, the original's state where that is not in force, or None once the copy is past its own end."""
    if copy.revoked_at is not None:
        return Status.REVOKED
    original = Status(certificates.get(work, copy.certificate_id).status)
    if original is not Status.VALID:
        return original
    return None if work.at >= copy.expires_at else Status.VALID


def revoke(work: Work, copy_id: str, reason: str) -> DerivedCopy:
    """End one copy for good; the original and its other copies stay as they are. Repeating it changes nothing.

    Online at once, offline with the next status list. Raises NotFoundError, NotPermittedError (auditors look only),
    InvalidDraftError (no reason), TransitionError (made before copies had a place of their own).
    """
    get(work, copy_id)
    query = select(DerivedCopy).where(DerivedCopy.id == copy_id).with_for_update()
    copy = work.session.scalars(query.execution_options(populate_existing=True)).one()
    if not _may_end(work, copy, certificates.get(work, copy.certificate_id)):
        raise NotPermittedError("not_the_maker", "只有制作部门和颁发部门可以作废加注件。")
    errors = check_reason(reason)
    if errors:
        raise InvalidDraftError(errors)
    if copy.revoked_at is not None:
        return copy
    if copy.status_list is None or copy.status_index is None:
        message = "这份加注件制作较早，不能单独作废；它随原证照或到期失效。"
        raise TransitionError("valid", "revoke", message, reason="no_place_of_its_own")
    copy.revoked_at, copy.revoked_by, copy.revoked_reason = work.at, work.actor.id, reason.strip()
    statuses.set_status(work, copy.status_list, copy.status_index, Status.REVOKED)
    work.session.flush()
    content = {"copy_id": copy.id, "status": int(Status.REVOKED), "reason": copy.revoked_reason}
    facts: dict[str, int | str | bytes] = {
        "status": int(Status.REVOKED), "status_list": copy.status_list, "status_index": copy.status_index,
    }  # fmt: skip
    department = work.actor.department or copy.department
    digest = seal(content, work.draw).digest
    log.submit(work, Entry(Kind.COPY_STATUS, id_bytes(copy.id), department, work.at, digest, facts))
    return copy


def may_end(work: Work, copy: DerivedCopy) -> bool:
    """Whether the actor could revoke it now."""
    if copy.revoked_at is not None or copy.status_list is None:
        return False
    return _may_end(work, copy, certificates.get(work, copy.certificate_id))


def _may_end(work: Work, copy: DerivedCopy, row: Certificate) -> bool:
    is_theirs = work.actor.department in (copy.department, row.department)
    return is_theirs and work.actor.has_role("registrar", "window")


def export(work: Work, published: PublishedLog, copy_id: str, read_file: Callable[[bytes], bytes]) -> bytes:
    """The copy's evidence bundle with its PDF inside. Raises NotFoundError, NotAnchoredYetError."""
    made = get(work, copy_id)
    entry = receipt_of_item(work, published, made.id, Kind.COPY)
    bundle = EvidenceBundle(
        face=made.content,
        salts=made.salts,
        signed_entry=entry.signed_entry,
        receipt=entry.receipt,
        anchor=entry.anchor,
        files=(read_file(made.file),),
        proof=None if entry.chain_proof is None else AnchorProof(entry.chain_proof),
        cosigned=cosigned_note(work, entry.anchor.size),
        format=COPY_FORMAT,
    )
    return bundle.to_bytes()
