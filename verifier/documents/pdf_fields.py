"""The signed fields of a PDF: those whose signature can be judged, and why the others cannot.

pyHanko passes over forms that it does not know, and gives up the whole file for a value that it cannot parse.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pyhanko.pdf_utils.generic import EncryptedObjAccess
from pyhanko.sign.fields import SigSeedSubFilter, enumerate_sig_fields
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from verifier.documents import der
from verifier.documents.findings import POLICY, Signed
from verifier.documents.pdf_chinese import ChineseSignature, is_chinese
from verifier.documents.pdf_content import FAILURES
from verifier.documents.pdf_parts import held
from verifier.errors import Check, MalformedError, UndecidedError, VerificationError
from verifier.verdict import Examination

_FORMS = frozenset(form.value for form in SigSeedSubFilter)


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


def _open(reader: Any, dictionary: Any, field: Any, name: str) -> EmbeddedPdfSignature:
    form = _form(dictionary)
    value = _value(dictionary)
    if is_chinese(value):
        try:
            return ChineseSignature(reader, field, name, value)
        except FAILURES as error:
            raise MalformedError("wrong_signature_value", "签名的范围无法读出：不是完好的签名数据") from error
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
