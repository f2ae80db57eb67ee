"""Whether a certificate of others fits what it is to be trusted for, and what people see of it first. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from verifier.documents.certificates import Certificate
from verifier.errors import MalformedError
from verifier.foreign.profile import MAX_CERTIFICATE_BYTES, load_certificate
from verifier.times import shanghai_day

SEAL_MAKER, ISSUER = "seal_maker", "issuer"
KINDS: Final = (SEAL_MAKER, ISSUER)
_SM2: Final = "SM2"


@dataclass(frozen=True, slots=True)
class Described:
    """What a certificate says of itself. Names are empty where it gives none; key: P-256, RSA 3072, SM2 and so on."""

    subject: str
    organisation: str
    region: str
    issuer: str
    serial: str
    not_before: datetime
    not_after: datetime
    key: str
    is_authority: bool


def describe(certificate: bytes) -> Described:
    """What a certificate (DER) says. Raises MalformedError."""
    loaded = Certificate.load(certificate)
    return Described(
        subject=loaded.subject, organisation=_named(loaded, NameOID.ORGANIZATION_NAME),
        region=_named(loaded, NameOID.COUNTRY_NAME), issuer=loaded.issuer, serial=f"{loaded.parsed.serial_number:x}",
        not_before=loaded.not_before, not_after=loaded.not_after, key=_key(loaded), is_authority=loaded.is_authority(),
    )  # fmt: skip


def check(kind: str, certificate: bytes, at: datetime) -> None:
    """Raises MalformedError where a certificate (DER) cannot do what it is to be trusted for.

    A maker's that has expired still tells which seals of before were good; an issuer's codes have expired with it.
    """
    if len(certificate) > MAX_CERTIFICATE_BYTES:
        raise MalformedError("too_long", f"证书超过上限 {MAX_CERTIFICATE_BYTES // 1024} KB")
    if kind == ISSUER:
        load_certificate(certificate)
    loaded = Certificate.load(certificate)
    if kind == ISSUER and loaded.not_after < at:
        last = shanghai_day(loaded.not_after)
        message = f"证书已于 {last.year} 年 {last.month} 月 {last.day} 日到期，不能再签发；请向对方索取在用的证书"
        raise MalformedError("expired", message)
    _check_usage(kind, loaded)


def _check_usage(kind: str, loaded: Certificate) -> None:
    usage = _usage(loaded)
    if usage is None:
        return
    signs = usage.digital_signature or usage.content_commitment
    if kind == ISSUER and not signs:
        message = (
            "这是签发机构（CA）的证书，不签发码；请给出直接签发码的证书"
            if usage.key_cert_sign
            else "证书的密钥用途不含数字签名，不能签发码；请给出签名用的证书"
        )
        raise MalformedError("wrong_usage", message)
    if kind == SEAL_MAKER and not (signs or usage.key_cert_sign):
        message = "证书的密钥用途只有加密，不含签名；双证书中请给出签名证书，或制章机构的根证书"
        raise MalformedError("wrong_usage", message)


def _usage(loaded: Certificate) -> x509.KeyUsage | None:
    # RFC 5280 4.2.1.3: without the extension a key may be for anything.
    try:
        return loaded.parsed.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None
    except (ValueError, TypeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise MalformedError("not_a_certificate", "证书的扩展有误") from error


def _named(loaded: Certificate, oid: x509.ObjectIdentifier) -> str:
    found = loaded.parsed.subject.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""


def _key(loaded: Certificate) -> str:
    if loaded.point is not None:
        return _SM2
    try:
        key = loaded.parsed.public_key()
    except (UnsupportedAlgorithm, ValueError, TypeError):
        return ""
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}.get(key.curve.name, key.curve.name)
    return type(key).__name__.removesuffix("PublicKey").removeprefix("_")
