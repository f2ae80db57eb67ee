"""Certificates out of a file that somebody was given: PEM with any text around it, DER, bare Base64, PKCS #7.

A private key is refused wherever it stands in the file, and nothing of it leaves this module.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final, NoReturn

from verifier.documents import der
from verifier.documents.der import Element
from verifier.documents.signed_data import SIGNED_DATA
from verifier.errors import MalformedError

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----((?:[^-]|-(?!----))*)-----END \1-----")
_CERTIFICATES: Final = frozenset((b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE"))
_BUNDLES: Final = frozenset((b"PKCS7", b"CMS"))
#: What else people take for a certificate, by the name in PEM.
_OTHERS: Final = {
    b"CERTIFICATE REQUEST": "这是证书请求（CSR），不是证书；请使用签发机构发还的证书",
    b"NEW CERTIFICATE REQUEST": "这是证书请求（CSR），不是证书；请使用签发机构发还的证书",
    b"PUBLIC KEY": "这只是公钥，不是证书；请使用含该公钥的证书",
    b"X509 CRL": "这是证书吊销列表（CRL），不是证书",
}
_NO_CERTIFICATE: Final = "文件中没有可读取的 X.509 证书；请给出 PEM、DER 或 PKCS #7（.p7b）的证书文件"
_PRIVATE: Final = (
    "文件中有私钥：私钥不能交给别人，也不是信任的依据。没有保存其中任何内容；"
    "如果它已经发给过别人，请视为泄露并更换；这里请只给出证书"
)
#: Of what a password protects: PBES2 and the PBE schemes before it (RFC 8018 A.4, RFC 7292 C).
_BY_PASSWORD: Final = ("1.2.840.113549.1.5.", "1.2.840.113549.1.12.1.")
_PKCS12_VERSION: Final = 3
_CERTIFICATES_TAG: Final = 0xA0


def read_certificates(data: bytes) -> list[bytes]:
    """The DER of every certificate in a file, in its order; that they can be parsed is for the caller to see.

    Raises MalformedError: `private_key` for a file that holds one, `not_a_certificate` for one without certificates.
    """
    if b"-----BEGIN " in data:
        return _from_pem(data)
    if data.startswith(b"\x30"):
        return _from_der(data)
    try:
        plain = base64.b64decode(b"".join(data.removeprefix(b"\xef\xbb\xbf").split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _nothing() from error
    return _from_der(plain) if plain.startswith(b"\x30") else _refuse(_NO_CERTIFICATE)


def read_certificate(data: bytes) -> bytes:
    """The DER of the only certificate in a file. Raises MalformedError, `many_certificates` too."""
    found = list(dict.fromkeys(read_certificates(data)))
    if len(found) > 1:
        message = f"文件中有 {len(found)} 张证书，无法确定信任哪一张；请只给出签发者本人的证书，不含上级机构的"
        raise MalformedError("many_certificates", message)
    return found[0]


def _from_pem(data: bytes) -> list[bytes]:
    # Looked for before anything is taken apart: a key that was cut off is a key, too.
    if b"PRIVATE KEY-----" in data:
        raise MalformedError("private_key", _PRIVATE)
    found = list[bytes]()
    others = set[bytes]()
    for name, body in _BLOCK.findall(data):
        if name not in _CERTIFICATES | _BUNDLES:
            others.add(name)
            continue
        try:
            plain = base64.b64decode(b"".join(body.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise MalformedError("not_a_certificate", "PEM 证书的内容不是完好的 Base64，文件不完整") from error
        found += _from_der(plain)
    if not found:
        _refuse(next((_OTHERS[name] for name in sorted(others) if name in _OTHERS), _NO_CERTIFICATE))
    return found


def _from_der(data: bytes) -> list[bytes]:
    try:
        whole = der.first(data).expect(der.SEQUENCE)
        parts = whole.children()
        if _is_private(parts):
            raise MalformedError("private_key", _PRIVATE)
        if parts[0].tag == der.OID and parts[0].oid() in SIGNED_DATA:
            return _bundled(parts)
        if _is_request(parts):
            _refuse(_OTHERS[b"CERTIFICATE REQUEST"])
    except MalformedError as error:
        if error.reason != "wrong_der":
            raise
        raise _nothing() from error
    except IndexError as error:
        raise _nothing() from error
    return [whole.raw]


def _is_private(parts: list[Element]) -> bool:
    """PKCS #8 (also encrypted), PKCS #1, SEC 1, PKCS #12: by their shape, so that keys of any algorithm are seen."""
    tags = [part.tag for part in parts]
    if tags[0] == der.INTEGER:
        return (
            tags[1:3] == [der.SEQUENCE, der.OCTET_STRING]
            or tags[1:2] == [der.OCTET_STRING]
            or tags.count(der.INTEGER) >= 6
            or (parts[0].integer() == _PKCS12_VERSION and tags[1:2] == [der.SEQUENCE])
        )
    if tags == [der.SEQUENCE, der.OCTET_STRING]:
        scheme = parts[0].children()[0]
        return scheme.tag == der.OID and scheme.oid().startswith(_BY_PASSWORD)
    return False


def _is_request(parts: list[Element]) -> bool:
    # CertificationRequestInfo: version 0, name, key (RFC 2986 4.1); a certificate has its serial number or [0] there.
    inner = parts[0].children()
    return len(parts) == 3 and len(inner) <= 4 and inner[0].tag == der.INTEGER and inner[1].tag == der.SEQUENCE


def _bundled(parts: list[Element]) -> list[bytes]:
    """The certificates that travel in a SignedData (RFC 5652 5.1), whose list of signers is often empty."""
    body = parts[1].children()[0].expect(der.SEQUENCE).children()
    found = [one.raw for part in body if part.tag == _CERTIFICATES_TAG for one in part.children()]
    return found or _refuse(_NO_CERTIFICATE)


def _nothing() -> MalformedError:
    return MalformedError("not_a_certificate", _NO_CERTIFICATE)


def _refuse(message: str) -> NoReturn:
    raise MalformedError("not_a_certificate", message)
