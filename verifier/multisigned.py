"""JSON under several signatures: {"signed": …, "signatures": [{"kid", "signature"}, …]}, in the order of key ids."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any

from verifier.errors import MalformedError, SignatureError
from verifier.suites import PublicKey

MAX_SIGNATURES = 64


def assemble(signed: dict[str, Any], signatures: Mapping[bytes, bytes]) -> dict[str, Any]:
    """The JSON object of the content with its signatures by key id."""
    listed = [
        {"kid": kid.hex(), "signature": base64.b64encode(signature).decode()}
        for kid, signature in sorted(signatures.items())
    ]
    return {"signed": signed, "signatures": listed}


def take_apart(value: Any, what: str, least: int = 1) -> tuple[Any, list[tuple[bytes, bytes]]]:
    """Content and signatures of a JSON object. Raises MalformedError, which names it by `what` (信任包, 根文件)."""
    if not isinstance(value, dict) or value.keys() != {"signed", "signatures"}:
        raise MalformedError("not_multisigned", f"文件不是{what}")
    signatures = value["signatures"]
    if not isinstance(signatures, list) or not least <= len(signatures) <= MAX_SIGNATURES:
        raise MalformedError("wrong_fields", f"{what}没有签名")
    return value["signed"], [_signature(item, what) for item in signatures]


def holders(keys: Iterable[PublicKey], message: bytes, signatures: Iterable[tuple[bytes, bytes]]) -> set[bytes]:
    """The ids of those of the keys that have signed. Raises SignatureError for a wrong signature of one of them."""
    known = {key.kid: key for key in keys}
    held = set()
    for kid, signature in signatures:
        if kid in known:
            known[kid].check(signature, message)
            held.add(kid)
    return held


def check_threshold(
    keys: Iterable[PublicKey], threshold: int, message: bytes, signatures: Iterable[tuple[bytes, bytes]], what: str
) -> None:
    """Raises SignatureError unless so many different ones of the keys have signed."""
    held = holders(keys, message, signatures)
    if len(held) < threshold:
        raise SignatureError("below_threshold", f"{what}只有 {len(held)} 个有效签名，需要 {threshold} 个")


def _signature(value: Any, what: str) -> tuple[bytes, bytes]:
    if not isinstance(value, dict) or value.keys() != {"kid", "signature"}:
        raise MalformedError("wrong_fields", f"{what}的签名字段与格式不符")
    try:
        kid, signature = bytes.fromhex(value["kid"]), base64.b64decode(value["signature"], validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise MalformedError("wrong_field", f"{what}的签名不是十六进制与 Base64") from error
    if kid.hex() != value["kid"] or base64.b64encode(signature).decode() != value["signature"]:
        raise MalformedError("not_canonical", f"{what}的签名不是规范编码")
    return kid, signature
