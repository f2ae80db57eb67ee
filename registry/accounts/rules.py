"""Rules of accounts: roles, names, passwords, secrets, and how wrong passwords slow down whoever tries."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError

from registry.errors import FieldError

ROLES = {
    "administrator": "系统管理员",
    "registrar": "证照登记员",
    "window": "综合窗口",
    "venue": "场所管理员",
    "auditor": "审计员",
    "gate": "闸口",
}
#: A gate is a machine that anybody may pick up: the role is for tokens, and opens what a gate needs and nothing else.
TOKEN_ROLES = frozenset({"gate"})

#: Wrong passwords for one account that cost no time: from one place, and from all places that it does not know.
FREE_TRIES = 5
FREE_TRIES_OF_ALL = 50
#: From how many more on a newcomer waits twice as long: at 120 of them for an hour.
TRIES_A_STEP = 10
#: NIST SP 800-63B 5.2.2: waiting from 30 seconds up to an hour as wrong passwords mount up to a hundred.
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
#: Wrong passwords are forgotten after so long without another one.
TRIES_LAST = timedelta(days=1)
#: A browser is known to the accounts that were logged in to with it, for so long after the last time.
BROWSER_LASTS = timedelta(days=180)
MAX_BROWSERS = 20
SESSION_LASTS = timedelta(hours=10)
MAX_TOKEN_LASTS = timedelta(days=400)
#: Of one gate's token.
MAX_TOKEN_VENUES = 50

MIN_PASSWORD_CHARACTERS = 10
#: Bounds the work of one log-in attempt.
MAX_PASSWORD_CHARACTERS = 128
SECRET_BYTES = 32
TOKEN_PREFIX = "szt_"  # noqa: S105 (a public mark, not a secret)

_USERNAME = re.compile(r"[a-z][a-z0-9._-]{2,31}", re.ASCII)
#: argon2id, 19 MiB, two passes, one lane: about 30 ms. RFC 9106 section 4 gives more for machines that have it.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
#: A hash of nothing anyone knows: an unknown user name costs as long as a wrong password.
_NOBODY = _HASHER.hash(base64.b85encode(hashlib.sha256(b"nobody").digest()).decode())


def is_username(text: str) -> bool:
    """Whether an account could have this user name."""
    return _USERNAME.fullmatch(text) is not None


def check_roles(roles: Iterable[str]) -> list[FieldError]:
    """Faults of a set of roles."""
    chosen = list(roles)
    if not chosen or len(set(chosen)) != len(chosen) or not ROLES.keys() >= set(chosen):
        return [FieldError("roles", "unknown_role", f"角色应取自：{'、'.join(ROLES)}，至少一个且不重复。")]
    return []


def check_venues(roles: Iterable[str], venues: Sequence[str] | None) -> list[FieldError]:
    """Faults of the venues that a token is for alone; None: it is for every one of its department."""
    if venues is None:
        return []
    if set(roles) != TOKEN_ROLES:
        # Any other role would open what the venues are to close.
        return [FieldError("venues", "not_a_gates", "只有角色仅为“闸口”的令牌可以限定场所。")]
    if not 0 < len(venues) <= MAX_TOKEN_VENUES or len(set(venues)) != len(venues):
        message = f"请选择 1 至 {MAX_TOKEN_VENUES} 个不重复的场所；不限定则不填。"
        return [FieldError("venues", "wrong_number", message)]
    return []


def check_staff(username: str, name: str, roles: Iterable[str], department: str | None) -> list[FieldError]:
    """Every fault of an account's facts."""
    chosen = list(roles)
    errors = check_roles(chosen)
    if not TOKEN_ROLES.isdisjoint(chosen):
        errors.append(FieldError("roles", "role_of_tokens", "“闸口”角色只用于令牌，不能给人员。"))
    if not is_username(username):
        errors.append(FieldError("username", "wrong_form", "用户名应为 3 至 32 位小写字母、数字或 . _ -，以字母开头。"))
    if not 0 < len(name.strip()) <= 50 or not name.isprintable():
        errors.append(FieldError("name", "wrong_length", "姓名应为 1 至 50 个字。"))
    if department is None and set(chosen) - {"administrator", "auditor"}:
        errors.append(FieldError("department", "department_missing", "该角色必须属于一个部门。"))
    return errors


def check_password(password: str, username: str, field: str = "password") -> list[FieldError]:
    """Faults of a new password: length, at least three kinds of characters, not the user name."""
    if not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS:
        message = f"口令应为 {MIN_PASSWORD_CHARACTERS} 至 {MAX_PASSWORD_CHARACTERS} 个字符。"
        return [FieldError(field, "wrong_length", message)]
    kinds = sum(
        any(test(character) for character in password)
        for test in (str.islower, str.isupper, str.isdigit, lambda character: not character.isalnum())
    )
    if kinds < 3 or username in password.lower():
        message = "口令应含大写字母、小写字母、数字、符号中的至少三类，且不含用户名。"
        return [FieldError(field, "too_weak", message)]
    return []


def hash_password(password: str) -> str:
    """The argon2id hash of a password."""
    return _HASHER.hash(password)


def is_password(password_hash: str | None, password: str) -> bool:
    """Whether the password is right; takes as long for an unknown account (None) as for a known one."""
    try:
        _HASHER.verify(password_hash or _NOBODY, password[: MAX_PASSWORD_CHARACTERS + 1])
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False
    return password_hash is not None


def new_password(draw: Callable[[int], bytes]) -> str:
    """A one-time password of 120 random bits that passes `check_password`."""
    body = base64.b32encode(draw(15)).decode().lower()
    return f"Sz1-{body[:6]}-{body[6:12]}-{body[12:18]}-{body[18:24]}"


def new_secret(draw: Callable[[int], bytes]) -> str:
    """A secret of 256 random bits for a cookie."""
    return base64.urlsafe_b64encode(draw(SECRET_BYTES)).decode().rstrip("=")


def secret_digest(secret: str) -> bytes:
    """SHA-256 of a secret. Salt and stretching are for guessable secrets; 256 random bits are not."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def wait_after(failures: int) -> timedelta:
    """How long a place waits after so many wrong passwords for one account: twice as long after each."""
    return _doubled(failures - FREE_TRIES)


def wait_of_newcomers(failures: int) -> timedelta:
    """How long an unknown place waits before it may try, when unknown places together were so often wrong."""
    return _doubled((failures - FREE_TRIES_OF_ALL) // TRIES_A_STEP)


def _doubled(times: int) -> timedelta:
    return timedelta(0) if times < 0 else min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(times, 7))
