"""The verdict on an extract: genuine, its issuer's to give, in force, for this receiver, shown by its holder.

The steps in docs/extracts.md.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from verifier import times
from verifier.commitment import parse_object, reseal
from verifier.errors import Check, CommitmentError, KindError, ScopeError, ValidityError
from verifier.evidence import (
    EVIDENCE_POLICY,
    EvidenceBundle,
    check_validity,
    examine_log,
    examine_status,
    issuer_key,
)
from verifier.extract import OPEN_FIELDS, PURPOSE, OpenExtract, open_extract
from verifier.freshness import examine_freshness
from verifier.jws import decode
from verifier.key_binding import Challenge, examine_binding
from verifier.sd_jwt import WITHHELD
from verifier.trust import TrustBundle
from verifier.trust_content import TrustedKey
from verifier.verdict import Examination, Policy, Verdict
from verifier.witnessing import without_witnesses

EXTRACT_POLICY = Policy(
    frozenset((Check.FORMAT, Check.SIGNATURE, Check.ISSUER, Check.STATUS, Check.VALIDITY, Check.FRESHNESS))
)


def verify_extract(
    presented: bytes,
    trust: TrustBundle,
    at: datetime,
    *,
    receiver: str | None = None,
    challenge: Challenge | None = None,
    evidence: bytes | None = None,
    policy: Policy = EXTRACT_POLICY,
) -> Verdict:
    """The verdict on an extract at a time. Never raises for any bytes.

    receiver: the code of the department that was handed it; challenge: what the holder's device was asked to sign;
    evidence: the certificate's evidence bundle. What is given is required to hold.
    The steps: (0) trust fresh, (1) format and disclosures, (2) the issuer's key and scope at the time of signing and of
    the original's entry, (3) receiver, (4) status, (5) its own end and the certificate's period, (6) the holder's
    device, (7) both signatures, (8) with evidence: what is told is what was committed to, and the log.
    """
    exam = Examination(at)
    examine_freshness(exam, trust, policy.max_trust_age)
    opened = exam.run(Check.FORMAT, lambda: open_extract(presented, trust.content.origin), "摘录件格式正确")
    if opened is None:
        return exam.conclude(policy)
    issued_at = trust.content.issued_at
    keys = exam.run(Check.ISSUER, lambda: _keys(opened, trust), "发证单位在签署时有权颁发", issued_at)
    policy = _examine_receiver(exam, policy, opened, receiver)
    examine_status(exam, trust, {"证照": opened.original})
    exam.run(Check.VALIDITY, lambda: _check_period(opened, at), "在有效期内")
    examine_binding(exam, opened.sd_jwt, opened.holder, challenge)
    if challenge is not None:
        policy = replace(policy, required=policy.required | {Check.POSSESSION})
    if keys is not None:
        signer, issuer = keys
        exam.run(Check.SIGNATURE, lambda: _check_signatures(opened, signer, issuer), "签名与内容一致")
    policy = _examine_evidence(exam, policy, opened, trust, evidence)
    return exam.conclude(policy, _describe(opened, trust))


def _examine_receiver(exam: Examination, policy: Policy, opened: OpenExtract, receiver: str | None) -> Policy:
    if receiver is None:
        exam.skip(Check.RECEIVER, "receiver_not_asked", "没有指明核验单位，未核对接收单位")
        return policy

    def check() -> None:
        if opened.claims["aud"] != receiver:
            raise KindError("wrong_receiver", "内容是出具给另一单位的", check=Check.RECEIVER)

    exam.run(Check.RECEIVER, check, "内容是出具给本单位的")
    return replace(policy, required=policy.required | {Check.RECEIVER})


def _examine_evidence(
    exam: Examination, policy: Policy, opened: OpenExtract, trust: TrustBundle, evidence: bytes | None
) -> Policy:
    if evidence is None:
        reason, message = "evidence_not_at_hand", "没有证照的证据包：所示字段由发证单位签名担保，未与存证核对"
        exam.skip(Check.COMMITMENT, reason, message)
        return policy
    policy = replace(policy, required=policy.required | EVIDENCE_POLICY.required - {Check.SCHEMA})
    policy = without_witnesses(policy) if trust.content.witness_threshold == 0 else policy
    bundle = exam.run(Check.COMMITMENT, lambda: _committed(opened, evidence), "所示字段与存证承诺一致")
    return policy if bundle is None else examine_log(exam, policy, bundle, trust)[1]


def _committed(opened: OpenExtract, evidence: bytes) -> EvidenceBundle:
    """The evidence bundle, if what is told is part of the face that its entry commits to."""
    bundle = EvidenceBundle.from_bytes(evidence)
    if bundle.signed_entry != decode(opened.claims["evidence"]["entry"]):
        raise CommitmentError("other_entry", "证据包是另一件证照的")
    check_told(opened, bundle.face, bundle.salts)
    return bundle


def check_told(opened: OpenExtract, face: bytes, salts: bytes) -> None:
    """Raises CommitmentError unless the original's entry commits to these and what is told is part of them."""
    fields = parse_object(face)
    if reseal(face, salts, fields).digest != opened.original.digest:
        raise CommitmentError("digest_differs", "照面数据与存证时的内容不一致")
    if not _is_part(opened.sd_jwt.claims["certificate"], fields):
        raise CommitmentError("field_differs", "所示字段与存证的照面数据不一致")


def _is_part(told: Any, whole: Any) -> bool:
    """Whether everything told is so in the whole; places in arrays stay, since withheld elements leave gaps."""
    if told is WITHHELD:
        return True
    if isinstance(told, dict):
        return isinstance(whole, dict) and all(
            name in whole and _is_part(value, whole[name]) for name, value in told.items()
        )
    if isinstance(told, list):
        return isinstance(whole, list) and len(told) == len(whole) and all(map(_is_part, told, whole))
    return type(told) is type(whole) and bool(told == whole)


def _keys(opened: OpenExtract, trust: TrustBundle) -> tuple[TrustedKey, TrustedKey]:
    """The issuer's keys for the extract and for the original's entry. Raises UntrustedIssuerError, ScopeError."""
    key = trust.key(opened.sd_jwt.jwt.kid, PURPOSE, opened.made_at)
    if key.owner != opened.claims["iss"]:
        raise ScopeError("key_of_another", "签名密钥属于另一个单位", evidence={"owner": key.owner})
    trust.check_scope(key.owner, str(opened.original.facts.get("type")), opened.made_at)
    return key, issuer_key(trust, opened.original_message, opened.original)


def _check_signatures(opened: OpenExtract, signer: TrustedKey, issuer: TrustedKey) -> None:
    opened.sd_jwt.jwt.check(signer.public)
    opened.original_message.check(issuer.public)


def _check_period(opened: OpenExtract, at: datetime) -> None:
    if at < opened.made_at:
        made = times.for_people(opened.made_at)
        raise ValidityError("not_yet_valid", f"内容出具于 {made}，晚于核验时间")
    if at >= opened.ends_at:
        ended, evidence = times.for_people(opened.ends_at), {"expires_at": times.to_text(opened.ends_at)}
        raise ValidityError("expired", f"内容已于 {ended} 到期", evidence=evidence)
    check_validity(opened.claims["certificate"], at)


def _describe(opened: OpenExtract, trust: TrustBundle) -> dict[str, Any]:
    """What an extract says of itself; of the fields their names only, the caller has the values."""
    claims, original = opened.claims, opened.original
    names = {department.code: department.name for department in trust.content.departments}
    return {
        **{name: claims["certificate"].get(name) for name in OPEN_FIELDS},
        "extract_id": claims["jti"],
        "purpose": claims["purpose"],
        "matter_code": claims["matter"]["code"],
        "receiver": claims["aud"],
        "receiver_name": names.get(claims["aud"]),
        "made_at": times.to_text(opened.made_at),
        "expires_at": times.to_text(opened.ends_at),
        "fields": [".".join(map(str, path[1:])) for path in opened.sd_jwt.disclosed],
        "type_code": original.facts.get("type"),
        "department": original.department,
        "recorded_at": times.to_text(original.recorded_at),
    }
