"""May this person enter here now? The gate's decision, from a verdict, the venue's rule and what the gate has seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, NamedTuple

from verifier import times
from verifier.code import KIND_CHINESE, SECOND_FACTOR_DUE, CodeClaims, CodeKind, Grant, GrantKind
from verifier.errors import UnknownStatusError
from verifier.status import CHINESE, Status
from verifier.trust import TrustBundle
from verifier.venue import Venue, VenueRule
from verifier.verdict import State, Verdict

ADMITTED_KINDS = (CodeKind.PERSON, CodeKind.PRINTED)
"""The other kinds are public signs; whoever shows one has shown nothing about a person."""


class Admitted(NamedTuple):
    """The newest code with some id that opened this gate: when it was issued, or shown by its device, and used here."""

    issued_at: datetime
    admitted_at: datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the door opens, and the one reason. `admit` is true exactly when `state` is VALID.

    state: INVALID for what is no right to enter, NOT_IN_FORCE for one that does not hold now, UNDECIDED for what cannot
    be judged here. reason: a stable snake_case code of at most 40 characters; message: Chinese, for the person at the
    door. Which certificate opened the door is not told: a display beside a queue is no place for it. code_id and
    code_issued_at: of a genuine code only; what a forgery claims is kept nowhere. Of a dynamic code, code_issued_at is
    when its device showed it.
    """

    state: State
    reason: str
    message: str
    at: datetime
    code_id: bytes | None = None
    code_issued_at: datetime | None = None

    @property
    def admit(self) -> bool:
        """Open the door."""
        return self.state is State.VALID

    def to_json(self) -> dict[str, Any]:
        """The decision as a JSON object."""
        return {
            "admit": self.admit,
            "state": self.state.value,
            "reason": self.reason,
            "message": self.message,
            "at": times.to_text(self.at),
            "code_id": None if self.code_id is None else self.code_id.hex(),
        }


class _Answer(NamedTuple):
    state: State
    reason: str
    message: str


def decide(
    verdict: Verdict,
    claims: CodeClaims | None,
    venue: Venue,
    trust: TrustBundle,
    at: datetime,
    seen: Mapping[bytes, Admitted],
    *,
    bearer_seen: bool = False,
) -> Decision:
    """The decision on a code whose verdict was reached at `at` with this trust bundle. Fails closed.

    The steps: (1) the verdict is valid, (2) it is about a person or printed code, (3) the venue is open, (4) the code
    is no replay, (5) one of its grants is accepted here, has not ended and is in force, (6) the staff saw that the
    bearer of a printed code is its holder (`bearer_seen`), or the venue does not ask for it. `seen` maps code ids to
    what opened this gate.
    """
    answer = _judge(verdict, claims, venue, trust, at, seen)
    if answer.state is State.VALID and claims is not None and claims.kind is CodeKind.PRINTED:
        answer = _with_second_factor(answer, venue.rule, bearer_seen)
    if claims is None or verdict.state in (State.INVALID, State.UNDECIDED):
        return Decision(*answer, at)
    return Decision(*answer, at, claims.code_id, claims.made_at)


def is_open(rule: VenueRule, at: datetime) -> bool:
    """Whether the venue is open at that moment, Shanghai time. A rule that names no hours is open at all hours."""
    local = at.astimezone(times.SHANGHAI)
    weekday, clock = local.isoweekday(), local.time()
    return not rule.hours or any(
        weekday in span.days and span.opens <= clock and (clock < span.closes or span.closes == time.max)
        for span in rule.hours
    )


def _judge(
    verdict: Verdict,
    claims: CodeClaims | None,
    venue: Venue,
    trust: TrustBundle,
    at: datetime,
    seen: Mapping[bytes, Admitted],
) -> _Answer:
    if verdict.state is not State.VALID:
        return _Answer(verdict.state, verdict.reason, verdict.message)
    if claims is None:
        return _Answer(State.UNDECIDED, "no_claims", "没有读到码的内容")
    if claims.kind not in ADMITTED_KINDS:
        return _Answer(State.INVALID, "wrong_kind", f"这是{KIND_CHINESE[claims.kind]}，请出示个人码")
    if venue.rule.dynamic_only and claims.device_key is None:
        return _Answer(State.INVALID, "static_not_accepted", "本场所只接受手机动态码，请在手机上出示")
    if not is_open(venue.rule, at):
        return _Answer(State.NOT_IN_FORCE, "closed", "现在不在开放时间内")
    if _is_replay(claims, at, venue.rule.anti_passback_seconds, seen):
        return _Answer(State.INVALID, "replayed", "此码刚刚已在本闸口使用过，请刷新后再试")
    return _entitlement(claims, venue, trust, at)


def _with_second_factor(answer: _Answer, rule: VenueRule, bearer_seen: bool) -> _Answer:
    if bearer_seen:
        return _Answer(State.VALID, "bearer_seen", f"{answer.message}，证件或面貌已核对")
    if rule.printed_alone:
        return answer
    return _Answer(State.UNDECIDED, SECOND_FACTOR_DUE, "离线码有效，请核对身份证件或本人面貌，相符后确认放行")


def _is_replay(claims: CodeClaims, at: datetime, window_seconds: int, seen: Mapping[bytes, Admitted]) -> bool:
    """Ids and times are compared, never texts: a signature can be changed without becoming wrong."""
    last = seen.get(claims.code_id)
    if last is None or claims.made_at > last.issued_at:
        return False
    # Older than what was used already: a picture kept from before the code was refreshed. A device shows anew at will,
    # so one showing opens once, whatever the window.
    is_spent = claims.made_at < last.issued_at or claims.shown_at is not None
    return is_spent or at - last.admitted_at < timedelta(seconds=window_seconds)


def _entitlement(claims: CodeClaims, venue: Venue, trust: TrustBundle, at: datetime) -> _Answer:
    answers = [_grant(grant, trust, at) for grant in claims.grants if _is_accepted(grant, venue)]
    # One good grant is enough; and one that cannot be judged might be good, which is more than one that ended.
    for state in (State.VALID, State.UNDECIDED, State.NOT_IN_FORCE):
        for answer in answers:
            if answer.state is state:
                return answer
    return _Answer(State.INVALID, "not_entitled", "此码没有进入本场所的通行证或证照")


def _is_accepted(grant: Grant, venue: Venue) -> bool:
    if grant.kind is GrantKind.PASS:
        return venue.rule.admit_passes and grant.ref == venue.id
    return grant.ref in venue.rule.admit_types


def _grant(grant: Grant, trust: TrustBundle, at: datetime) -> _Answer:
    noun = "通行证" if grant.kind is GrantKind.PASS else "证照"
    if at >= grant.until:
        return _Answer(State.NOT_IN_FORCE, "grant_ended", f"{noun}已于 {times.for_people(grant.until)} 到期")
    try:
        status, _ = trust.status(grant.status_list, grant.status_index)
    except UnknownStatusError as error:
        return _Answer(State.UNDECIDED, "grant_status_unknown", f"无法确认{noun}的状态：{error.message}")
    if status is not Status.VALID:
        return _Answer(State.NOT_IN_FORCE, f"grant_{status.name.lower()}", f"{noun}{CHINESE[status]}")
    return _Answer(State.VALID, grant.kind.name.lower(), f"凭{noun}进入")
