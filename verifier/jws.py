"""JSON Web Signatures in compact serialisation (RFC 7515), read so that one signed content has one text.

Base64url without padding and without spare bits (RFC 4648 3.5), JSON without repeated names, and the key found by
whoever reads: a key, an address or a certificate in the header is never looked at.

Algorithms (RFC 9864): `Ed25519` and `ES256`. `EdDSA`, which RFC 9864 deprecates, is read for Ed25519 keys and never
written. SM2 has no name in the IANA registry of JOSE algorithms, so that its keys sign nothing here.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from verifier.canonical import canonicalise
from verifier.errors import KindError, MalformedError
from verifier.suites import SIGNATURE_BYTES, PublicKey, SigningKey, Suite, low_s

ALGORITHMS: Final = {Suite.ED25519: "Ed25519", Suite.ES256: "ES256"}
#: Deepest nesting that is read.
MAX_DEPTH = 16

_SUITES: Final = {"Ed25519": Suite.ED25519, "EdDSA": Suite.ED25519, "ES256": Suite.ES256}
_SAFE = 2**53 - 1
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Jws:
    """A parsed signature; nothing is believed of it until `check` has passed. `signed` is what was signed."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes

    @property
    def kid(self) -> bytes:
        """The key's id in the protected header: its 8 bytes in hexadecimal. Raises MalformedError."""
        try:
            kid = bytes.fromhex(self.header["kid"])
        except (KeyError, TypeError, ValueError) as error:
            raise MalformedError("wrong_field", "保护头缺少签名密钥的编号（kid）") from error
        if kid.hex() != self.header["kid"]:
            raise MalformedError("wrong_field", "签名密钥的编号应为小写十六进制")
        return kid

    def check(self, key: PublicKey) -> None:
        """Raises SignatureError, MalformedError unless `key` signed this by the algorithm of its own suite."""
        if _SUITES[self.header["alg"]] is not key.suite:
            raise MalformedError("wrong_suite", "签名套件与密钥不符")
        # RFC 7518 3.4 knows no rule about s: both signatures are those of the key over the same text.
        signature = low_s(self.signature) if key.suite is Suite.ES256 else self.signature
        key.check(signature, self.signed)


def signing_input(claims: dict[str, Any], key: PublicKey, typ: str, **header: str) -> str:
    """What `key` signs of claims (RFC 7515 5.1). Raises MalformedError where its suite has no name in JOSE."""
    algorithm = ALGORITHMS.get(key.suite)
    if algorithm is None:
        raise MalformedError("suite_without_jose", "国密 SM2 没有登记的 JOSE 算法名称，不能签署 JWT")
    protected = canonicalise({"alg": algorithm, "typ": typ, **header})
    return f"{encode(protected)}.{encode(canonicalise(claims))}"


def sign_jws(claims: dict[str, Any], key: SigningKey, typ: str, **header: str) -> str:
    """The compact serialisation of claims. Raises MalformedError as `signing_input` does."""
    signed = signing_input(claims, key.public, typ, **header)
    return f"{signed}.{encode(key.sign(signed.encode()))}"


def open_jws(text: str, typ: str) -> Jws:
    """Parse a compact serialisation of exactly this type. Nothing is verified yet. Raises MalformedError, KindError."""
    parts = text.split(".")
    if len(parts) != 3:
        raise MalformedError("not_a_jws", "签名内容应为以句点分隔的三段（JWS 紧凑格式）")
    header = _parse_header(decode(parts[0]))
    if header.get("typ") != typ:
        raise KindError("wrong_type", f"签名内容的类型应为 {typ}")
    signature = decode(parts[2])
    if len(signature) != SIGNATURE_BYTES:
        raise MalformedError("wrong_length", f"签名应为 {SIGNATURE_BYTES} 字节")
    return Jws(header, parse_object(decode(parts[1])), f"{parts[0]}.{parts[1]}".encode(), signature)


def _parse_header(data: bytes) -> dict[str, Any]:
    header = parse_object(data)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in _SUITES:
        raise MalformedError("unknown_suite", "签名算法不受支持，应为 Ed25519 或 ES256")
    if "crit" in header or "b64" in header:
        raise MalformedError("unknown_extension", "保护头要求本系统不支持的扩展（RFC 7515 4.1.11）")
    return header


def encode(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """The inverse of `encode`. Raises MalformedError for padding, other characters and spare bits that are not 0."""
    if not _BASE64URL.fullmatch(text):
        raise MalformedError("not_base64url", "内容不是无填充的 Base64url")
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise MalformedError("not_base64url", "内容不是无填充的 Base64url") from error
    if encode(data) != text:
        raise MalformedError("not_canonical", "Base64url 的末位不是规范形式")
    return data


def parse_object(data: bytes) -> dict[str, Any]:
    """A JSON object in UTF-8. Raises MalformedError as `parse_json` does."""
    value = parse_json(data)
    if not isinstance(value, dict):
        raise MalformedError("not_an_object", "内容应为 JSON 对象")
    return value


def parse_json(data: bytes) -> Any:
    """A JSON value in UTF-8. Raises MalformedError, also for repeated names, NaN, lone surrogates and deep nesting.

    1.0 is 1, as RFC 8785 writes it.
    """
    try:
        value = json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_number)
    except ValueError as error:
        raise MalformedError("not_json", "内容不是有效的 JSON") from error
    except RecursionError as error:
        raise _too_deep() from error
    _check_depth(value, MAX_DEPTH)
    # What RFC 8785 cannot write has no meaning that two readers agree on.
    canonicalise(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedError("repeated_name", "JSON 对象中有重复的字段名")
    return members


def _number(text: str) -> float:
    value = float(text)
    return int(value) if value.is_integer() and abs(value) <= _SAFE else value


def _refuse(constant: str) -> NoReturn:
    raise MalformedError("not_json", f"JSON 中不能有 {constant}")


def _check_depth(value: Any, left: int) -> None:
    if left == 0:
        raise _too_deep()
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        _check_depth(one, left - 1)


def _too_deep() -> MalformedError:
    return MalformedError("too_deep", f"JSON 嵌套超过 {MAX_DEPTH} 层")


def jwk_of(key: PublicKey) -> dict[str, str]:
    """The key as a JWK (RFC 7517; RFC 8037 for Ed25519). Raises MalformedError for SM2."""
    if key.suite is Suite.ED25519:
        return {"kty": "OKP", "crv": "Ed25519", "x": encode(key.raw)}
    if key.suite is Suite.ES256:
        x, y = key.coordinates
        return {"kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y)}
    raise MalformedError("suite_without_jose", "国密 SM2 没有登记的 JWK 曲线名称")


def key_of(jwk: Any) -> PublicKey:
    """The public key of a JWK of exactly the members of `jwk_of`. Raises MalformedError."""
    known = {("OKP", "Ed25519"): ("x",), ("EC", "P-256"): ("x", "y")}
    names = known.get((str(jwk.get("kty")), str(jwk.get("crv")))) if isinstance(jwk, dict) else None
    if names is None or jwk.keys() != {"kty", "crv", *names}:
        raise MalformedError("wrong_field", "公钥应为 Ed25519 或 P-256 的 JWK，且没有其他字段")
    numbers = [decode(jwk[name]) if isinstance(jwk[name], str) else b"" for name in names]
    if any(len(number) != 32 for number in numbers):
        raise MalformedError("not_a_key", "公钥字节无效")
    if len(numbers) == 1:
        return PublicKey(Suite.ED25519, numbers[0]).validate()
    # SEC 1 2.3.3: the compressed point says the parity of y.
    key = PublicKey(Suite.ES256, bytes((2 + (numbers[1][-1] & 1),)) + numbers[0]).validate()
    if key.coordinates[1] != numbers[1]:
        raise MalformedError("not_a_key", "公钥的坐标不在曲线上")
    return key
