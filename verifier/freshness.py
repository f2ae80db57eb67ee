"""How old the trust bundle is that a verdict rests on: in time, late (a warning), or too old to decide by."""

from __future__ import annotations

from datetime import timedelta

from verifier import times
from verifier.errors import Check
from verifier.trust import TrustBundle
from verifier.verdict import Examination, Outcome


def examine_freshness(exam: Examination, trust: TrustBundle, max_age: timedelta) -> None:
    """Check the bundle's age at the time asked about.

    Until half of its life is over it is in time. From then on a newer one should have come: the check passes with the
    reason `trust_late`. Past its end, or past the age that the policy accepts, it is undecided (`trust_expired`,
    `trust_too_old`, `root_expired`).
    """
    issued_at = trust.content.issued_at
    exam.run(Check.FRESHNESS, lambda: trust.check_fresh(exam.at, max_age), "信任包在有效期内", issued_at)
    if exam.results[Check.FRESHNESS].outcome is not Outcome.PASSED:
        return
    due_at = trust.late_since(exam.at)
    if due_at is not None:
        stops_at = min(trust.content.expires_at, issued_at + max_age)
        message = f"信任包应于 {times.for_people(due_at)} 前更新；{times.for_people(stops_at)} 起将无法判定"
        exam.warn(Check.FRESHNESS, "trust_late", message)
