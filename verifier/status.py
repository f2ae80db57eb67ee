"""Status lists: 4 bits an item, at a random index, compressed and signed (draft-ietf-oauth-status-list, CWT form)."""

from __future__ import annotations

import zlib
from datetime import datetime
from enum import IntEnum

from verifier import cbor, cose, times
from verifier.errors import MalformedError, UnknownStatusError
from verifier.suites import PublicKey, SigningKey

CAPACITY = 1 << 20
MEDIA_TYPE = "application/statuslist+cwt"
MAX_TOKEN_BYTES = 1 << 20

_BITS = 4
_BYTES = CAPACITY * _BITS // 8
_SUBJECT, _EXPIRES, _ISSUED, _LIST = 2, 4, 6, 65533


class Status(IntEnum):
    """Values of the list: 0 to 2 as the draft registers them, 3 and 11 to 15 from its application range."""

    VALID = 0
    REVOKED = 1
    SUSPENDED = 2
    SUPERSEDED = 3
    LAPSED = 11
    CANCELLED = 12
    PENALTY = 13
    TRANSFERRED = 14
    LOST = 15


_STATUSES = {int(status): status for status in Status}

CHINESE = {
    Status.VALID: "有效",
    Status.REVOKED: "已撤销",
    Status.SUSPENDED: "已暂扣",
    Status.SUPERSEDED: "已被新版本替代",
    Status.LAPSED: "已失效",
    Status.CANCELLED: "已注销",
    Status.PENALTY: "已吊销",
    Status.TRANSFERRED: "已办理转出",
    Status.LOST: "已挂失",
}


class StatusList:
    """The states of up to 2^20 items. `issued_at`, `expires_at` are None until it was read from a token."""

    def __init__(self, packed: bytes | None = None) -> None:
        self._packed = bytearray(_BYTES) if packed is None else bytearray(packed)
        if len(self._packed) != _BYTES:
            raise MalformedError("wrong_length", f"状态列表应为 {_BYTES} 字节")
        self.issued_at: datetime | None = None
        self.expires_at: datetime | None = None

    def set(self, index: int, status: Status) -> None:
        """Put one item's state."""
        self.set_value(index, status)

    def set_value(self, index: int, value: int) -> None:
        """Put four bits as they are: what they mean is asked when they are read."""
        place, shift = index >> 1, (index & 1) * _BITS
        self._packed[place] = self._packed[place] & ~(15 << shift) & 255 | value << shift

    def get(self, index: int) -> Status:
        """One item's state. Raises UnknownStatusError for an index outside the list or a state with no meaning."""
        if not 0 <= index < CAPACITY:
            raise UnknownStatusError("index_out_of_range", "状态序号超出状态列表")
        value = self._packed[index >> 1] >> (index & 1) * _BITS & 15
        status = _STATUSES.get(value)
        if status is None:
            raise UnknownStatusError("unknown_status", f"状态值 {value} 没有定义")
        return status

    def to_bytes(self) -> bytes:
        """The packed bytes, index 0 in the low bits of byte 0."""
        return bytes(self._packed)

    def to_token(self, key: SigningKey, subject: str, issued_at: datetime, expires_at: datetime) -> bytes:
        """The signed Status List Token; `subject` names the list."""
        claims = {
            _SUBJECT: subject,
            _EXPIRES: int(expires_at.timestamp()),
            _ISSUED: int(issued_at.timestamp()),
            _LIST: {"bits": _BITS, "lst": zlib.compress(bytes(self._packed), 9)},
        }
        return cose.sign1(cbor.encode(claims), key, MEDIA_TYPE)

    @classmethod
    def from_token(cls, token: bytes, subject: str, key: PublicKey) -> StatusList:
        """The list of a token signed by `key` for `subject`. Raises MalformedError, SignatureError."""
        message, payload = cose.open_typed(token, MEDIA_TYPE, limit=MAX_TOKEN_BYTES)
        message.check(key)
        claims = cbor.require_map(
            cbor.decode(payload, limit=MAX_TOKEN_BYTES), frozenset((_SUBJECT, _EXPIRES, _ISSUED, _LIST))
        )
        if claims[_SUBJECT] != subject:
            raise MalformedError("wrong_list", "这是另一个状态列表")
        content = cbor.require_map(claims[_LIST], frozenset(("bits", "lst")))
        if content["bits"] != _BITS:
            raise MalformedError("wrong_field", "状态列表应为每项 4 比特")
        states = cls(_inflate(cbor.require_bytes(content["lst"])))
        states.issued_at = times.from_seconds(cbor.require_uint(claims[_ISSUED]))
        states.expires_at = times.from_seconds(cbor.require_uint(claims[_EXPIRES]))
        return states


def _inflate(compressed: bytes) -> bytes:
    # Bounded: a list is never larger than its capacity, however small its compressed form.
    inflater = zlib.decompressobj()
    try:
        packed = inflater.decompress(compressed, _BYTES + 1)
    except zlib.error as error:
        raise MalformedError("not_compressed", "状态列表无法解压") from error
    if not inflater.eof or inflater.unused_data:
        raise MalformedError("wrong_length", "状态列表长度不符")
    return packed
