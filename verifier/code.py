"""Codes (码): signed QR content for people, enterprises, venues and components, in one envelope.

Text "SZ1:" + Base45 of a COSE_Sign1 whose payload is a CWT claims set (RFC 8392); the envelope's type keeps the kinds
apart. Claims: {4: expiry, 6: issued, -65537: [code id (8 bytes), generation, status list, status index, name or null,
subject or null, [[grant kind, reference, status list, status index, until], …], device key?]}. A code carries
references and public facts, never a person's name or number. A code with a device key (32 bytes Ed25519, 33 bytes
P-256) is good only as the presentation of that device (verifier.presentation), and says one grant at most: a person
shows what the moment needs, and the QR stays small. Components have their place there instead. A venue is named by its
16-byte id alone: its name and address are in the trust bundle, and the code stays small enough for a poster.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

from codes import payload
from verifier import cbor, cose, times
from verifier.errors import Check, KindError, MalformedError, StatusError, UntrustedIssuerError, ValidityError
from verifier.freshness import examine_freshness
from verifier.ids import ID_BYTES, id_text, id_value
from verifier.presentation import Shown, check_proof, device_key, open_shown, present
from verifier.status import CHINESE, Status
from verifier.suites import PublicKey, SigningKey
from verifier.trust import TrustBundle
from verifier.verdict import Examination, Policy, Verdict

CODE_ID_BYTES = 8
MAX_CODE_BYTES = 2048
MAX_GRANTS = 16
#: Of a code that is bound to a device.
MAX_GRANTS_SHOWN = 1
MAX_PLACE_CHARS = 60
CLOCK_SKEW = timedelta(seconds=60)

_EXPIRES, _ISSUED, _PRIVATE = 4, 6, -65537
_CLAIMS = frozenset((_EXPIRES, _ISSUED, _PRIVATE))

CODE_POLICY = Policy(
    frozenset(
        (
            Check.FORMAT,
            Check.KIND,
            Check.ISSUER,
            Check.SIGNATURE,
            Check.STATUS,
            Check.VALIDITY,
            Check.FRESHNESS,
        )
    )
)


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
#: What a printed code leaves open, and what to do about it.
SECOND_FACTOR_DUE = "second_factor_due"
#: What the code on a copy leaves open: paper can be altered around it.
PAPER_UNCHECKED = "paper_unchecked"
_PAPER = "此码只证明加注件的编号、期限与原证照的状态；纸面内容是否被改动，请用加注件文件核验"
_SECOND_FACTOR = "离线码是印出来的，不能证明持码人就是本人，请核对身份证件或本人面貌"


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
    id of a venue, the 16-digit code of a component, id of a copy, which has its original's place in the status list;
    place: where a component stands. Venue codes from before the short form bear a name.
    device_key: of the only device that may show it; None for a code that stands alone, as on paper. shown_at: when that
    device showed it, no part of the code itself; None until its proof was read.
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

    @property
    def made_at(self) -> datetime:
        """When what is presented was made: by the device for a dynamic code, else by the issuer."""
        return self.shown_at or self.issued_at

    def to_bytes(self) -> bytes:
        """The CWT claims set."""
        is_short = self.kind is CodeKind.VENUE and self.name is None and self.subject is not None
        private: list[Any] = [
            self.code_id,
            self.generation,
            self.status_list,
            self.status_index,
            self.name,
            id_value(self.subject or "") if is_short else self.subject,
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
            *([self.place] if self.kind is CodeKind.COMPONENT else []),
        ]
        if self.device_key is not None:
            private.append(self.device_key.raw)
        claims = {
            _EXPIRES: int(self.expires_at.timestamp()),
            _ISSUED: int(self.issued_at.timestamp()),
            _PRIVATE: private,
        }
        return cbor.encode(claims)

    @classmethod
    def from_bytes(cls, kind: CodeKind, data: bytes) -> CodeClaims:
        """The inverse of `to_bytes`. Raises MalformedError."""
        claims = cbor.require_map(cbor.decode(data, limit=MAX_CODE_BYTES), _CLAIMS)
        is_component = kind is CodeKind.COMPONENT
        parts = cbor.require_list(claims[_PRIVATE], 8, 8 if is_component else 7)
        is_bound = len(parts) == 8 and not is_component
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
            place=cbor.require_text(parts[7], MAX_PLACE_CHARS) if is_component else None,
        )


def sign_code(claims: CodeClaims, key: SigningKey) -> str:
    """The code's text."""
    return payload.encode(cose.sign1(claims.to_bytes(), key, claims.kind.envelope))


def show_code(text: str, device: SigningKey, at: datetime) -> str:
    """The text of a device-bound code as its device shows it at a time. Raises MalformedError."""
    return payload.encode(present(_bytes_of(text), device, at))


def open_code(text: str) -> tuple[CodeKind, cose.Sign1, CodeClaims]:
    """Parse a code's text; nothing is verified yet. Raises MalformedError, KindError."""
    kind, shown, claims = _open(text)
    return kind, shown.message, claims


def check_code(
    text: str,
    trust: TrustBundle,
    at: datetime,
    kinds: Collection[CodeKind] = tuple(CodeKind),
    policy: Policy = CODE_POLICY,
) -> CodeClaims:
    """The claims of a code of one of these kinds, genuine and in force at that time; raises the first fault otherwise.

    Raises MalformedError, KindError, UntrustedIssuerError, ScopeError, SignatureError, ProofError, ValidityError,
    StatusError, UnknownStatusError. The age of the trust bundle is the caller's to judge.
    """
    kind, shown, claims = _open(text)
    _check_kind(kind, kinds)
    key = trust.key(shown.message.kid, kind.purpose, claims.issued_at)
    shown.message.check(key.public)
    check_place(claims, trust)
    check_proof(shown, claims.device_key, at, policy)
    check_times(claims, at)
    check_status(claims, trust)
    return claims


def verify_code(
    text: str,
    trust: TrustBundle,
    at: datetime,
    kinds: Collection[CodeKind] = tuple(CodeKind),
    policy: Policy = CODE_POLICY,
) -> Verdict:
    """The verdict on a code's text at a time. Never raises for any text.

    The steps: (0) trust fresh, (1) format, (2) kind, (3) key and its purpose when signed, (4) signature, and the name
    of a venue, (5) proof of the device where the code is bound to one, (6) period of validity, (7) status. Whether a
    printed code's bearer is its holder stays unchecked.
    """
    return examine_code(text, trust, at, kinds, policy)[0]


def examine_code(
    text: str,
    trust: TrustBundle,
    at: datetime,
    kinds: Collection[CodeKind] = tuple(CodeKind),
    policy: Policy = CODE_POLICY,
) -> tuple[Verdict, CodeClaims | None]:
    """`verify_code`, and the claims where the text could be read; believe them only if the verdict is valid."""
    exam = Examination(at)
    issued_at = trust.content.issued_at
    examine_freshness(exam, trust, policy.max_trust_age)
    opened = exam.run(Check.FORMAT, lambda: _open(text), "码的格式正确")
    if opened is None:
        return exam.conclude(policy), None
    kind, shown, claims = opened
    message = shown.message
    exam.run(Check.KIND, lambda: _check_kind(kind, kinds), f"这是{KIND_CHINESE[kind]}")
    key = exam.run(
        Check.ISSUER, lambda: trust.key(message.kid, kind.purpose, claims.issued_at), "签发密钥可信", issued_at
    )
    if key is not None:
        exam.run(Check.SIGNATURE, lambda: message.check(key.public), "签名与内容一致")
        if kind is CodeKind.VENUE:
            exam.run(Check.ISSUER, lambda: check_place(claims, trust), "签发密钥可信，场所已登记", issued_at)
    if claims.device_key is not None or shown.proof is not None:
        exam.run(Check.POSSESSION, lambda: check_proof(shown, claims.device_key, at, policy), "由绑定的手机即时出示")
    if kind is CodeKind.PRINTED:
        exam.skip(Check.HOLDER, SECOND_FACTOR_DUE, _SECOND_FACTOR)
    if kind is CodeKind.DERIVED:
        exam.skip(Check.FILES, PAPER_UNCHECKED, _PAPER)
    exam.run(Check.VALIDITY, lambda: check_times(claims, at), "在有效时间内")
    exam.run(Check.STATUS, lambda: check_status(claims, trust), "码未被停用", issued_at)
    return exam.conclude(policy, _describe(claims, trust)), claims


def check_place(claims: CodeClaims, trust: TrustBundle) -> None:
    """Raises UntrustedIssuerError for a venue of which the trust bundle has no name and address."""
    if claims.kind is CodeKind.VENUE:
        trust.venue(claims.subject or "")


def check_times(claims: CodeClaims, at: datetime) -> None:
    """Raises ValidityError outside issued … expires; 60 s of clock skew are granted at the beginning only."""
    if at < claims.issued_at - CLOCK_SKEW:
        raise ValidityError(
            "not_yet_valid", f"码签发于 {times.for_people(claims.issued_at)}，晚于核验时间（请检查设备时钟）"
        )
    if at >= claims.expires_at:
        raise ValidityError("expired", f"码已于 {times.for_people(claims.expires_at)} 到期")


def check_status(claims: CodeClaims, trust: TrustBundle) -> None:
    """Raises StatusError for a code that was replaced, lost or revoked; UnknownStatusError where no list tells."""
    status, _ = trust.status(claims.status_list, claims.status_index)
    if status is not Status.VALID:
        raise StatusError(f"status_{status.name.lower()}", f"该码{CHINESE[status]}")


def _open(text: str) -> tuple[CodeKind, Shown, CodeClaims]:
    shown = open_shown(_bytes_of(text), limit=MAX_CODE_BYTES)
    message = shown.message
    typ = message.header.get(cose.TYP)
    kind = _KINDS.get(typ) if type(typ) is int else None
    if kind is None:
        raise KindError("unknown_kind", "这种码不受支持")
    claims = CodeClaims.from_bytes(kind, cose.require_typed(message, kind.envelope))
    return kind, shown, claims if shown.proof is None else replace(claims, shown_at=shown.proof.shown_at)


def _bytes_of(text: str) -> bytes:
    try:
        return payload.decode(text)
    except payload.PayloadError as error:
        raise MalformedError("not_a_code", str(error)) from error


_KINDS: dict[int, CodeKind] = {int(kind.envelope): kind for kind in CodeKind}


def _check_kind(kind: CodeKind, kinds: Collection[CodeKind]) -> None:
    if kind not in kinds:
        wanted = "、".join(KIND_CHINESE[one] for one in kinds)
        raise KindError("wrong_kind", f"这是{KIND_CHINESE[kind]}，此处只接受{wanted}")


def _reference(grant: Grant) -> str | bytes:
    """Every byte counts: a venue stands there by its 16 bytes."""
    return id_value(grant.ref) if grant.kind is GrantKind.PASS else grant.ref


def _subject(value: Any, kind: CodeKind) -> str:
    if kind is CodeKind.VENUE and type(value) is bytes:
        return _venue(value)
    return cbor.require_text(value, 32)


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


def _describe(claims: CodeClaims, trust: TrustBundle) -> dict[str, Any]:
    name, place = claims.name, claims.place
    if claims.kind is CodeKind.VENUE:
        try:
            venue = trust.venue(claims.subject or "")
            name, place = venue.name, venue.address
        except UntrustedIssuerError:
            name, place = None, None
    return {
        "kind": claims.kind.name.lower(),
        "kind_name": KIND_CHINESE[claims.kind],
        "code_id": claims.code_id.hex(),
        "generation": claims.generation,
        "name": name,
        "place": place,
        "subject": claims.subject,
        "issued_at": times.to_text(claims.issued_at),
        "expires_at": times.to_text(claims.expires_at),
        "dynamic": claims.device_key is not None,
        "shown_at": None if claims.shown_at is None else times.to_text(claims.shown_at),
        "grants": [
            {"kind": grant.kind.name.lower(), "ref": grant.ref, "until": times.to_text(grant.until)}
            for grant in claims.grants
        ],
        "second_factor_due": claims.kind is CodeKind.PRINTED,
    }
