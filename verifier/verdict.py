"""The verdict (核验结论): four states, fail closed, with every check that led to it.

"Not checked" never looks like "passed", nor like "failed".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from verifier import times
from verifier.errors import Check, NotInForceError, UndecidedError, VerificationError

_T = TypeVar("_T")


class State(StrEnum):
    """valid · invalid · not in force · undecided."""

    VALID = "valid"
    INVALID = "invalid"
    NOT_IN_FORCE = "not_in_force"
    UNDECIDED = "undecided"


STATE_CHINESE = {
    State.VALID: "有效",
    State.INVALID: "无效",
    State.NOT_IN_FORCE: "不在有效状态",
    State.UNDECIDED: "无法判定",
}
#: Instead of "invalid", for the reason `not_ours`: nobody is to be taken for a forger who shows another system's code.
NOT_OURS_CHINESE = "不属本系统"

CHECK_CHINESE = {
    Check.FORMAT: "格式",
    Check.SIGNATURE: "签名",
    Check.ISSUER: "签发权限",
    Check.SCHEMA: "类型规范",
    Check.COMMITMENT: "内容承诺",
    Check.FILES: "附件",
    Check.INCLUSION: "存证收录",
    Check.ANCHOR: "链上锚定",
    Check.WITNESSES: "见证",
    Check.STATUS: "证照状态",
    Check.VALIDITY: "有效期",
    Check.KIND: "码的种类",
    Check.DELEGATION: "逐级委托",
    Check.FRESHNESS: "信任包时效",
    Check.HOLDER: "持证人一致",
    Check.POSSESSION: "手机即时证明",
    Check.RECEIVER: "接收单位",
}


_ORDER = tuple(Check)


class Outcome(StrEnum):
    """Of one check."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not_checked"


_PASSED = Outcome.PASSED
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class CheckResult(NamedTuple):
    """One check: outcome, stable reason code, Chinese message, evidence, and the time of the input it rests on."""

    check: Check
    outcome: Outcome
    reason: str
    message: str
    evidence: Mapping[str, Any] = _NOTHING
    as_of: datetime | None = None

    def to_json(self, at: datetime) -> dict[str, Any]:
        """With the age of the input in seconds at the time asked about; None where no dated input was used."""
        return {
            "check": self.check.value,
            "name": CHECK_CHINESE[self.check],
            "outcome": self.outcome.value,
            "reason": self.reason,
            "message": self.message,
            "evidence": dict(self.evidence),
            "as_of": None if self.as_of is None else times.to_text(self.as_of),
            "age_seconds": None if self.as_of is None else int((at - self.as_of).total_seconds()),
        }


@dataclass(frozen=True, slots=True)
class Policy:
    """Which checks must have passed, how old the trust bundle may be, and how long a dynamic code stays fresh.

    proof_window: how long after its showing; proof_skew: how far the phone's clock may differ, either way.
    """

    required: frozenset[Check]
    max_trust_age: timedelta = timedelta(days=7)
    proof_window: timedelta = timedelta(seconds=30)
    proof_skew: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer: state, the one reason that matters first, all checks, and what the item says of itself."""

    state: State
    reason: str
    message: str
    checks: tuple[CheckResult, ...]
    at: datetime
    subject: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The verdict as a JSON object."""
        return {
            "state": self.state.value,
            "state_name": STATE_CHINESE[self.state],
            "reason": self.reason,
            "message": self.message,
            "at": times.to_text(self.at),
            "checks": [result.to_json(self.at) for result in self.checks],
            "subject": self.subject,
        }


class Examination:
    """Collects the checks of one verification. Steps raise; this turns what they raise into results."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.results: dict[Check, CheckResult] = {}
        self._errors: list[VerificationError] = []

    def run(self, check: Check, step: Callable[[], _T], passed: str, as_of: datetime | None = None) -> _T | None:
        """The step's value, or None if it raised; `passed` is the message when it did not."""
        try:
            value = step()
        except VerificationError as error:
            self.fail(check, error, as_of)
            return None
        self.results[check] = CheckResult(check, _PASSED, "ok", passed, _NOTHING, as_of)
        return value

    def show(self, check: Check, evidence: Mapping[str, Any]) -> None:
        """Say what a check rests on that has its result already."""
        self.results[check] = self.results[check]._replace(evidence=evidence)

    def warn(self, check: Check, reason: str, message: str) -> None:
        """Say of a check that passed what its reader should know all the same."""
        self.results[check] = self.results[check]._replace(reason=reason, message=message)

    def fail(self, check: Check, error: VerificationError, as_of: datetime | None = None) -> None:
        """Record what a step raised: undecided counts as not checked, everything else as failed."""
        outcome = Outcome.NOT_CHECKED if isinstance(error, UndecidedError) else Outcome.FAILED
        self.results[check] = CheckResult(check, outcome, error.reason, error.message, error.evidence, as_of)
        self._errors.append(error)

    def succeed(self, check: Check, message: str, evidence: Mapping[str, Any], as_of: datetime) -> None:
        """Record a check that passed together with what was seen."""
        self.results[check] = CheckResult(check, _PASSED, "ok", message, evidence, as_of)

    def skip(self, check: Check, reason: str, message: str) -> None:
        """Record that a check could not be made, or was not asked for."""
        self.results[check] = CheckResult(check, Outcome.NOT_CHECKED, reason, message)

    def conclude(self, policy: Policy, subject: dict[str, Any] | None = None) -> Verdict:
        """Invalid beats not in force beats undecided; valid only when every required check has passed."""
        results = self.results
        for check in policy.required - results.keys():
            self.skip(check, "not_reached", "前面的检查没有通过，未能核验")
        state, reason, message = self._decide(policy)
        ordered = tuple([results[check] for check in _ORDER if check in results])
        return Verdict(state, reason, message, ordered, self.at, subject or {})

    def _decide(self, policy: Policy) -> tuple[State, str, str]:
        for error in self._errors:
            if not isinstance(error, (NotInForceError, UndecidedError)):
                return State.INVALID, error.reason, error.message
        signature = self.results.get(Check.SIGNATURE)
        authentic = signature is not None and signature.outcome is Outcome.PASSED
        for error in self._errors:
            # A state read for something whose signature was not checked proves nothing about it.
            if isinstance(error, NotInForceError) and authentic:
                return State.NOT_IN_FORCE, error.reason, error.message
        open_checks = [
            result
            for result in self.results.values()
            if result.outcome is not _PASSED and result.check in policy.required
        ]
        # The first error explains more than the checks it kept from being reached.
        open_checks.sort(key=lambda result: result.reason == "not_reached")
        if open_checks:
            return State.UNDECIDED, open_checks[0].reason, open_checks[0].message
        return State.VALID, "ok", "各项检查均已通过"
