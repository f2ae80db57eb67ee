"""When an authorisation may be granted, and whether it covers a use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from registry.errors import FieldError

Route = Literal["function", "holder", "delegation"]
ROUTES = {"function": "依职能", "holder": "持证人授权", "delegation": "委托授权"}
ITEM_KINDS = ("certificate", "material")
MAX_LASTS = timedelta(days=3 * 366)
MAX_USES = 1_000_000
#: Longest chain of delegations that is followed.
MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class AuthorisationDraft:
    """Who (grantee) may use what: one item (`item_kind`, `item_id`) or a type, of whom, for which matter and purpose.

    `subject` is (code type, number) of the holder; needed on the routes `holder` and `delegation`. `max_uses` None is
    without limit; `valid_to_at` is exclusive.
    """

    route: str
    grantee: str
    matter_code: str
    purpose: str
    valid_from_at: datetime
    valid_to_at: datetime
    item_kind: str | None = None
    item_id: str | None = None
    type_code: str | None = None
    subject: tuple[str, str] | None = None
    max_uses: int | None = None
    parent_id: str | None = None
    delegation_id: str | None = None


class Grant(Protocol):
    """What these rules need to know of an authorisation."""

    id: str
    grantee: str
    item_kind: str | None
    item_id: str | None
    type_code: str | None
    subject_index: bytes | None
    matter_code: str
    purpose: str
    max_uses: int | None
    used: int
    valid_from_at: datetime
    valid_to_at: datetime
    revoked_at: datetime | None


def check_draft(draft: AuthorisationDraft, now: datetime) -> list[FieldError]:
    """Every fault of a draft that shows without looking at other rows."""
    wrong = {
        ("route", "unknown_route", f"授权方式应为 {'、'.join(ROUTES)} 之一。"): draft.route not in ROUTES,
        ("item_id", "item_or_type", "应指明一件证照（材料），或一个类型，不能都填或都不填。"): (
            (draft.item_id is None) == (draft.type_code is None)
        ),
        ("item_kind", "unknown_item_kind", "item_kind 应为 certificate 或 material，与 item_id 一同填写。"): (
            (draft.item_id is None) != (draft.item_kind is None)
            or (draft.item_kind is not None and draft.item_kind not in ITEM_KINDS)
        ),
        ("subject", "subject_missing", "该授权方式必须指明持证主体。"): (
            draft.route in ("holder", "delegation") and draft.subject is None
        ),
        ("purpose", "purpose_missing", "请填写用途，最多 100 个字。"): (
            not 0 < len(draft.purpose.strip()) <= 100 or not draft.purpose.isprintable()
        ),
        ("valid_to_at", "wrong_period", "截止时间应晚于起始时间和现在，最长 3 年。"): not (
            max(draft.valid_from_at, now) < draft.valid_to_at <= draft.valid_from_at + MAX_LASTS
        ),
        ("max_uses", "out_of_range", f"使用次数应为 1 至 {MAX_USES}，或不填。"): (
            draft.max_uses is not None and not 1 <= draft.max_uses <= MAX_USES
        ),
        ("parent_id", "parent_missing", "委托授权应指明上级授权，其他方式不填。"): (
            (draft.route == "delegation") != ((draft.parent_id is None) != (draft.delegation_id is None))
        ),
    }
    return [FieldError(field, reason, message) for (field, reason, message), is_wrong in wrong.items() if is_wrong]


def check_within(draft: AuthorisationDraft, parent: Grant, subject_index: bytes | None) -> list[FieldError]:
    """Faults of a delegation that reaches further than what it hangs on."""
    within = (
        (parent.item_id is None or parent.item_id == draft.item_id)
        and (parent.type_code is None or parent.item_id is not None or parent.type_code == draft.type_code)
        and (parent.subject_index is None or parent.subject_index == subject_index)
        and (parent.matter_code, parent.purpose) == (draft.matter_code, draft.purpose.strip())
        and parent.valid_from_at <= draft.valid_from_at
        and draft.valid_to_at <= parent.valid_to_at
        and (parent.max_uses is None or (draft.max_uses is not None and draft.max_uses <= parent.max_uses))
    )
    if within and parent.revoked_at is None:
        return []
    return [FieldError("parent_id", "wider_than_parent", "委托授权不能超出上级授权的范围、期限和次数，上级须未撤销。")]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A use, as an authorisation is asked about it. `holders` are the blind indexes of the item's holders."""

    department: str
    item_kind: str
    item_id: str
    type_code: str
    matter_code: str
    purpose: str
    holders: frozenset[bytes]
    at: datetime


def refusal(chain: Sequence[Grant], wanted: Wanted) -> str | None:
    """Why an authorisation (first in its chain of parents) does not cover the use; None if it does.

    One of authorisation_missing, wrong_purpose, wrong_subject, authorisation_revoked, authorisation_expired,
    authorisation_exhausted.
    """
    grant = chain[0]
    if grant.grantee != wanted.department or not _covers_item(grant, wanted):
        return "authorisation_missing"
    if grant.matter_code != wanted.matter_code or grant.purpose != wanted.purpose:
        return "wrong_purpose"
    if grant.subject_index is not None and grant.subject_index not in wanted.holders:
        return "wrong_subject"
    if any(link.revoked_at is not None and link.revoked_at <= wanted.at for link in chain):
        return "authorisation_revoked"
    if any(not link.valid_from_at <= wanted.at < link.valid_to_at for link in chain):
        return "authorisation_expired"
    if any(link.max_uses is not None and link.used >= link.max_uses for link in chain):
        return "authorisation_exhausted"
    return None


def _covers_item(grant: Grant, wanted: Wanted) -> bool:
    if grant.item_id is not None:
        return (grant.item_kind, grant.item_id) == (wanted.item_kind, wanted.item_id)
    return grant.type_code == wanted.type_code
