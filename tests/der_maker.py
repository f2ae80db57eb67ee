"""DER for tests: the few types that e-seals and SM2 keys are made of."""

from __future__ import annotations

from datetime import UTC, datetime

SM2_CURVE, EC_KEY = "1.2.156.10197.1.301", "1.2.840.10045.2.1"
SM2_WITH_SM3, SM3 = "1.2.156.10197.1.501", "1.2.156.10197.1.401"


def tlv(tag: int, *parts: bytes) -> bytes:
    """One element with the parts as its content."""
    body = b"".join(parts)
    if len(body) < 128:
        return bytes((tag, len(body))) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def sequence(*parts: bytes) -> bytes:
    """SEQUENCE."""
    return tlv(0x30, *parts)


def set_of(*parts: bytes) -> bytes:
    """SET OF in the order given."""
    return tlv(0x31, *parts)


def integer(number: int) -> bytes:
    """INTEGER, not negative."""
    return tlv(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def octets(data: bytes) -> bytes:
    """OCTET STRING."""
    return tlv(4, data)


def bits(data: bytes) -> bytes:
    """BIT STRING of whole bytes."""
    return tlv(3, b"\x00", data)


def oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER."""
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    body = b""
    for arc in (first * 40 + second, *rest):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(arc & 0x7F | 0x80)
        body += bytes(reversed(septets))
    return tlv(6, body)


def ia5(text: str) -> bytes:
    """IA5String."""
    return tlv(0x16, text.encode())


def utf8(text: str) -> bytes:
    """UTF8String."""
    return tlv(0x0C, text.encode())


def general_time(at: datetime) -> bytes:
    """GeneralizedTime in UTC."""
    return tlv(0x18, at.astimezone(UTC).strftime("%Y%m%d%H%M%SZ").encode())


def utc_time(at: datetime) -> bytes:
    """UTCTime."""
    return tlv(0x17, at.astimezone(UTC).strftime("%y%m%d%H%M%SZ").encode())


def sm2_pkcs8(d: int, point: bytes) -> bytes:
    """PKCS #8 of a private SM2 key with its 65-byte public point."""
    inner = sequence(integer(1), octets(d.to_bytes(32, "big")), tlv(0xA1, bits(point)))
    return sequence(integer(0), sequence(oid(EC_KEY), oid(SM2_CURVE)), octets(inner))
