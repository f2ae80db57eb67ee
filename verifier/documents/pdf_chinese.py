"""The verdict on 国密 signatures and e-seals in PDF: SignedData (GB/T 35275) and seals (GB/T 38540, GM/T 0031).

What is signed are the bytes that /ByteRange covers, digested by SM3. Value, people and period are judged by the code
for OFD, what is covered and what later revisions changed by the code for PDF.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from pyhanko.pdf_utils import generic
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from verifier import times
from verifier.documents import der, seals, signed_data
from verifier.documents.claims import Claim, read_claim
from verifier.documents.findings import POLICY, Note, Roots, Signed
from verifier.documents.judging import judge_people
from verifier.documents.pdf_content import FAILURES, check_content, covered_bytes
from verifier.documents.pdf_parts import held
from verifier.errors import Check, CommitmentError, MalformedError, SignatureError, UndecidedError, VerificationError
from verifier.verdict import Examination

#: How every object identifier of 国密 algorithms begins in DER, and in writing.
_IN_DER, _IN_WORDS = bytes.fromhex("2a811ccf55"), "1.2.156.10197."
_SM3 = "1.2.156.10197.1.401"
#: Forms that are known to sign the covered bytes themselves.
_DETACHED = frozenset(("/adbe.pkcs7.detached", "/ETSI.CAdES.detached"))


class ChineseSignature(EmbeddedPdfSignature):
    """A signature whose value pyHanko cannot read: it still finds what is covered and what changed later."""

    def __init__(self, reader: Any, sig_field: Any, fq_name: str, value: bytes) -> None:
        # In place of the parent's, which reads the value.
        field = sig_field.get_object()
        held_by = field.raw_get("/V")
        self.reader, self.sig_field, self.fq_name = reader, field, fq_name
        self.sig_object = held_by.get_object()
        self.byte_range = self.sig_object.raw_get("/ByteRange")
        self.pkcs7_content = value
        self.md_algorithm = self.external_md_algorithm = "sm3"
        self.signed_revision = reader.xrefs.get_last_change(held_by.reference)
        self.coverage = self.diff_result = self._docmdp = self._fieldmdp = None
        self._docmdp_queried = self._fieldmdp_queried = self._integrity_checked = False

    def compute_digest(self, hash_algo: str | None = None) -> bytes:
        """Not here: the value is checked against the covered bytes."""
        return b""


def is_chinese(value: bytes) -> bool:
    """Whether a signature value is of 国密 algorithms, or is an e-seal; not whether it merely names such algorithms."""
    try:
        raw = value[: der.first(value).end]
        if signed_data.is_signed_data(raw):
            return signed_data.parse(raw).digest_algorithm.startswith(_IN_WORDS)
        seals.parse_signature(raw)
    except VerificationError:
        return _IN_DER in value
    return True


def judge_chinese(embedded: ChineseSignature, roots: Roots, at: datetime) -> Signed:
    """The verdict on such a signature. Never raises for any content of the file."""
    exam, notes = Examination(at), list[Note]()
    facts: dict[str, Any] = {"digest_method": "sm3"}
    claim = exam.run(Check.FORMAT, lambda: _read(embedded), "签名结构完整")
    if claim is not None:
        exam.run(Check.COMMITMENT, lambda: _check_content(embedded, claim, facts, notes), "被签名的内容没有改动")
        exam.run(Check.SIGNATURE, lambda: _held_to(embedded, claim.check_signature), "签名正确")
        facts |= judge_people(exam, claim, _stated_time(embedded), roots, notes)
        facts["variant"] = claim.form
    facts["form"] = _form(embedded)[1:60]
    kind = "seal" if claim is not None and claim.seal is not None else "signature"
    return Signed(str(embedded.field_name)[:60], kind, exam.conclude(POLICY), facts, tuple(notes))


def _read(embedded: ChineseSignature) -> Claim:
    value = embedded.pkcs7_content
    raw = value[: der.first(value).end]
    if signed_data.is_signed_data(raw) and signed_data.parse(raw).digest_algorithm != _SM3:
        raise UndecidedError("unsupported_algorithm", "国密签名用的摘要算法不是 SM3，未能核验", check=Check.FORMAT)
    try:
        return read_claim(raw, ())
    except MalformedError as error:
        message = "签名用的是国密算法（SM2、SM3），但不是可识别的签名数据或电子签章，未能核验"
        raise UndecidedError("unsupported_form", message, check=Check.FORMAT) from error


def _check_content(embedded: ChineseSignature, claim: Claim, facts: dict[str, Any], notes: list[Note]) -> None:
    check_content(embedded, facts, notes)
    try:
        _held_to(embedded, claim.check_digest)
    except CommitmentError as error:
        raise CommitmentError("content_changed", "签名之后内容被改动：摘要不符") from error


def _held_to(embedded: ChineseSignature, check: Callable[[bytes], None]) -> None:
    """Hold the value to the covered bytes; where the form may mean other bytes, a difference proves nothing.

    Raises what the check does, or UndecidedError.
    """
    try:
        check(covered_bytes(embedded))
    except (CommitmentError, SignatureError) as error:
        form = _form(embedded)
        if form in _DETACHED:
            raise
        message = f"签名与内容不符，或这种形式（{form[1:60] or '未写明'}）另有签法；请用签章单位指定的软件核验"
        raise UndecidedError("unsupported_form", message, check=error.check) from error


def _form(embedded: ChineseSignature) -> str:
    return str(held(embedded.sig_object, "/SubFilter") or "")


def _stated_time(embedded: ChineseSignature) -> str:
    """The time beside the value, as moments are written; empty where there is none that can be read."""
    try:
        stated = generic.parse_pdf_date(embedded.sig_object["/M"], strict=False)
    except FAILURES:
        return ""
    # A zone that is written out as China's is beyond doubt.
    return (stated if stated.tzinfo is None else stated.astimezone(times.SHANGHAI)).isoformat(timespec="seconds")
