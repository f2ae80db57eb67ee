"""What a copy may be asked for, and how long it may last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from registry.errors import FieldError
from verifier.times import shanghai_day

#: A copy is for one matter that is going on, not for years.
LONGEST = timedelta(days=180)
MAX_RECEIVER_CHARACTERS = 60
MAX_PURPOSE_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """A copy as it is asked for: by a use of the actor's department, under an authorisation, or by the issuer.

    With `use_id`, matter and purpose are the use's own. `masked`: people's names and numbers are hidden; only
    registrars of the issuer may ask for a whole face. `expires_at` is exclusive.
    """

    certificate_id: str
    matter_code: str
    purpose: str
    receiver: str
    expires_at: datetime
    masked: bool = True
    use_id: str | None = None
    authorisation_id: str | None = None


def check_request(request: CopyRequest, now: datetime, valid_to_on: date | None) -> list[FieldError]:
    """Every fault of a request about a certificate that is valid to that day (None: without end)."""
    errors = [
        FieldError(name, "wrong_length", f"{title}必须填写，最多 {limit} 个字符，不能换行。")
        for name, title, text, limit in (
            ("purpose", "用途", request.purpose, MAX_PURPOSE_CHARACTERS),
            ("receiver", "接收单位", request.receiver, MAX_RECEIVER_CHARACTERS),
            ("matter_code", "事项", request.matter_code, 32),
        )
        if not 0 < len(text.strip()) <= limit or not text.isprintable()
    ]
    if request.use_id is not None and request.authorisation_id is not None:
        errors.append(FieldError("authorisation_id", "use_or_authorisation", "用证与授权只能指明一项。"))
    if request.expires_at <= now:
        errors.append(FieldError("expires_at", "in_the_past", "有效至应晚于现在。"))
    elif request.expires_at > now + LONGEST:
        errors.append(FieldError("expires_at", "too_late", f"加注件最长有效 {LONGEST.days} 天。"))
    elif valid_to_on is not None and shanghai_day(request.expires_at - timedelta(seconds=1)) > valid_to_on:
        errors.append(FieldError("expires_at", "after_the_original", f"不能晚于原证照的有效期（{valid_to_on}）。"))
    return errors
