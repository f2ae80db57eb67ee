"""Adapter for the EU Digital COVID Certificate (eHealth Network, Technical Specifications vol. 3, electronic health
certificate container format 1): "HC1:" + Base45 of a zlib stream of a COSE_Sign1 whose payload is a CWT.

These bytes are foreign: any encoding of CBOR is read, and an ECDSA signature may have a high s.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import cbor2

from codes import payload
from verifier import cbor, times
from verifier.cose import to_be_signed
from verifier.errors import MalformedError
from verifier.foreign.profile import ForeignCode

_MAX_BYTES = 16 * 1024
_SIGN1, _CWT = 18, 61
_ALG, _CRITICAL, _KID, _KID_BYTES = 1, 2, 4, 8
_ISSUER, _EXPIRES, _NOT_BEFORE, _ISSUED, _HEALTH = 1, 4, 5, 6, -260
_KINDS = {"v": "疫苗接种证明", "t": "检测证明", "r": "康复证明"}
#: Extended key usages of signers' certificates (Implementing Decision (EU) 2021/1073, annex IV), the early form too.
_USES = {
    kind: frozenset((f"1.3.6.1.4.1.1847.2021.1.{number}", f"1.3.6.1.4.1.0.1847.2021.1.{number}"))
    for kind, number in (("t", 1), ("v", 2), ("r", 3))
}


class EuDcc:
    """The adapter; see the module."""

    name = "eu-dcc"
    title = "欧盟数字健康证明"
    prefix = "HC1:"

    def read(self, text: str) -> ForeignCode:
        """The code of a text. Raises MalformedError."""
        try:
            # Caps Lock: Base45 has no small letters.
            plain = text.upper() if text.isascii() else text
            data = payload.decode_base45(plain.removeprefix(self.prefix))
        except payload.PayloadError as error:
            raise MalformedError("not_base45", error.message) from error
        protected, unprotected, body, signature = _sign1(_inflate(data))
        header = _map(cbor.decode_whole(protected), "受保护的头部") if protected else {}
        claims = _map(cbor.decode_whole(body), "声明")
        if _CRITICAL in header:
            # RFC 9052 3.1: who does not understand what is critical may not go on.
            raise MalformedError("unknown_critical", "码要求理解的内容（crit）超出本系统所知，不能核验")
        kind = _kind(claims)
        issued_at = _time(claims.get(_ISSUED), "签发时间（iat）")
        return ForeignCode(
            kid=_kid(header.get(_KID, unprotected.get(_KID))),
            algorithm=_integer(header.get(_ALG, unprotected.get(_ALG)), "签名算法（alg）"),
            signed=to_be_signed(protected, body),
            signature=signature,
            issued_at=issued_at,
            begins_at=max(issued_at, _time(claims.get(_NOT_BEFORE, claims[_ISSUED]), "生效时间（nbf）")),
            expires_at=_time(claims.get(_EXPIRES), "到期时间（exp）"),
            subject=_subject(claims, kind),
            uses=_USES[kind],
            known_uses=frozenset[str]().union(*_USES.values()),
        )


def _inflate(data: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(data, _MAX_BYTES + 1)
    except zlib.error as error:
        raise MalformedError("not_compressed", "码的内容无法解压") from error
    if len(plain) > _MAX_BYTES:
        raise MalformedError("too_long", f"码的内容解压后超过 {_MAX_BYTES} 字节")
    if not inflater.eof or inflater.unused_data:
        raise MalformedError("not_compressed", "码的内容不完整，或其后还有多余字节")
    return plain


def _sign1(data: bytes) -> tuple[bytes, dict[Any, Any], bytes, bytes]:
    value = cbor.decode_whole(data)
    for tag in (_CWT, _SIGN1):
        if isinstance(value, cbor2.CBORTag) and value.tag == tag:
            value = value.value
    parts = cbor.require_list(list(value) if isinstance(value, tuple) else value, 4, 4)
    return (
        cbor.require_bytes(parts[0]),
        _map(parts[1], "头部"),
        cbor.require_bytes(parts[2]),
        cbor.require_bytes(parts[3]),
    )


def _kid(value: Any) -> bytes:
    if value is None:
        return b""
    if not isinstance(value, bytes) or len(value) != _KID_BYTES:
        raise MalformedError("wrong_field", f"签发者编号（kid）应为 {_KID_BYTES} 字节的字节串")
    return value


def _kind(claims: Mapping[Any, Any]) -> str:
    """Which of the three certificates it is: v, t or r."""
    health = _health(claims)
    kinds = [kind for kind in _KINDS if health.get(kind)]
    if len(kinds) != 1:
        raise MalformedError("wrong_fields", "健康证明中应有接种、检测或康复记录中的一种")
    return kinds[0]


def _subject(claims: Mapping[Any, Any], kind: str) -> dict[str, Any]:
    """Country, kind, day and the initials of the name: nobody at a window needs more to see whose it may be."""
    health = _health(claims)
    records = health[kind]
    record = _map(records[0] if isinstance(records, list | tuple) else None, "健康记录")
    name = _map(health.get("nam"), "姓名（nam）")
    subject = {
        "kind_name": _KINDS[kind],
        "country": _text(record.get("co")) or _text(claims.get(_ISSUER)),
        "issuer": _text(record.get("is")),
        "name": " ".join(part for part in (_initial(name.get("gn")), _initial(name.get("fn"))) if part) or None,
        "day": _text(record.get("dt") or record.get("fr") or record.get("sc")),
    }
    if kind == "v":
        doses = (_integer(record.get(name), f"剂次（{name}）") for name in ("dn", "sd"))
        subject["doses"] = "/".join(map(str, doses))
    return {label: value for label, value in subject.items() if value is not None}


def _initial(part: Any) -> str | None:
    return f"{part[0]}***" if isinstance(part, str) and part else None


def _text(value: Any) -> str | None:
    if isinstance(value, datetime):
        return value.date().isoformat()
    return value[:80] if isinstance(value, str) and value else None


def _health(claims: Mapping[Any, Any]) -> dict[Any, Any]:
    return _map(_map(claims.get(_HEALTH), "健康证明（hcert）").get(1), "健康证明（hcert）")


def _map(value: Any, what: str) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise MalformedError("wrong_field", f"码中的{what}缺失或不是映射")
    return value


def _integer(value: Any, what: str) -> int:
    if type(value) is not int:
        raise MalformedError("wrong_field", f"码中的{what}缺失或不是整数")
    return value


def _time(value: Any, what: str) -> datetime:
    # Some issuers write fractions of a second.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return times.from_seconds(_integer(value, what))
