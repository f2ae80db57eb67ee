"""Whether what a PDF signature covers is all of one revision, and what later revisions made of it."""

from __future__ import annotations

from typing import Any

from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign.diff_analysis import DiffResult, ModificationLevel
from pyhanko.sign.general import SigningError
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from verifier.documents import der
from verifier.documents.findings import Note
from verifier.documents.pdf_parts import BROKEN
from verifier.errors import Check, CommitmentError, MalformedError, UndecidedError

#: What pyHanko lets out of a signature that it cannot read or check.
FAILURES = (PdfError, SignatureValidationError, SigningError, *BROKEN)
STRONG = frozenset(("sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512", "sm3"))
_LEVELS = {
    ModificationLevel.NONE: "没有改动",
    ModificationLevel.LTA_UPDATES: "只补充了长期验证资料",
    ModificationLevel.FORM_FILLING: "只填写了表单或加了别的签名",
    ModificationLevel.ANNOTATIONS: "加了批注",
    ModificationLevel.OTHER: "改动了内容",
}


def check_content(embedded: EmbeddedPdfSignature, facts: dict[str, Any], notes: list[Note]) -> None:
    """Raises CommitmentError for what is not covered or was changed later, UndecidedError for a weak digest."""
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
        notes.append(Note("later_revision", "签名之后文件末尾又有附加，内容没有改动"))
    if embedded.md_algorithm not in STRONG:
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


def covered_bytes(embedded: EmbeddedPdfSignature) -> bytes:
    """What the signature covers, its parts one after another."""
    stream, bounds = embedded.reader.stream, [int(number) for number in embedded.byte_range]
    found = bytearray()
    for start, length in zip(bounds[::2], bounds[1::2], strict=True):
        stream.seek(start)
        found += stream.read(length)
    return bytes(found)
