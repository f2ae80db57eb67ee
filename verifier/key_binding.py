"""Key binding (RFC 9901 4.3): the holder's device shows that it is the one presenting an SD-JWT, to one reader, now.

A JWT of the type `kb+jwt` with exactly {iat, aud, nonce, sd_hash}, signed by the key in the SD-JWT's `cnf.jwk`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from verifier import times
from verifier.errors import Check, MalformedError, ProofError, SignatureError, ValidityError
from verifier.jws import key_of, open_jws, sign_jws
from verifier.sd_jwt import SdJwt, digest_of
from verifier.suites import PublicKey, SigningKey
from verifier.verdict import Examination

TYPE = "kb+jwt"
#: How long after its making a binding is taken, and how far the device's clock may differ.
WINDOW = timedelta(minutes=5)
SKEW = timedelta(minutes=1)

_CLAIMS: Final = {"iat", "aud", "nonce", "sd_hash"}
_UNCHALLENGED = "出示者的密钥已核对；没有给出本次核验的随机数，不能排除重放"


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a reader asks a holder's device to sign: its own name and a value that it has never asked for before."""

    audience: str
    nonce: str


def bind(presented: str, device: SigningKey, challenge: Challenge, at: datetime) -> str:
    """The SD-JWT (without a binding, ending in ~) with its key binding. Raises MalformedError (suite)."""
    claims = {
        "iat": int(at.timestamp()),
        "aud": challenge.audience,
        "nonce": challenge.nonce,
        "sd_hash": digest_of(presented),
    }
    return presented + sign_jws(claims, device, TYPE)


def holder_key(claims: dict[str, Any]) -> PublicKey | None:
    """The holder's key in `cnf` (RFC 7800 3.2), None where there is none. Raises MalformedError."""
    confirmation = claims.get("cnf")
    if confirmation is None:
        return None
    if not isinstance(confirmation, dict) or confirmation.keys() != {"jwk"}:
        raise MalformedError("wrong_field", "cnf 应只含一个 JWK")
    return key_of(confirmation["jwk"])


def examine_binding(exam: Examination, opened: SdJwt, key: PublicKey | None, challenge: Challenge | None) -> None:
    """The holder's binding, as far as the reader can judge it.

    With a challenge the binding must be there and answer it. Without one, a binding that is there must hold, and its
    freshness counts as not checked.
    """
    if opened.binding is None and challenge is None:
        if key is not None:
            exam.skip(Check.POSSESSION, "key_binding_not_asked", "已绑定持证人的手机，本次没有要求手机证明")
        return
    exam.run(Check.POSSESSION, lambda: _check(opened, key, challenge, exam.at), "由持证人绑定的手机出示")
    if challenge is None and exam.results[Check.POSSESSION].reason == "ok":
        exam.skip(Check.POSSESSION, "challenge_unknown", _UNCHALLENGED)


def _check(opened: SdJwt, key: PublicKey | None, challenge: Challenge | None, at: datetime) -> None:
    if key is None:
        raise ProofError("proof_unexpected", "内容没有绑定手机，不能附有手机的证明")
    if opened.binding is None:
        raise ProofError("key_binding_missing", "缺少持证人手机的即时证明，请持证人在手机上出示")
    binding = open_jws(opened.binding, TYPE)
    if binding.claims.keys() != _CLAIMS or type(binding.claims["iat"]) is not int:
        raise MalformedError("wrong_fields", "手机证明的字段与格式不符")
    try:
        binding.check(key)
    except SignatureError as error:
        raise ProofError("wrong_proof", "手机的证明与内容不符：不是该手机出示，或内容被改动") from error
    if binding.claims["sd_hash"] != opened.digest:
        raise ProofError("wrong_sd_hash", "手机的证明是对另一组披露项作出的")
    if challenge is not None:
        _check_answer(binding.claims, challenge, at)


def _check_answer(claims: dict[str, Any], challenge: Challenge, at: datetime) -> None:
    if claims["aud"] != challenge.audience:
        raise ProofError("wrong_audience", "手机的证明是出示给另一单位的")
    if claims["nonce"] != challenge.nonce:
        raise ProofError("wrong_nonce", "手机的证明不是对本次核验作出的（可能是重放）")
    made_at = times.from_seconds(claims["iat"])
    if at < made_at - SKEW:
        raise ValidityError("proof_from_future", "手机证明的时间晚于核验时间，请校准时钟", check=Check.POSSESSION)
    if at >= made_at + WINDOW + SKEW:
        raise ValidityError("proof_expired", "手机的证明已过时效，请重新出示", check=Check.POSSESSION)
