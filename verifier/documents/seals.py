"""E-seals and what is sealed with them: GB/T 38540-2020 (version 4) and GM/T 0031-2014 (versions 1 to 3).

Only taken apart here, byte for byte as it stands; `judging` decides what it is worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from verifier.documents import der
from verifier.documents.certificates import MAX_CERTIFICATE_BYTES
from verifier.documents.der import Element
from verifier.errors import MalformedError

#: GB/T 38540-2020; everything below is taken apart as GM/T 0031-2014.
VERSION_4 = 4
_MAX_LISTED = 1000


@dataclass(frozen=True, slots=True)
class Seal:
    """An e-seal (电子印章). Times are texts as they stand; `signed` are the bytes that its maker's signature covers."""

    raw: bytes
    version: int
    vendor: str
    seal_id: str
    kind: int
    name: str
    certificates: tuple[bytes, ...]
    certificate_digests: tuple[bytes, ...]
    created: str
    valid_from: str
    valid_to: str
    picture_type: str
    picture_size: tuple[int, int]
    maker: bytes
    signed: bytes
    signature: bytes

    def to_json(self) -> dict[str, Any]:
        """What the seal says of itself."""
        return {
            "version": self.version,
            "vendor": self.vendor,
            "seal_id": self.seal_id,
            "name": self.name,
            "kind": self.kind,
            "created": self.created,
            "valid_from": self.valid_from,
            "valid_to": self.valid_to,
            "picture": {"type": self.picture_type, "width_mm": self.picture_size[0], "height_mm": self.picture_size[1]},
        }


@dataclass(frozen=True, slots=True)
class SealSignature:
    """A seal put on something (电子签章): seal, digest of Signature.xml, time as it stands, signer's certificate."""

    version: int
    seal: Seal
    time: str
    digest: bytes
    path: str
    signer: bytes
    signed: bytes
    signature: bytes
    has_timestamp: bool


def parse_signature(data: bytes) -> SealSignature:
    """A SES_Signature of either standard. Raises MalformedError."""
    parts = der.parse(data).expect(der.SEQUENCE).children()
    signed = parts[0].expect(der.SEQUENCE).children() if parts else []
    if len(signed) < 5:
        raise _wrong()
    version = signed[0].integer()
    if version >= VERSION_4:
        if len(parts) < 4:
            raise _wrong()
        signer, signature = parts[1].octets(), parts[3].bits()
        time = signed[2].time_text()
    else:
        if len(signed) < 7 or len(parts) < 2:
            raise _wrong()
        signer, signature = signed[5].octets(), parts[1].bits()
        time = _old_time(signed[2])
    return SealSignature(
        version=version,
        seal=parse_seal(signed[1].raw),
        time=time,
        digest=signed[3].bits(),
        path=signed[4].text(),
        signer=_limited(signer),
        signed=parts[0].raw,
        signature=signature,
        has_timestamp=version >= VERSION_4 and len(parts) > 4,
    )


def parse_seal(data: bytes) -> Seal:
    """A SESeal of either standard. Raises MalformedError."""
    parts = der.parse(data).expect(der.SEQUENCE).children()
    if len(parts) < 2:
        raise _wrong()
    info = parts[0].expect(der.SEQUENCE).children()
    if len(info) < 4:
        raise _wrong()
    header = info[0].expect(der.SEQUENCE).children()
    if len(header) < 3 or header[0].text() != "ES":
        raise _wrong()
    version = header[1].integer()
    maker, signed, signature = _made(parts, version)
    properties = _properties(info[2].expect(der.SEQUENCE).children(), version)
    picture = info[3].expect(der.SEQUENCE).children()
    if len(picture) < 4:
        raise _wrong()
    return Seal(
        raw=data,
        version=version,
        vendor=header[2].text(),
        seal_id=info[1].text(),
        picture_type=picture[0].text(),
        picture_size=(picture[2].integer(), picture[3].integer()),
        maker=_limited(maker),
        signed=signed,
        signature=signature,
        **properties,
    )


def _made(parts: list[Element], version: int) -> tuple[bytes, bytes, bytes]:
    """The maker's certificate, the bytes that were signed, and the signature over them."""
    if version >= VERSION_4:
        if len(parts) < 4:
            raise _wrong()
        return parts[1].octets(), parts[0].raw, parts[3].bits()
    made = parts[1].expect(der.SEQUENCE).children()
    if len(made) < 3:
        raise _wrong()
    return made[0].octets(), der.sequence_of(parts[0].raw, made[0].raw, made[1].raw), made[2].bits()


def _properties(fields: list[Element], version: int) -> dict[str, Any]:
    listed_by_digest = False
    if version >= VERSION_4:
        if len(fields) < 7:
            raise _wrong()
        listed_by_digest = fields[2].integer() == 2
        fields = [*fields[:2], *fields[3:]]
    if len(fields) < 6:
        raise _wrong()
    listed = fields[2].expect(der.SEQUENCE).children()
    if len(listed) > _MAX_LISTED:
        raise _wrong()
    return {
        "kind": fields[0].integer(),
        "name": fields[1].text(),
        "certificates": () if listed_by_digest else tuple(_listed(item) for item in listed),
        "certificate_digests": tuple(_digest(item) for item in listed) if listed_by_digest else (),
        "created": fields[3].time_text(),
        "valid_from": fields[4].time_text(),
        "valid_to": fields[5].time_text(),
    }


def _listed(item: Element) -> bytes:
    # Real lists hold certificates as OCTET STRING, bare certificates, and junk.
    return item.content if item.tag == der.OCTET_STRING else item.raw


def _digest(item: Element) -> bytes:
    parts = item.expect(der.SEQUENCE).children()
    if len(parts) < 2:
        raise _wrong()
    return parts[1].octets()


def _old_time(field: Element) -> str:
    """Version 1 keeps the time in a BIT STRING: an ASN.1 time or text. Empty for a timestamp token or noise."""
    if field.tag in (der.UTC_TIME, der.GENERALIZED_TIME):
        return field.time_text()
    content = field.bits()
    try:
        return der.parse(content).time_text()
    except MalformedError:
        text = content.decode("ascii", "replace")
        return text if text.isprintable() and len(text) <= 40 else ""


def _limited(certificate: bytes) -> bytes:
    if len(certificate) > MAX_CERTIFICATE_BYTES:
        raise _wrong()
    return certificate


def _wrong() -> MalformedError:
    return MalformedError("wrong_seal", "电子印章或签章的结构与 GB/T 38540、GM/T 0031 不符")
