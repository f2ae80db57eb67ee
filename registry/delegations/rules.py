"""What a delegation may say, what it gives under those above it, and what falls with it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from registry.errors import FieldError
from verifier.delegated_code import DelegatedCode
from verifier.delegation import MAX_SCOPE, ROLE_CHINESE, LinkClaims, Reach, Role, reach_of
from verifier.errors import DelegationError, VerificationError
from verifier.identifiers import IdentifierError, check_holder_number, check_uscc, is_organisation
from verifier.suites import PublicKey, public_key

MAX_LASTS = timedelta(days=3 * 366)
MAX_NAME_CHARACTERS = 20

#: Why a shown code does not carry the use of an item for a matter.
REASONS = {
    "delegation_unknown": "没有登记这项委托，请核对出示的码。",
    "delegation_revoked": "委托已被撤销，或其上级委托已被撤销。",
    "delegation_suspended": "登记该委托或其上级委托的部门已被暂停，恢复之前委托不能使用。",
    "delegation_wrong_enterprise": "出示的委托不属于所述的申请人。",
    "delegation_wrong_matter": "委托范围不含该事项。",
    "delegation_wrong_type": "委托范围不含此类证照或材料。",
    "delegation_expired": "委托不在有效时间内。",
    "delegation_code_reused": "这次出示的码已用于另一办件，请经办人重新出示。",
}

_PERIODS = ("period_widened", "empty_period", "delegated_out_of_period")
_FIELDS = {"wrong_order": "role", "too_deep": "role", "same_key_twice": "key", "scope_widened": "matters"} | {
    reason: "valid_to_at" for reason in _PERIODS
}


@dataclass(frozen=True, slots=True)
class DelegationDraft:
    """Who (role, name, number) shall act for an enterprise, with which device key, how far, from when and until when.

    matters, types: codes, None for as much as the delegator has. valid_to_at is exclusive. document: the written
    authority seen at the window; needed without a parent, since then the enterprise itself delegates.
    """

    enterprise: str
    role: Role
    name: str
    delegate: tuple[str, str] | None
    suite: int
    public: bytes
    valid_from_at: datetime
    valid_to_at: datetime
    matters: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    document: str | None = None
    parent_id: str | None = None


def check_draft(draft: DelegationDraft, now: datetime) -> list[FieldError]:
    """Every fault of a draft that shows without looking at anything else."""
    name = draft.name.strip()
    needs_document = draft.parent_id is None
    wrong = {
        ("name", "wrong_length", f"被委托人姓名应为 1 至 {MAX_NAME_CHARACTERS} 个字。"): (
            not 0 < len(name) <= MAX_NAME_CHARACTERS or not name.isprintable()
        ),
        ("valid_to_at", "wrong_period", "截止时间应晚于起始时间和现在，最长 3 年。"): not (
            max(draft.valid_from_at, now) < draft.valid_to_at <= draft.valid_from_at + MAX_LASTS
        ),
        ("document", "document_missing", "请填写委托书编号（或办件编号），最多 100 个字符。"): needs_document
        and not 0 < len((draft.document or "").strip()) <= 100,
        ("matters", "too_many", f"事项最多 {MAX_SCOPE} 个；不限时不填。"): not _is_scope(draft.matters),
        ("types", "too_many", f"证照类型最多 {MAX_SCOPE} 个；不限时不填。"): not _is_scope(draft.types),
    }
    errors = [FieldError(field, reason, message) for (field, reason, message), is_wrong in wrong.items() if is_wrong]
    return errors + _check_numbers(draft)


def _is_scope(scope: tuple[str, ...] | None) -> bool:
    return scope is None or 0 < len(set(scope)) <= MAX_SCOPE


def _check_numbers(draft: DelegationDraft) -> list[FieldError]:
    errors = []
    try:
        check_uscc(draft.enterprise, "enterprise")
    except IdentifierError as wrong:
        errors.append(FieldError("enterprise", wrong.reason, f"{wrong.message}。"))
    if draft.delegate is None or is_organisation(draft.delegate[0]):
        errors.append(FieldError("delegate", "delegate_missing", "请填写被委托人（自然人）的证件类型和号码。"))
    else:
        try:
            check_holder_number(*draft.delegate, "delegate")
        except IdentifierError as wrong:
            errors.append(FieldError("delegate", wrong.reason, f"{wrong.message}。"))
    try:
        device_key(draft)
    except VerificationError:
        errors.append(FieldError("key", "not_a_key", "设备公钥有误：应为 Ed25519、P-256 或 SM2 公钥的十六进制。"))
    return errors


def device_key(draft: DelegationDraft) -> PublicKey:
    """The delegate's device key. Raises MalformedError."""
    return public_key(draft.suite, draft.public)


def check_chain(links: Sequence[LinkClaims]) -> list[FieldError]:
    """What a new link, the last one, asks for beyond those above it."""
    try:
        reach_of(links)
    except DelegationError as wrong:
        return [FieldError(_FIELDS.get(wrong.reason, "parent_id"), wrong.reason, f"{wrong.message}。")]
    return []


def may_delegate_to(role: Role | None) -> list[Role]:
    """Whom a delegate of this role, or the enterprise itself (None), may make a delegate."""
    return [one for one in Role if role is None or one > role]


@dataclass(frozen=True, slots=True)
class Shown:
    """A delegated code that was found valid (verifier.delegated_code) when it was shown."""

    code: DelegatedCode
    digest: bytes
    #: The chain in words.
    words: str = ""

    @property
    def enterprise(self) -> str:
        """The enterprise's unified social credit code."""
        return self.code.enterprise.subject or ""

    @property
    def reach(self) -> Reach:
        """How far it goes."""
        return reach_of(self.code.claims)


class Node(Protocol):
    """What the tree needs to know of a delegation."""

    @property
    def id(self) -> str: ...
    @property
    def parent_id(self) -> str | None: ...


def below(root_id: str, children: Mapping[str | None, Sequence[Node]]) -> list[str]:
    """The ids that hang on a delegation, itself first, each after its parent."""
    found, waiting = [], [root_id]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += [child.id for child in reversed(children.get(one, ()))]
    return found


def role_name(role: int) -> str:
    """The role in Chinese."""
    return ROLE_CHINESE[Role(role)]
