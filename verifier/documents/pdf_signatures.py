"""The verdict on each signature of a PDF (PAdES, ETSI EN 319 142; adbe.pkcs7.detached).

pyHanko answers whether bytes and signature fit and what later revisions changed; trust and period are judged here as
for e-seals. Imported only where pyHanko is installed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pyhanko.sign.diff_analysis import DiffResult, ModificationLevel
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.generic_cms import validate_sig_integrity
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from verifier import times
from verifier.documents import der
from verifier.documents.certificates import Certificate, check_trusted, load_many
from verifier.documents.findings import POLICY, Note, Roots, Signed
from verifier.documents.pdf_fields import FAILURES, signed_fields
from verifier.documents.pdf_parts import held
from verifier.errors import (
    Check,
    CommitmentError,
    MalformedError,
    SignatureError,
    UndecidedError,
    UntrustedIssuerError,
    ValidityError,
)
from verifier.verdict import Examination

_SKEW = timedelta(minutes=10)
MAX_SIGNATURES = 64
_ALGORITHMS = frozenset(("sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512"))
_LEVELS = {
    ModificationLevel.NONE: "没有改动",
    ModificationLevel.LTA_UPDATES: "只补充了长期验证资料",
    ModificationLevel.FORM_FILLING: "只填写了表单或加了别的签名",
    ModificationLevel.ANNOTATIONS: "加了批注",
    ModificationLevel.OTHER: "改动了内容",
}


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
    stamps = [one for one in embedded if one.sig_object_type == "/DocTimeStamp"]
    if stamps:
        notes.append(Note("timestamp_not_checked", f"文件有 {len(stamps)} 个文档时间戳，本工具未核验它们"))
        if len(stamps) == len(embedded) and doubt is None and not others:
            doubt = Note("only_timestamps", "文件只有文档时间戳，没有签名；时间戳未核验，真伪无法判定")
    return (*(_judge(one, roots, at) for one in embedded if one not in stamps), *others), notes, doubt


def _judge(embedded: EmbeddedPdfSignature, roots: Roots, at: datetime) -> Signed:
    exam, notes, facts = Examination(at), list[Note](), dict[str, Any]()
    signer = exam.run(Check.FORMAT, lambda: _read(embedded, facts), "签名结构完整")
    if signer is not None:
        exam.run(Check.COMMITMENT, lambda: _check_content(embedded, facts, notes), "被签名的内容没有改动")
        exam.run(Check.SIGNATURE, lambda: _check_signature(embedded), "签名与内容一致")
        when = _time(embedded, facts)
        others = load_many(one.dump() for one in embedded.other_embedded_certs)
        exam.run(
            Check.ISSUER,
            lambda: check_trusted(signer, roots.certificates, others, when or at, "签名人"),
            "签名人可信",
        )
        exam.run(Check.VALIDITY, lambda: _check_period(signer, when, at), "签名时证书在有效期内")
        notes.append(Note("time_is_claimed", "签名时间由签名人自称，本工具未核验时间戳"))
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


def _check_content(embedded: EmbeddedPdfSignature, facts: dict[str, Any], notes: list[Note]) -> None:
    try:
        embedded.compute_integrity_info()  # type: ignore[no-untyped-call]
        summary = embedded.summarise_integrity_info()
    except FAILURES as error:
        raise CommitmentError("unclear_coverage", "签名覆盖的范围无法确定，内容可能被改动") from error
    coverage, difference = summary["coverage"], summary["diff_result"]
    level = difference.modification_level if isinstance(difference, DiffResult) else ModificationLevel.OTHER
    facts |= {"coverage": coverage.name.lower(), "later_changes": level.name.lower()}
    if coverage < SignatureCoverageLevel.ENTIRE_REVISION or not _is_contiguous(embedded):
        raise CommitmentError("unclear_coverage", "签名没有覆盖完整的一版文件，内容可能被改动")
    if _hides_bytes(embedded):
        raise CommitmentError("hidden_bytes", "签名值后面的空位里藏有别的内容")
    if not summary["docmdp_ok"] or level.value > ModificationLevel.FORM_FILLING.value:
        raise CommitmentError(
            "changed_after_signing",
            f"签名所在的一版没有改动，但此后的版本{_LEVELS[level]}，现在看到的不是签名时的内容",
            evidence={"revision": int(embedded.signed_revision), "level": level.name.lower()},
        )
    if level is not ModificationLevel.NONE:
        notes.append(Note("later_revision", f"签名之后文件又有新版本：{_LEVELS[level]}"))
    elif coverage is not SignatureCoverageLevel.ENTIRE_FILE:
        notes.append(Note("later_revision", "签名之后文件又有新版本，但没有改动"))
    if embedded.md_algorithm not in _ALGORITHMS:
        raise UndecidedError(
            "weak_digest", f"摘要算法 {embedded.md_algorithm} 已不安全或不受支持", check=Check.COMMITMENT
        )


def _is_contiguous(embedded: EmbeddedPdfSignature) -> bool:
    """Whether all that the signature leaves out is its own value."""
    bounds = [int(number) for number in embedded.byte_range]
    return len(bounds) == 4 and bounds[0] == 0 and bounds[2] == bounds[1] + len(embedded.pkcs7_content) * 2 + 2


def _hides_bytes(embedded: EmbeddedPdfSignature) -> bool:
    """Whether anything but zeros follows the signature's value in the room that no signature covers."""
    value = embedded.pkcs7_content
    try:
        return bool(value[der.first(value).end :].strip(b"\x00"))
    except MalformedError:
        # BER of indefinite length does not tell where it ends.
        return False


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


def _check_period(signer: Certificate, when: datetime | None, at: datetime) -> None:
    if when is None:
        raise UndecidedError("no_time", "签名没有写明时间，无法判断当时证书是否有效", check=Check.VALIDITY)
    if when - at > _SKEW:
        raise ValidityError("signed_later", f"签名时间 {times.for_people(when)} 晚于核验时间")
    if not signer.covers(when):
        raise ValidityError(
            "certificate_not_in_force",
            f"签名时签名人的证书不在有效期内（{times.for_people(signer.not_before)} 至 "
            f"{times.for_people(signer.not_after)}）",
            evidence={"signed_at": times.to_text(when)},
        )
