"""The verdict on a foreign code: its signature and period, by the issuers that the trust bundle lists."""

from __future__ import annotations

from datetime import datetime

from verifier import times
from verifier.errors import Check, MalformedError, ScopeError, SignatureError, UntrustedIssuerError, ValidityError
from verifier.foreign.eu_dcc import EuDcc
from verifier.foreign.profile import MAX_TEXT_CHARACTERS, Adapter, ForeignCode, ForeignIssuer
from verifier.freshness import examine_freshness
from verifier.trust import TrustBundle
from verifier.verdict import Examination, Policy, Verdict

ADAPTERS: tuple[Adapter, ...] = (EuDcc(),)

FOREIGN_POLICY = Policy(
    frozenset((Check.FORMAT, Check.KIND, Check.ISSUER, Check.SIGNATURE, Check.VALIDITY, Check.FRESHNESS))
)


def adapter_of(text: str) -> Adapter | None:
    """The adapter whose prefix the text bears."""
    return next((adapter for adapter in ADAPTERS if text[: len(adapter.prefix)].upper() == adapter.prefix), None)


def verify_foreign(
    text: str, adapter: Adapter, trust: TrustBundle, at: datetime, policy: Policy = FOREIGN_POLICY
) -> Verdict:
    """The verdict on a foreign code's text at a time. Never raises for any text.

    The steps: (0) trust fresh, (1) format, (2) profile, (3) an issuer of the trust bundle, whose certificate was in
    force when it signed and is for such codes, (4) signature, (5) period of validity. Whether it was
    revoked cannot be told.
    """
    exam = Examination(at)
    issued_at = trust.content.issued_at
    examine_freshness(exam, trust, policy.max_trust_age)
    code = exam.run(Check.FORMAT, lambda: _read(adapter, text), "码的格式正确")
    if code is None:
        return exam.conclude(policy)
    exam.run(Check.KIND, lambda: None, f"这是{adapter.title}（境外码，按互认规则核验）")
    issuer = exam.run(Check.ISSUER, lambda: _issuer(trust, adapter, code), "签发者在信任包中", issued_at)
    if issuer is not None:
        exam.run(Check.SIGNATURE, lambda: issuer.check(code), "签名与内容一致")
    exam.run(Check.VALIDITY, lambda: _check_period(code, issuer, at), "在有效时间内")
    exam.skip(Check.STATUS, "no_status_list", "境外码没有状态列表，是否已被撤销未核验")
    subject = {
        "profile": adapter.name,
        **code.subject,
        "issued_at": times.to_text(code.issued_at),
        "expires_at": times.to_text(code.expires_at),
    }
    return exam.conclude(policy, subject)


def _read(adapter: Adapter, text: str) -> ForeignCode:
    if len(text) > MAX_TEXT_CHARACTERS:
        raise MalformedError("too_long", f"码的内容超过上限 {MAX_TEXT_CHARACTERS} 个字符")
    return adapter.read(text)


def _issuer(trust: TrustBundle, adapter: Adapter, code: ForeignCode) -> ForeignIssuer:
    """Who signed the code: of several certificates that bear the name it gives, or of all, the one it verifies with."""
    listed = [one for one in trust.content.issuers if one.profile == adapter.name]
    named = [one for one in listed if one.kid == code.kid] if code.kid else listed
    issuer = next((one for one in named if _signed(one, code)), named[0] if code.kid and named else None)
    evidence = {"kid": code.kid.hex()}
    if issuer is None and not code.kid:
        raise UntrustedIssuerError("unknown_issuer", "码没有写明签发者，信任包中也没有能验证它的境外签发者")
    if issuer is None:
        raise UntrustedIssuerError("unknown_issuer", "信任包中没有该境外签发者", evidence=evidence)
    begins, ends = issuer.period
    evidence["issuer"] = issuer.name
    if not begins <= code.issued_at <= ends:
        raise ScopeError("key_not_valid_then", "签发者的证书在签发时间无效", evidence=evidence)
    issuer.check_use(code)
    return issuer


def _signed(issuer: ForeignIssuer, code: ForeignCode) -> bool:
    try:
        issuer.check(code)
    except (MalformedError, SignatureError):
        return False
    return True


def _check_period(code: ForeignCode, issuer: ForeignIssuer | None, at: datetime) -> None:
    if at < code.begins_at:
        raise ValidityError("not_yet_valid", f"码自 {times.for_people(code.begins_at)} 起有效，晚于核验时间")
    if at >= code.expires_at:
        raise ValidityError("expired", f"码已于 {times.for_people(code.expires_at)} 到期")
    # A code's end may not lie behind that of its signer's certificate, whatever it says itself.
    if issuer is not None and at > issuer.period[1]:
        raise ValidityError("issuer_expired", f"签发者的证书已于 {times.for_people(issuer.period[1])} 到期")
