"""Changes of a status list since one of its tokens: small, signed, and only for exactly that list.

A COSE_Sign1 of type 65011 under the key of the lists. Its payload is a map {2: the list's name, 4: expiry, 6: time of
issue, -65537: SHA-256 of the packed base, -65538: changes}, times in seconds. A change is `gap << 4 | state`, where
`gap` is the distance from the index before (the first from -1), so that each set of changes has one encoding. The base
is named by its content: compressed bytes differ from one zlib to the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime

from verifier import cbor, cose, times
from verifier.errors import MalformedError
from verifier.status import CAPACITY, Status, StatusList
from verifier.suites import PublicKey, SigningKey

#: With more changes a new base is the smaller thing to send.
MAX_CHANGES = 1 << 15
MAX_DELTA_BYTES = 1 << 18

_SUBJECT, _EXPIRES, _ISSUED, _BASE, _CHANGES = 2, 4, 6, -65537, -65538
_STATE_BITS = 4
_HIGHEST_CHANGE = CAPACITY << _STATE_BITS | 15
#: Packed bytes compared at once where two lists are alike nearly everywhere.
_STRETCH = 512


def changes_between(base: StatusList, present: StatusList) -> list[tuple[int, Status]]:
    """The indices whose state is another one now, ascending, with that state."""
    return [(index, present.get(index)) for index in _differing(base.to_bytes(), present.to_bytes())]


def sign_delta(
    base: StatusList,
    changes: list[tuple[int, Status]],
    key: SigningKey,
    subject: str,
    issued_at: datetime,
    expires_at: datetime,
) -> bytes:
    """The signed delta of `changes_between`; at most MAX_CHANGES of them, none where only the time is news."""
    before = -1
    packed = []
    for index, status in changes:
        packed.append(index - before << _STATE_BITS | status)
        before = index
    claims = {
        _SUBJECT: subject,
        _EXPIRES: int(expires_at.timestamp()),
        _ISSUED: int(issued_at.timestamp()),
        _BASE: _name(base),
        _CHANGES: packed,
    }
    return cose.sign1(cbor.encode(claims), key, cose.Type.STATUS_DELTA)


def apply_delta(base: StatusList, token: bytes, subject: str, key: PublicKey) -> StatusList:
    """The list as the delta's signer says that it is, with the delta's times.

    Raises MalformedError (`wrong_list`, `wrong_base`, `delta_older` than the base, …), SignatureError.
    """
    message, payload = cose.open_typed(token, cose.Type.STATUS_DELTA, limit=MAX_DELTA_BYTES)
    message.check(key)
    claims = cbor.require_map(
        cbor.decode(payload, limit=MAX_DELTA_BYTES), frozenset((_SUBJECT, _EXPIRES, _ISSUED, _BASE, _CHANGES))
    )
    if claims[_SUBJECT] != subject:
        raise MalformedError("wrong_list", "这是另一个状态列表的变动")
    if cbor.require_bytes(claims[_BASE]) != _name(base):
        raise MalformedError("wrong_base", "状态变动所依据的不是这个状态列表")
    states = StatusList(base.to_bytes())
    states.issued_at = times.from_seconds(cbor.require_uint(claims[_ISSUED]))
    states.expires_at = times.from_seconds(cbor.require_uint(claims[_EXPIRES]))
    if base.issued_at is not None and states.issued_at < base.issued_at:
        raise MalformedError("delta_older", "状态变动早于它所依据的状态列表")
    index = -1
    for change in cbor.require_list(claims[_CHANGES], MAX_CHANGES):
        gap, value = divmod(cbor.require_uint(change, _HIGHEST_CHANGE), 1 << _STATE_BITS)
        index += gap
        if gap == 0 or index >= CAPACITY:
            raise MalformedError("wrong_field", "状态变动的序号不在状态列表之内，或没有按序")
        states.set_value(index, value)
    return states


def _name(states: StatusList) -> bytes:
    return hashlib.sha256(states.to_bytes()).digest()


def _differing(base: bytes, present: bytes) -> Iterator[int]:
    for start in range(0, len(base), _STRETCH):
        if base[start : start + _STRETCH] == present[start : start + _STRETCH]:
            continue
        for place in range(start, min(start + _STRETCH, len(base))):
            differing = base[place] ^ present[place]
            if differing & 15:
                yield place << 1
            if differing >> _STATE_BITS:
                yield place << 1 | 1
