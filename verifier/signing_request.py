"""What a department looks at before it signs an entry that somebody else has put together for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from verifier import cose
from verifier.commitment import parse_object, reseal
from verifier.entry import Entry, Kind
from verifier.errors import CommitmentError, MalformedError
from verifier.extract import TYPE as EXTRACT
from verifier.extract import OpenExtract, open_extract
from verifier.extract_verdict import check_told
from verifier.jws import encode
from verifier.sd_jwt import assemble, open_sd_jwt
from verifier.suites import SIGNATURE_BYTES, PublicKey

#: How far the registry's clock may be from the signer's own.
CLOCKS_DIFFER_BY = timedelta(minutes=10)
#: Kinds whose content the registry keeps: without it nobody signs what it commits to.
WITH_CONTENT = frozenset(
    (Kind.CERTIFICATE, Kind.MATERIAL, Kind.STATUS, Kind.USE, Kind.COPY, Kind.EXTRACT, Kind.DISPUTE)
)


@dataclass(frozen=True, slots=True)
class Request:
    """An entry to be signed: its CBOR, the bytes for the key, and what it commits to (RFC 8785 bytes and salts)."""

    payload: bytes
    to_be_signed: bytes
    content: tuple[bytes, bytes] | None


@dataclass(frozen=True, slots=True)
class Examined:
    """An entry that says what it should, and the fields that it commits to; none where no content is kept."""

    entry: Entry
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ExtractRequest:
    """An extract to be signed: the JWS signing input, its disclosures, and the face with its salts it is a part of."""

    to_be_signed: bytes
    disclosures: tuple[str, ...]
    face: bytes
    salts: bytes


def examine_extract(
    request: ExtractRequest, key: PublicKey, department: str, at: datetime, is_ours: Callable[[cose.Sign1, Entry], bool]
) -> OpenExtract:
    """The extract, if it is the department's, of this moment, for this key, and tells nothing that is not in the face.

    is_ours: whether the department's own key, then in force, signed that entry. Raises MalformedError, KindError,
    CommitmentError.
    """
    unsigned = b".".join((request.to_be_signed, encode(bytes(SIGNATURE_BYTES)).encode()))
    text = assemble(unsigned.decode("ascii", "replace"), request.disclosures).encode()
    origin = str(open_sd_jwt(text, EXTRACT).claims.get("vct")).rpartition("/types/")[0]
    opened = open_extract(text, origin)
    if opened.claims["iss"] != department:
        raise MalformedError("other_department", f"摘录件以 {opened.claims['iss']} 的名义，不是本部门，不予签署")
    if opened.sd_jwt.jwt.kid != key.kid:
        raise MalformedError("other_key", "摘录件写明由另一把密钥签署，不予签署")
    if abs(opened.made_at - at) > CLOCKS_DIFFER_BY:
        raise MalformedError("clocks_differ", f"摘录件的时间 {opened.made_at.isoformat()} 与本机时钟相差超过 10 分钟")
    if not is_ours(opened.original_message, opened.original):
        raise CommitmentError("entry_not_ours", "所附的存证条目不是用本部门的密钥签署的，请用 --trust 给出信任包核对")
    check_told(opened, request.face, request.salts)
    return opened


def examine(request: Request, key: PublicKey, department: str, at: datetime) -> Examined:
    """The entry, if it is the department's, of this moment, for this key, and commits to the content that came with it.

    Raises MalformedError, CommitmentError.
    """
    entry = Entry.from_bytes(request.payload)
    if entry.department != department:
        raise MalformedError("other_department", f"条目以 {entry.department} 的名义，不是本部门，不予签署")
    if abs(entry.recorded_at - at) > CLOCKS_DIFFER_BY:
        said = entry.recorded_at.isoformat()
        raise MalformedError("clocks_differ", f"条目的时间 {said} 与本机时钟相差超过 10 分钟，请先校准时钟")
    if request.to_be_signed != cose.to_be_signed(cose.protected_header(key, cose.Type.ENTRY), request.payload):
        raise MalformedError("other_bytes", "待签字节不是这条存证条目的，不予签署")
    if request.content is None:
        if entry.kind in WITH_CONTENT:
            raise CommitmentError("content_missing", "没有随附条目所承诺的内容，无法核对，不予签署")
        return Examined(entry, {})
    canonical, salts = request.content
    if reseal(canonical, salts).digest != entry.digest:
        raise CommitmentError("digest_differs", "条目的摘要与随附的内容不符，不予签署")
    fields = parse_object(canonical)
    if entry.kind is Kind.CERTIFICATE and (
        fields.get("issuing_authority_code"), fields.get("certificate_type_code")
    ) != (department, entry.facts.get("type")):  # fmt: skip
        raise CommitmentError("face_differs", "照面的颁发机构或证照类型与条目不符，不予签署")
    return Examined(entry, dict(fields))
