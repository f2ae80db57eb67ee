"""How long tickets and phone codes last, and what a ticket in some state allows. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from registry.errors import AuthenticationError, FieldError, TransitionError
from verifier.status import Status

TICKET_LASTS: Final = timedelta(minutes=10)
MAX_ATTEMPTS: Final = 5
PIN_DIGITS: Final = 6
#: How long a phone's code is good without a network.
CODE_LASTS: Final = timedelta(days=7)
#: A phone that asks again sooner gets the code it has, unless what it grants has changed.
RENEWED_AFTER: Final = timedelta(hours=12)
#: Each is a code of its own on the phone (registry.codes.rules.apart), so this bounds a list, not a QR.
MAX_GRANTS: Final = 4

#: Why a device ended -> what its code becomes.
END_STATUS: Final[Mapping[str, Status]] = {
    "lost": Status.LOST,
    "withdrawn": Status.REVOKED,
    "replaced": Status.SUPERSEDED,
}
#: What a clerk may say; "replaced" is what a new enrolment does.
REASONS: Final = ("lost", "withdrawn")


def new_pin(draw: Callable[[int], bytes]) -> str:
    """Six digits, each as likely as another."""
    return f"{int.from_bytes(draw(16)) % 10**PIN_DIGITS:0{PIN_DIGITS}d}"


def check_grants(types: Sequence[str], venues: Sequence[str]) -> list[FieldError]:
    """Faults of what a phone's code shall grant."""
    if 0 < len(types) + len(venues) <= MAX_GRANTS:
        return []
    return [FieldError("types", "wrong_number_of_grants", f"请选择 1 至 {MAX_GRANTS} 项要出示的证照或通行证。")]


def check_ticket(expires_at: datetime, attempts: int, is_used: bool, at: datetime) -> None:
    """Raises AuthenticationError unless a ticket may still be redeemed; always to be answered by another ticket."""
    if is_used:
        raise AuthenticationError("ticket_used", "此登记凭条已用过，请在窗口重新领取。")
    if attempts >= MAX_ATTEMPTS:
        raise AuthenticationError("ticket_locked", "口令输错次数过多，此登记凭条已作废，请在窗口重新领取。")
    if at >= expires_at:
        raise AuthenticationError("ticket_expired", "此登记凭条已过期，请在窗口重新领取。")


def check_in_use(ended_by_reason: str | None) -> None:
    """Raises TransitionError for a device that ended."""
    if ended_by_reason is not None:
        message = "这部手机的登记已停用；如需继续使用，请到窗口重新登记。"
        raise TransitionError(ended_by_reason, "renew", message, reason=f"device_{ended_by_reason}")
