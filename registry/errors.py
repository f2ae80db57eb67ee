"""What a use case refuses, sorted by what the caller does next.

Every error carries `reason` (a stable snake_case code for programs), `message` (Chinese, for the person at the screen)
and `evidence` (what the decision rests on; never a holder's number).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of one field: `field` is a path such as `holders[0].holder_code`, `row` the 1-based row of a batch."""

    field: str
    reason: str
    message: str
    row: int | None = None


class RegistryError(Exception):
    """The root: never raised itself."""

    #: True when what was written before the error (a failed login, a refused use) must be kept: `Registry.begin` then
    #: commits before it raises on. False for everything else: the transaction is rolled back.
    kept: ClassVar[bool] = False

    def __init__(self, reason: str, message: str, evidence: Mapping[str, object] | None = None) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.evidence: dict[str, object] = dict(evidence or {})


class NotFoundError(RegistryError):
    """No such thing, or none that this actor may know of. Do: correct the reference."""


class DuplicateError(RegistryError):
    """Something else already stands under this key; `existing_id` names it. Do: look at it, do not repeat."""

    def __init__(
        self, reason: str, message: str, existing_id: str, evidence: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(reason, message, {"existing_id": existing_id, **(evidence or {})})
        self.existing_id = existing_id


class NotPermittedError(RegistryError):
    """The actor's roles, department or scope do not allow this. Do: ask someone who may."""


class AuthenticationError(RegistryError):
    """The caller is not who they say, or is disabled. Do: log in again."""

    kept = True


class SecondFactorNeededError(AuthenticationError):
    """The password was right, and the account has a second factor. Do: send a code with the half session's secret."""

    def __init__(self, half_session: str, expires_at: datetime) -> None:
        message = "口令正确，还须输入验证器上的 6 位验证码，或一个备用码。"
        super().__init__("second_factor_needed", message, {"expires_at": expires_at.isoformat()})
        self.half_session = half_session


class LoginDelayedError(AuthenticationError):
    """Too many wrong passwords: this one was not looked at. Do: wait, or use a browser that is known."""

    def __init__(self, message: str, free_at: datetime, wait_seconds: int) -> None:
        super().__init__("login_delayed", message, {"free_at": free_at.isoformat()})
        self.wait_seconds = wait_seconds


class InvalidDraftError(RegistryError):
    """The request breaks rules of its own; `errors` lists every broken field. Do: correct those fields."""

    def __init__(self, errors: Sequence[FieldError], message: str = "填报内容有误，请按提示修改。") -> None:
        super().__init__("invalid_draft", message, {"fields": [error.field for error in errors]})
        self.errors = tuple(errors)


class TransitionError(RegistryError):
    """The item's present `state` does not allow the `wanted` operation. Do: reload the item and decide again."""

    def __init__(self, state: str, wanted: str, message: str, reason: str = "transition_not_allowed") -> None:
        super().__init__(reason, message, {"state": state, "wanted": wanted})
        self.state = state
        self.wanted = wanted


class ReuseRefusedError(RegistryError):
    """A use was refused for the named reason; the refusal is recorded. Do: tell the applicant the reason."""

    kept = True


class WrongNumberError(RegistryError):
    """No such fallback number holds; the try was counted. Do: ask for a new number, or for the code itself."""

    kept = True


class TooManyTriesError(RegistryError):
    """Too many wrong tries lately, by this account or by all. Do: wait an hour, or ask for the code itself."""


class ConflictError(RegistryError):
    """The same idempotency key came with another request. Do: use a new key for a new request."""


class LimitError(RegistryError):
    """The request is larger than the stated limit. Do: split it or make it smaller."""


class BusyError(RegistryError):
    """The database gave way to another writer and nothing was written. Do: repeat the same request after a moment."""


class NotAnchoredYetError(RegistryError):
    """Acknowledged and safe, but its receipt is not anchored yet. Do: ask again in a few seconds."""


class KeyUnavailableError(RegistryError):
    """No signing key is in force for the purpose at that time. Do: an administrator makes or rotates the key."""


class StoreError(RegistryError):
    """The store of files refused, is full or away; nothing was kept. Do: repeat after a moment, or make room."""


class FileKeyError(RegistryError):
    """The master key of stored files is missing, away or another one. Do: an administrator restores it."""
