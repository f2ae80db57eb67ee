"""SignedData with the 国密 object identifiers (GM/T 0010, GB/T 35275), and with those of PKCS #7 (RFC 5652).

Only taken apart here. Signed attributes are taken as they stand, in their order: sorting them again breaks signatures.
"""

from __future__ import annotations

from dataclasses import dataclass

from verifier.documents import der
from verifier.documents.der import Element
from verifier.errors import MalformedError

SIGNED_DATA = frozenset(("1.2.156.10197.6.1.4.2.2", "1.2.840.113549.1.7.2"))
_MESSAGE_DIGEST, _SIGNING_TIME = "1.2.840.113549.1.9.4", "1.2.840.113549.1.9.5"
_CONTEXT_0, _CONTEXT_1 = 0xA0, 0xA1
_MAX_CERTIFICATES = 50


@dataclass(frozen=True, slots=True)
class SignedData:
    """One signer's SignedData.

    content: what travels inside, or None. attributes: the bytes to verify over if attributes are signed, else None.
    digest, time: from the signed attributes. issuer, serial: DER of the name and the number that name the signer.
    """

    content: bytes | None
    certificates: tuple[bytes, ...]
    issuer: bytes
    serial: int
    digest_algorithm: str
    attributes: bytes | None
    digest: bytes | None
    time: str
    signature: bytes
    signers: int


def is_signed_data(data: bytes) -> bool:
    """Whether the bytes say that they are SignedData."""
    try:
        first = der.parse(data).children()[0]
        return first.tag == der.OID and first.oid() in SIGNED_DATA
    except (MalformedError, IndexError):
        return False


def parse(data: bytes) -> SignedData:
    """The first signer of a SignedData. Raises MalformedError."""
    try:
        return _parse(der.parse(data))
    except IndexError as error:
        raise MalformedError("wrong_signed_data", "签名数据（SignedData）结构不完整") from error


def _parse(outer: Element) -> SignedData:
    body = outer.children()[1].children()[0].expect(der.SEQUENCE).children()
    content = body[2].expect(der.SEQUENCE).children()
    certificates: tuple[bytes, ...] = ()
    at = 3
    while body[at].tag in (_CONTEXT_0, _CONTEXT_1):
        if body[at].tag == _CONTEXT_0:
            certificates = tuple(one.raw for one in body[at].children()[:_MAX_CERTIFICATES])
        at += 1
    signers = body[at].expect(der.SET).children()
    signer = signers[0].expect(der.SEQUENCE).children()
    named = signer[1].expect(der.SEQUENCE).children()
    attributes = signer[3] if signer[3].tag == _CONTEXT_0 else None
    rest = signer[4:] if attributes is not None else signer[3:]
    values = {} if attributes is None else _attributes(attributes)
    digest = values.get(_MESSAGE_DIGEST)
    time = values.get(_SIGNING_TIME)
    return SignedData(
        content=_octets(content[1].children()[0]) if len(content) > 1 else None,
        certificates=certificates,
        issuer=named[0].raw,
        serial=named[1].integer(),
        digest_algorithm=signer[2].children()[0].oid(),
        attributes=None if attributes is None else der.retagged(der.SET, attributes.content),
        digest=None if digest is None else digest.octets(),
        time="" if time is None else time.time_text(),
        signature=rest[1].octets(),
        signers=len(signers),
    )


def _attributes(attributes: Element) -> dict[str, Element]:
    values = dict[str, Element]()
    for attribute in attributes.children():
        oid, held = attribute.children()[:2]
        name = oid.oid()
        if name in values:
            raise MalformedError("wrong_signed_data", "签名属性重复")
        values[name] = held.children()[0]
    return values


def _octets(element: Element) -> bytes:
    # What follows the standard is an OCTET STRING; some engines put the bytes of another type there.
    return element.octets() if element.tag == der.OCTET_STRING else element.raw
