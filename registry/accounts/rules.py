"""Rules of accounts: roles, names, passwords, secrets, lock-out."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

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

#: Wrong passwords in a row until the account is locked, and for how long.
MAX_FAILURES = 5
LOCKED_FOR = timedelta(minutes=15)
SESSION_LASTS = timedelta(hours=10)
MAX_TOKEN_LASTS = timedelta(days=400)

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


def check_roles(roles: Iterable[str]) -> list[FieldError]:
    """Faults of a set of roles."""
    chosen = list(roles)
    if not chosen or len(set(chosen)) != len(chosen) or not ROLES.keys() >= set(chosen):
        return [FieldError("roles", "unknown_role", f"角色应取自：{'、'.join(ROLES)}，至少一个且不重复。")]
    return []


def check_staff(username: str, name: str, roles: Iterable[str], department: str | None) -> list[FieldError]:
    """Every fault of an account's facts."""
    chosen = list(roles)
    errors = check_roles(chosen)
    if not TOKEN_ROLES.isdisjoint(chosen):
        errors.append(FieldError("roles", "role_of_tokens", "“闸口”角色只用于令牌，不能给人员。"))
    if not _USERNAME.fullmatch(username):
        errors.append(FieldError("username", "wrong_form", "用户名应为 3 至 32 位小写字母、数字或 . _ -，以字母开头。"))
    if not 0 < len(name.strip()) <= 50 or not name.isprintable():
        errors.append(FieldError("name", "wrong_length", "姓名应为 1 至 50 个字。"))
    if department is None and set(chosen) - {"administrator", "auditor"}:
        errors.append(FieldError("department", "department_missing", "该角色必须属于一个部门。"))
    return errors


def check_password(password: str, username: str) -> list[FieldError]:
    """Faults of a new password: length, at least three kinds of characters, not the user name."""
    if not MIN_PASSWORD_CHARACTERS <= len(password) <= MAX_PASSWORD_CHARACTERS:
        message = f"口令应为 {MIN_PASSWORD_CHARACTERS} 至 {MAX_PASSWORD_CHARACTERS} 个字符。"
        return [FieldError("password", "wrong_length", message)]
    kinds = sum(
        any(test(character) for character in password)
        for test in (str.islower, str.isupper, str.isdigit, lambda character: not character.isalnum())
    )
    if kinds < 3 or username in password.lower():
        message = "口令应含大写字母、小写字母、数字、符号中的至少三类，且不含用户名。"
        return [FieldError("password", "too_weak", message)]
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


def lock_after(failures: int, at: datetime) -> datetime | None:
    """Until when an account with this many failures in a row is locked."""
    return at + LOCKED_FOR if failures >= MAX_FAILURES else None
