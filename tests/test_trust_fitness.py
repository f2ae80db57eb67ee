"""Which certificates of others can be trusted for what, and what people see of them first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from registry.trust import fitness
from registry.trust.fitness import ISSUER, SEAL_MAKER
from verifier.errors import MalformedError

AT = datetime(2026, 11, 22, tzinfo=UTC)
KEY = ec.generate_private_key(ec.SECP256R1())
NAME = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "XX"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "示例卫生署"),
        x509.NameAttribute(NameOID.COMMON_NAME, "示例签发者"),
    ]
)
_USES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


def certificate(*uses: str, ends: datetime = AT + timedelta(days=90), authority: bool = False) -> bytes:
    """A certificate for these uses; for any where none is named."""
    made = x509.CertificateBuilder(NAME, NAME, KEY.public_key(), 0x1899, AT - timedelta(days=900), ends)
    if uses:
        made = made.add_extension(x509.KeyUsage(**{use: use in uses for use in _USES}), critical=True)
    if authority:
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return made.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def refusal(kind: str, der: bytes) -> str | None:
    """Why a certificate is refused; None if it is not."""
    try:
        fitness.check(kind, der, AT)
    except MalformedError as error:
        return error.reason
    return None


@pytest.mark.parametrize(
    ("kind", "der", "why"),
    [
        (ISSUER, certificate(), None),
        (ISSUER, certificate("digital_signature"), None),
        (ISSUER, certificate("key_cert_sign", "crl_sign", authority=True), "wrong_usage"),
        (ISSUER, certificate("key_encipherment"), "wrong_usage"),
        (ISSUER, certificate(ends=AT - timedelta(seconds=1)), "expired"),
        (ISSUER, certificate(ends=AT), None),
        (SEAL_MAKER, certificate("digital_signature"), None),
        (SEAL_MAKER, certificate("content_commitment"), None),
        (SEAL_MAKER, certificate("key_cert_sign", authority=True), None),
        # Of the two certificates that a person has in China, the one for encryption.
        (SEAL_MAKER, certificate("key_encipherment", "data_encipherment", "key_agreement"), "wrong_usage"),
        # Seals of before it expired are still to be known.
        (SEAL_MAKER, certificate(ends=AT - timedelta(days=1)), None),
        (SEAL_MAKER, b"0" * 100, "not_a_certificate"),
        (SEAL_MAKER, b"0" * 20_000, "too_long"),
    ],
)
def test_a_certificate_is_trusted_for_what_its_key_may_do(kind: str, der: bytes, why: str | None) -> None:
    assert refusal(kind, der) == why


def test_a_certificate_is_described_as_people_compare_it() -> None:
    found = fitness.describe(certificate(authority=True))
    assert (found.subject, found.organisation, found.region, found.issuer) == (
        "示例签发者", "示例卫生署", "XX", "示例签发者",
    )  # fmt: skip
    assert (found.serial, found.key, found.is_authority) == ("1899", "P-256", True)
    assert fitness.describe(certificate()).is_authority is False
    key = rsa.generate_private_key(65537, 2048)
    made = x509.CertificateBuilder(NAME, NAME, key.public_key(), 1, AT, AT + timedelta(days=1))
    assert fitness.describe(made.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)).key == "RSA 2048"
