"""Extracts (摘录件): the fields of a certificate that one matter needs, for one receiver, until their own end.

An SD-JWT of the type `dc+sd-jwt` (draft-ietf-oauth-sd-jwt-vc) signed by the certificate's issuer. Its claims, of which
only members of `certificate` are told by disclosures:

    iss, aud: 18-character codes of issuer and receiver; iat, exp; jti: id of the extract
    vct: <origin>/types/<type code>; status: {status_list: {idx, uri}} (draft-ietf-oauth-status-list)
    purpose, matter: {code, name}, case_no; cnf: {jwk} of the holder's device, if there is one
    evidence: {entry: Base64url of the original's signed log entry}
    certificate: {certificate_name, issuing_authority_name, issue_date, valid_from, valid_to, _sd, holders, extend_info}

What the receiver does not need is not in it, not even as a digest. Whoever also has the certificate's evidence bundle
can show that what is told is what the log committed to. Written out for outsiders in docs/extracts.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from verifier import cose, times
from verifier.canonical import canonicalise
from verifier.entry import Entry, Kind
from verifier.errors import MalformedError
from verifier.evidence import open_entry
from verifier.jws import decode, encode, jwk_of, parse_object, signing_input
from verifier.key_binding import holder_key
from verifier.sd_jwt import ALGORITHM, SHA_256, Concealer, SdJwt, assemble, open_sd_jwt, without_gaps
from verifier.suites import PublicKey, SigningKey
from verifier.trust import status_subject

TYPE = "dc+sd-jwt"
#: What a key may sign in a trust bundle.
PURPOSE = "extract"
#: Always told: without them nobody can judge what they see.
OPEN_FIELDS: Final = ("certificate_name", "issuing_authority_name", "issue_date", "valid_from", "valid_to")

_HOLDERS, _OWN = "holders", "extend_info"
_CLAIMS: Final = {
    "iss", "aud", "iat", "exp", "jti", "vct", "status", "purpose", "matter", "case_no", "evidence", "certificate",
}  # fmt: skip
_TOLD: Final = ("iss", "aud", "vct", "purpose", "matter", "case_no", "certificate")
_PLAIN_TEXTS: Final = ("iss", "aud", "jti", "vct", "purpose", "case_no")
_LONGEST_TEXT = 200


@dataclass(frozen=True, slots=True)
class Occasion:
    """What an extract is for. receiver: 18-character code; ends_at is exclusive."""

    id: str
    receiver: str
    matter_code: str
    matter_name: str
    purpose: str
    case_no: str
    made_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class OpenExtract:
    """A parsed extract, not yet believed. claims: what is told, without gaps."""

    sd_jwt: SdJwt
    claims: dict[str, Any]
    made_at: datetime
    ends_at: datetime
    holder: PublicKey | None
    original_message: cose.Sign1
    original: Entry


@dataclass(frozen=True, slots=True)
class Unsigned:
    """An extract before its issuer has signed it. claims: RFC 8785 bytes of those of the JWT."""

    claims: bytes
    disclosures: tuple[str, ...]

    def dated(self, made_at: datetime) -> Unsigned:
        """The same, made at another time."""
        claims = {**parse_object(self.claims), "iat": int(made_at.timestamp())}
        return replace(self, claims=canonicalise(claims))

    def to_be_signed(self, key: PublicKey) -> bytes:
        """What the issuer's key signs. Raises MalformedError where its suite has no name in JOSE."""
        return signing_input(parse_object(self.claims), key, TYPE, kid=key.kid.hex()).encode()

    def signed(self, key: PublicKey, signature: bytes) -> str:
        """The SD-JWT with this signature, which nobody has checked."""
        return assemble(f"{self.to_be_signed(key).decode()}.{encode(signature)}", self.disclosures)


def sign_extract(
    shown: Mapping[str, Any],
    signed_entry: bytes,
    occasion: Occasion,
    origin: str,
    key: SigningKey,
    draw: Callable[[int], bytes],
    device: PublicKey | None = None,
) -> str:
    """The SD-JWT of `shown`, as `draft_extract` has it, by its issuer's `key`. Raises MalformedError."""
    unsigned = draft_extract(shown, signed_entry, occasion, origin, draw, device)
    return unsigned.signed(key.public, key.sign(unsigned.to_be_signed(key.public)))


def draft_extract(
    shown: Mapping[str, Any],
    signed_entry: bytes,
    occasion: Occasion,
    origin: str,
    draw: Callable[[int], bytes],
    device: PublicKey | None = None,
) -> Unsigned:
    """What is signed of `shown`, a part of a certificate's face with at least OPEN_FIELDS. Raises MalformedError."""
    _, entry = open_entry(signed_entry)
    concealer = Concealer(draw)
    claims = {
        "iss": entry.department, "aud": occasion.receiver, "iat": int(occasion.made_at.timestamp()),
        "exp": int(occasion.ends_at.timestamp()), "jti": occasion.id, "vct": _type_name(origin, entry),
        "status": _status_claim(origin, entry), "purpose": occasion.purpose,
        "matter": {"code": occasion.matter_code, "name": occasion.matter_name}, "case_no": occasion.case_no,
        "evidence": {"entry": encode(signed_entry)}, "certificate": _conceal(shown, concealer), ALGORITHM: SHA_256,
        **({} if device is None else {"cnf": {"jwk": jwk_of(device)}}),
    }  # fmt: skip
    return Unsigned(canonicalise(claims), tuple(concealer.disclosures))


def _conceal(shown: Mapping[str, Any], concealer: Concealer) -> dict[str, Any]:
    plain = {name: shown[name] for name in OPEN_FIELDS}
    members = {name: value for name, value in shown.items() if name not in (*OPEN_FIELDS, _HOLDERS, _OWN)}
    told = {**plain, **concealer.members(members)}
    if _HOLDERS in shown:
        told[_HOLDERS] = concealer.elements(shown[_HOLDERS])
    if _OWN in shown:
        told[_OWN] = concealer.members(shown[_OWN])
    return told


def open_extract(presented: bytes, origin: str) -> OpenExtract:
    """Parse an extract of the registry whose log is named `origin`. Raises MalformedError, KindError."""
    sd_jwt = open_sd_jwt(presented, TYPE)
    claims = without_gaps(sd_jwt.claims)
    if claims.keys() - {"cnf"} != _CLAIMS or any(path[0] != "certificate" for path in sd_jwt.disclosed):
        raise MalformedError("wrong_fields", "内容的字段与摘录件的格式不符")
    _check_texts(claims)
    original_message, original = open_entry(_signed_entry(claims))
    if original.kind is not Kind.CERTIFICATE or original.department != claims["iss"]:
        raise MalformedError("not_a_certificate", "所附的存证条目不是该发证单位的证照条目")
    if claims["vct"] != _type_name(origin, original) or not _is_same(claims["status"], _status_claim(origin, original)):
        raise MalformedError("wrong_field", "证照类型或状态位置与存证条目不一致")
    made_at, ends_at = (times.from_seconds(claims[name]) for name in ("iat", "exp"))
    return OpenExtract(sd_jwt, claims, made_at, ends_at, holder_key(claims), original_message, original)


def _is_same(said: Any, meant: Any) -> bool:
    # Not by ==, to which true is 1.
    return canonicalise(said) == canonicalise(meant)


def _check_texts(claims: dict[str, Any]) -> None:
    matter, told = claims["matter"], claims["certificate"]
    texts = [claims[name] for name in _PLAIN_TEXTS]
    if isinstance(matter, dict) and matter.keys() == {"code", "name"}:
        texts += matter.values()
    else:
        raise MalformedError("wrong_field", "事项应含编码与名称")
    if not all(isinstance(text, str) and 0 < len(text) <= _LONGEST_TEXT for text in texts):
        raise MalformedError("wrong_field", "发证单位、接收单位、用途等应为文本")
    if type(claims["iat"]) is not int or type(claims["exp"]) is not int:
        raise MalformedError("wrong_field", "签发与截止时间应为秒数")
    if not isinstance(told, dict) or not told.keys() >= {*OPEN_FIELDS}:
        raise MalformedError("wrong_field", "缺少证照名称、颁发机构或有效期")


def _signed_entry(claims: dict[str, Any]) -> bytes:
    evidence = claims["evidence"]
    if not isinstance(evidence, dict) or evidence.keys() != {"entry"} or not isinstance(evidence["entry"], str):
        raise MalformedError("wrong_field", "缺少原证照的存证条目")
    return decode(evidence["entry"])


def _type_name(origin: str, entry: Entry) -> str:
    return f"{origin}/types/{entry.facts.get('type')!s}"


def _status_claim(origin: str, entry: Entry) -> dict[str, Any]:
    number, index = number_of(entry.facts.get("status_list")), number_of(entry.facts.get("status_index"))
    return {"status_list": {"idx": index, "uri": status_subject(origin, number)}}


def number_of(value: Any) -> int:
    """A number among the facts of an entry; −1 where there is none."""
    return value if type(value) is int else -1


def contents(presented: bytes) -> dict[str, str]:
    """What an extract tells, {path: value as text}; nothing of it is verified. Raises MalformedError, KindError."""
    claims = without_gaps(open_sd_jwt(presented, TYPE).claims)
    return dict(_leaves({name: claims[name] for name in _TOLD if name in claims}, ""))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for name, one in inner:
            yield from _leaves(one, f"{path}.{name}" if path else str(name))
    else:
        yield path, str(value)
