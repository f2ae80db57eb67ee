"""Derived copies (加注件, 派生照): a certificate's face for one purpose and receiver, until its own end.

The bundle is an evidence bundle of the format "suizheng-copy/1": its face is the copy's data, its file the copy's PDF.

    {copy_id, number, certificate_name, purpose, matter_code, receiver, made_by, made_at, expires_at, masked, use_id,
     authorisation_id, original_entry: hex of the original's signed entry,
     files: [{name, media_type, size, sha256, sm3}]}

The original's entry is inside, signed by its issuer: whether the original is in force is looked up at the place that
the issuer named, not at one that the maker of the copy names. The copy's own place in a status list is among the facts
of its own entry, so that one copy can be revoked alone.
That the PDF shows the original's face is the maker's word.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from verifier import cose, times
from verifier.canonical import JSON
from verifier.commitment import parse_object, reseal
from verifier.entry import Entry, Kind
from verifier.errors import Check, CommitmentError, MalformedError, ValidityError
from verifier.evidence import (
    COPY_FORMAT,
    EVIDENCE_POLICY,
    MAGIC,
    EvidenceBundle,
    check_files,
    department_key,
    examine_log,
    examine_status,
    issuer_key,
    open_entry,
)
from verifier.receipt import ReceiptFacts
from verifier.trust import TrustBundle
from verifier.verdict import Examination, Policy, Verdict
from verifier.witnessing import without_witnesses

COPY_POLICY = replace(EVIDENCE_POLICY, required=(EVIDENCE_POLICY.required - {Check.SCHEMA}) | {Check.FILES})

_MARK = COPY_FORMAT.encode()


@dataclass(frozen=True, slots=True)
class _Opened:
    bundle: EvidenceBundle
    message: cose.Sign1
    entry: Entry
    data: dict[str, JSON]
    original_message: cose.Sign1
    original: Entry


def is_copy(presented: bytes) -> bool:
    """Whether some bytes are meant as the bundle of a copy."""
    return presented.startswith(MAGIC) and _MARK in presented[:32]


def verify_copy(
    data: bytes, trust: TrustBundle, at: datetime, file: bytes | None = None, policy: Policy = COPY_POLICY
) -> Verdict:
    """The verdict on a copy at a time: by its bundle, about the PDF inside it or about `file`. Never raises.

    The steps: (0) trust fresh, (1) format, (2) the keys of maker and issuer, (3) the data is what was committed to,
    (4) the PDF is the one that was made, (5) both their states, (6) the copy's own end, (7) both signatures, (8) log,
    anchor, witnesses.
    """
    exam = Examination(at)
    issued_at = trust.content.issued_at
    policy = without_witnesses(policy) if trust.content.witness_threshold == 0 else policy
    exam.run(Check.FRESHNESS, lambda: trust.check_fresh(at, policy.max_trust_age), "信任包在有效期内", issued_at)
    opened = exam.run(Check.FORMAT, lambda: _open(data), "加注件证据包格式正确")
    if opened is None:
        return exam.conclude(policy)
    keys = exam.run(
        Check.ISSUER,
        lambda: (
            department_key(trust, opened.message, opened.entry),
            issuer_key(trust, opened.original_message, opened.original),
        ),
        "制作单位与发证单位的密钥可信",
        issued_at,
    )
    exam.run(Check.COMMITMENT, lambda: _check_commitment(opened), "加注件信息与存证承诺一致")
    contents = opened.bundle.files if file is None else (file,)
    exam.run(Check.FILES, lambda: check_files(opened.data.get("files"), contents), "文件与制作时一致")
    examine_status(exam, trust, _places(opened))
    exam.run(Check.VALIDITY, lambda: _check_end(opened.data, at), "加注件在有效期内")
    if keys is not None:
        maker, issuer = keys
        exam.run(Check.SIGNATURE, lambda: _check_signatures(opened, maker.public, issuer.public), "签名与内容一致")
    in_log, policy = examine_log(exam, policy, opened.bundle, trust)
    return exam.conclude(policy, _describe(opened, in_log))


def _open(data: bytes) -> _Opened:
    bundle = EvidenceBundle.from_bytes(data)
    message, entry = open_entry(bundle.signed_entry)
    if bundle.format != COPY_FORMAT or entry.kind is not Kind.COPY:
        raise MalformedError("not_a_copy", "证据包不是加注件的证据包")
    face = parse_object(bundle.face)
    try:
        signed = bytes.fromhex(str(face.get("original_entry")))
    except ValueError as error:
        raise MalformedError("wrong_field", "加注件所附的原证照存证条目格式不正确") from error
    original_message, original = open_entry(signed)
    if original.kind is not Kind.CERTIFICATE:
        raise MalformedError("not_a_certificate", "加注件的原件不是证照")
    return _Opened(bundle, message, entry, face, original_message, original)


def _check_commitment(opened: _Opened) -> None:
    bundle, data = opened.bundle, opened.data
    if reseal(bundle.face, bundle.salts, data).digest != opened.entry.digest:
        raise CommitmentError("digest_differs", "加注件信息与存证时的内容不一致")
    if data.get("made_by") != opened.entry.department:
        raise CommitmentError("issuer_differs", "加注件的制作单位与存证条目的单位不一致")


def _check_end(data: dict[str, JSON], at: datetime) -> None:
    made_at, ends_at = times.from_text(data.get("made_at")), times.from_text(data.get("expires_at"))
    if at < made_at:
        raise ValidityError("not_yet_valid", f"加注件制作于 {times.for_people(made_at)}，晚于核验时间")
    if at >= ends_at:
        raise ValidityError(
            "expired", f"加注件已于 {times.for_people(ends_at)} 到期", evidence={"expires_at": times.to_text(ends_at)}
        )


def _places(opened: _Opened) -> dict[str, Entry]:
    """Whose states count. A copy made before copies had places of their own ends with its original only."""
    own = {"加注件": opened.entry} if "status_list" in opened.entry.facts else {}
    return {"原证照": opened.original, **own}


def _check_signatures(opened: _Opened, maker: Any, issuer: Any) -> None:
    opened.message.check(maker)
    opened.original_message.check(issuer)


def _describe(opened: _Opened, facts: ReceiptFacts | None) -> dict[str, Any]:
    shown = ("copy_id", "number", "certificate_name", "purpose", "matter_code", "receiver", "made_at", "expires_at")
    described: dict[str, Any] = {name: opened.data.get(name) for name in shown}
    described["type_code"] = opened.original.facts.get("type")
    described["issuing_department"] = opened.original.department
    described["department"] = opened.entry.department
    described["recorded_at"] = times.to_text(opened.entry.recorded_at)
    if facts is not None:
        described["log"] = {"origin": facts.origin, "size": facts.size, "index": facts.index, "root": facts.root.hex()}
    return described
