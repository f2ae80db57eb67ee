"""What signers of foreign codes may sign, how they are named, and signatures of other shapes than the standard's."""

from __future__ import annotations

import zlib
from datetime import timedelta
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from test_foreign import AT, SIGNED_AT, trusting

from codes.payload import encode
from verifier.foreign.profile import ForeignIssuer
from verifier.verdict import State, Verdict
from verifier.verify import verify

KEY, STRANGER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
RSA = rsa.generate_private_key(65537, 2048)
RECORDS = {
    "v": {"co": "XX", "is": "示例", "dn": 1, "sd": 2, "dt": "2026-02-01"},
    "t": {"co": "XX", "is": "示例", "sc": "2026-02-28T10:00:00Z"},
    "r": {"co": "XX", "is": "示例", "fr": "2026-02-01"},
}
TEST, VACCINATION, RECOVERY = (f"1.3.6.1.4.1.1847.2021.1.{number}" for number in (1, 2, 3))
EARLY_TEST = "1.3.6.1.4.1.0.1847.2021.1.1"


def issuer(key: Any = KEY, uses: tuple[str, ...] = (), name: str = "示例", days: int = 700) -> ForeignIssuer:
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begins = SIGNED_AT - timedelta(days=100)
    builder = x509.CertificateBuilder(who, who, key.public_key(), 7, begins, begins + timedelta(days=days))
    if uses:
        listed = x509.ExtendedKeyUsage([x509.ObjectIdentifier(one) for one in uses])
        builder = builder.add_extension(listed, critical=False)
    made = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    return ForeignIssuer("eu-dcc", name, made)


def raw(signed: bytes, key: ec.EllipticCurvePrivateKey = KEY) -> bytes:
    r, s = utils.decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def in_der(signed: bytes) -> bytes:
    return KEY.sign(signed, ec.ECDSA(hashes.SHA256()))


def padded(signed: bytes) -> bytes:
    return b"\0" + raw(signed)[:32] + b"\0" + raw(signed)[32:]


def by_pkcs1(signed: bytes) -> bytes:
    return RSA.sign(signed, padding.PKCS1v15(), hashes.SHA256())


def code(
    kid: bytes | None,
    kinds: str = "v",
    sign: Any = raw,
    algorithm: int = -7,
    unprotected: bool = False,
    *,
    header: dict[int, Any] | None = None,
    claims: dict[int, Any] | None = None,
    tail: bytes = b"",
) -> bytes:
    named = {} if kid is None else {4: kid}
    protected = cbor2.dumps({1: algorithm} | ({} if unprotected else named) | (header or {}))
    health = {kind: [RECORDS[kind]] for kind in kinds} | {"nam": {"fn": "Muster", "gn": "A"}}
    ends = int((SIGNED_AT + timedelta(days=180)).timestamp())
    body = cbor2.dumps({1: "XX", 4: ends, 6: int(SIGNED_AT.timestamp()), -260: {1: health}} | (claims or {}))
    signature = sign(cbor2.dumps(["Signature1", protected, b"", body]))
    parts = [protected, named if unprotected else {}, body, signature]
    packed = zlib.compress(cbor2.dumps(cbor2.CBORTag(18, parts)) + tail)
    return b"HC1:" + encode(packed).removeprefix("SZ1:").encode()


def judged(text: bytes, *issuers: ForeignIssuer) -> Verdict:
    return verify(text, trusting(*issuers), AT)


@pytest.mark.parametrize(
    ("uses", "allowed"),
    [
        ((), "vtr"),
        ((TEST,), "t"),
        ((EARLY_TEST,), "t"),
        ((VACCINATION, RECOVERY), "vr"),
        ((TEST, VACCINATION, RECOVERY), "vtr"),
        # A purpose that is not about these codes limits nothing.
        ((ExtendedKeyUsageOID.EMAIL_PROTECTION.dotted_string,), "vtr"),
    ],
)
def test_a_signer_of_tests_signs_no_vaccinations(uses: tuple[str, ...], allowed: str) -> None:
    one = issuer(uses=uses)
    for kind in "vtr":
        verdict = judged(code(one.kid, kind), one)
        expected = (State.VALID, "ok") if kind in allowed else (State.INVALID, "wrong_use")
        assert (verdict.state, verdict.reason) == expected


def test_two_kinds_of_record_in_one_code_are_none() -> None:
    one = issuer(uses=(TEST,))
    assert judged(code(one.kid, "vt"), one).reason == "wrong_fields"


@pytest.mark.parametrize("unprotected", [False, True])
def test_the_signer_is_named_in_either_header(unprotected: bool) -> None:
    one = issuer()
    assert judged(code(one.kid, unprotected=unprotected), one).state is State.VALID


def test_a_code_that_names_no_signer_is_tried_with_all() -> None:
    one, other = issuer(), issuer(STRANGER, name="别人")
    assert judged(code(None), other, one).state is State.VALID
    unknown = judged(code(None), other)
    assert (unknown.state, unknown.reason) == (State.UNDECIDED, "unknown_issuer")
    limited = judged(code(None), other, issuer(uses=(TEST,)))
    assert (limited.state, limited.reason) == (State.INVALID, "wrong_use")


def test_one_certificate_under_two_names_holds_once() -> None:
    one = issuer()
    again = ForeignIssuer(one.profile, "另一称呼", one.certificate)
    assert judged(code(one.kid), one, again).state is State.VALID
    forged = judged(code(one.kid, sign=lambda data: raw(data, STRANGER)), one, again)
    assert (forged.state, forged.reason) == (State.INVALID, "wrong_signature")


def test_signatures_of_another_shape_are_named_and_never_hold() -> None:
    one, two = issuer(), issuer(RSA)
    for sign in (in_der, padded):
        verdict = judged(code(one.kid, sign=sign), one)
        assert (verdict.state, verdict.reason) == (State.INVALID, "wrong_length")
    older = judged(code(two.kid, sign=by_pkcs1, algorithm=-257), two)
    assert (older.state, older.reason) == (State.INVALID, "unknown_suite")
    assert judged(code(one.kid, algorithm=-35), one).reason == "unknown_suite"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"header": {2: [99], 99: 1}}, "unknown_critical"),
        ({"tail": b"\0"}, "not_cbor"),
        ({"claims": {5: int(AT.timestamp()) + 1}}, "not_yet_valid"),
        ({"claims": {5: int(AT.timestamp())}}, "ok"),
        ({"claims": {4: "bald"}}, "wrong_field"),
    ],
)
def test_headers_and_claims_are_heeded(changes: dict[str, Any], reason: str) -> None:
    one = issuer()
    verdict = judged(code(one.kid, **changes), one)
    assert verdict.reason == reason and (verdict.state is State.VALID) == (reason == "ok")
    assert reason != "wrong_field" or "到期时间" in verdict.message


def test_a_code_ends_with_its_signers_certificate_and_small_letters_are_its_own() -> None:
    one = issuer(days=131)
    trust, text = trusting(one), code(one.kid)
    assert verify(text.lower(), trust, AT).state is State.VALID
    ended = verify(text, trust, AT + timedelta(days=2))
    assert (ended.state, ended.reason) == (State.NOT_IN_FORCE, "issuer_expired")
