"""What can be wrong with something presented, sorted by what it means for the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Check(StrEnum):
    """The steps of a verification; each is reported as passed, failed or not checked."""

    FORMAT = "format"
    SIGNATURE = "signature"
    ISSUER = "issuer"
    SCHEMA = "schema"
    COMMITMENT = "commitment"
    FILES = "files"
    INCLUSION = "inclusion"
    ANCHOR = "anchor"
    WITNESSES = "witnesses"
    STATUS = "status"
    VALIDITY = "validity"
    KIND = "kind"
    DELEGATION = "delegation"
    FRESHNESS = "freshness"
    HOLDER = "holder"
    POSSESSION = "possession"
    RECEIVER = "receiver"

    # Enum's own hash is a Python function; results are kept by check, so it would be called dozens of times a verdict.
    __hash__ = str.__hash__


class VerificationError(Exception):
    """Root of everything this package raises: do not rely on what was presented.

    Attributes: `check` the step that failed; `reason` a stable snake_case code; `message` a Chinese sentence for
    people; `evidence` what was seen, safe to show (nothing personal).
    """

    check: Check = Check.FORMAT

    def __init__(
        self, reason: str, message: str, *, check: Check | None = None, evidence: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(f"{reason}: {message}")
        if check is not None:
            self.check = check
        self.reason = reason
        self.message = message
        self.evidence: dict[str, Any] = dict(evidence or {})


class MalformedError(VerificationError):
    """Not our format, a wrong version, not canonical, or over a limit."""


class SignatureError(VerificationError):
    """A signature does not match the bytes it stands under."""

    check = Check.SIGNATURE


class CommitmentError(VerificationError):
    """The data shown is not the data that was committed to."""

    check = Check.COMMITMENT


class SchemaError(VerificationError):
    """The face data does not fit its type. `.errors` lists every field: (path, message)."""

    check = Check.SCHEMA

    def __init__(self, reason: str, message: str, *, errors: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(reason, message, evidence={"fields": [path for path, _ in errors]})
        self.errors = errors


class ScopeError(VerificationError):
    """A known key or department did what it may not do, or not at that time."""

    check = Check.ISSUER


class InclusionError(VerificationError):
    """A proof does not lead from the leaf to the root, or from the old head to the new one."""

    check = Check.INCLUSION


class AnchorContradictionError(VerificationError):
    """The trust bundle knows another head at this size."""

    check = Check.ANCHOR


class WitnessError(VerificationError):
    """A cosigned head is not the head it stands for, or a trusted witness's cosignature does not hold."""

    check = Check.WITNESSES


class KindError(VerificationError):
    """A genuine code of another kind than this place accepts."""

    check = Check.KIND


class ProofError(VerificationError):
    """The device that a code is bound to did not prove that it shows the code."""

    check = Check.POSSESSION


class DelegationError(VerificationError):
    """A link of a delegation gives what its delegator had not got, or the links do not fit together."""

    check = Check.DELEGATION


class NotInForceError(VerificationError):
    """Genuine, but not in force at the time asked about."""


class StatusError(NotInForceError):
    """Suspended, revoked, cancelled, superseded … according to the status list."""

    check = Check.STATUS


class ValidityError(NotInForceError):
    """Before its beginning or after its end."""

    check = Check.VALIDITY


class UndecidedError(VerificationError):
    """What is needed to decide is not here: neither good nor bad."""


class UntrustedIssuerError(UndecidedError):
    """The signing key is not in the trust bundle."""

    check = Check.ISSUER


class UnanchoredError(UndecidedError):
    """The head is not in this trust bundle; a newer one may know it."""

    check = Check.ANCHOR


class UnwitnessedError(UndecidedError):
    """Fewer trusted witnesses than the trust bundle asks for have cosigned the head; more may do so later."""

    check = Check.WITNESSES


class UnknownStatusError(UndecidedError):
    """The trust bundle carries no status for this item."""

    check = Check.STATUS


class UnknownTypeError(UndecidedError):
    """The trust bundle does not describe this certificate type and version."""

    check = Check.SCHEMA


class StaleTrustError(UndecidedError):
    """The trust bundle is older than the policy accepts, or past its own end."""

    check = Check.FRESHNESS
