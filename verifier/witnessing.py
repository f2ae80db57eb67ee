"""What the witnesses' cosignatures on a head mean for a verdict."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from verifier.cosignature import Cosignature, check_cosigned, describe, due_from
from verifier.errors import Check, UnwitnessedError
from verifier.note import Checkpoint
from verifier.trust import TrustBundle
from verifier.verdict import Examination, Policy


@lru_cache(maxsize=64)
def without_witnesses(policy: Policy) -> Policy:
    """The policy where no witnesses are asked for."""
    return replace(policy, required=policy.required - {Check.WITNESSES})


def examine_witnesses(
    exam: Examination, policy: Policy, trust: TrustBundle, head: Checkpoint, note: bytes | None
) -> Policy:
    """Record whether as many trusted witnesses as the trust bundle asks for cosigned exactly this head.

    Cosignatures nobody asked for are shown. Heads anchored before so many witnesses had begun are not asked for them:
    the policy that is returned then does not require the check.
    """
    content = trust.content
    predates = _predates_witnesses(trust, head)
    required = 0 if predates else content.witness_threshold
    if note is not None:
        _examine_note(exam, trust, head, note, required)
    elif required:
        message = f"证据包没有见证方的联署，需要 {required} 个；可稍后重新取证据包"
        exam.fail(Check.WITNESSES, UnwitnessedError("not_cosigned", message, evidence={"required": required}))
    elif predates:
        exam.skip(Check.WITNESSES, "before_witnesses", "该日志头锚定时还没有足够的见证方，不要求联署")
    return without_witnesses(policy) if predates else policy


def _examine_note(exam: Examination, trust: TrustBundle, head: Checkpoint, note: bytes, required: int) -> None:
    # Judged at an earlier time, evidence may have been cosigned since; the trust bundle itself is as late as it says.
    latest_at = max(exam.at, trust.content.issued_at)

    def check() -> list[Cosignature]:
        return check_cosigned(note, head, trust.log_keys(), trust.content.witnesses, required, latest_at)

    cosigned = exam.run(Check.WITNESSES, check, "见证方已联署")
    if cosigned:
        # So many of them had seen no larger head at this time.
        as_of = cosigned[max(required, 1) - 1].at
        exam.succeed(Check.WITNESSES, f"{len(cosigned)} 个见证方联署了同一日志头", describe(cosigned), as_of)
    elif cosigned is not None:
        exam.skip(Check.WITNESSES, "no_trusted_witness", "联署者都不是信任包中的见证方，或联署时间不在其有效期内")


def _predates_witnesses(trust: TrustBundle, head: Checkpoint) -> bool:
    """Whether the head was anchored before there were witnesses enough; the trust bundle's roots vouch for the time."""
    begun = due_from(trust.content.witnesses, trust.content.witness_threshold)
    return begun is not None and any(anchor.block_at < begun for anchor in trust.anchors(head.size, head.root))
