"""Certificates out of the files that people have, and private keys that they hand over by mistake."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    pkcs7,
    pkcs12,
)
from cryptography.x509.oid import NameOID
from ofd_maker import make_person

from api.cli.main import main
from verifier.certificate_file import read_certificate, read_certificates
from verifier.errors import MalformedError

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
KEY = ec.generate_private_key(ec.SECP256R1())
LOCKED = BestAvailableEncryption(b"secret")


def certificate(name: str = "示例签发者", curve: ec.EllipticCurve | None = None) -> x509.Certificate:
    key = KEY if curve is None else ec.generate_private_key(curve)
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(who, who, key.public_key(), 7, BEGIN, BEGIN + timedelta(days=900))
    return builder.sign(KEY, hashes.SHA256())


ONE, OTHER = certificate(), certificate("上级机构")
DER, PEM = ONE.public_bytes(Encoding.DER), ONE.public_bytes(Encoding.PEM)


def private(
    encoding: Encoding = Encoding.PEM,
    form: PrivateFormat = PrivateFormat.PKCS8,
    lock: KeySerializationEncryption | None = None,
) -> bytes:
    return KEY.private_bytes(encoding, form, lock or NoEncryption())


@lru_cache(maxsize=1)
def request() -> x509.CertificateSigningRequest:
    return x509.CertificateSigningRequestBuilder(ONE.subject).sign(KEY, hashes.SHA256())


@pytest.mark.parametrize(
    "data",
    [
        PEM,
        DER,
        DER + b"\n",
        PEM.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + PEM,
        b"subject=CN = x\n" + PEM + b"Verify return code: 0\n",
        base64.encodebytes(DER),
        PEM + PEM,
        pkcs7.serialize_certificates([ONE], Encoding.PEM),
        pkcs7.serialize_certificates([ONE], Encoding.DER),
    ],
)
def test_a_certificate_is_found_in_every_form_that_people_have(data: bytes) -> None:
    assert read_certificate(data) == DER


def test_of_several_certificates_none_is_chosen() -> None:
    chain = PEM + OTHER.public_bytes(Encoding.PEM)
    for data in (chain, pkcs7.serialize_certificates([ONE, OTHER], Encoding.DER)):
        assert len(read_certificates(data)) == 2
        with pytest.raises(MalformedError) as refused:
            read_certificate(data)
        assert refused.value.reason == "many_certificates"


SECRETS = {
    "PKCS #8": private(),
    "SEC 1": private(form=PrivateFormat.TraditionalOpenSSL),
    "with its certificate": PEM + private(),
    "before its certificate": private() + PEM,
    "cut off": private()[:70],
    "behind a password": private(lock=LOCKED),
    "OpenSSH": private(form=PrivateFormat.OpenSSH),
    "PKCS #8 as DER": private(Encoding.DER),
    "PKCS #8 as Base64": base64.b64encode(private(Encoding.DER)),
    "SEC 1 as DER": private(Encoding.DER, PrivateFormat.TraditionalOpenSSL),
    "DER behind a password": private(Encoding.DER, lock=LOCKED),
    "PKCS #1 as DER": rsa.generate_private_key(65537, 2048).private_bytes(
        Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    ),
    "PKCS #12": pkcs12.serialize_key_and_certificates(b"x", KEY, ONE, None, LOCKED),
    "SM2": make_person("某人").key.to_pkcs8(),
}


@pytest.mark.parametrize("data", SECRETS.values(), ids=SECRETS)
def test_a_private_key_is_refused_and_nothing_of_it_is_kept(
    data: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, out = tmp_path / "given", tmp_path / "trust.json"
    given.write_bytes(data)
    adding = ["trust", "add-issuer", "--profile", "eu-dcc", "--certificate", str(given), "--out", str(out)]
    assert main(adding) == 64
    assert "私钥" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [given]
    with pytest.raises(MalformedError) as refused:
        read_certificates(data)
    assert refused.value.reason == "private_key" and not refused.value.evidence


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (request().public_bytes(Encoding.PEM), "证书请求"),
        (request().public_bytes(Encoding.DER), "证书请求"),
        (KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "公钥"),
        (b"", "没有可读取"),
        (b"hello", "没有可读取"),
        (PEM[:-20], "没有可读取"),
        (DER[:100], "没有可读取"),
        (b"\x30\x00", "没有可读取"),
        (PEM.replace(b"MII", b"M*I"), "Base64"),
        # Good certificates whose keys no such code is signed with: once this ended in a traceback.
        (make_person("国密").certificate, "P-256"),
        (certificate(curve=ec.SECP384R1()).public_bytes(Encoding.PEM), "P-256"),
    ],
    # Without names of their own, keys made anew would name the tests.
    ids=[
        "request", "request in DER", "public key", "empty", "text", "cut PEM", "cut DER", "empty sequence",
        "not Base64", "SM2", "P-384",
    ],
)  # fmt: skip
def test_what_is_no_usable_certificate_is_named(
    data: bytes, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, out = tmp_path / "given", tmp_path / "trust.json"
    given.write_bytes(data)
    adding = ["trust", "add-issuer", "--profile", "eu-dcc", "--certificate", str(given), "--out", str(out)]
    assert main(adding) == 64
    assert said in capsys.readouterr().err and not out.exists()


def test_what_a_certificate_calls_its_owner_never_steers_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, out = tmp_path / "given", tmp_path / "trust.json"
    for name in ("\x1b[2J上级", ""):
        given.write_bytes(certificate(name or " ").public_bytes(Encoding.DER))
        assert main(["trust", "add-issuer", "--profile", "eu-dcc", "--certificate", str(given), "--out", str(out)]) == 0
        assert main(["trust", "show", str(out)]) == 0
        assert "\x1b" not in capsys.readouterr().out
