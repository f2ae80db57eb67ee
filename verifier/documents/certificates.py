"""X.509 certificates of seal makers and signers, with SM2 keys too, and the way from them to a trusted root.

A certificate counts as trusted if it is itself among the trusted ones, or if a chain of certification authorities leads
from it to one of them, each link in force at the time asked about (RFC 5280 6.1 without policies and name constraints).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

from verifier import sm2, times
from verifier.certificate_file import read_certificates
from verifier.documents import der
from verifier.errors import MalformedError, SignatureError, UntrustedIssuerError, VerificationError

SM2_CURVE = "1.2.156.10197.1.301"
SM2_WITH_SM3 = "1.2.156.10197.1.501"
MAX_CERTIFICATE_BYTES = 64 * 1024
_MAX_CHAIN = 6
_MAX_OTHERS = 50

_BROKEN = (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.UnsupportedGeneralNameType)


@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """A certificate: its bytes, whose it is, by whom, when (both ends inclusive), and its SM2 point if it has one."""

    data: bytes
    parsed: x509.Certificate
    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    point: bytes | None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and other.data == self.data

    def __hash__(self) -> int:
        return hash(self.data)

    @classmethod
    def load(cls, data: bytes) -> Certificate:
        """The certificate of DER bytes. Raises MalformedError."""
        if len(data) > MAX_CERTIFICATE_BYTES:
            raise MalformedError("not_a_certificate", "证书过大")
        try:
            parsed = x509.load_der_x509_certificate(data)
            return cls(
                data,
                parsed,
                _name(parsed.subject),
                _name(parsed.issuer),
                parsed.not_valid_before_utc,
                parsed.not_valid_after_utc,
                _sm2_point(parsed),
            )
        except _BROKEN as error:
            raise MalformedError("not_a_certificate", "证书内容无法解析") from error

    def covers(self, at: datetime) -> bool:
        """Whether the certificate is in force at that time."""
        return self.not_before <= at <= self.not_after

    def check(self, signature: bytes, message: bytes) -> None:
        """Raises SignatureError unless this certificate's SM2 key signed; UntrustedIssuerError for other keys."""
        sm2.check(self.sm2_point(), sm2.signature_from_der(signature), message)

    def sm2_point(self) -> bytes:
        """The SM2 public point. Raises UntrustedIssuerError where the key is of another kind."""
        if self.point is None:
            raise UntrustedIssuerError("unsupported_key", "签章证书不是 SM2 证书，未能验证", evidence=self.describe())
        return self.point

    def check_issued(self, other: Certificate) -> None:
        """Raises SignatureError, UntrustedIssuerError unless this authority's key signed the other certificate."""
        if self.point is not None:
            self.check(other.parsed.signature, other.parsed.tbs_certificate_bytes)
            return
        try:
            other.parsed.verify_directly_issued_by(self.parsed)
        except InvalidSignature as error:
            raise SignatureError("forged_certificate", "证书上的签名不是所称的签发机构签的") from error
        except _BROKEN as error:
            raise UntrustedIssuerError("unsupported_key", "签发机构证书的算法不受支持") from error

    def is_authority(self) -> bool:
        """Whether it may sign certificates (basic constraints, key usage)."""
        try:
            basic = self.parsed.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        except (x509.ExtensionNotFound, *_BROKEN):
            return False
        try:
            usage = self.parsed.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
        except x509.ExtensionNotFound:
            usage = True
        except _BROKEN:
            return False
        return basic and usage

    def describe(self) -> dict[str, Any]:
        """{subject, issuer, serial, not_before, not_after}, safe to show."""
        return {
            "subject": self.subject,
            "issuer": self.issuer,
            "serial": f"{self.parsed.serial_number:x}",
            "not_before": times.to_text(self.not_before),
            "not_after": times.to_text(self.not_after),
        }


def check_trusted(
    certificate: Certificate, roots: Iterable[Certificate], others: Sequence[Certificate], at: datetime, who: str
) -> None:
    """Raises UntrustedIssuerError unless a chain in force at that time leads to a root; `who` is said to people.

    Raises SignatureError for a certificate that names a trusted root as its issuer but was not signed by it.
    """
    trusted = set(roots)
    if certificate in trusted:
        return
    # Breadth first over issuers; every certificate is tried once.
    reached, tried = [certificate], {certificate}
    for _ in range(_MAX_CHAIN):
        above = [issuer for issuer in (*trusted, *others[:_MAX_OTHERS]) if issuer not in tried]
        found = [issuer for issuer in above if any(_issued(issuer, one, at, trusted) for one in reached)]
        if any(issuer in trusted for issuer in found):
            return
        if not found:
            break
        reached, tried = found, tried | set(found)
    evidence = {"certificate": certificate.describe(), "trusted_roots": len(trusted)}
    what = "没有给出可信的根证书" if not trusted else "给出的根证书中没有它的签发机构"
    raise UntrustedIssuerError("unknown_maker", f"{who}的证书是否可信未知：{what}", evidence=evidence)


def _issued(issuer: Certificate, subject: Certificate, at: datetime, trusted: set[Certificate]) -> bool:
    if issuer.parsed.subject != subject.parsed.issuer or not issuer.is_authority() or not issuer.covers(at):
        return False
    try:
        issuer.check_issued(subject)
    except SignatureError as error:
        if issuer in trusted and not _another_key_of(issuer, subject):
            raise SignatureError(
                "forged_certificate", "证书上的签名不是所称的签发机构签的", evidence=subject.describe()
            ) from error
        return False
    except UntrustedIssuerError:
        return False
    return True


def _another_key_of(issuer: Certificate, subject: Certificate) -> bool:
    # An authority may have several keys under one name: then the key identifiers differ.
    try:
        wanted = subject.parsed.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
        own = issuer.parsed.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except (x509.ExtensionNotFound, *_BROKEN):
        return False
    return wanted is not None and wanted != own


def load_many(blobs: Iterable[bytes]) -> list[Certificate]:
    """The certificates among the blobs; certificate lists of real seals also hold junk, which is left out."""
    found = list[Certificate]()
    for blob in blobs:
        try:
            found.append(Certificate.load(blob))
        except VerificationError:
            continue
    return found


def load_file(data: bytes) -> list[Certificate]:
    """Every certificate of a file of PEM, DER, Base64 or PKCS #7. Raises MalformedError."""
    return [Certificate.load(one) for one in read_certificates(data)]


def _sm2_point(parsed: x509.Certificate) -> bytes | None:
    # SubjectPublicKeyInfo is the seventh field of TBSCertificate, after [0] version (RFC 5280 4.1).
    fields = der.parse(parsed.tbs_certificate_bytes).children()
    spki = fields[6 if fields[0].tag == 0xA0 else 5].children()
    algorithm = spki[0].children()
    if len(algorithm) < 2 or algorithm[1].tag != der.OID or algorithm[1].oid() != SM2_CURVE:
        return None
    point = spki[1].bits()
    sm2.affine(point)
    return point


def _name(name: x509.Name) -> str:
    for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.ORGANIZATION_NAME):
        found = name.get_attributes_for_oid(oid)
        if found:
            value = found[-1].value
            return value if isinstance(value, str) else value.decode("utf-8", "replace")
    return name.rfc4514_string()
