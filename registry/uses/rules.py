"""Whether a department may rely on an item for a case: a pure decision with one named reason."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from registry.authorisations import rules as authorisations
from registry.catalogue.rules import Slot
from registry.delegations import rules as delegations
from registry.delegations.rules import Shown
from registry.errors import FieldError
from verifier.status import CHINESE, Status

#: Every reason a use can be refused for, and what the person at the window reads.
REASONS = {
    "matter_unknown": "没有登记该事项，请核对事项编码。",
    "matter_retired": "该事项已停用，不能再据以用证，请选择其他事项。",
    "not_entitled": "本部门无权为该事项使用此类证照或材料。",
    "type_not_accepted": "该事项的材料项不接受此类证照或材料。",
    "wrong_purpose": "用途与事项或授权登记的用途不一致。",
    "wrong_subject": "该证照或材料不属于所述的申请人，或不属于授权人。",
    "authorisation_missing": "没有可用的授权，请先取得授权。",
    "authorisation_revoked": "授权已被撤销。",
    "authorisation_suspended": "登记该授权或其上级授权的部门已被暂停，恢复之前授权不能使用。",
    "authorisation_expired": "授权不在有效时间内。",
    "authorisation_exhausted": "授权的使用次数已用完。",
    **delegations.REASONS,
    "not_in_validity": "该证照或材料不在有效期内。",
    "item_disputed": "该证照有异议正在处理，颁发部门已暂停用证，请等待处理结果或改用其他材料。",
    "awaiting_signature": "颁发部门自行签署，此项登记或变更尚未由其签署，请稍后再试或联系颁发部门。",
    "item_erased": "该材料的核验信息已依法删除，不能再使用。",
    "already_used": "该证照或材料只能使用一次，已经使用过。",
    **{f"item_{status.name.lower()}": f"该证照或材料{CHINESE[status]}。" for status in Status if status},
}


@dataclass(frozen=True, slots=True)
class ReuseRequest:
    """What a window asks for. `subject_index` is the applicant's blind index, if one is named.

    `shown` is a delegated code instead of an authorisation, whose id is then empty.
    `slot_code` names the material slot; without it the first slot that accepts the item's type is taken. `operator` and
    `device` say who relied on it and where; neither is a natural person's name or number.
    """

    item_kind: str
    item_id: str
    matter_code: str
    case_no: str
    purpose: str
    authorisation_id: str
    subject_index: bytes | None
    operator: str
    device: str
    slot_code: str | None = None
    shown: Shown | None = None


def check_request(request: ReuseRequest) -> list[FieldError]:
    """Every fault of a request's form."""
    limits = (
        ("case_no", request.case_no, 64),
        ("purpose", request.purpose, 100),
        ("operator", request.operator, 64),
        ("device", request.device, 64),
        ("matter_code", request.matter_code, 32),
        ("item_id", request.item_id, 26),
        *(() if request.shown else (("authorisation_id", request.authorisation_id, 26),)),
    )
    errors = [
        FieldError(name, "wrong_length", f"{name} 应为 1 至 {limit} 个字符。")
        for name, text, limit in limits
        if not 0 < len(text.strip()) <= limit or not text.isprintable()
    ]
    if request.item_kind not in authorisations.ITEM_KINDS:
        errors.append(FieldError("item_kind", "unknown_item_kind", "item_kind 应为 certificate 或 material。"))
    return errors


@dataclass(frozen=True, slots=True)
class Matter:
    """What these rules need to know of a matter."""

    department: str
    purpose: str
    slots: tuple[Slot, ...]
    retired: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the decision rests on. `chain`: the authorisation and its parents, empty if there is none."""

    matter: Matter | None
    department: str
    scope: bool
    item_status: Status
    item_erased: bool
    type_code: str
    valid_from_on: date
    valid_to_on: date | None
    holders: frozenset[bytes]
    chain: Sequence[authorisations.Grant]
    wanted: authorisations.Wanted
    today: date
    #: Whether a department that recorded one of the chain may not act now.
    suspended: bool = False
    #: Whether the issuer holds every reuse while it looks into a dispute.
    held: bool = False
    #: Whether the item's department has not signed yet what was recorded about it.
    unsigned: bool = False


def slot_for(matter: Matter, request: ReuseRequest, type_code: str) -> Slot | None:
    """The slot that the use will satisfy."""
    for slot in matter.slots:
        if type_code in slot.accepts and request.slot_code in (None, slot.code):
            return slot
    return None


def refusal(request: ReuseRequest, facts: Facts) -> str | None:
    """The first reason against the use; None if only an earlier use of a one-time item can still stand against it."""
    matter = facts.matter
    if matter is None:
        return "matter_unknown"
    if matter.retired:
        return "matter_retired"
    if matter.department != facts.department or not facts.scope:
        return "not_entitled"
    if slot_for(matter, request, facts.type_code) is None:
        return "type_not_accepted"
    if request.purpose.strip() != matter.purpose:
        return "wrong_purpose"
    if request.subject_index is not None and request.subject_index not in facts.holders:
        return "wrong_subject"
    return _chain_refusal(facts) or item_refusal(facts)


def _chain_refusal(facts: Facts) -> str | None:
    if not facts.chain:
        return "authorisation_missing"
    reason = authorisations.refusal(facts.chain, facts.wanted)
    return "authorisation_suspended" if reason is None and facts.suspended else reason


def item_refusal(facts: Facts) -> str | None:
    """The first reason against the use that lies in the item itself."""
    if facts.item_status is not Status.VALID:
        return f"item_{facts.item_status.name.lower()}"
    if facts.held:
        return "item_disputed"
    if facts.unsigned:
        return "awaiting_signature"
    if facts.item_erased:
        return "item_erased"
    over = facts.valid_to_on is not None and facts.today > facts.valid_to_on
    return "not_in_validity" if over or facts.today < facts.valid_from_on else None


def nullifier(item: bytes, salts: bytes) -> bytes:
    """The 32 bytes that stand for a one-time item on chain: the same in every registry that holds its evidence.

    Salts are no part of the log, so that nobody without the item's evidence can tell which item was used.
    """
    return hashlib.sha256(b"suizheng/nullifier/1" + item + salts).digest()
