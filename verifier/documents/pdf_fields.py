"""The signed fields of a PDF: those whose signature can be judged, and why the others cannot.

pyHanko passes over forms that it does not know, and gives up the whole file for a value that it cannot parse.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pyhanko.pdf_utils.generic import EncryptedObjAccess
from pyhanko.pdf_utils.misc import PdfError
from pyhanko.sign.fields import SigSeedSubFilter, enumerate_sig_fields
from pyhanko.sign.general import SigningError
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from verifier.documents import der
from verifier.documents.findings import POLICY, Signed
from verifier.documents.pdf_parts import BROKEN, held
from verifier.errors import Check, MalformedError, UndecidedError, VerificationError
from verifier.verdict import Examination

FAILURES = (PdfError, SignatureValidationError, SigningError, *BROKEN)
_FORMS = frozenset(form.value for form in SigSeedSubFilter)
#: How every object identifier of 国密 algorithms begins in DER: 1.2.156.10197.
_CHINESE_ALGORITHMS = bytes.fromhex("2a811ccf55")


def signed_fields(reader: Any, at: datetime) -> tuple[list[EmbeddedPdfSignature], list[Signed]]:
    """The signatures that can be judged, in the order they were made, and the verdicts on those that cannot."""
    embedded, others = list[EmbeddedPdfSignature](), list[Signed]()
    for name, value, field in enumerate_sig_fields(reader, filled_status=True):
        dictionary = value.get_object()
        try:
            embedded.append(_open(reader, dictionary, field, name))
        except VerificationError as error:
            exam = Examination(at)
            exam.fail(Check.FORMAT, error)
            facts = {"form": _form(dictionary)[1:60]}
            others.append(Signed(str(name)[:60], "signature", exam.conclude(POLICY), facts))
    return sorted(embedded, key=lambda one: one.signed_revision), others


def uses_chinese_algorithms(value: bytes) -> bool:
    """Whether a signature value names algorithms of 国密 (SM2, SM3), which pyHanko does not know."""
    return _CHINESE_ALGORITHMS in value


def _open(reader: Any, dictionary: Any, field: Any, name: str) -> EmbeddedPdfSignature:
    form = _form(dictionary)
    value = _value(dictionary)
    if uses_chinese_algorithms(value):
        message = "签名用的是国密算法（SM2、SM3），PDF 中的国密签名目前不能核验；请用签章单位指定的软件核验"
        raise UndecidedError("unsupported_algorithm", message, check=Check.FORMAT)
    if form not in _FORMS:
        raise UndecidedError("unsupported_form", f"不支持这种签名形式（{form[1:60] or '未写明'}），未能核验")
    try:
        der.first(value).expect(der.SEQUENCE)
        return EmbeddedPdfSignature(reader, field, name)
    except (MalformedError, *FAILURES) as error:
        raise MalformedError("wrong_signature_value", "签名值无法解析：不是完好的签名数据") from error


def _value(dictionary: Any) -> bytes:
    """The signature value, which stays in clear in an encrypted file (ISO 32000-2 7.6.2)."""
    try:
        contents = dictionary.raw_get("/Contents", decrypt=EncryptedObjAccess.RAW).get_object()
    except FAILURES:
        return b""
    return contents if isinstance(contents, bytes) else b""


def _form(dictionary: Any) -> str:
    return str(held(dictionary, "/SubFilter") or "")
