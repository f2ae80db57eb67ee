"""Codes (码): signed QR content for people, enterprises, venues and components, in one envelope.

The bytes are in verifier.code_claims; what a device adds is in verifier.presentation.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from codes import payload
from verifier import cose, times
from verifier.code_claims import (
    CODE_ID_BYTES,
    KIND_CHINESE,
    MAX_CODE_BYTES,
    MAX_GRANTS,
    CodeClaims,
    CodeKind,
    Grant,
    GrantKind,
)
from verifier.errors import Check, KindError, MalformedError, StatusError, UntrustedIssuerError, ValidityError
from verifier.freshness import examine_freshness
from verifier.presentation import Shown, check_proof, open_shown, present
from verifier.status import CHINESE, Status
from verifier.suites import SigningKey
from verifier.trust import TrustBundle
from verifier.verdict import Examination, Policy, Verdict

__all__ = [
    "CLOCK_SKEW",
    "CODE_ID_BYTES",
    "CODE_POLICY",
    "KIND_CHINESE",
    "MAX_CODE_BYTES",
    "MAX_GRANTS",
    "NOT_OURS",
    "PAPER_UNCHECKED",
    "SECOND_FACTOR_DUE",
    "CodeClaims",
    "CodeKind",
    "Grant",
    "GrantKind",
    "check_code",
    "check_place",
    "check_status",
    "check_times",
    "examine_code",
    "open_code",
    "show_code",
    "sign_code",
    "verify_code",
]

CLOCK_SKEW = timedelta(seconds=60)

CODE_POLICY = Policy(
    frozenset(
        (
            Check.FORMAT,
            Check.KIND,
            Check.ISSUER,
            Check.SIGNATURE,
            Check.STATUS,
            Check.VALIDITY,
            Check.FRESHNESS,
        )
    )
)

#: Of what does not even claim to be ours: no forgery, and nothing to rely on.
NOT_OURS = "这不是随证的码或证据包，可能是付款码、网址或别的系统的码；请出示随证码"
#: What a printed code leaves open, and what to do about it.
SECOND_FACTOR_DUE = "second_factor_due"
#: What the code on a copy leaves open: paper can be altered around it.
PAPER_UNCHECKED = "paper_unchecked"
_PAPER = "此码只证明加注件的编号、期限与原证照的状态；纸面内容是否被改动，请用加注件文件核验"
_SECOND_FACTOR = "离线码是印出来的，不能证明持码人就是本人，请核对身份证件或本人面貌"


def sign_code(claims: CodeClaims, key: SigningKey) -> str:
    """The code's text."""
    return payload.encode(cose.sign1(claims.to_bytes(), key, claims.kind.envelope))


def show_code(text: str, device: SigningKey, at: datetime) -> str:
    """The text of a device-bound code as its device shows it at a time. Raises MalformedError."""
    return payload.encode(present(_bytes_of(text), device, at))


def open_code(text: str) -> tuple[CodeKind, cose.Sign1, CodeClaims]:
    """Parse a code's text; nothing is verified yet. Raises MalformedError, KindError."""
    kind, shown, claims = _open(text)
    return kind, shown.message, claims


def check_code(
    text: str,
    trust: TrustBundle,
    at: datetime,
    kinds: Collection[CodeKind] = tuple(CodeKind),
    policy: Policy = CODE_POLICY,
) -> CodeClaims:
    """The claims of a code of one of these kinds, genuine and in force at that time; raises the first fault otherwise.

    Raises MalformedError, KindError, UntrustedIssuerError, ScopeError, SignatureError, ProofError, ValidityError,
    StatusError, UnknownStatusError. The age of the trust bundle is the caller's to judge.
    """
    kind, shown, claims = _open(text)
    _check_kind(kind, kinds)
    key = trust.key(shown.message.kid, kind.purpose, claims.issued_at)
    shown.message.check(key.public)
    check_place(claims, trust)
    check_proof(shown, claims.device_key, at, policy)
    check_times(claims, at)
    check_status(claims, trust)
    return claims


def verify_code(
    text: str,
    trust: TrustBundle,
    at: datetime,
    kinds: Collection[CodeKind] = tuple(CodeKind),
    policy: Policy = CODE_POLICY,
) -> Verdict:
    """The verdict on a code's text at a time. Never raises for any text.

    The steps: (0) trust fresh, (1) format, (2) kind, (3) key and its purpose when signed, (4) signature, and the name
    of a venue, (5) proof of the device where the code is bound to one, (6) period of validity, (7) status. Whether a
    printed code's bearer is its holder stays unchecked.
    """
    return examine_code(text, trust, at, kinds, policy)[0]


def examine_code(
    text: str,
    trust: TrustBundle,
    at: datetime,
    kinds: Collection[CodeKind] = tuple(CodeKind),
    policy: Policy = CODE_POLICY,
) -> tuple[Verdict, CodeClaims | None]:
    """`verify_code`, and the claims where the text could be read; believe them only if the verdict is valid."""
    exam = Examination(at)
    issued_at = trust.content.issued_at
    examine_freshness(exam, trust, policy.max_trust_age)
    opened = exam.run(Check.FORMAT, lambda: _open(text), "码的格式正确")
    if opened is None:
        return exam.conclude(policy), None
    kind, shown, claims = opened
    message = shown.message
    exam.run(Check.KIND, lambda: _check_kind(kind, kinds), f"这是{KIND_CHINESE[kind]}")
    key = exam.run(
        Check.ISSUER, lambda: trust.key(message.kid, kind.purpose, claims.issued_at), "签发密钥可信", issued_at
    )
    if key is not None:
        exam.run(Check.SIGNATURE, lambda: message.check(key.public), "签名与内容一致")
        if kind is CodeKind.VENUE:
            exam.run(Check.ISSUER, lambda: check_place(claims, trust), "签发密钥可信，场所已登记", issued_at)
    if claims.device_key is not None or shown.proof is not None:
        exam.run(Check.POSSESSION, lambda: check_proof(shown, claims.device_key, at, policy), "由绑定的手机即时出示")
    if kind is CodeKind.PRINTED:
        exam.skip(Check.HOLDER, SECOND_FACTOR_DUE, _SECOND_FACTOR)
    if kind is CodeKind.DERIVED:
        exam.skip(Check.FILES, PAPER_UNCHECKED, _PAPER)
    exam.run(Check.VALIDITY, lambda: check_times(claims, at), "在有效时间内")
    exam.run(Check.STATUS, lambda: check_status(claims, trust), "码未被停用", issued_at)
    return exam.conclude(policy, _describe(claims, trust)), claims


def check_place(claims: CodeClaims, trust: TrustBundle) -> None:
    """Raises UntrustedIssuerError for a venue of which the trust bundle has no name and address."""
    if claims.kind is CodeKind.VENUE:
        trust.venue(claims.subject or "")


def check_times(claims: CodeClaims, at: datetime) -> None:
    """Raises ValidityError outside issued … expires; 60 s of clock skew are granted at the beginning only."""
    if at < claims.issued_at - CLOCK_SKEW:
        raise ValidityError(
            "not_yet_valid", f"码签发于 {times.for_people(claims.issued_at)}，晚于核验时间（请检查设备时钟）"
        )
    if at >= claims.expires_at:
        raise ValidityError("expired", f"码已于 {times.for_people(claims.expires_at)} 到期")


def check_status(claims: CodeClaims, trust: TrustBundle) -> None:
    """Raises StatusError for a code that was replaced, lost or revoked, and for a copy whose original is out of force;
    UnknownStatusError where no list tells."""
    places = {"该码": (claims.status_list, claims.status_index)}
    if claims.original is not None:
        places["原证照"] = claims.original
    for what, place in places.items():
        status, _ = trust.status(*place)
        if status is not Status.VALID:
            raise StatusError(f"status_{status.name.lower()}", f"{what}{CHINESE[status]}")


def _open(text: str) -> tuple[CodeKind, Shown, CodeClaims]:
    shown = open_shown(_bytes_of(text), limit=MAX_CODE_BYTES)
    message = shown.message
    typ = message.header.get(cose.TYP)
    kind = _KINDS.get(typ) if type(typ) is int else None
    if kind is None:
        raise KindError("unknown_kind", "这种码不受支持")
    claims = CodeClaims.from_bytes(kind, cose.require_typed(message, kind.envelope))
    return kind, shown, claims if shown.proof is None else replace(claims, shown_at=shown.proof.shown_at)


def _bytes_of(text: str) -> bytes:
    if not payload.is_code(text):
        raise MalformedError("not_ours", NOT_OURS)
    try:
        return payload.decode(text)
    except payload.PayloadError as error:
        raise MalformedError("not_a_code", str(error)) from error


_KINDS: dict[int, CodeKind] = {int(kind.envelope): kind for kind in CodeKind}


def _check_kind(kind: CodeKind, kinds: Collection[CodeKind]) -> None:
    if kind not in kinds:
        wanted = "、".join(KIND_CHINESE[one] for one in kinds)
        raise KindError("wrong_kind", f"这是{KIND_CHINESE[kind]}，此处只接受{wanted}")


def _describe(claims: CodeClaims, trust: TrustBundle) -> dict[str, Any]:
    name, place = claims.name, claims.place
    if claims.kind is CodeKind.VENUE:
        try:
            venue = trust.venue(claims.subject or "")
            name, place = venue.name, venue.address
        except UntrustedIssuerError:
            name, place = None, None
    return {
        "kind": claims.kind.name.lower(),
        "kind_name": KIND_CHINESE[claims.kind],
        "code_id": claims.code_id.hex(),
        "generation": claims.generation,
        "name": name,
        "place": place,
        "subject": claims.subject,
        "issued_at": times.to_text(claims.issued_at),
        "expires_at": times.to_text(claims.expires_at),
        "dynamic": claims.device_key is not None,
        "shown_at": None if claims.shown_at is None else times.to_text(claims.shown_at),
        "grants": [
            {"kind": grant.kind.name.lower(), "ref": grant.ref, "until": times.to_text(grant.until)}
            for grant in claims.grants
        ],
        "second_factor_due": claims.kind is CodeKind.PRINTED,
    }
