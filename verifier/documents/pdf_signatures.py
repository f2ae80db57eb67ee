"""The verdict on each signature of a PDF (PAdES, ETSI EN 319 142; adbe.pkcs7.detached).

pyHanko answers whether bytes and signature fit and what later revisions changed; trust and period are judged here as
for e-seals. Imported only where pyHanko is installed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.generic_cms import validate_sig_integrity
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from verifier import times
from verifier.documents.certificates import Certificate, check_trusted, load_many
from verifier.documents.findings import POLICY, Note, Roots, Signed
from verifier.documents.pdf_chinese import ChineseSignature, judge_chinese
from verifier.documents.pdf_content import FAILURES, check_content
from verifier.documents.pdf_fields import signed_fields
from verifier.documents.pdf_parts import BLANKS, TRAILING, held
from verifier.documents.pdf_revocation import answers_for, carried_by, check_revocation, stored_in
from verifier.documents.pdf_timestamps import Stamp, judge_document_stamp, prove
from verifier.errors import (
    Check,
    MalformedError,
    SignatureError,
    UndecidedError,
    UntrustedIssuerError,
    ValidityError,
)
from verifier.verdict import Examination, Outcome, State

_SKEW = timedelta(minutes=10)
MAX_SIGNATURES = 64


def judge_all(
    reader: Any, data: bytes, roots: Roots, at: datetime
) -> tuple[tuple[Signed, ...], list[Note], Note | None]:
    """The verdict on every signature in the order they were made, remarks, and what keeps the file from being valid.

    Raises MalformedError for too many.
    """
    embedded, others = signed_fields(reader, at)
    if len(embedded) + len(others) > MAX_SIGNATURES:
        raise MalformedError("too_many_signatures", f"签名超过上限 {MAX_SIGNATURES} 个")
    # pyHanko passes over what it does not know; each signature has its range of bytes in clear.
    # So has the code that authenticates an encrypted file (ISO/TS 32004).
    coded = 1 if "/AuthCode" in reader.trailer else 0
    lost = data.count(b"/ByteRange") - len(embedded) - len(others) - coded
    message = "文件中有签名数据，表单却不指向它：签名被移除，或文件被改动"
    doubt = Note("lost_signature", message, {"count": lost}) if lost > 0 else None
    notes = [] if doubt is None else [doubt]
    stamps = [one for one in embedded if _is_stamp(one)]
    if stamps and len(stamps) == len(embedded) and doubt is None and not others:
        message = "文件只有文档时间戳，没有签名；时间戳只证明文件当时已存在，不说明由谁出具"
        doubt = Note("only_timestamps", message)
    if _is_followed(embedded, reader, data):
        tail = Note("trailing_bytes", TRAILING)
        notes.append(tail)
        doubt = doubt or tail
    proofs, broken = _judge_stamps(stamps, roots, at, notes)
    signatures = [one for one in embedded if one not in stamps]
    judged = [_judge(one, proofs, roots, at) for one in signatures]
    if judged and _is_filled_since(judged[-1], signatures):
        filled = Note("filled_after_signing", "最后一个签名之后又填写了表单，看到的填写内容没有任何签名保护")
        notes.append(filled)
        doubt = doubt or filled
    return (*judged, *others, *broken), notes, doubt


def _is_filled_since(last: Signed, signatures: list[EmbeddedPdfSignature]) -> bool:
    """Whether fields were filled in that nobody signed and no author allowed (DocMDP, ISO 32000-1 12.8.2.2)."""
    if last.facts.get("later_changes") != ModificationLevel.FORM_FILLING.name.lower():
        return False
    try:
        return all(one.docmdp_level is None for one in signatures)
    except FAILURES:
        return True


def _is_followed(embedded: list[EmbeddedPdfSignature], reader: Any, data: bytes) -> bool:
    """Whether anything but white space stands behind the last revision, where that is a signed one."""
    last = [one for one in embedded if one.signed_revision == reader.total_revisions - 1]
    return any(data[int(one.byte_range[-2]) + int(one.byte_range[-1]) :].strip(BLANKS) for one in last)


def _is_stamp(embedded: EmbeddedPdfSignature) -> bool:
    if isinstance(embedded, ChineseSignature):
        return False
    return embedded.sig_object_type == "/DocTimeStamp" or held(embedded.sig_object, "/SubFilter") == "/ETSI.RFC3161"


def _judge_stamps(
    stamps: list[EmbeddedPdfSignature], roots: Roots, at: datetime, notes: list[Note]
) -> tuple[list[tuple[int, Stamp]], list[Signed]]:
    """What document timestamps prove, each with its revision, and those that do not hold.

    One whose authority is unknown takes nothing from the signatures: it is only remarked.
    """
    proofs, broken = list[tuple[int, Stamp]](), list[Signed]()
    for one in stamps:
        signed, stamp = judge_document_stamp(one, roots, at)
        verdict = signed.verdict
        if verdict.state is State.INVALID:
            broken.append(signed)
        elif stamp is not None:
            proofs.append((int(one.signed_revision), stamp))
            message = f"文档时间戳证明文件在 {times.for_people(stamp.at)} 已是这样，由 {stamp.authority.subject} 签发"
            notes.append(Note("document_timestamp", message))
        else:
            message = f"文件有文档时间戳，但它不能证明时间：{verdict.message}"
            notes.append(Note("document_timestamp_unproved", message, {"reason": verdict.reason}))
    return proofs, broken


def _judge(embedded: EmbeddedPdfSignature, proofs: list[tuple[int, Stamp]], roots: Roots, at: datetime) -> Signed:
    if isinstance(embedded, ChineseSignature):
        return judge_chinese(embedded, roots, at)
    exam, notes, facts = Examination(at), list[Note](), dict[str, Any]()
    signer = exam.run(Check.FORMAT, lambda: _read(embedded, facts), "签名结构完整")
    if signer is not None:
        exam.run(Check.COMMITMENT, lambda: check_content(embedded, facts, notes), "被签名的内容没有改动")
        exam.run(Check.SIGNATURE, lambda: _check_signature(embedded), "签名与内容一致")
        claimed = _time(embedded, facts)
        later = [stamp for revision, stamp in proofs if revision >= embedded.signed_revision]
        proved = exam.run(Check.VALIDITY, lambda: prove(embedded, later, roots, facts, notes), "签名时证书在有效期内")
        when = claimed if proved is None else proved.at
        others = load_many((*(one.dump() for one in embedded.other_embedded_certs), *stored_in(embedded, "/Certs")))
        answers = answers_for(signer, (*roots.certificates, *others), carried_by(embedded))
        exam.run(
            Check.ISSUER,
            lambda: check_trusted(signer, roots.certificates, others, when or at, "签名人"),
            "签名人可信",
        )
        if exam.results[Check.VALIDITY].outcome is Outcome.PASSED:
            exam.run(
                Check.VALIDITY, lambda: _check_period(signer, when, proved is not None, at), "签名时证书在有效期内"
            )
        if exam.results[Check.VALIDITY].outcome is Outcome.PASSED:
            exam.run(
                Check.VALIDITY,
                lambda: check_revocation(answers, when, proved is not None, notes),
                "签名时证书在有效期内，没有已知的吊销" if answers else "签名时证书在有效期内",
            )
        if signer.not_after < at:
            notes.append(Note("certificate_ended_since", f"签名人的证书已于 {times.for_people(signer.not_after)} 到期"))
    return Signed(str(embedded.field_name)[:60], "signature", exam.conclude(POLICY), facts, tuple(notes))


def _read(embedded: EmbeddedPdfSignature, facts: dict[str, Any]) -> Certificate:
    try:
        found = embedded.signer_cert.dump()
        dictionary = embedded.sig_object
        facts |= {
            "form": str(held(dictionary, "/SubFilter") or "")[1:60],
            "digest_method": str(embedded.md_algorithm)[:40],
            "stated_reason": str(held(dictionary, "/Reason") or "")[:200],
            "stated_location": str(held(dictionary, "/Location") or "")[:200],
        }
    except FAILURES as error:
        raise UntrustedIssuerError("no_certificate", "签名没有带签名人的证书，无法确定是谁签的") from error
    signer = Certificate.load(found)
    facts["signer"] = signer.describe()
    return signer


def _check_signature(embedded: EmbeddedPdfSignature) -> None:
    try:
        fits, genuine = validate_sig_integrity(
            embedded.signer_info, embedded.signer_cert, "data", embedded.compute_digest()
        )
    except SignatureValidationError as error:
        raise SignatureError("wrong_signature", "签名的属性有误或互相矛盾") from error
    except FAILURES as error:
        raise UndecidedError("unsupported_algorithm", "签名的算法不受支持，未能验证", check=Check.SIGNATURE) from error
    if not fits:
        raise SignatureError("content_changed", "签名之后内容被改动：摘要不符")
    if not genuine:
        raise SignatureError("wrong_signature", "签名与签名人的证书不符")


def _time(embedded: EmbeddedPdfSignature, facts: dict[str, Any]) -> datetime | None:
    try:
        stated = embedded.self_reported_timestamp
        when = None if stated is None else _aware(stated)
    except FAILURES:
        when = None
    facts["time"] = None if when is None else {"text": str(stated), "at": times.to_text(when), "ambiguous": False}
    return when


def _aware(stated: datetime) -> datetime:
    """A time without a zone is China time."""
    zoned = stated if stated.tzinfo is not None else stated.replace(tzinfo=times.SHANGHAI)
    return zoned.astimezone(UTC)


def _check_period(signer: Certificate, when: datetime | None, is_proved: bool, at: datetime) -> None:
    if when is None:
        raise UndecidedError("no_time", "签名没有写明时间，无法判断当时证书是否有效", check=Check.VALIDITY)
    if when - at > _SKEW:
        raise ValidityError("signed_later", f"签名时间 {times.for_people(when)} 晚于核验时间")
    if signer.covers(when):
        return
    span = f"{times.for_people(signer.not_before)} 至 {times.for_people(signer.not_after)}"
    if is_proved and when > signer.not_after:
        message = f"时间戳是在证书到期之后盖的，不能证明签名是在有效期内（{span}）作出的"
        raise UndecidedError("stamped_after_end", message, check=Check.VALIDITY)
    raise ValidityError(
        "certificate_not_in_force",
        f"签名时签名人的证书不在有效期内（{span}）",
        evidence={"signed_at": times.to_text(when)},
    )
