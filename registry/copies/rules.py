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
    return errors + check_end("加注件", request.expires_at, now, valid_to_on)


def check_end(what: str, expires_at: datetime, now: datetime, valid_to_on: date | None) -> list[FieldError]:
    """Faults of the end of something that is taken from a certificate; `what` is its name."""
    if expires_at <= now:
        return [FieldError("expires_at", "in_the_past", "有效至应晚于现在。")]
    if expires_at > now + LONGEST:
        return [FieldError("expires_at", "too_late", f"{what}最长有效 {LONGEST.days} 天。")]
    if valid_to_on is not None and shanghai_day(expires_at - timedelta(seconds=1)) > valid_to_on:
        return [FieldError("expires_at", "after_the_original", f"不能晚于原证照的有效期（{valid_to_on}）。")]
    return []
