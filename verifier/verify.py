"""One door for whatever is presented: an evidence bundle's bytes or a code's text."""

from __future__ import annotations

from datetime import datetime

from codes import payload
from verifier.code import CODE_POLICY, NOT_OURS, verify_code
from verifier.delegated_code import is_delegated, verify_delegated
from verifier.derived_copy import is_copy, verify_copy
from verifier.documents.findings import FORMAT_CHINESE, PICTURES, Format
from verifier.documents.sniffing import sniff
from verifier.errors import Check, MalformedError, UndecidedError
from verifier.evidence import MAGIC, verify_evidence
from verifier.extract_verdict import verify_extract
from verifier.foreign.verify import adapter_of, verify_foreign
from verifier.sd_jwt import is_sd_jwt
from verifier.trust import TrustBundle
from verifier.verdict import Examination, Verdict

MAX_CODE_TEXT_BYTES = 8192
_DOCUMENTS = (Format.PDF, Format.OFD)


def verify(presented: bytes, trust: TrustBundle, at: datetime) -> Verdict:
    """The verdict on a file's or a scan's bytes: evidence, copy, extract, code of ours or of others. Never raises.

    Pictures are not read here: whoever reads one passes on the texts found in it.
    """
    if is_copy(presented):
        return verify_copy(presented, trust, at)
    if presented.startswith(MAGIC):
        return verify_evidence(presented, trust, at)
    if is_sd_jwt(presented):
        return verify_extract(presented, trust, at)
    if len(presented) <= MAX_CODE_TEXT_BYTES:
        try:
            text = payload.normalise_scanned(presented.decode())
        except UnicodeDecodeError:
            text = ""
        if payload.is_code(text):
            return verify_delegated(text, trust, at) if is_delegated(text) else verify_code(text, trust, at)
        adapter = adapter_of(text)
        if adapter is not None:
            return verify_foreign(text, adapter, trust, at)
    return _file_alone(sniff(presented), at)


def is_known_code(text: str) -> bool:
    """Whether a scanned text is a code that `verify` judges: one of ours, or of a system whose form we know."""
    plain = payload.normalise_scanned(text)
    return payload.is_code(plain) or adapter_of(plain) is not None


def _file_alone(kind: Format, at: datetime) -> Verdict:
    """A file that is no proof itself. A document may be a derived copy, whose proof is not inside it; a picture whose
    codes nobody has read says nothing about them."""
    if kind in _DOCUMENTS:
        message = "这是 PDF 或 OFD 文件，文件本身不带证据；请连同证据包（.szb）一起核验，或查看其中的印章与签名"
        error = UndecidedError("document_alone", message)
    elif kind in PICTURES:
        message = f"这是{FORMAT_CHINESE[kind]}，没有读出其中的码；请转为 PNG 或 JPEG（手机上截图即可）后再试"
        error = UndecidedError("picture_not_read", message)
    else:
        return not_ours(at)
    exam = Examination(at)
    exam.fail(Check.FORMAT, error)
    return exam.conclude(CODE_POLICY)


def not_ours(at: datetime) -> Verdict:
    """The verdict on something that is neither an evidence bundle nor a code: invalid."""
    exam = Examination(at)
    exam.fail(Check.FORMAT, MalformedError("not_ours", NOT_OURS))
    return exam.conclude(CODE_POLICY)
