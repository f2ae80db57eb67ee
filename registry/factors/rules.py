"""Rules of the second factor: codes of apps (TOTP, RFC 6238), recovery codes, and who has to have one. Pure."""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

#: Of whom a second factor is asked. `administrators`: of accounts that have that role, whatever others they have.
Asked: TypeAlias = Literal["none", "administrators", "all"]
ASKED: Final[tuple[Asked, ...]] = ("none", "administrators", "all")

#: RFC 4226 section 4, R6: a shared secret of 160 bits.
SECRET_BYTES: Final = 20
DIGITS: Final = 6
STEP_SECONDS: Final = 30
#: RFC 6238 section 5.2 and 6: the phone's clock may be one step behind or ahead.
SKEW_STEPS: Final = 1
ISSUER: Final = "随证"

RECOVERY_CODES: Final = 10
#: 50 bits, as ten characters of Base32 in two groups.
_RECOVERY_CHARS: Final = 10
_RECOVERY_BYTES: Final = 7

ENROLMENT_LASTS: Final = timedelta(minutes=15)
HALF_SESSION_LASTS: Final = timedelta(minutes=5)
EVENTS: Final = ("enrolled", "replaced", "codes_renewed", "recovery_used", "ended", "removed")

_CODE: Final = re.compile(rf"[0-9]{{{DIGITS}}}", re.ASCII)


def is_asked_of(asked: Asked, roles: Collection[str]) -> bool:
    """Whether accounts with these roles have to have a second factor."""
    return asked == "all" or (asked == "administrators" and "administrator" in roles)


def code_of(secret: bytes, step: int) -> str:
    """The code of a time step (RFC 6238 section 4.2), by HMAC-SHA-1: the one that every app knows, and no weakness of
    SHA-1 is one of HMAC (RFC 6238 section 1.2)."""
    return TOTP(secret, DIGITS, SHA1(), STEP_SECONDS).generate(step * STEP_SECONDS).decode()  # noqa: S303


def step_at(at: datetime) -> int:
    """The number of the time step (RFC 6238 section 4.1, T0 = 0)."""
    return int(at.timestamp()) // STEP_SECONDS


def step_of(secret: bytes, code: str, at: datetime, after: int) -> int | None:
    """The step whose code this is, near enough to now and later than `after`; None if there is none.

    Every step is compared, whichever it is: the time tells nothing.
    """
    near = range(step_at(at) - SKEW_STEPS, step_at(at) + SKEW_STEPS + 1)
    fitting = [step for step in near if hmac.compare_digest(code_of(secret, step).encode(), code.encode())]
    return next((step for step in reversed(fitting) if step > after), None)


def normalised(text: str) -> str:
    """What was typed, without the blanks and hyphens between groups, in full-width digits or not."""
    plain = text.translate({0xFF10 + digit: 0x30 + digit for digit in range(10)})
    return "".join(one for one in plain if not one.isspace() and one not in "-‐–").upper()


def is_app_code(code: str) -> bool:
    """Whether a normalised code is of an app; any other may be a recovery code."""
    return _CODE.fullmatch(code) is not None


def secret_text(secret: bytes) -> str:
    """The secret to be typed into an app: Base32 in groups of four."""
    text = base64.b32encode(secret).decode()
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def key_uri(secret: bytes, username: str) -> str:
    """The `otpauth` address that apps read from a QR (the key URI format of Google Authenticator)."""
    values = {
        "secret": base64.b32encode(secret).decode(), "issuer": ISSUER, "algorithm": "SHA1", "digits": DIGITS,
        "period": STEP_SECONDS,
    }  # fmt: skip
    return f"otpauth://totp/{quote(ISSUER)}:{quote(username)}?{urlencode(values)}"


def new_recovery_codes(draw: Callable[[int], bytes]) -> list[str]:
    """Ten different codes, as they are shown."""
    codes: dict[str, None] = {}
    while len(codes) < RECOVERY_CODES:
        text = base64.b32encode(draw(_RECOVERY_BYTES)).decode()[:_RECOVERY_CHARS]
        codes[f"{text[:5]}-{text[5:]}"] = None
    return list(codes)
