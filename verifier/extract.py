"""Extracts (摘录件): the fields of a certificate that one matter needs, for one receiver, until their own end.

An SD-JWT of the type `dc+sd-jwt` (draft-ietf-oauth-sd-jwt-vc) signed by the certificate's issuer. Its claims, of which
only members of `certificate` are told by disclosures:

    iss, aud: 18-character codes of issuer and receiver; iat, exp; jti: id of the extract
    vct: <origin>/types/<type code>; status: {status_list: {idx, uri}} (draft-ietf-oauth-status-list)
    purpose, matter: {code, name}, case_no; cnf: {jwk} of the holder's device, if there is one
    evidence: {entry: Base64url of the original's signed log entry}
    certificate: {certificate_name, issuing_authority_name, issue_date, valid_from, valid_to, _sd, holders, extend_info}

What the receiver does not need is not in it, not even as a digest. Whoever also has the certificate's evidence bundle
can show that what is told is what the log committed to. Written out for outsiders in docs/extracts.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from verifier import cose, times
from verifier.commitment import parse_object, reseal
from verifier.entry import Entry, Kind
from verifier.errors import Check, CommitmentError, KindError, MalformedError, ScopeError, ValidityError
from verifier.evidence import (
    EVIDENCE_POLICY,
    EvidenceBundle,
    check_validity,
    examine_log,
    examine_status,
    issuer_key,
    open_entry,
)
from verifier.freshness import examine_freshness
from verifier.jws import decode, encode, jwk_of, sign_jws
from verifier.key_binding import Challenge, examine_binding, holder_key
from verifier.sd_jwt import (
    ALGORITHM,
    SHA_256,
    WITHHELD,
    Concealer,
    Path,
    SdJwt,
    assemble,
    open_sd_jwt,
    without_gaps,
)
from verifier.suites import PublicKey, SigningKey
from verifier.trust import TrustBundle, status_subject
from verifier.trust_content import TrustedKey
from verifier.verdict import Examination, Policy, Verdict
from verifier.witnessing import without_witnesses

TYPE = "dc+sd-jwt"
#: What a key may sign in a trust bundle.
PURPOSE = "extract"
#: Always told: without them nobody can judge what they see.
OPEN_FIELDS: Final = ("certificate_name", "issuing_authority_name", "issue_date", "valid_from", "valid_to")

EXTRACT_POLICY = Policy(
    frozenset((Check.FORMAT, Check.SIGNATURE, Check.ISSUER, Check.STATUS, Check.VALIDITY, Check.FRESHNESS))
)

_HOLDERS, _OWN = "holders", "extend_info"
_CLAIMS: Final = {
    "iss", "aud", "iat", "exp", "jti", "vct", "status", "purpose", "matter", "case_no", "evidence", "certificate",
}  # fmt: skip
_TOLD: Final = ("iss", "aud", "purpose", "matter", "case_no", "certificate")
_PLAIN_TEXTS: Final = ("iss", "aud", "jti", "vct", "purpose", "case_no")
_LONGEST_TEXT = 200


@dataclass(frozen=True, slots=True)
class Occasion:
    """What an extract is for. receiver: 18-character code; ends_at is exclusive."""

    id: str
    receiver: str
    matter_code: str
    matter_name: str
    purpose: str
    case_no: str
    made_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class _Opened:
    sd_jwt: SdJwt
    claims: dict[str, Any]
    made_at: datetime
    ends_at: datetime
    holder: PublicKey | None
    original_message: cose.Sign1
    original: Entry


def sign_extract(
    shown: Mapping[str, Any],
    signed_entry: bytes,
    occasion: Occasion,
    origin: str,
    key: SigningKey,
    draw: Callable[[int], bytes],
    device: PublicKey | None = None,
) -> str:
    """The SD-JWT of `shown`, a part of a certificate's face with at least OPEN_FIELDS, by its issuer's `key`.

    Raises MalformedError, also for keys whose suite has no name in JOSE.
    """
    _, entry = open_entry(signed_entry)
    concealer = Concealer(draw)
    claims = {
        "iss": entry.department, "aud": occasion.receiver, "iat": int(occasion.made_at.timestamp()),
        "exp": int(occasion.ends_at.timestamp()), "jti": occasion.id, "vct": _type_name(origin, entry),
        "status": _status_claim(origin, entry), "purpose": occasion.purpose,
        "matter": {"code": occasion.matter_code, "name": occasion.matter_name}, "case_no": occasion.case_no,
        "evidence": {"entry": encode(signed_entry)}, "certificate": _conceal(shown, concealer), ALGORITHM: SHA_256,
        **({} if device is None else {"cnf": {"jwk": jwk_of(device)}}),
    }  # fmt: skip
    jwt = sign_jws(claims, key, TYPE, kid=key.public.kid.hex())
    return assemble(jwt, concealer.disclosures)


def _conceal(shown: Mapping[str, Any], concealer: Concealer) -> dict[str, Any]:
    plain = {name: shown[name] for name in OPEN_FIELDS}
    members = {name: value for name, value in shown.items() if name not in (*OPEN_FIELDS, _HOLDERS, _OWN)}
    told = {**plain, **concealer.members(members)}
    if _HOLDERS in shown:
        told[_HOLDERS] = concealer.elements(shown[_HOLDERS])
    if _OWN in shown:
        told[_OWN] = concealer.members(shown[_OWN])
    return told


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
    opened = exam.run(Check.FORMAT, lambda: _open(presented, trust), "摘录件格式正确")
    if opened is None:
        return exam.conclude(policy)
    issued_at = trust.content.issued_at
    keys = exam.run(Check.ISSUER, lambda: _keys(opened, trust), "发证单位在签署时有权颁发", issued_at)
    policy = _examine_receiver(exam, policy, opened, receiver)
    facts = opened.original.facts
    examine_status(exam, trust, _number(facts.get("status_list")), _number(facts.get("status_index")))
    exam.run(Check.VALIDITY, lambda: _check_period(opened, at), "在有效期内")
    examine_binding(exam, opened.sd_jwt, opened.holder, challenge)
    if challenge is not None:
        policy = replace(policy, required=policy.required | {Check.POSSESSION})
    if keys is not None:
        signer, issuer = keys
        exam.run(Check.SIGNATURE, lambda: _check_signatures(opened, signer, issuer), "签名与内容一致")
    policy = _examine_evidence(exam, policy, opened, trust, evidence)
    return exam.conclude(policy, describe(opened.claims, opened.sd_jwt.disclosed, opened.original))


def _examine_receiver(exam: Examination, policy: Policy, opened: _Opened, receiver: str | None) -> Policy:
    if receiver is None:
        exam.skip(Check.RECEIVER, "receiver_not_asked", "没有指明核验单位，未核对接收单位")
        return policy

    def check() -> None:
        if opened.claims["aud"] != receiver:
            raise KindError("wrong_receiver", "内容是出具给另一单位的", check=Check.RECEIVER)

    exam.run(Check.RECEIVER, check, "内容是出具给本单位的")
    return replace(policy, required=policy.required | {Check.RECEIVER})


def _examine_evidence(
    exam: Examination, policy: Policy, opened: _Opened, trust: TrustBundle, evidence: bytes | None
) -> Policy:
    if evidence is None:
        reason, message = "evidence_not_at_hand", "没有证照的证据包：所示字段由发证单位签名担保，未与存证核对"
        exam.skip(Check.COMMITMENT, reason, message)
        return policy
    policy = replace(policy, required=policy.required | EVIDENCE_POLICY.required - {Check.SCHEMA})
    policy = without_witnesses(policy) if trust.content.witness_threshold == 0 else policy
    bundle = exam.run(Check.COMMITMENT, lambda: _committed(opened, evidence), "所示字段与存证承诺一致")
    return policy if bundle is None else examine_log(exam, policy, bundle, trust)[1]


def _committed(opened: _Opened, evidence: bytes) -> EvidenceBundle:
    """The evidence bundle, if what is told is part of the face that its entry commits to."""
    bundle = EvidenceBundle.from_bytes(evidence)
    if bundle.signed_entry != decode(opened.claims["evidence"]["entry"]):
        raise CommitmentError("other_entry", "证据包是另一件证照的")
    face = parse_object(bundle.face)
    if reseal(bundle.face, bundle.salts, face).digest != opened.original.digest:
        raise CommitmentError("digest_differs", "照面数据与存证时的内容不一致")
    if not _is_part(opened.sd_jwt.claims["certificate"], face):
        raise CommitmentError("field_differs", "所示字段与存证的照面数据不一致")
    return bundle


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


def _open(presented: bytes, trust: TrustBundle) -> _Opened:
    sd_jwt = open_sd_jwt(presented, TYPE)
    claims = without_gaps(sd_jwt.claims)
    if claims.keys() - {"cnf"} != _CLAIMS or any(path[0] != "certificate" for path in sd_jwt.disclosed):
        raise MalformedError("wrong_fields", "内容的字段与摘录件的格式不符")
    _check_texts(claims)
    original_message, original = open_entry(_signed_entry(claims))
    if original.kind is not Kind.CERTIFICATE or original.department != claims["iss"]:
        raise MalformedError("not_a_certificate", "所附的存证条目不是该发证单位的证照条目")
    origin = trust.content.origin
    if claims["vct"] != _type_name(origin, original) or claims["status"] != _status_claim(origin, original):
        raise MalformedError("wrong_field", "证照类型或状态位置与存证条目不一致")
    made_at, ends_at = (times.from_seconds(claims[name]) for name in ("iat", "exp"))
    return _Opened(sd_jwt, claims, made_at, ends_at, holder_key(claims), original_message, original)


def _check_texts(claims: dict[str, Any]) -> None:
    matter, told = claims["matter"], claims["certificate"]
    texts = [claims[name] for name in _PLAIN_TEXTS]
    if isinstance(matter, dict) and matter.keys() == {"code", "name"}:
        texts += matter.values()
    else:
        raise MalformedError("wrong_field", "事项应含编码与名称")
    if not all(isinstance(text, str) and 0 < len(text) <= _LONGEST_TEXT for text in texts):
        raise MalformedError("wrong_field", "发证单位、接收单位、用途等应为文本")
    if type(claims["iat"]) is not int or type(claims["exp"]) is not int:
        raise MalformedError("wrong_field", "签发与截止时间应为秒数")
    if not isinstance(told, dict) or not told.keys() >= {*OPEN_FIELDS}:
        raise MalformedError("wrong_field", "缺少证照名称、颁发机构或有效期")


def _signed_entry(claims: dict[str, Any]) -> bytes:
    evidence = claims["evidence"]
    if not isinstance(evidence, dict) or evidence.keys() != {"entry"} or not isinstance(evidence["entry"], str):
        raise MalformedError("wrong_field", "缺少原证照的存证条目")
    return decode(evidence["entry"])


def _keys(opened: _Opened, trust: TrustBundle) -> tuple[TrustedKey, TrustedKey]:
    """The issuer's keys for the extract and for the original's entry. Raises UntrustedIssuerError, ScopeError."""
    key = trust.key(opened.sd_jwt.jwt.kid, PURPOSE, opened.made_at)
    if key.owner != opened.claims["iss"]:
        raise ScopeError("key_of_another", "签名密钥属于另一个单位", evidence={"owner": key.owner})
    trust.check_scope(key.owner, str(opened.original.facts.get("type")), opened.made_at)
    return key, issuer_key(trust, opened.original_message, opened.original)


def _check_signatures(opened: _Opened, signer: TrustedKey, issuer: TrustedKey) -> None:
    opened.sd_jwt.jwt.check(signer.public)
    opened.original_message.check(issuer.public)


def _check_period(opened: _Opened, at: datetime) -> None:
    if at < opened.made_at:
        made = times.for_people(opened.made_at)
        raise ValidityError("not_yet_valid", f"内容出具于 {made}，晚于核验时间")
    if at >= opened.ends_at:
        ended, evidence = times.for_people(opened.ends_at), {"expires_at": times.to_text(opened.ends_at)}
        raise ValidityError("expired", f"内容已于 {ended} 到期", evidence=evidence)
    check_validity(opened.claims["certificate"], at)


def _type_name(origin: str, entry: Entry) -> str:
    return f"{origin}/types/{entry.facts.get('type')!s}"


def _status_claim(origin: str, entry: Entry) -> dict[str, Any]:
    number, index = _number(entry.facts.get("status_list")), _number(entry.facts.get("status_index"))
    return {"status_list": {"idx": index, "uri": status_subject(origin, number)}}


def _number(value: Any) -> int:
    return value if type(value) is int else -1


def contents(presented: bytes) -> dict[str, str]:
    """What an extract tells, {path: value as text}; nothing of it is verified. Raises MalformedError, KindError."""
    claims = without_gaps(open_sd_jwt(presented, TYPE).claims)
    return dict(_leaves({name: claims[name] for name in _TOLD if name in claims}, ""))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for name, one in inner:
            yield from _leaves(one, f"{path}.{name}" if path else str(name))
    else:
        yield path, str(value)


def describe(claims: dict[str, Any], disclosed: tuple[Path, ...], original: Entry) -> dict[str, Any]:
    """What an extract says of itself; of the fields their names only, the caller has the values."""
    told = claims["certificate"]
    return {
        **{name: told.get(name) for name in OPEN_FIELDS},
        "extract_id": claims["jti"],
        "purpose": claims["purpose"],
        "matter_code": claims["matter"]["code"],
        "receiver": claims["aud"],
        "made_at": times.to_text(times.from_seconds(claims["iat"])),
        "expires_at": times.to_text(times.from_seconds(claims["exp"])),
        "fields": [".".join(map(str, path[1:])) for path in disclosed],
        "type_code": original.facts.get("type"),
        "department": original.department,
        "recorded_at": times.to_text(original.recorded_at),
    }
