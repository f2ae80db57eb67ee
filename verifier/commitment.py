"""Salted commitments to face data: what the log holds instead of the data.

Each top-level field gets its own 16-byte salt, so that one field can be shown without the others and nothing can be
guessed from a digest; erasing the salts erases the link. The scheme, version 1:

    field_i  = SHA-256( 0x02 || salt_i || uint16(len(name_i)) || name_i || value_i )      UTF-8 name, RFC 8785 value
    sha256   = SHA-256( "suizheng/fields/1" || field_1 || … || field_n )                  in RFC 8785 key order
    sm3      = SM3( "suizheng/fields/1" || salt_1 || … || salt_n || object )              RFC 8785 bytes of the object

SM3 stands on the data itself, not on SHA-256's outputs: it still holds when SHA-256 does not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import count
from typing import NamedTuple

import orjson

from verifier.canonical import JSON, canonical_order, canonicalise
from verifier.digests import DoubleDigest, sm3
from verifier.errors import CommitmentError, MalformedError

SALT_BYTES = 16
MAX_FIELDS = 128
MAX_FACE_BYTES = 256 * 1024

_SCHEME = b"suizheng/fields/1"


class Sealed(NamedTuple):
    """Face data ready to be stored and committed to: canonical bytes, salts (16 per field, key order), digests."""

    canonical: bytes
    salts: bytes
    digest: DoubleDigest


def seal(fields: Mapping[str, JSON], draw: Callable[[int], bytes]) -> Sealed:
    """Commit to an object's fields with fresh salts; `draw(n)` returns n random bytes."""
    if not 0 < len(fields) <= MAX_FIELDS:
        raise MalformedError("field_count", f"照面数据应有 1 至 {MAX_FIELDS} 个字段")
    return _seal(fields, draw(SALT_BYTES * len(fields)))


def reseal(canonical: bytes, salts: bytes, parsed: dict[str, JSON] | None = None) -> Sealed:
    """Compute the commitment of stored bytes again; `parsed` is what `parse_object` made of them, where at hand.

    Raises MalformedError, CommitmentError if the salts do not fit.
    """
    if len(canonical) > MAX_FACE_BYTES:
        raise MalformedError("too_long", f"照面数据超过上限 {MAX_FACE_BYTES} 字节")
    fields = parse_object(canonical) if parsed is None else parsed
    if len(salts) != SALT_BYTES * len(fields):
        raise CommitmentError("salts_do_not_fit", "盐值与字段数量不符")
    sealed = _seal(fields, salts)
    if sealed.canonical != canonical:
        raise MalformedError("not_canonical", "照面数据不是规范 JSON（RFC 8785）字节")
    return sealed


def parse_object(canonical: bytes) -> dict[str, JSON]:
    """The fields of face bytes; that they are canonical is for `reseal` to check. Raises MalformedError."""
    try:
        fields = orjson.loads(canonical)
    except orjson.JSONDecodeError as error:
        raise MalformedError("not_json", "照面数据不是有效的 JSON") from error
    if not isinstance(fields, dict) or not 0 < len(fields) <= MAX_FIELDS:
        raise MalformedError("not_an_object", f"照面数据应为有 1 至 {MAX_FIELDS} 个字段的 JSON 对象")
    return fields


def _seal(fields: Mapping[str, JSON], salts: bytes) -> Sealed:
    sha256, dumps = hashlib.sha256, orjson.dumps
    preimages: list[bytes] = []
    members: list[bytes] = []
    try:
        for name, low, high, preimage_name, member_name in _layout(tuple(fields)):
            value = fields[name]
            # Text, nearly every field, needs no guard.
            value = dumps(value) if type(value) is str else canonicalise(value)
            preimages.append(b"\x02" + salts[low:high] + preimage_name + value)
            members.append(member_name + value)
    except orjson.JSONEncodeError as error:
        raise MalformedError("not_json", "数据不能表示为规范 JSON（RFC 8785）") from error
    digests = [sha256(preimage).digest() for preimage in preimages]
    canonical = b"{" + b",".join(members) + b"}"
    if len(canonical) > MAX_FACE_BYTES:
        raise MalformedError("too_long", f"照面数据超过上限 {MAX_FACE_BYTES} 字节")
    digest = DoubleDigest(sha256(_SCHEME + b"".join(digests)).digest(), sm3(_SCHEME + salts + canonical))
    return Sealed(canonical, salts, digest)


@lru_cache(maxsize=1024)
def _layout(names: tuple[str, ...]) -> tuple[tuple[str, int, int, bytes, bytes], ...]:
    """The fields in canonical order: name, where its salt begins and ends, name as in its digest and in the object.

    The faces of a type have the same few names again and again.
    """
    layout = []
    for low, name in zip(count(0, SALT_BYTES), canonical_order(names)):
        key = name.encode()
        length = len(key).to_bytes(2, "big")
        layout.append((name, low, low + SALT_BYTES, length + key, canonicalise(name) + b":"))
    return tuple(layout)
