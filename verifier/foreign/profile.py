"""What a foreign code is once its adapter has read it, and the certificates of those who sign such codes."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from verifier.errors import MalformedError, ScopeError, SignatureError

MAX_CERTIFICATE_BYTES = 16 * 1024
MAX_TEXT_CHARACTERS = 4296
"""What the largest QR holds in alphanumeric mode (ISO/IEC 18004 table 7)."""

#: COSE algorithms of foreign codes (RFC 9053 2.1, RFC 8230): ECDSA with P-256 and SHA-256, RSASSA-PSS with SHA-256.
ES256, PS256 = -7, -37
ES256_BYTES = 64


@dataclass(frozen=True, slots=True)
class ForeignCode:
    """A parsed, not yet believed foreign code.

    kid: names the signer's certificate, empty where the code names none; signed: the bytes under the signature;
    subject: what it says, already masked. uses: object identifiers of extended key usages (RFC 5280 4.2.1.12), of
    which the signer's certificate needs one if it has any of `known_uses`.
    """

    kid: bytes
    algorithm: int
    signed: bytes
    signature: bytes
    issued_at: datetime
    begins_at: datetime
    expires_at: datetime
    subject: Mapping[str, Any]
    uses: frozenset[str] = frozenset()
    known_uses: frozenset[str] = frozenset()


class Adapter(Protocol):
    """Reads one profile of codes."""

    name: str
    #: What people call such a code.
    title: str
    #: What its text begins with.
    prefix: str

    def read(self, text: str) -> ForeignCode:
        """The code of a text that begins with the prefix. Raises MalformedError."""
        ...


@dataclass(frozen=True, slots=True)
class ForeignIssuer:
    """Someone whose codes of a profile are believed: an X.509 certificate (DER) and what people call its owner."""

    profile: str
    name: str
    certificate: bytes

    @property
    def kid(self) -> bytes:
        """The first 8 bytes of the certificate's SHA-256, as the codes name it."""
        return hashlib.sha256(self.certificate).digest()[:8]

    @property
    def period(self) -> tuple[datetime, datetime]:
        """First and last moment of the certificate. Raises MalformedError."""
        loaded = load_certificate(self.certificate)
        return loaded.not_valid_before_utc, loaded.not_valid_after_utc

    def check(self, code: ForeignCode) -> None:
        """Raises SignatureError unless the certificate's key signed the code; MalformedError for another algorithm."""
        if code.algorithm not in (ES256, PS256):
            message = f"签名算法（COSE {code.algorithm}）不在允许之列，只接受 ES256 与 PS256"
            raise MalformedError("unknown_suite", message)
        key = load_certificate(self.certificate).public_key()
        try:
            if code.algorithm == ES256 and isinstance(key, ec.EllipticCurvePublicKey):
                # r and s one after another, 32 bytes each (RFC 9053 2.1).
                if len(code.signature) != ES256_BYTES:
                    message = f"签名有 {len(code.signature)} 字节，ES256 的签名应为 {ES256_BYTES} 字节"
                    raise MalformedError("wrong_length", message)
                half = ES256_BYTES // 2
                r, s = (int.from_bytes(part, "big") for part in (code.signature[:half], code.signature[half:]))
                key.verify(utils.encode_dss_signature(r, s), code.signed, ec.ECDSA(hashes.SHA256()))
            elif code.algorithm == PS256 and isinstance(key, rsa.RSAPublicKey):
                pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
                key.verify(code.signature, code.signed, pss, hashes.SHA256())
            else:
                raise MalformedError("wrong_suite", "签名算法与签发者证书的密钥不符")
        except InvalidSignature as error:
            raise SignatureError("wrong_signature", "签名与内容不符：内容被改动，或不是该签发者签的") from error

    def check_use(self, code: ForeignCode) -> None:
        """Raises ScopeError if the certificate is for other uses only than what the code says."""
        try:
            usage = load_certificate(self.certificate).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except x509.ExtensionNotFound:
            return
        except (ValueError, x509.DuplicateExtension) as error:
            raise MalformedError("not_a_certificate", "签发者证书的扩展有误") from error
        limited = {use.dotted_string for use in usage} & code.known_uses
        if limited and not limited & code.uses:
            raise ScopeError("wrong_use", "签发者的证书不得用于签发这一种证明", evidence={"allowed": sorted(limited)})

    def to_json(self) -> dict[str, Any]:
        """{profile, name, certificate}, the certificate in Base64."""
        return {
            "profile": self.profile,
            "name": self.name,
            "certificate": base64.b64encode(self.certificate).decode(),
        }

    @classmethod
    def from_json(cls, value: Any) -> ForeignIssuer:
        """The inverse of `to_json`. Raises MalformedError."""
        if not isinstance(value, dict) or value.keys() != {"profile", "name", "certificate"}:
            raise MalformedError("wrong_fields", "境外签发者的字段与格式不符")
        if not all(isinstance(part, str) and part for part in value.values()):
            raise MalformedError("wrong_fields", "境外签发者的字段应为文本")
        try:
            certificate = base64.b64decode(value["certificate"], validate=True)
        except (binascii.Error, ValueError) as error:
            raise MalformedError("not_base64", "境外签发者的证书不是 Base64") from error
        load_certificate(certificate)
        return cls(value["profile"], value["name"], certificate)


@lru_cache(maxsize=256)
def load_certificate(der: bytes) -> x509.Certificate:
    """The X.509 certificate with a key that foreign codes may use. Raises MalformedError."""
    if len(der) > MAX_CERTIFICATE_BYTES:
        raise MalformedError("too_long", f"证书超过上限 {MAX_CERTIFICATE_BYTES} 字节")
    try:
        certificate = x509.load_der_x509_certificate(der)
        key = certificate.public_key()
    except UnsupportedAlgorithm as error:
        raise _unknown_suite() from error
    except (ValueError, TypeError, x509.UnsupportedGeneralNameType, x509.InvalidVersion) as error:
        raise MalformedError("not_a_certificate", "文件不是可用的 X.509 证书") from error
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return certificate
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048:
        return certificate
    raise _unknown_suite()


def _unknown_suite() -> MalformedError:
    return MalformedError("unknown_suite", "证书的密钥不是 P-256 或 2048 位以上的 RSA，不能签发这种境外码")
