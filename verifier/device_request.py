"""What a phone asks of the registry (设备请求): an action with its arguments, signed by the phone's key.

A COSE_Sign1 in the strict form of `verifier.cose` under a type of its own, so that it is never taken for a proof of a
presentation; payload {1: action, 2: made at (seconds since 1970), 3: [arguments, texts and byte strings]}.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from verifier import cbor, cose, times
from verifier.errors import MalformedError, ValidityError
from verifier.suites import PublicKey, SigningKey

TYPE = "application/vnd.suizheng.device-request"
MAX_REQUEST_BYTES = 2048
MAX_ARGUMENTS = 8
#: How far the phone's clock may differ, and how long a request is taken.
TOLERANCE = timedelta(minutes=2)

_ACTION, _MADE_AT, _ARGUMENTS = 1, 2, 3
_FIELDS = frozenset((_ACTION, _MADE_AT, _ARGUMENTS))


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """A parsed request; nothing is believed of it until `check` has passed."""

    action: str
    made_at: datetime
    arguments: tuple[str | bytes, ...]
    message: cose.Sign1

    def check(self, key: PublicKey, action: str, at: datetime) -> None:
        """Raises SignatureError, MalformedError (another action), ValidityError (made at another time)."""
        self.message.check(key)
        if self.action != action:
            raise MalformedError("wrong_action", "设备请求的操作与所用接口不符")
        if abs(at - self.made_at) > TOLERANCE:
            raise ValidityError("request_too_old", "请求的时间与服务器时间相差过大，请校准手机时钟后重试")

    def text(self, place: int) -> str:
        """The argument at a place as text. Raises MalformedError."""
        return cbor.require_text(self.arguments[place] if place < len(self.arguments) else None, 500)


def sign_request(action: str, arguments: tuple[str | bytes, ...], key: SigningKey, at: datetime) -> bytes:
    """The request's bytes."""
    payload = {_ACTION: action, _MADE_AT: int(at.timestamp()), _ARGUMENTS: list(arguments)}
    return cose.sign1(cbor.encode(payload), key, TYPE)


def open_request(data: bytes) -> DeviceRequest:
    """Parse a request. Nothing is verified yet. Raises MalformedError, KindError."""
    message, payload = cose.open_typed(data, TYPE, limit=MAX_REQUEST_BYTES)
    fields = cbor.require_map(cbor.decode(payload, limit=MAX_REQUEST_BYTES), _FIELDS)
    arguments = cbor.require_list(fields[_ARGUMENTS], MAX_ARGUMENTS)
    if not all(isinstance(one, str | bytes) for one in arguments):
        raise MalformedError("wrong_field", "设备请求的参数应为文本或字节串")
    return DeviceRequest(
        cbor.require_text(fields[_ACTION], 32),
        times.from_seconds(cbor.require_uint(fields[_MADE_AT])),
        tuple(arguments),
        message,
    )
