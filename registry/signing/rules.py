"""Dates and bytes of what a department signs. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from registry.errors import NotPermittedError
from registry.keys.rules import Period, in_force
from verifier.entry import Entry

#: How old the date in an entry can be when its signature arrives. Clocks of departments play no part in it.
SIGNATURES_TAKEN_FOR = timedelta(minutes=15)
MAX_TOGETHER = 500
KEPT_FOR = timedelta(days=30)

#: signed: it is in the outbox with this signature; signed_before: with another one, which stays; wrong_signature: not
#: over the bytes of this preparation by its key; scope_missing: the department may not issue the type at that time;
#: unknown: no entry of the department's that waits for its signature.
Outcome = Literal["signed", "signed_before", "wrong_signature", "scope_missing", "unknown"]


@dataclass(frozen=True, slots=True)
class Redated:
    """An entry as it was submitted but for its date, and what the outbox knows it by."""

    payload: bytes
    digest: bytes


def redate(payload: bytes, recorded_at: datetime) -> Redated:
    """The entry with the date at which it is signed."""
    again = replace(Entry.from_bytes(payload), recorded_at=recorded_at).to_bytes()
    return Redated(again, hashlib.sha256(again).digest())


def is_left_to_department(periods: list[Period], recorded_at: datetime) -> bool:
    """Whether the key service cannot sign an entry of that time: it has no key of then."""
    present = in_force(periods, recorded_at)
    return present is None or present.own


def own_key(periods: list[Period], at: datetime) -> Period:
    """The department's own key in force. Raises NotPermittedError: there is none, or the key service signs for it."""
    present = in_force(periods, at)
    if present is None:
        message = "部门没有在用的签名密钥：请登记新的密钥，或待已登记的密钥启用。"
        raise NotPermittedError("no_key_in_force", message)
    if not present.own:
        message = "该部门由本系统的密钥服务代签；如要自行签署，请先登记部门自己的密钥。"
        raise NotPermittedError("signed_by_service", message)
    return present
