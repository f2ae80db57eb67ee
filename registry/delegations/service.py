"""Use cases of delegations: grant, sign, revoke with everything below, find."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import select

from codes import payload
from registry.authorisations import service as authorisations
from registry.catalogue import service as catalogue
from registry.certificates.names import normalise_code
from registry.codes import service as codes
from registry.delegations import rules
from registry.delegations.tables import Delegation
from registry.departments import service as departments
from registry.departments.standing import suspended_among
from registry.errors import FieldError, InvalidDraftError, NotFoundError, NotPermittedError, TransitionError
from registry.ids import id_bytes, id_text, new_id
from registry.log import service as log
from registry.statuses import service as statuses
from registry.work import Work
from verifier.code import CodeKind
from verifier.commitment import seal
from verifier.delegated_code import MAX_SHOWN_CHARS, Chain, shown_length
from verifier.delegation import Link, LinkClaims, link_to_be_signed
from verifier.entry import Entry, Kind
from verifier.errors import SignatureError
from verifier.identifiers import mask_name
from verifier.status import Status
from verifier.suites import PublicKey, SigningKey, public_key


def grant(work: Work, draft: rules.DelegationDraft, key: SigningKey) -> Delegation:
    """Record a delegation. Without a parent the enterprise delegates, seen at the window, and `key` signs at once.

    Under a parent it waits for the parent's device to sign (`complete`). `key` must be in force for signing codes.
    Raises InvalidDraftError (every fault, also: more than the parent has, too long for one code), NotFoundError
    (parent, matter, type), TransitionError (the parent is not in force), NotPermittedError.
    """
    errors = rules.check_draft(draft, work.at)
    if errors:
        raise InvalidDraftError(errors)
    for matter in draft.matters or ():
        catalogue.get_live_matter(work, matter)
    for type_code in draft.types or ():
        catalogue.get_type(work, type_code)
    above = [] if draft.parent_id is None else _above(work, draft)
    inner = _enterprise_code(work, draft.enterprise)
    claims = _claims(work, draft, tuple(link.claims for link in above), inner)
    row = _store(work, draft, claims, key.public if not above else above[-1].claims.key)
    if not above:
        external = draft.enterprise.encode()
        _sign(work, row, key.sign(link_to_be_signed(row.payload, key.public, external)))
    _log(work, row, "granted" if not above else "recorded")
    return row


def _above(work: Work, draft: rules.DelegationDraft) -> list[Link]:
    """The signed links down to the parent. Raises NotFoundError, TransitionError, InvalidDraftError."""
    rows = path_to(work, draft.parent_id or "")
    if rows[0].enterprise != draft.enterprise:
        raise InvalidDraftError([FieldError("parent_id", "other_enterprise", "上级委托属于另一企业。")])
    _require_standing(work, rows, "delegate")
    return [link_of(row) for row in rows if _require_live(row)]


def is_suspended(work: Work, path: Sequence[Delegation]) -> bool:
    """Whether a department that recorded one of these delegations may not act now: then they open nothing."""
    return bool(suspended_among(work.session, [row.department for row in path]))


def _require_standing(work: Work, path: Sequence[Delegation], wanted: str) -> None:
    if is_suspended(work, path):
        message = "登记该委托或其上级委托的部门已被暂停，恢复之前不能再委托、签署或出示。"
        raise TransitionError("suspended", wanted, message, reason="department_suspended")


def _require_live(row: Delegation) -> bool:
    if row.revoked_at is not None:
        raise TransitionError("revoked", "delegate", "上级委托已撤销，不能再委托。", reason="parent_revoked")
    if row.signature is None:
        raise TransitionError("unsigned", "delegate", "上级委托尚未签署，不能再委托。", reason="parent_unsigned")
    return True


def _claims(work: Work, draft: rules.DelegationDraft, above: tuple[LinkClaims, ...], enterprise: bytes) -> LinkClaims:
    """What the link will say, checked against those above it and against what a code can hold."""
    issued_at = work.at.replace(microsecond=0)
    wanted = LinkClaims(
        role=draft.role,
        key=rules.device_key(draft),
        matters=None if draft.matters is None else tuple(sorted(set(draft.matters))),
        types=None if draft.types is None else tuple(sorted(set(draft.types))),
        issued_at=issued_at,
        begins_at=max(issued_at, draft.valid_from_at.replace(microsecond=0)),
        ends_at=draft.valid_to_at.replace(microsecond=0),
        status_list=0,
        status_index=0,
    )
    errors = rules.check_chain((*above, wanted))
    if errors:
        raise InvalidDraftError(errors)
    ((list_id, slot),) = statuses.allot(work, 1)
    claims = replace(wanted, status_list=list_id, status_index=slot)
    length = shown_length(enterprise, (*above, claims))
    if length is None or length > MAX_SHOWN_CHARS:
        message = (
            f"范围过大，一个码放不下（最多 {MAX_SHOWN_CHARS} 个字符，现为 {length or '更多'}）：请减少事项或类型。"
        )
        raise InvalidDraftError([FieldError("matters", "too_long_for_a_code", message)])
    return claims


def _enterprise_code(work: Work, enterprise: str) -> bytes:
    """The enterprise's code in force. Raises InvalidDraftError where there is none."""
    code = codes.find_newest(work, CodeKind.ENTERPRISE, enterprise)
    if code is None or code.status != Status.VALID or code.expires_at <= work.at:
        message = "该企业没有有效的企业码，请先签发企业码。"
        raise InvalidDraftError([FieldError("enterprise", "no_enterprise_code", message)])
    return payload.decode(code.text)


def _store(work: Work, draft: rules.DelegationDraft, claims: LinkClaims, signer: PublicKey) -> Delegation:
    code_type, number = draft.delegate or ("", "")
    row = Delegation(
        id=id_text(new_id(work.at, work.draw)), enterprise=draft.enterprise, parent_id=draft.parent_id,
        role=int(claims.role), name=mask_name(draft.name.strip()),
        delegate_index=work.blind.of(code_type, normalise_code(number)), suite=int(claims.key.suite),
        public=claims.key.raw, matters=None if claims.matters is None else list(claims.matters),
        types=None if claims.types is None else list(claims.types), issued_at=claims.issued_at,
        valid_from_at=claims.begins_at, valid_to_at=claims.ends_at, status_list=claims.status_list,
        status_index=claims.status_index, signer_kid=signer.kid, payload=claims.to_bytes(),
        document=(draft.document or "").strip() or None,
        department=work.actor.department or departments.operator(work).code, recorded_by=work.actor.id,
    )  # fmt: skip
    work.session.add(row)
    work.session.flush()
    return row


def _sign(work: Work, row: Delegation, signature: bytes) -> None:
    row.signature, row.signed_at = signature, work.at
    work.session.flush()


def to_be_signed(work: Work, row: Delegation) -> bytes:
    """The bytes that the parent's device signs to make a recorded delegation good. Raises NotFoundError."""
    parent = link_of(get(work, row.parent_id or ""))
    return link_to_be_signed(row.payload, parent.claims.key, parent.anchor)


def complete(work: Work, delegation_id: str, signature: bytes) -> Delegation:
    """Take the signature of the parent's device; repeating the same changes nothing.

    Raises NotFoundError, TransitionError (revoked), InvalidDraftError (not the parent's signature).
    """
    row = _lock(work, delegation_id)
    if row.revoked_at is not None:
        raise TransitionError("revoked", "sign", "委托已撤销，不能再签署。", reason="delegation_revoked")
    if row.signature == signature:
        return row
    _require_standing(work, path_to(work, row.id), "sign")
    parent = get(work, row.parent_id) if row.parent_id else None
    if parent is None or row.signature is not None:
        raise TransitionError("signed", "sign", "委托已签署。", reason="already_signed")
    link = Link(row.payload, signature, LinkClaims.from_bytes(row.payload))
    try:
        link.check(link_of(parent).claims.key, link_of(parent).anchor)
    except SignatureError as wrong:
        raise InvalidDraftError([FieldError("signature", wrong.reason, "签名不是上级设备对这项委托签的。")]) from wrong
    _sign(work, row, signature)
    _log(work, row, "granted")
    return row


def revoke(work: Work, delegation_id: str, reason: str) -> list[Delegation]:
    """End a delegation and everything below it, with the authorisations that rest on them; those ended now, in order.

    Repeating it changes nothing. Only the recording department may. Raises NotFoundError, NotPermittedError,
    InvalidDraftError (no reason).
    """
    root = _lock(work, delegation_id)
    if work.actor.kind != "registry" and work.actor.department != root.department:
        raise NotPermittedError("not_the_grantor", "只有登记该委托的部门可以撤销。")
    if not 0 < len(reason.strip()) <= 200 or not reason.isprintable():
        raise InvalidDraftError([FieldError("reason", "reason_missing", "请填写撤销事由，最多 200 个字。")])
    ended = [row for row in cascade(work, delegation_id) if row.revoked_at is None]
    for row in ended:
        row.revoked_at, row.revoked_reason, row.revoked_with = work.at, reason.strip(), root.id
        statuses.set_status(work, row.status_list, row.status_index, Status.REVOKED)
        work.session.flush()
        _log(work, row, "revoked")
    authorisations.end_delegated(work, [row.id for row in ended], f"委托已撤销：{reason.strip()}"[:200])
    return ended


def cascade(work: Work, delegation_id: str) -> list[Delegation]:
    """A delegation and everything that hangs on it, each after its parent: what would fall with it."""
    root = get(work, delegation_id)
    rows = {row.id: row for row in of_enterprise(work, root.enterprise)}
    children: dict[str | None, list[Delegation]] = defaultdict(list)
    for row in rows.values():
        children[row.parent_id].append(row)
    return [rows[one] for one in rules.below(root.id, children)]


def of_enterprise(work: Work, enterprise: str) -> list[Delegation]:
    """Every delegation of an enterprise, oldest first."""
    query = select(Delegation).where(Delegation.enterprise == enterprise).order_by(Delegation.id)
    return list(work.session.scalars(query))


def recent(work: Work, department: str | None, limit: int = 20) -> list[Delegation]:
    """The newest delegations that a department recorded; of all of them without one."""
    query = select(Delegation).order_by(Delegation.id.desc()).limit(limit)
    return list(work.session.scalars(query if department is None else query.where(Delegation.department == department)))


def path_to(work: Work, delegation_id: str) -> list[Delegation]:
    """The delegations from the enterprise down to this one. Raises NotFoundError."""
    path = [get(work, delegation_id)]
    while path[0].parent_id is not None:
        path.insert(0, get(work, path[0].parent_id))
    return path


def chain_of(work: Work, delegation_id: str) -> Chain:
    """What the delegate's device needs to show codes. Raises NotFoundError, TransitionError, InvalidDraftError."""
    rows = path_to(work, delegation_id)
    _require_standing(work, rows, "show")
    links = tuple(link_of(row) for row in rows if _require_live(row))
    return Chain(_enterprise_code(work, rows[0].enterprise), rows[0].signer_kid, links)


def link_of(row: Delegation) -> Link:
    """A delegation as a link."""
    return Link(row.payload, row.signature or b"", LinkClaims.from_bytes(row.payload))


def key_of(row: Delegation) -> PublicKey:
    """The delegate's device key."""
    return public_key(row.suite, row.public)


def find_by_slot(work: Work, status_list: int, status_index: int) -> Delegation | None:
    """The delegation whose status stands in this slot."""
    query = select(Delegation).where(Delegation.status_list == status_list, Delegation.status_index == status_index)
    return work.session.scalars(query).one_or_none()


def find(work: Work, delegation_id: str) -> Delegation | None:
    """The delegation of this id."""
    return work.session.get(Delegation, delegation_id)


def get(work: Work, delegation_id: str) -> Delegation:
    """The delegation of this id. Raises NotFoundError."""
    found = find(work, delegation_id)
    if found is None:
        raise _unknown()
    return found


def _lock(work: Work, delegation_id: str) -> Delegation:
    query = select(Delegation).where(Delegation.id == delegation_id).with_for_update()
    row = work.session.scalars(query.execution_options(populate_existing=True)).first()
    if row is None:
        raise _unknown()
    return row


def _unknown() -> NotFoundError:
    return NotFoundError("delegation_unknown", "没有这项委托，请核对编号。")


def _log(work: Work, row: Delegation, action: str) -> None:
    content = {
        "action": action,
        "enterprise": row.enterprise,
        "parent_id": row.parent_id,
        "delegate_index": None if row.delegate_index is None else row.delegate_index.hex(),
        "payload": row.payload.hex(),
        "document": row.document,
        "reason": row.revoked_reason,
    }
    entry = Entry(
        kind=Kind.DELEGATION, item=id_bytes(row.id), department=row.department, recorded_at=work.at,
        digest=seal(content, work.draw).digest,
        facts={
            "action": action, "role": row.role, "status_list": row.status_list, "status_index": row.status_index,
            "status": int(Status.REVOKED if row.revoked_at else Status.VALID),
        },
    )  # fmt: skip
    log.submit(work, entry)
