"""What a department looks at before it signs an entry that somebody else has put together for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from verifier import cose
from verifier.commitment import parse_object, reseal
from verifier.entry import Entry, Kind
from verifier.errors import CommitmentError, MalformedError
from verifier.suites import PublicKey

#: How far the registry's clock may be from the signer's own.
CLOCKS_DIFFER_BY = timedelta(minutes=10)
#: Kinds whose content the registry keeps: without it nobody signs what it commits to.
WITH_CONTENT = frozenset((Kind.CERTIFICATE, Kind.MATERIAL, Kind.STATUS, Kind.USE, Kind.COPY, Kind.EXTRACT))


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
