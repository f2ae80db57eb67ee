"""Use cases of authorisations: grant, revoke, find."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select, update

from registry.authorisations import rules
from registry.authorisations.tables import Authorisation
from registry.catalogue import service as catalogue
from registry.certificates.names import normalise_code
from registry.departments import service as departments
from registry.errors import FieldError, InvalidDraftError, NotFoundError, NotPermittedError
from registry.ids import id_bytes, id_text, new_id
from registry.items import find_item
from registry.log import service as log
from registry.work import Work
from verifier.commitment import seal
from verifier.entry import Entry, Kind
from verifier.identifiers import IdentifierError, check_holder_number


def grant(work: Work, draft: rules.AuthorisationDraft) -> Authorisation:
    """Grant an authorisation, with its log entry; the granting department is the actor's (or the operator).

    Raises InvalidDraftError, NotFoundError (grantee, matter, type, item, parent), NotPermittedError (a parent
    that is about other departments).
    """
    subject_index = _check(work, draft)
    departments.get(work, draft.grantee)
    catalogue.get_live_matter(work, draft.matter_code)
    _check_reference(work, draft, subject_index)
    item = new_id(work.at, work.draw)
    department = work.actor.department or departments.operator(work).code
    row = Authorisation(
        id=id_text(item), route=draft.route, grantee=draft.grantee, subject_index=subject_index,
        item_kind=draft.item_kind, item_id=draft.item_id, type_code=draft.type_code, matter_code=draft.matter_code,
        purpose=draft.purpose.strip(), parent_id=draft.parent_id, delegation_id=draft.delegation_id,
        max_uses=draft.max_uses, used=0,
        valid_from_at=draft.valid_from_at, valid_to_at=draft.valid_to_at, granted_at=work.at,
        granted_by=work.actor.id, department=department,
    )  # fmt: skip
    work.session.add(row)
    work.session.flush()
    _log(work, row, "granted", item)
    return row


def _check(work: Work, draft: rules.AuthorisationDraft) -> bytes | None:
    errors = rules.check_draft(draft, work.at)
    index = None
    if draft.subject is not None:
        code_type, code = draft.subject[0], normalise_code(draft.subject[1])
        try:
            check_holder_number(code_type, code, "subject")
        except IdentifierError as wrong:
            errors.append(FieldError("subject", wrong.reason, f"{wrong.message}。"))
        index = work.blind.of(code_type, code)
    if errors:
        raise InvalidDraftError(errors)
    return index


def _check_reference(work: Work, draft: rules.AuthorisationDraft, subject_index: bytes | None) -> None:
    if draft.item_kind is not None and draft.item_id is not None:
        item = find_item(work, draft.item_kind, draft.item_id)
        if item is None:
            raise NotFoundError("item_unknown", "没有登记该证照或材料，请核对编号。")
        if subject_index is not None and subject_index not in item.holders:
            raise InvalidDraftError([FieldError("subject", "wrong_subject", "该证照或材料不属于这个持证主体。")])
    elif draft.type_code is not None:
        catalogue.get_type(work, draft.type_code)
    if draft.parent_id is not None:
        parent = get(work, draft.parent_id)
        if work.actor.kind != "registry" and work.actor.department not in (parent.grantee, parent.department):
            message = "只有上级授权的被授权部门或登记部门可以登记委托授权。"
            raise NotPermittedError("not_the_parents_department", message)
        errors = rules.check_within(draft, parent, subject_index)
        if errors:
            raise InvalidDraftError(errors)


def revoke(work: Work, authorisation_id: str, reason: str) -> Authorisation:
    """End an authorisation and with it everything delegated under it; repeating it changes nothing.

    Only the granting department may. Raises NotFoundError, NotPermittedError, InvalidDraftError (no reason).
    """
    query = select(Authorisation).where(Authorisation.id == authorisation_id).with_for_update()
    row = work.session.scalars(query.execution_options(populate_existing=True)).first()
    if row is None:
        raise _unknown()
    if work.actor.kind != "registry" and work.actor.department != row.department:
        raise NotPermittedError("not_the_grantor", "只有授权登记部门可以撤销该授权。")
    if not 0 < len(reason.strip()) <= 200 or not reason.isprintable():
        raise InvalidDraftError([FieldError("reason", "reason_missing", "请填写撤销事由，最多 200 个字。")])
    if row.revoked_at is None:
        row.revoked_at, row.revoked_reason = work.at, reason.strip()
        work.session.flush()
        _log(work, row, "revoked", None)
    return row


def end_delegated(work: Work, delegation_ids: Collection[str], reason: str) -> None:
    """End every authorisation that rests on one of these delegations, whoever recorded it."""
    query = select(Authorisation).where(
        Authorisation.delegation_id.in_(delegation_ids), Authorisation.revoked_at.is_(None)
    )
    for row in work.session.scalars(query.with_for_update()):
        row.revoked_at, row.revoked_reason = work.at, reason
        work.session.flush()
        _log(work, row, "revoked", None)


def _log(work: Work, row: Authorisation, action: str, item: bytes | None) -> None:
    content = {
        "action": action,
        "route": row.route,
        "grantee": row.grantee,
        "matter_code": row.matter_code,
        "purpose": row.purpose,
        "item_id": row.item_id,
        "type_code": row.type_code,
        "subject_index": None if row.subject_index is None else row.subject_index.hex(),
        "max_uses": row.max_uses,
        "valid_from_at": row.valid_from_at.isoformat(),
        "valid_to_at": row.valid_to_at.isoformat(),
        "reason": row.revoked_reason,
    }
    entry = Entry(
        kind=Kind.AUTHORISATION,
        item=item or id_bytes(row.id),
        department=row.department,
        recorded_at=work.at,
        digest=seal(content, work.draw).digest,
        facts={"action": action, "grantee": row.grantee, "matter": row.matter_code},
    )
    log.submit(work, entry)


def find(work: Work, authorisation_id: str) -> Authorisation | None:
    """The authorisation of this id."""
    return work.session.get(Authorisation, authorisation_id)


def get(work: Work, authorisation_id: str) -> Authorisation:
    """The authorisation of this id. Raises NotFoundError."""
    found = find(work, authorisation_id)
    if found is None:
        raise _unknown()
    return found


def list_granted(work: Work, grantee: str | None = None, subject_index: bytes | None = None) -> list[Authorisation]:
    """Authorisations, newest first, narrowed by grantee and by subject."""
    query = select(Authorisation).order_by(Authorisation.id.desc())
    if grantee is not None:
        query = query.where(Authorisation.grantee == grantee)
    if subject_index is not None:
        query = query.where(Authorisation.subject_index == subject_index)
    return list(work.session.scalars(query))


def lock_chain(work: Work, authorisation_id: str) -> list[Authorisation]:
    """An authorisation and its parents upwards, locked until the end of the transaction; empty if it is unknown."""
    chain: list[Authorisation] = []
    wanted: str | None = authorisation_id
    while wanted is not None and len(chain) < rules.MAX_DEPTH:
        query = select(Authorisation).where(Authorisation.id == wanted).with_for_update()
        link = work.session.scalars(query.execution_options(populate_existing=True)).first()
        if link is None:
            return []
        chain.append(link)
        wanted = link.parent_id
    return chain if wanted is None else []


def count_use(work: Work, chain: list[Authorisation]) -> None:
    """Count one use against an authorisation and everything above it; the caller holds the locks of `lock_chain`."""
    ids = [link.id for link in chain]
    work.session.execute(update(Authorisation).where(Authorisation.id.in_(ids)).values(used=Authorisation.used + 1))


def _unknown() -> NotFoundError:
    return NotFoundError("authorisation_missing", "没有这项授权，请核对授权编号。")
