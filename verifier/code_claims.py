"""What a code (码) says: the claims of its envelope, for people, enterprises, venues, components and copies.

Text "SZ1:" + Base45 of a COSE_Sign1 whose payload is a CWT claims set (RFC 8392); the envelope's type keeps the kinds
apart. Claims: {4: expiry, 6: issued, -65537: [code id (8 bytes), generation, status list, status index, name or null,
subject or null, [[grant kind, reference, status list, status index, until], …], device key?]}. A code carries
references and public facts, never a person's name or number. A code with a device key (32 bytes Ed25519, 33 bytes
P-256) is good only as the presentation of that device (verifier.presentation), and says one grant at most: a person
shows what the moment needs, and the QR stays small. Components have their place there instead, copies the original's
place in a status list. A venue's code has one byte string of fixed layout instead of the array, and names its venue by
the 16-byte id alone: its name and address are in the trust bundle, and every poster's QR has the same small size.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from io import BytesIO
from typing import Any

from verifier import cbor, cose, times
from verifier.errors import MalformedError
from verifier.ids import ID_BYTES, id_text, id_value
from verifier.presentation import device_key
from verifier.suites import PublicKey

CODE_ID_BYTES = 8
MAX_CODE_BYTES = 2048
MAX_GRANTS = 16
#: Of a code that is bound to a device.
MAX_GRANTS_SHOWN = 1
MAX_PLACE_CHARS = 60

_EXPIRES, _ISSUED, _PRIVATE = 4, 6, -65537
_CLAIMS = frozenset((_EXPIRES, _ISSUED, _PRIVATE))
#: The map of three and its keys in their order (RFC 8949 4.2.1), the same in every code.
_BEFORE_EXPIRES, _BEFORE_ISSUED, _BEFORE_PRIVATE = b"\xa3\x04", b"\x06", cbor.encode(_PRIVATE)
#: A venue's string: code id; generation, status list and index in so many bytes, most significant first; venue's id.
#: They and the times in four bytes are bounded, so that no venue's QR is larger than another's.
_VENUE_WIDTHS = (2, 2, 3)
_VENUE_BYTES = CODE_ID_BYTES + sum(_VENUE_WIDTHS) + ID_BYTES
_VENUE_TIME_BYTES = 4
_VENUE_LAST_TIME = 256**_VENUE_TIME_BYTES - 1


class CodeKind(IntEnum):
    """Kinds of codes; each has a type of envelope and a purpose of key of its own."""

    PERSON = 1
    ENTERPRISE = 2
    VENUE = 3
    COMPONENT = 4
    #: The person code on paper (离线码): it lasts for months and can be copied, so it never proves who carries it.
    PRINTED = 5
    #: On a derived copy (加注件); 6 to 8 are types of other signed objects.
    DERIVED = 9

    @property
    def envelope(self) -> cose.Type:
        """The COSE type of this kind."""
        return cose.Type(65000 + self)

    @property
    def purpose(self) -> str:
        """The purpose a key needs to sign this kind."""
        return f"code:{self.name.lower()}"


KIND_CHINESE = {
    CodeKind.PERSON: "个人码",
    CodeKind.ENTERPRISE: "企业码",
    CodeKind.VENUE: "场所码",
    CodeKind.COMPONENT: "部件码",
    CodeKind.PRINTED: "离线码",
    CodeKind.DERIVED: "加注件码",
}


class GrantKind(IntEnum):
    """What a person code lets its bearer show."""

    CERTIFICATE = 1
    PASS = 2


@dataclass(frozen=True, slots=True)
class Grant:
    """Holds a certificate of type `ref` (1), or a pass for venue `ref` (2), until then, subject to its own status."""

    kind: GrantKind
    ref: str
    status_list: int
    status_index: int
    until: datetime


@dataclass(frozen=True, slots=True)
class CodeClaims:
    """What a code says.

    name: public names only (of an enterprise; what a component is; of a copy's type); subject: USCC of an enterprise,
    id of a venue, the 16-digit code of a component, id of a copy; original: the place (status list, index) of a copy's
    original, without which the copy is nothing; place: where a component stands. Venue codes from before the short form
    bear a name. device_key: of the only device that may show it; None for a code that stands alone, as on paper.
    shown_at: when that device showed it, no part of the code itself; None until its proof was read.
    """

    kind: CodeKind
    code_id: bytes
    generation: int
    status_list: int
    status_index: int
    issued_at: datetime
    expires_at: datetime
    name: str | None = None
    subject: str | None = None
    grants: tuple[Grant, ...] = ()
    device_key: PublicKey | None = None
    shown_at: datetime | None = None
    place: str | None = None
    original: tuple[int, int] | None = None

    @property
    def made_at(self) -> datetime:
        """When what is presented was made: by the device for a dynamic code, else by the issuer."""
        return self.shown_at or self.issued_at

    def to_bytes(self) -> bytes:
        """The CWT claims set. Raises MalformedError for numbers that a venue's form has no room for."""
        expires, issued = int(self.expires_at.timestamp()), int(self.issued_at.timestamp())
        private = _venue_string(self, max(expires, issued)) if self._is_plain_venue else self._array()
        parts = (_BEFORE_EXPIRES, cbor.unsigned(expires), _BEFORE_ISSUED, cbor.unsigned(issued), _BEFORE_PRIVATE)
        return b"".join((*parts, cbor.encode(private)))

    @property
    def _is_plain_venue(self) -> bool:
        """Says no more than the venue's string has room for."""
        if self.kind is not CodeKind.VENUE or self.subject is None:
            return False
        return self.name is None and self.device_key is None and not self.grants

    def _array(self) -> list[Any]:
        array: list[Any] = [
            self.code_id,
            self.generation,
            self.status_list,
            self.status_index,
            self.name,
            self.subject,
            [
                [
                    int(grant.kind),
                    _reference(grant),
                    grant.status_list,
                    grant.status_index,
                    int(grant.until.timestamp()),
                ]
                for grant in self.grants
            ],
        ]
        if self.kind is CodeKind.COMPONENT:
            array.append(self.place)
        elif self.kind is CodeKind.DERIVED:
            array.append(None if self.original is None else list(self.original))
        elif self.device_key is not None:
            array.append(self.device_key.raw)
        return array

    @classmethod
    def from_bytes(cls, kind: CodeKind, data: bytes) -> CodeClaims:
        """The inverse of `to_bytes`. Raises MalformedError."""
        claims = cbor.require_map(cbor.decode(data, limit=MAX_CODE_BYTES), _CLAIMS)
        if kind is CodeKind.VENUE and type(claims[_PRIVATE]) is bytes:
            return _from_venue_string(claims)
        needs_more = kind in (CodeKind.COMPONENT, CodeKind.DERIVED)
        parts = cbor.require_list(claims[_PRIVATE], 8, 8 if needs_more else 7)
        is_bound = len(parts) == 8 and not needs_more
        limit = MAX_GRANTS_SHOWN if is_bound else MAX_GRANTS
        return cls(
            kind=kind,
            code_id=cbor.require_bytes(parts[0], CODE_ID_BYTES),
            generation=cbor.require_uint(parts[1]),
            status_list=cbor.require_uint(parts[2]),
            status_index=cbor.require_uint(parts[3]),
            issued_at=times.from_seconds(cbor.require_uint(claims[_ISSUED])),
            expires_at=times.from_seconds(cbor.require_uint(claims[_EXPIRES])),
            name=None if parts[4] is None else cbor.require_text(parts[4], 60),
            subject=None if parts[5] is None else _subject(parts[5], kind),
            grants=tuple(_grant(item) for item in cbor.require_list(parts[6], limit)),
            device_key=device_key(parts[7]) if is_bound else None,
            place=cbor.require_text(parts[7], MAX_PLACE_CHARS) if kind is CodeKind.COMPONENT else None,
            original=_slot(parts[7]) if kind is CodeKind.DERIVED else None,
        )


def _venue_string(claims: CodeClaims, last_time: int) -> bytes:
    numbers = (claims.generation, claims.status_list, claims.status_index)
    try:
        parts = [number.to_bytes(width) for number, width in zip(numbers, _VENUE_WIDTHS, strict=True)]
        last_time.to_bytes(_VENUE_TIME_BYTES)
    except OverflowError as error:
        raise MalformedError("out_of_range", "场所码放不下这样大的代次、状态列表位置或时间") from error
    return b"".join((claims.code_id, *parts, id_value(claims.subject or "")))


def _from_venue_string(claims: dict[Any, Any]) -> CodeClaims:
    string = BytesIO(cbor.require_bytes(claims[_PRIVATE], _VENUE_BYTES))
    code_id = string.read(CODE_ID_BYTES)
    generation, status_list, status_index = (int.from_bytes(string.read(width)) for width in _VENUE_WIDTHS)
    return CodeClaims(
        kind=CodeKind.VENUE,
        code_id=code_id,
        generation=generation,
        status_list=status_list,
        status_index=status_index,
        issued_at=times.from_seconds(cbor.require_uint(claims[_ISSUED], _VENUE_LAST_TIME)),
        expires_at=times.from_seconds(cbor.require_uint(claims[_EXPIRES], _VENUE_LAST_TIME)),
        subject=id_text(string.read()),
    )


def _reference(grant: Grant) -> str | bytes:
    """Every byte counts: a venue stands there by its 16 bytes."""
    return id_value(grant.ref) if grant.kind is GrantKind.PASS else grant.ref


def _subject(value: Any, kind: CodeKind) -> str:
    if kind is CodeKind.VENUE and type(value) is bytes:
        return _venue(value)
    return cbor.require_text(value, 32)


def _slot(value: Any) -> tuple[int, int]:
    parts = cbor.require_list(value, 2, 2)
    return cbor.require_uint(parts[0]), cbor.require_uint(parts[1])


def _venue(value: Any) -> str:
    return id_text(cbor.require_bytes(value, ID_BYTES))


def _grant(value: Any) -> Grant:
    parts = cbor.require_list(value, 5, 5)
    try:
        kind = GrantKind(cbor.require_uint(parts[0]))
    except ValueError as error:
        raise MalformedError("wrong_field", "码的权益种类不受支持") from error
    return Grant(
        kind,
        _venue(parts[1]) if kind is GrantKind.PASS else cbor.require_text(parts[1], 32),
        cbor.require_uint(parts[2]),
        cbor.require_uint(parts[3]),
        times.from_seconds(cbor.require_uint(parts[4])),
    )
