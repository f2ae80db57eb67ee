"""Ids: 48 bits of milliseconds and 80 random bits, so that they sort by time and say nothing about the item.

The text form is that of `verifier.ids`; both forms sort alike.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from registry.errors import NotFoundError
from verifier.ids import TEXT_LENGTH, id_text, id_value, tail_text

__all__ = ["TEXT_LENGTH", "id_bytes", "id_text", "new_id", "new_id_text", "new_ids"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RANDOM_BYTES = 10


def new_id(at: datetime, draw: Callable[[int], bytes]) -> bytes:
    """A new id of 16 bytes made at `at`."""
    return _prefix(at) + draw(_RANDOM_BYTES)


def new_ids(count: int, at: datetime, draw: Callable[[int], bytes]) -> list[tuple[bytes, str]]:
    """`count` different ids as (bytes, text), ascending, so that a bulk insert fills its index from left to right."""
    prefix, drawn = _prefix(at), draw(_RANDOM_BYTES * count)
    tails = sorted({drawn[start : start + _RANDOM_BYTES] for start in range(0, len(drawn), _RANDOM_BYTES)})
    while len(tails) < count:
        tails = sorted({*tails, draw(_RANDOM_BYTES)})
    prefix_text = id_text(prefix + bytes(_RANDOM_BYTES))[:10]
    return [(prefix + tail, prefix_text + tail_text(int.from_bytes(tail))) for tail in tails]


def new_id_text(at: datetime, draw: Callable[[int], bytes]) -> str:
    """A new id in its text form."""
    return id_text(new_id(at, draw))


def id_bytes(text: str) -> bytes:
    """The 16 bytes of an id's text. Raises NotFoundError for text that is no id: nothing can stand under it."""
    try:
        return id_value(text)
    except ValueError as not_an_id:
        raise NotFoundError("not_an_id", "编号格式不正确，请核对后重试。") from not_an_id


def _prefix(at: datetime) -> bytes:
    return ((at - _EPOCH) // timedelta(milliseconds=1)).to_bytes(6)
