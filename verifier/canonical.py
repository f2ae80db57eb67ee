"""Canonical JSON (RFC 8785), byte for byte, by a fast serialiser wherever it provably agrees with the RFC.

orjson's sorted output is the RFC's as long as a value holds only text, booleans, nulls, safe integers, lists and
objects with ASCII keys. Floats (the RFC wants ECMAScript's shortest form) and other keys (it sorts by UTF-16 units)
go to `rfc8785`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import orjson
import rfc8785

from verifier.errors import MalformedError

JSON: TypeAlias = Any  # None | bool | int | float | str | list[JSON] | dict[str, JSON]

_LEAVES = frozenset((bool, type(None), int))
# Strict integers refuse what is beyond 53 bits, as RFC 8785 does; the passthroughs refuse what is not JSON.
_OPTIONS = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_STRICT_INTEGER
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)


def canonicalise(value: JSON) -> bytes:
    """The RFC 8785 bytes of a JSON value.

    Raises MalformedError for what JSON cannot hold: NaN and infinities, integers beyond 2^53 - 1, lone surrogates,
    keys that are not strings, endless nesting.
    """
    try:
        if type(value) is str or _serialisers_agree(value):
            return orjson.dumps(value, option=_OPTIONS)
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, TypeError, ValueError, RecursionError) as error:
        raise MalformedError("not_json", "数据不能表示为规范 JSON（RFC 8785）") from error


def parse_canonical(data: bytes) -> JSON:
    """The value of bytes that are already canonical.

    Raises MalformedError if they are not JSON or not in their one canonical form (which also refuses duplicate keys).
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise MalformedError("not_json", "数据不是有效的 JSON") from error
    if canonicalise(value) != data:
        raise MalformedError("not_canonical", "数据不是规范 JSON（RFC 8785）字节")
    return value


def canonical_order(names: Iterable[str]) -> list[str]:
    """The names of an object's members in the order of RFC 8785 3.2.3: by UTF-16 code units.

    Raises MalformedError for a name that is no text.
    """
    try:
        return sorted(names, key=lambda name: name.encode("utf-16-be"))
    except (AttributeError, UnicodeEncodeError) as error:
        raise MalformedError("not_json", "字段名应为文本") from error


def _serialisers_agree(value: JSON) -> bool:
    """Whether orjson's bytes are the RFC's for this value. Plain text, nearly every leaf, costs one comparison."""
    kind = type(value)
    if kind is dict:
        if not "".join(value).isascii():
            return False
        items = value.values()
    elif kind is list:
        items = value
    else:
        return kind is str or kind in _LEAVES
    for item in items:  # noqa: SIM110 (a generator would double the cost)
        if type(item) is not str and not _serialisers_agree(item):
            return False
    return True
