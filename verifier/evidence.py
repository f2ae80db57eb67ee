"""The evidence bundle (证据包): everything needed to verify one item offline, in one file.

Deterministic CBOR behind the self-described tag (RFC 8949 3.4.6), so every byte is either fixed by the encoding or
covered by a check:

    55799({1: "suizheng-evidence/1", 2: face (RFC 8785 bytes), 3: salts, 4: signed entry (COSE_Sign1),
           5: receipt (COSE receipt), 6: anchor, 7: [file bytes, …], ? 8: [chain proof, [hash, …]],
           ? 9: checkpoint with cosignatures (signed note)})
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from verifier import cbor, cose, times
from verifier.anchor import Anchor, AnchorProof
from verifier.anchoring import check_anchor
from verifier.canonical import JSON
from verifier.commitment import MAX_FACE_BYTES, parse_object, reseal
from verifier.digests import double_digest
from verifier.entry import MAX_ENTRY_BYTES, Entry, Kind
from verifier.errors import (
    Check,
    CommitmentError,
    MalformedError,
    ScopeError,
    StatusError,
    ValidityError,
)
from verifier.freshness import examine_freshness
from verifier.merkle import leaf_hash
from verifier.note import Checkpoint
from verifier.receipt import MAX_RECEIPT_BYTES, ReceiptFacts, check_receipt
from verifier.status import CHINESE, Status
from verifier.trust import TrustBundle
from verifier.trust_content import TrustedKey
from verifier.verdict import Examination, Policy, Verdict
from verifier.witnessing import examine_witnesses, without_witnesses

FORMAT = "suizheng-evidence/1"
#: The same parts about a derived copy (verifier.derived_copy): the face is the copy's own data, the file its PDF.
COPY_FORMAT = "suizheng-copy/1"
MAGIC = b"\xd9\xd9\xf7"
MAX_BUNDLE_BYTES = 64 * 1024 * 1024
MAX_FILES = 16
LONG_TERM = "长期"

_KEYS = frozenset(range(1, 8))
_PROOF, _COSIGNED = 8, 9
_OPTIONAL = frozenset((_PROOF, _COSIGNED))
#: Up to the face, by the number of fields.
_HEADS = {
    (form, count): MAGIC + cbor.head(5, count) + b"\x01" + cbor.text_string(form) + b"\x02"
    for form in (FORMAT, COPY_FORMAT)
    for count in (7, 8, 9)
}

EVIDENCE_POLICY = Policy(
    frozenset(
        (
            Check.FORMAT,
            Check.SIGNATURE,
            Check.ISSUER,
            Check.SCHEMA,
            Check.COMMITMENT,
            Check.INCLUSION,
            Check.ANCHOR,
            Check.WITNESSES,
            Check.STATUS,
            Check.VALIDITY,
            Check.FRESHNESS,
        )
    )
)


@dataclass(frozen=True, slots=True)
class EvidenceBundle:
    """The parts, not yet believed. `files` are the contents in the order of the face's `files` field, or empty.

    proof: how the anchor holds under a trust bundle that does not list it; None: by a list only.
    cosigned: the checkpoint of the receipt's size with the lines of its witnesses, UTF-8; None if nobody cosigned it.
    """

    face: bytes
    salts: bytes
    signed_entry: bytes
    receipt: bytes
    anchor: Anchor
    files: tuple[bytes, ...] = ()
    proof: AnchorProof | None = None
    cosigned: bytes | None = None
    format: str = FORMAT

    def to_bytes(self) -> bytes:
        """The one encoding."""
        return self._encode(cbor.encode(self.anchor.to_list()))

    def _encode(self, anchor: bytes) -> bytes:
        # By hand, for every reader compares with it; a test holds it against the general encoder.
        byte_string, proof, cosigned = cbor.byte_string, self.proof, self.cosigned
        return b"".join(
            (
                _HEADS[self.format, 7 + (proof is not None) + (cosigned is not None)],
                byte_string(self.face),
                b"\x03",
                byte_string(self.salts),
                b"\x04",
                byte_string(self.signed_entry),
                b"\x05",
                byte_string(self.receipt),
                b"\x06",
                anchor,
                b"\x07",
                cbor.head(4, len(self.files)),
                *[byte_string(content) for content in self.files],
                b"" if proof is None else b"\x08" + cbor.encode(proof.to_list()),
                b"" if cosigned is None else b"\x09" + byte_string(cosigned),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> EvidenceBundle:
        """Parse. Raises MalformedError."""
        if not data.startswith(MAGIC):
            raise MalformedError("not_evidence", "文件不是证据包")
        cbor.check_length(data, MAX_BUNDLE_BYTES)
        value = cbor.require_map(cbor.decode_any(data[3:]), _KEYS, _OPTIONAL)
        if value[1] not in (FORMAT, COPY_FORMAT):
            raise MalformedError("unknown_version", "证据包的格式版本不受支持")
        anchor, anchor_bytes = Anchor.with_bytes(value[6])
        bundle = cls(
            face=cbor.require_bytes(value[2]),
            salts=cbor.require_bytes(value[3]),
            signed_entry=cbor.require_bytes(value[4]),
            receipt=cbor.require_bytes(value[5]),
            anchor=anchor,
            files=tuple(cbor.require_bytes(item) for item in cbor.require_list(value[7], MAX_FILES)),
            proof=AnchorProof.from_list(value[_PROOF]) if _PROOF in value else None,
            cosigned=cbor.require_bytes(value[_COSIGNED]) if _COSIGNED in value else None,
            format=value[1],
        )
        if len(bundle.face) > MAX_FACE_BYTES or len(bundle.receipt) > MAX_RECEIPT_BYTES:
            raise MalformedError("too_long", "证据包的部分内容超过上限")
        cbor.require_canonical(bundle._encode(anchor_bytes), data)
        return bundle


def verify_evidence(data: bytes, trust: TrustBundle, at: datetime, policy: Policy = EVIDENCE_POLICY) -> Verdict:
    """The verdict on an evidence bundle's bytes at a time. Never raises for any bytes.

    The steps: (0) trust fresh, (1) format, (2) issuer's key and scope when the entry was recorded, (3) the data is what
    was committed to, (4) the type's schema, (5) attached files, (6) status, (7) period of validity, (8) the entry's
    signature, (9) inclusion in the log, (10) the head is anchored, (11) witnesses have cosigned it. Where the trust
    bundle asks for no witnesses, (11) is not required, whatever the policy says.
    """
    exam = Examination(at)
    issued_at = trust.content.issued_at
    policy = without_witnesses(policy) if trust.content.witness_threshold == 0 else policy
    # (0) The trust bundle is fresh.
    examine_freshness(exam, trust, policy.max_trust_age)
    # (1) The parts are what they should be.
    bundle = exam.run(Check.FORMAT, lambda: EvidenceBundle.from_bytes(data), "证据包格式正确")
    if bundle is None:
        return exam.conclude(policy)
    opened = exam.run(Check.FORMAT, lambda: _open_entry(bundle), "证据包格式正确")
    if opened is None:
        return exam.conclude(policy)
    message, entry, face = opened
    # (2) Whose key is it, and might they.
    key = exam.run(Check.ISSUER, lambda: issuer_key(trust, message, entry), "发证单位在签署时有权颁发", issued_at)
    # (3) … (5) The data is the data that was committed to, and fits its type.
    exam.run(Check.COMMITMENT, lambda: _check_commitment(bundle, entry, face), "照面数据与存证承诺一致")
    type_code, type_version = str(entry.facts.get("type")), _number(entry.facts.get("type_version"))
    exam.run(
        Check.SCHEMA,
        lambda: trust.schema(type_code, type_version).check(face.get("extend_info", {})),
        "照面数据符合证照类型规范",
    )
    _examine_files(exam, bundle, face)
    # (6), (7) Genuine is not yet in force.
    examine_status(exam, trust, {"证照": entry})
    exam.run(Check.VALIDITY, lambda: check_validity(face, at), "在有效期内")
    # (8) … (11) They signed it, the log holds it, the chain holds the log, others saw the same log. The signatures,
    # nearly all of the time, come last and together: what is plainly wrong is told without them.
    if key is not None:
        exam.run(Check.SIGNATURE, lambda: message.check(key.public), "签名与内容一致")
    facts, policy = examine_log(exam, policy, bundle, trust)
    return exam.conclude(policy, _describe(face, entry, facts))


def examine_log(
    exam: Examination, policy: Policy, bundle: EvidenceBundle, trust: TrustBundle
) -> tuple[ReceiptFacts | None, Policy]:
    """Inclusion in the log, its head's anchor, its witnesses: what the receipt says, and the policy that is left."""
    facts = exam.run(Check.INCLUSION, lambda: _check_inclusion(bundle, trust), "条目收录在存证日志中")
    if facts is not None:
        is_anchored = _examine_anchor(exam, bundle, trust, facts)
        head = Checkpoint(facts.origin, facts.size, facts.root)
        # The anchor's head is this one or a later one: this one was there no later.
        anchored_at = bundle.anchor.block_at if is_anchored else None
        policy = examine_witnesses(exam, policy, trust, head, bundle.cosigned, anchored_at)
    return facts, policy


def _open_entry(bundle: EvidenceBundle) -> tuple[cose.Sign1, Entry, dict[str, JSON]]:
    message, entry = open_entry(bundle.signed_entry)
    if entry.kind is not Kind.CERTIFICATE or bundle.format != FORMAT:
        raise MalformedError("not_a_certificate", "存证条目不是证照条目")
    return message, entry, parse_object(bundle.face)


def open_entry(signed: bytes) -> tuple[cose.Sign1, Entry]:
    """A signed entry, not yet believed. Raises MalformedError."""
    message, payload = cose.open_typed(signed, cose.Type.ENTRY, limit=MAX_ENTRY_BYTES + 512)
    return message, Entry.from_bytes(payload)


def department_key(trust: TrustBundle, message: cose.Sign1, entry: Entry) -> TrustedKey:
    """The entry's department's key when it was recorded. Raises UntrustedIssuerError, ScopeError."""
    key = trust.key(message.kid, "entries", entry.recorded_at)
    if key.owner != entry.department:
        raise ScopeError("key_of_another", "签名密钥属于另一个单位", evidence={"owner": key.owner})
    return key


def issuer_key(trust: TrustBundle, message: cose.Sign1, entry: Entry) -> TrustedKey:
    """The key of an entry whose department might issue its type then.

    Raises UntrustedIssuerError, ScopeError.
    """
    key = department_key(trust, message, entry)
    trust.check_scope(entry.department, str(entry.facts.get("type")), entry.recorded_at)
    return key


def _check_commitment(bundle: EvidenceBundle, entry: Entry, face: dict[str, JSON]) -> None:
    if reseal(bundle.face, bundle.salts, face).digest != entry.digest:
        raise CommitmentError("digest_differs", "照面数据与存证时的内容不一致")
    if face.get("certificate_type_code") != entry.facts.get("type"):
        raise CommitmentError("type_differs", "照面的证照类型与存证条目不一致")
    if face.get("issuing_authority_code") != entry.department:
        raise CommitmentError("issuer_differs", "照面的颁发机构与存证条目的单位不一致")


def _examine_files(exam: Examination, bundle: EvidenceBundle, face: dict[str, JSON]) -> None:
    declared = face.get("files", [])
    if not declared and not bundle.files:
        return
    if not bundle.files:
        exam.skip(Check.FILES, "files_not_attached", "证照有附件，证据包没有附上内容，附件未核验")
        return
    exam.run(Check.FILES, lambda: check_files(declared, bundle.files), "附件与登记时一致")


def check_files(declared: Any, contents: tuple[bytes, ...]) -> None:
    """Raises CommitmentError unless the contents are the declared files, in order."""
    if not isinstance(declared, list) or len(declared) != len(contents):
        raise CommitmentError("file_count", "附件数量与登记时不一致", check=Check.FILES)
    for place, (said, content) in enumerate(zip(declared, contents, strict=True), start=1):
        digest = double_digest(content)
        if not isinstance(said, dict) or (said.get("sha256"), said.get("sm3")) != (
            digest.sha256.hex(),
            digest.sm3.hex(),
        ):
            raise CommitmentError("file_differs", f"第 {place} 个附件与登记时不一致", check=Check.FILES)


def _check_inclusion(bundle: EvidenceBundle, trust: TrustBundle) -> ReceiptFacts:
    return check_receipt(bundle.receipt, leaf_hash(bundle.signed_entry), trust.content.origin, trust.log_key)


def _examine_anchor(exam: Examination, bundle: EvidenceBundle, trust: TrustBundle, facts: ReceiptFacts) -> bool:
    found = exam.run(
        Check.ANCHOR,
        lambda: check_anchor(trust, bundle.anchor, bundle.proof, facts.size, facts.root),
        "日志头已在链上锚定",
        bundle.anchor.block_at,
    )
    if found:
        exam.show(Check.ANCHOR, found)
    return found is not None


def examine_status(exam: Examination, trust: TrustBundle, entries: Mapping[str, Entry]) -> None:
    """What the status lists say of the places that these entries name; each under what it is called (证照)."""

    def check() -> None:
        for what, entry in entries.items():
            number, index = (_number(entry.facts.get(name)) for name in ("status_list", "status_index"))
            status, as_of = trust.status(number, index)
            if status is not Status.VALID:
                raise StatusError(
                    f"status_{status.name.lower()}",
                    f"{what}{CHINESE[status]}",
                    evidence={"as_of": times.to_text(as_of)},
                )

    exam.run(Check.STATUS, check, "状态列表中为有效", trust.content.issued_at)


def check_validity(face: dict[str, JSON], at: datetime) -> None:
    """Raises ValidityError unless the certificate's period holds on that day in Shanghai, MalformedError."""
    day, begins = times.shanghai_day(at), times.compact_date(face.get("valid_from"))
    if day < begins:
        raise ValidityError(
            "not_yet_valid", f"有效期从 {times.day_for_people(begins)}开始", evidence={"valid_from": str(begins)}
        )
    if face.get("valid_to") == LONG_TERM:
        return
    ends = times.compact_date(face.get("valid_to"))
    if day > ends:
        raise ValidityError("expired", f"有效期已于 {times.day_for_people(ends)}届满", evidence={"valid_to": str(ends)})


def _number(value: Any) -> int:
    return value if type(value) is int else -1


def _describe(face: dict[str, JSON], entry: Entry, facts: ReceiptFacts | None) -> dict[str, Any]:
    """What the item says of itself; holders are left out, the caller has the face."""
    shown = ("certificate_name", "certificate_number", "certificate_identifier", "issuing_authority_name")
    described: dict[str, Any] = {name: face.get(name) for name in (*shown, "issue_date", "valid_from", "valid_to")}
    described["type_code"] = entry.facts.get("type")
    described["department"] = entry.department
    described["recorded_at"] = times.to_text(entry.recorded_at)
    if facts is not None:
        described["log"] = {"origin": facts.origin, "size": facts.size, "index": facts.index, "root": facts.root.hex()}
    return described
