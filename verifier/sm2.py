"""SM2 signatures over SM3 (GB/T 32918.2, GM/T 0003, GM/T 0009) by the system's OpenSSL 3.

Public arithmetic (the curve's equation, Z) is done here; everything that touches a private key, and every check of a
signature, is done by `libcrypto`, which `cryptography` does not reach for SM2. Where that library is missing, keys can
still be read, and checks end as undecided.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from verifier.digests import sm3
from verifier.errors import Check, MalformedError, SignatureError, UndecidedError

#: The user identity that GM/T 0009 section 10 gives for everyone.
DEFAULT_ID = b"1234567812345678"
POINT_BYTES = 33
SIGNATURE_BYTES = 64

# GB/T 32918.5: the recommended curve y² = x³ - 3x + b over p, with a base point of order n.
_P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
_A = _P - 3
_B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
ORDER = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
_BASE_X = 0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7
_BASE_Y = 0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0

# SubjectPublicKeyInfo {id-ecPublicKey, 1.2.156.10197.1.301} up to the uncompressed point (RFC 5480 2).
_SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200")
_PKCS8_MARK = bytes.fromhex("06072a8648ce3d020106082a811ccf5501822d")


class Sm2UnavailableError(UndecidedError):
    """No OpenSSL 3 with SM2 on this machine: nothing was checked."""

    check = Check.SIGNATURE


def available() -> bool:
    """Whether this machine can make and check SM2 signatures."""
    return _find() is not None


def affine(point: bytes) -> tuple[int, int]:
    """The coordinates of a 33-byte compressed or 65-byte uncompressed point. Raises MalformedError."""
    x = int.from_bytes(point[1:33], "big")
    square = (pow(x, 3, _P) + _A * x + _B) % _P
    if len(point) == 65 and point[0] == 4:
        y = int.from_bytes(point[33:], "big")
    elif len(point) == POINT_BYTES and point[0] in (2, 3):
        # p ≡ 3 (mod 4): the square root is a power.
        y = pow(square, (_P + 1) // 4, _P)
        y = y if y % 2 == point[0] % 2 else _P - y
    else:
        raise MalformedError("not_a_key", "公钥字节无效")
    if x >= _P or y >= _P or y * y % _P != square:
        raise MalformedError("not_a_key", "公钥不在 SM2 曲线上")
    return x, y


def compress(point: bytes) -> bytes:
    """The 33-byte form of a point. Raises MalformedError."""
    x, y = affine(point)
    return bytes((2 + y % 2,)) + x.to_bytes(32, "big")


def z_value(point: bytes, identity: bytes = DEFAULT_ID) -> bytes:
    """Z of GB/T 32918.2 5.5: SM3(ENTL || ID || a || b || xG || yG || xA || yA), 32 bytes. Raises MalformedError."""
    numbers = (_A, _B, _BASE_X, _BASE_Y, *affine(point))
    head = (len(identity) * 8).to_bytes(2, "big") + identity
    return sm3(head + b"".join(number.to_bytes(32, "big") for number in numbers))


def check(point: bytes, signature: bytes, message: bytes, identity: bytes = DEFAULT_ID) -> None:
    """Raises SignatureError unless the 64 bytes r || s sign the message. Raises MalformedError, Sm2UnavailableError."""
    der, crypto = signature_to_der(signature), library()
    if not crypto.verify(loaded(point), der, message, identity):
        raise SignatureError("wrong_signature", "签名与内容不符：内容被改动，或不是该密钥签的")


def check_digest(point: bytes, signature: bytes, digest: bytes) -> None:
    """`check` where the 32-byte digest itself was signed as e, without Z: some old e-seal engines do so."""
    der, crypto = signature_to_der(signature), library()
    if not crypto.verify_digest(loaded(point), der, digest):
        raise SignatureError("wrong_signature", "签名与摘要不符：内容被改动，或不是该密钥签的")


def signature_to_der(signature: bytes) -> bytes:
    """SEQUENCE { r, s } of 64 bytes r || s (GM/T 0009 6.3). Raises SignatureError."""
    if len(signature) != SIGNATURE_BYTES:
        raise SignatureError("wrong_length", f"SM2 签名应为 {SIGNATURE_BYTES} 字节")
    parts = [int.from_bytes(half, "big") for half in (signature[:32], signature[32:])]
    if not all(0 < part < ORDER for part in parts):
        raise SignatureError("wrong_signature", "SM2 签名的 r、s 超出范围")
    body = b"".join(_integer(part) for part in parts)
    return b"\x30" + bytes((len(body),)) + body


def signature_from_der(der: bytes) -> bytes:
    """64 bytes r || s of SEQUENCE { r, s }, or of bytes that are these 64 already. Raises SignatureError.

    Both forms occur in e-seals. Superfluous zeros before r and s are accepted; negative numbers are not.
    """
    if len(der) == SIGNATURE_BYTES and der[:2] != bytes((0x30, SIGNATURE_BYTES - 2)):
        return der
    if len(der) < 8 or der[0] != 0x30 or der[1] != len(der) - 2:
        raise SignatureError("wrong_length", "SM2 签名既不是 DER，也不是 64 字节")
    numbers, rest = [], der[2:]
    for _ in range(2):
        if len(rest) < 3 or rest[0] != 2 or not 0 < rest[1] <= len(rest) - 2 or rest[2] & 0x80:
            raise SignatureError("wrong_signature", "SM2 签名的 DER 编码有误")
        numbers.append(int.from_bytes(rest[2 : 2 + rest[1]], "big"))
        rest = rest[2 + rest[1] :]
    if rest or max(numbers) >= ORDER:
        raise SignatureError("wrong_signature", "SM2 签名的 DER 编码有误")
    return b"".join(number.to_bytes(32, "big") for number in numbers)


class PrivateKey:
    """A private SM2 key inside libcrypto. `point` is its compressed public point, 33 bytes."""

    def __init__(self, handle: _Handle) -> None:
        self.handle = handle
        spki = library().public_bytes(handle)
        if not spki.startswith(_SPKI):
            raise MalformedError("unknown_suite", "私钥不是 SM2 密钥")
        self.point = compress(spki[len(_SPKI) :])

    @classmethod
    def generate(cls) -> PrivateKey:
        """A fresh key from the library's random source. Raises Sm2UnavailableError."""
        return cls(library().generate())

    @classmethod
    def from_pkcs8(cls, der: bytes) -> PrivateKey:
        """The key of unencrypted PKCS #8 DER. Raises MalformedError, Sm2UnavailableError."""
        return cls(library().load_private(der))

    def to_pkcs8(self) -> bytes:
        """Unencrypted PKCS #8 DER; the caller keeps it secret."""
        return library().private_bytes(self.handle)

    def sign(self, message: bytes, identity: bytes = DEFAULT_ID) -> bytes:
        """64 bytes r || s over the message."""
        return signature_from_der(library().sign(self.handle, message, identity))


def is_sm2_pkcs8(der: bytes) -> bool:
    """Whether PKCS #8 DER says that it holds an SM2 key."""
    return _PKCS8_MARK in der[:64]


def _integer(number: int) -> bytes:
    data = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return b"\x02" + bytes((len(data),)) + data


class _Handle:
    """An EVP_PKEY that is freed with this object."""

    def __init__(self, library: Any, pointer: int) -> None:
        self._library, self.pointer = library, pointer

    def __del__(self) -> None:
        self._library.EVP_PKEY_free(self.pointer)


class Libcrypto:
    """The few calls of OpenSSL 3 that SM2 needs."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._c = library
        pointer, size, text, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_int
        byte_pointer = ctypes.POINTER(ctypes.c_char_p)
        out = ctypes.POINTER(ctypes.c_size_t)
        for name, result, arguments in (
            ("EVP_PKEY_free", None, (pointer,)),
            ("EVP_PKEY_CTX_new", pointer, (pointer, pointer)),
            ("EVP_PKEY_CTX_new_from_name", pointer, (pointer, text, text)),
            ("EVP_PKEY_CTX_free", None, (pointer,)),
            ("EVP_PKEY_CTX_set1_id", number, (pointer, text, number)),
            ("EVP_PKEY_keygen_init", number, (pointer,)),
            ("EVP_PKEY_generate", number, (pointer, ctypes.POINTER(pointer))),
            ("EVP_PKEY_verify_init", number, (pointer,)),
            ("EVP_PKEY_verify", number, (pointer, text, size, text, size)),
            ("EVP_PKEY_is_a", number, (pointer, text)),
            ("EVP_PKEY2PKCS8", pointer, (pointer,)),
            ("PKCS8_PRIV_KEY_INFO_free", None, (pointer,)),
            ("i2d_PKCS8_PRIV_KEY_INFO", number, (pointer, pointer)),
            ("i2d_PUBKEY", number, (pointer, pointer)),
            ("d2i_PUBKEY", pointer, (pointer, byte_pointer, ctypes.c_long)),
            ("d2i_AutoPrivateKey", pointer, (pointer, byte_pointer, ctypes.c_long)),
            ("EVP_MD_CTX_new", pointer, ()),
            ("EVP_MD_CTX_free", None, (pointer,)),
            ("EVP_MD_CTX_set_pkey_ctx", None, (pointer, pointer)),
            ("EVP_sm3", pointer, ()),
            ("EVP_DigestSignInit", number, (pointer, pointer, pointer, pointer, pointer)),
            ("EVP_DigestSign", number, (pointer, pointer, out, text, size)),
            ("EVP_DigestVerifyInit", number, (pointer, pointer, pointer, pointer, pointer)),
            ("EVP_DigestVerify", number, (pointer, text, size, text, size)),
            ("ERR_clear_error", None, ()),
            ("OPENSSL_cleanse", None, (pointer, size)),
        ):
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
        self._sm3 = library.EVP_sm3()

    def load_public(self, spki: bytes) -> _Handle:
        """The key of SubjectPublicKeyInfo DER. Raises MalformedError."""
        return self._load(self._c.d2i_PUBKEY, spki)

    def load_private(self, der: bytes) -> _Handle:
        """The key of PKCS #8 DER. Raises MalformedError."""
        return self._load(self._c.d2i_AutoPrivateKey, der)

    def generate(self) -> _Handle:
        """A fresh key pair."""
        context, made = self._c.EVP_PKEY_CTX_new_from_name(None, b"SM2", None), ctypes.c_void_p()
        try:
            done = (
                context
                and self._c.EVP_PKEY_keygen_init(context) == 1
                and self._c.EVP_PKEY_generate(context, ctypes.byref(made)) == 1
            )
        finally:
            self._c.EVP_PKEY_CTX_free(context)
        return _Handle(self._c, self._worked(done and made.value))

    def public_bytes(self, key: _Handle) -> bytes:
        """SubjectPublicKeyInfo DER."""
        return self._encode(self._c.i2d_PUBKEY, key.pointer)

    def private_bytes(self, key: _Handle) -> bytes:
        """PKCS #8 DER."""
        info = self._worked(self._c.EVP_PKEY2PKCS8(key.pointer))
        try:
            return self._encode(self._c.i2d_PKCS8_PRIV_KEY_INFO, info)
        finally:
            self._c.PKCS8_PRIV_KEY_INFO_free(info)

    def sign(self, key: _Handle, message: bytes, identity: bytes) -> bytes:
        """DER of r and s."""
        digest, context = self._digest_context(key, identity)
        try:
            length = ctypes.c_size_t(80)
            room = ctypes.create_string_buffer(length.value)
            done = self._c.EVP_DigestSignInit(digest, None, self._sm3, None, key.pointer) == 1 and (
                self._c.EVP_DigestSign(digest, room, ctypes.byref(length), message, len(message)) == 1
            )
            self._worked(done)
            return room.raw[: length.value]
        finally:
            self._c.EVP_MD_CTX_free(digest)
            self._c.EVP_PKEY_CTX_free(context)

    def verify(self, key: _Handle, signature: bytes, message: bytes, identity: bytes) -> bool:
        """Whether DER of r and s is this key's over SM3(Z || message)."""
        digest, context = self._digest_context(key, identity)
        try:
            self._worked(self._c.EVP_DigestVerifyInit(digest, None, self._sm3, None, key.pointer) == 1)
            return self._yes(self._c.EVP_DigestVerify(digest, signature, len(signature), message, len(message)))
        finally:
            self._c.EVP_MD_CTX_free(digest)
            self._c.EVP_PKEY_CTX_free(context)

    def verify_digest(self, key: _Handle, signature: bytes, digest: bytes) -> bool:
        """Whether DER of r and s is this key's over e itself."""
        context = self._c.EVP_PKEY_CTX_new(key.pointer, None)
        try:
            self._worked(context and self._c.EVP_PKEY_verify_init(context) == 1)
            return self._yes(self._c.EVP_PKEY_verify(context, signature, len(signature), digest, len(digest)))
        finally:
            self._c.EVP_PKEY_CTX_free(context)

    def _digest_context(self, key: _Handle, identity: bytes) -> tuple[int, int]:
        digest, context = self._c.EVP_MD_CTX_new(), self._c.EVP_PKEY_CTX_new(key.pointer, None)
        if not digest or not context or self._c.EVP_PKEY_CTX_set1_id(context, identity, len(identity)) != 1:
            self._c.EVP_MD_CTX_free(digest)
            self._c.EVP_PKEY_CTX_free(context)
            raise _unavailable()
        self._c.EVP_MD_CTX_set_pkey_ctx(digest, context)
        return digest, context

    def _load(self, read: Any, der: bytes) -> _Handle:
        start = ctypes.c_char_p(der)
        found = read(None, ctypes.byref(start), len(der))
        if not found:
            self._c.ERR_clear_error()
            raise MalformedError("not_a_key", "密钥字节无效")
        key = _Handle(self._c, found)
        if self._c.EVP_PKEY_is_a(found, b"SM2") != 1:
            raise MalformedError("unknown_suite", "密钥不是 SM2 密钥")
        return key

    def _encode(self, write: Any, pointer: int) -> bytes:
        length = self._worked(write(pointer, None))
        room = ctypes.create_string_buffer(length)
        write(pointer, ctypes.byref(ctypes.c_void_p(ctypes.addressof(room))))
        data = room.raw
        self._c.OPENSSL_cleanse(room, length)
        return data

    def _yes(self, result: int) -> bool:
        if result != 1:
            self._c.ERR_clear_error()
        return result == 1

    def _worked(self, result: Any) -> Any:
        if not result or result < 0:
            self._c.ERR_clear_error()
            raise _unavailable()
        return result


def library() -> Libcrypto:
    """The system's OpenSSL. Raises Sm2UnavailableError."""
    found = _find()
    if found is None:
        raise _unavailable()
    return found


def _unavailable() -> Sm2UnavailableError:
    return Sm2UnavailableError(
        "sm2_unavailable", "本机没有支持 SM2 的 OpenSSL 3（libcrypto），未能验证；请安装 OpenSSL 3 后重试"
    )


@lru_cache(maxsize=1)
def _find() -> Libcrypto | None:
    for name in _names():
        try:
            return Libcrypto(ctypes.CDLL(name))
        except (OSError, AttributeError):
            # Not there, or older than OpenSSL 3.
            continue
    return None


def _names() -> Iterator[str]:
    if sys.platform == "win32":
        yield from ("libcrypto-3-x64.dll", "libcrypto-3-arm64.dll", "libcrypto-3.dll")
    elif sys.platform == "darwin":
        # Never the unversioned name: macOS ends a process that loads it.
        for folder in ("", "/opt/homebrew/opt/openssl@3/lib/", "/usr/local/opt/openssl@3/lib/"):
            yield f"{folder}libcrypto.3.dylib"
    else:
        yield "libcrypto.so.3"
        found = ctypes.util.find_library("crypto")
        if found:
            yield found


@lru_cache(maxsize=1024)
def loaded(point: bytes) -> _Handle:
    """A public key inside libcrypto, kept: reading a point takes a square root. Raises MalformedError."""
    x, y = affine(point)
    return library().load_public(_SPKI + b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big"))
