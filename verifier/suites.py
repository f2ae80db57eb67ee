"""Signature suites: which algorithm, which key bytes, which signature bytes.

The suite belongs to the key and is never taken from the message alone.

Numbers are the fully specified COSE algorithms of RFC 9864. SM2 has none: its number is from the range for private use
(below -65536). Signatures are 64 bytes in every suite.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

from verifier import sm2
from verifier.errors import MalformedError, SignatureError

SIGNATURE_BYTES = 64
KID_BYTES = 8

_P25519 = 2**255 - 19
_Y_OF_ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_Y_OF_SMALL_ORDER = frozenset((0, 1, _P25519 - 1, _Y_OF_ORDER_8, _P25519 - _Y_OF_ORDER_8))
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_SHA256 = ec.ECDSA(hashes.SHA256())
_PEM_BEGIN, _PEM_END = b"-----BEGIN PRIVATE KEY-----", b"-----END PRIVATE KEY-----"


class Suite(IntEnum):
    """COSE algorithm numbers."""

    ED25519 = -19
    ES256 = -9
    SM2 = -65538

    __hash__ = int.__hash__


@dataclass(frozen=True, slots=True)
class PublicKey:
    """raw: 32 bytes (Ed25519, RFC 8032) or the 33-byte compressed point (P-256 and SM2, SEC 1 2.3.3)."""

    suite: Suite
    raw: bytes

    @property
    def digest(self) -> bytes:
        """32 bytes that name the key where room is plenty: SHA-256(suite name || 0x00 || raw)."""
        return hashlib.sha256(self.suite.name.encode() + b"\x00" + self.raw).digest()

    @property
    def kid(self) -> bytes:
        """8 bytes that name the key: its digest, cut."""
        return self.digest[:KID_BYTES]

    def check(self, signature: bytes, message: bytes) -> None:
        """Raises SignatureError unless the 64-byte signature is this key's over the message.

        Raises Sm2UnavailableError, which leaves the matter undecided, where the machine cannot do SM2.
        """
        if len(signature) != SIGNATURE_BYTES:
            raise SignatureError("wrong_length", f"签名应为 {SIGNATURE_BYTES} 字节")
        try:
            key = _load(self.suite, self.raw)
            if isinstance(key, ed25519.Ed25519PublicKey):
                key.verify(signature, message)
            elif isinstance(key, ec.EllipticCurvePublicKey):
                key.verify(_der(signature), message, _SHA256)
            else:
                sm2.check(key, signature, message)
        except InvalidSignature as error:
            raise SignatureError("wrong_signature", "签名与内容不符：内容被改动，或不是该密钥签的") from error

    @property
    def coordinates(self) -> tuple[bytes, bytes]:
        """x and y of a P-256 key, 32 bytes each. Raises MalformedError for keys of other suites."""
        key = _load(self.suite, self.raw)
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise MalformedError("unknown_suite", "只有 P-256 公钥有坐标")
        point = key.public_numbers()
        return point.x.to_bytes(32, "big"), point.y.to_bytes(32, "big")

    def validate(self) -> PublicKey:
        """This key, if its bytes are a key of its suite. Raises MalformedError."""
        _load(self.suite, self.raw)
        return self


class SigningKey(Protocol):
    """Something that signs: a software key, later a key in hardware."""

    @property
    def public(self) -> PublicKey: ...

    def sign(self, message: bytes) -> bytes:
        """64 signature bytes over the message."""
        ...


class SoftwareKey:
    """A private key in this process's memory. For trials: real keys live in hardware."""

    def __init__(self, key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | sm2.PrivateKey) -> None:
        self._key = key
        if isinstance(key, ed25519.Ed25519PrivateKey):
            self.public = PublicKey(Suite.ED25519, key.public_key().public_bytes_raw())
        elif isinstance(key, sm2.PrivateKey):
            self.public = PublicKey(Suite.SM2, key.point)
        else:
            point = key.public_key().public_bytes(
                serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint
            )
            self.public = PublicKey(Suite.ES256, point)

    @classmethod
    def generate(cls, suite: Suite = Suite.ED25519) -> SoftwareKey:
        """A fresh key from the operating system's random source. Raises Sm2UnavailableError."""
        if suite is Suite.ED25519:
            return cls(ed25519.Ed25519PrivateKey.generate())
        if suite is Suite.SM2:
            return cls(sm2.PrivateKey.generate())
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_seed(cls, seed: bytes) -> SoftwareKey:
        """The Ed25519 key of a 32-byte seed (RFC 8032 5.1.5)."""
        return cls(ed25519.Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def from_pem(cls, pem: bytes) -> SoftwareKey:
        """The key of an unencrypted PKCS #8 PEM. Raises MalformedError for anything else, Sm2UnavailableError."""
        der = _pem_body(pem)
        if sm2.is_sm2_pkcs8(der):
            return cls(sm2.PrivateKey.from_pkcs8(der))
        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise MalformedError("not_a_key", "文件不是未加密的 PKCS #8 PEM 私钥") from error
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return cls(key)
        if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
            return cls(key)
        raise MalformedError("unknown_suite", "私钥不属于受支持的签名套件（Ed25519、P-256、SM2）")

    def to_pem(self) -> bytes:
        """Unencrypted PKCS #8 PEM; the caller keeps it secret."""
        if isinstance(self._key, sm2.PrivateKey):
            body = base64.encodebytes(self._key.to_pkcs8()).replace(b"\n", b"")
            lines = [body[at : at + 64] for at in range(0, len(body), 64)]
            return b"\n".join([_PEM_BEGIN, *lines, _PEM_END, b""])
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def sign(self, message: bytes) -> bytes:
        """64 bytes: Ed25519 (RFC 8032), ECDSA r || s with low s, or SM2 r || s."""
        if isinstance(self._key, (ed25519.Ed25519PrivateKey, sm2.PrivateKey)):
            return self._key.sign(message)
        r, s = utils.decode_dss_signature(self._key.sign(message, _SHA256))
        return r.to_bytes(32, "big") + min(s, _P256_ORDER - s).to_bytes(32, "big")


def low_s(signature: bytes) -> bytes:
    """An ECDSA signature r || s over P-256 in the one form that is accepted: s in the lower half of the order.

    An s that is no number below the order stays as it is, and is refused by whoever checks it.
    """
    s = int.from_bytes(signature[32:], "big")
    return signature if s >= _P256_ORDER else signature[:32] + min(s, _P256_ORDER - s).to_bytes(32, "big")


def public_key(suite: int, raw: bytes) -> PublicKey:
    """A validated public key. Raises MalformedError for unknown suites and bytes that are no key."""
    try:
        return PublicKey(Suite(suite), raw).validate()
    except ValueError as error:
        raise MalformedError("unknown_suite", "签名套件不受支持", evidence={"suite": suite}) from error


def _pem_body(pem: bytes) -> bytes:
    """What stands between the marks of PKCS #8; empty where it is something else."""
    middle = pem.partition(_PEM_BEGIN)[2].partition(_PEM_END)[0]
    try:
        return base64.b64decode(b"".join(middle.split()), validate=True)
    except binascii.Error:
        return b""


def _der(signature: bytes) -> bytes:
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if s > _P256_ORDER // 2:
        # A high s is the same signature in other bytes: refused, so that one signature has one text.
        raise SignatureError("not_canonical", "签名不是规范形式（s 过大）")
    return utils.encode_dss_signature(r, s)


def _is_weak(raw: bytes) -> bool:
    """Whether everybody can sign for this Ed25519 key, since its point has an order of 8 at most; or whether it is
    another spelling of a key, with another id (RFC 8032 5.1.3)."""
    y = int.from_bytes(raw, "little") & ((1 << 255) - 1)
    return y >= _P25519 or y in _Y_OF_SMALL_ORDER


@lru_cache(maxsize=4096)
def _load(suite: Suite, raw: bytes) -> ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | bytes:
    if suite is Suite.SM2:
        if len(raw) != sm2.POINT_BYTES:
            raise MalformedError("not_a_key", "公钥字节无效")
        return sm2.compress(raw)
    try:
        if suite is Suite.ED25519:
            if _is_weak(raw):
                raise MalformedError("not_a_key", "公钥是弱点：任何人都能以它的名义签名")
            return ed25519.Ed25519PublicKey.from_public_bytes(raw)
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
    except ValueError as error:
        raise MalformedError("not_a_key", "公钥字节无效") from error
