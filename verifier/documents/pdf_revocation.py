"""Revocation as a PDF carries it (DSS of PAdES B-LT, adbe-revocationInfoArchival): CRLs and OCSP responses.

They count only if the issuer of the certificate signed them, or for OCSP somebody whom it certified for that (RFC 6960
4.2.2.2). Nothing is fetched: what is not in the file is not known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from verifier import times
from verifier.documents.certificates import Certificate
from verifier.documents.findings import Note
from verifier.documents.pdf_content import FAILURES
from verifier.documents.pdf_parts import held
from verifier.errors import Check, UndecidedError, ValidityError, VerificationError

_MAX_ANSWERS, _MAX_BYTES = 64, 4 << 20
_BROKEN = (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature, x509.ExtensionNotFound, *FAILURES)
#: Reasons after which nobody else can have had the key: what was signed before stands (RFC 5280 5.3.1).
_HARMLESS = frozenset(
    (
        x509.ReasonFlags.affiliation_changed,
        x509.ReasonFlags.superseded,
        x509.ReasonFlags.cessation_of_operation,
        x509.ReasonFlags.privilege_withdrawn,
    )
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What an issuer said of one certificate, and when; `revoked_at` is None where it was good."""

    said_at: datetime
    revoked_at: datetime | None = None
    reason: x509.ReasonFlags | None = None


def check_revocation(answers: list[Answer], when: datetime | None, is_proved: bool, notes: list[Note]) -> None:
    """Raises ValidityError if the certificate was revoked when it signed, UndecidedError if that depends on a claim."""
    revoked = [one for one in answers if one.revoked_at is not None]
    if not revoked:
        if answers:
            said = times.for_people(max(one.said_at for one in answers))
            notes.append(Note("not_revoked", f"文件自带的吊销信息（{said}）表明签名人的证书没有被吊销"))
        return
    first = min(revoked, key=lambda one: one.revoked_at or one.said_at)
    at = first.revoked_at or first.said_at
    told = times.for_people(at)
    if when is None or when >= at:
        message = f"签名时签名人的证书已被吊销（{told}，文件自带的吊销信息）"
        raise ValidityError("certificate_revoked", message, evidence={"revoked_at": times.to_text(at)})
    if not is_proved and first.reason not in _HARMLESS:
        message = f"签名人的证书已于 {told} 被吊销，签名时间只由签名人自称，不能证明签名在吊销之前"
        raise UndecidedError("revoked_since", message, check=Check.VALIDITY)
    notes.append(Note("revoked_since", f"签名人的证书在签名之后（{told}）被吊销"))


def answers_for(signer: Certificate, issuers: Iterable[Certificate], carried: Iterable[bytes]) -> list[Answer]:
    """What is said of the certificate in these CRLs and OCSP responses, by one of those that issued it."""
    own = [one for one in issuers if _has_issued(one, signer)]
    found = list[Answer]()
    for blob in carried:
        for issuer in own:
            try:
                answer = _from_list(blob, issuer, signer) or _from_response(blob, issuer, signer)
            except (*_BROKEN, VerificationError):
                continue
            if answer is not None:
                found.append(answer)
                break
    return found


def carried_by(embedded: EmbeddedPdfSignature) -> list[bytes]:
    """DER of the CRLs and OCSP responses of the file and of the signature; what cannot be read is left out."""
    found = [*stored_in(embedded, "/OCSPs"), *stored_in(embedded, "/CRLs")]
    with suppress(*FAILURES):
        found += _archived(embedded.signer_info)
    return [one for one in found if len(one) <= _MAX_BYTES]


def stored_in(embedded: EmbeddedPdfSignature, key: str) -> list[bytes]:
    """What the file's store for later validation has under /Certs, /CRLs or /OCSPs (ETSI EN 319 142-1 5.4.2.2)."""
    found = list[bytes]()
    with suppress(*FAILURES):
        listed = held(held(embedded.reader.root, "/DSS"), key) or ()
        for place in range(min(len(listed), _MAX_ANSWERS)):
            found.append(listed[place].data)
    return found


def _archived(signer_info: Any) -> Iterator[bytes]:
    for attribute in signer_info["signed_attrs"]:
        if attribute["type"].native == "adobe_revocation_info_archival":
            for value in attribute["values"]:
                for key in ("ocsp", "crl"):
                    yield from (one.dump() for one in value[key] or ())


def _has_issued(issuer: Certificate, signer: Certificate) -> bool:
    try:
        if issuer.parsed.subject != signer.parsed.issuer:
            return False
        issuer.check_issued(signer)
    except (VerificationError, *_BROKEN):
        return False
    return True


def _from_list(blob: bytes, issuer: Certificate, signer: Certificate) -> Answer | None:
    try:
        listed = x509.load_der_x509_crl(blob)
    except ValueError:
        return None
    if listed.issuer != issuer.parsed.subject or not listed.is_signature_valid(issuer.parsed.public_key()):  # type: ignore[arg-type]
        return None
    entry = listed.get_revoked_certificate_by_serial_number(signer.parsed.serial_number)
    if entry is None:
        return Answer(listed.last_update_utc)
    try:
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        reason = None
    return Answer(listed.last_update_utc, entry.revocation_date_utc, reason)


def _from_response(blob: bytes, issuer: Certificate, signer: Certificate) -> Answer | None:
    response = ocsp.load_der_ocsp_response(blob)
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        return None
    key = _responder(response, issuer).public_key()
    method = response.signature_hash_algorithm
    if isinstance(key, rsa.RSAPublicKey) and method is not None:
        key.verify(response.signature, response.tbs_response_bytes, padding.PKCS1v15(), method)
    elif isinstance(key, ec.EllipticCurvePublicKey) and method is not None:
        key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(method))
    else:
        return None
    for one in response.responses:
        asked = ocsp.OCSPRequestBuilder().add_certificate(signer.parsed, issuer.parsed, one.hash_algorithm).build()
        same = (one.serial_number, one.issuer_name_hash, one.issuer_key_hash)
        if same != (asked.serial_number, asked.issuer_name_hash, asked.issuer_key_hash):
            continue
        if one.certificate_status is ocsp.OCSPCertStatus.GOOD:
            return Answer(one.this_update_utc)
        if one.certificate_status is ocsp.OCSPCertStatus.REVOKED:
            return Answer(one.this_update_utc, one.revocation_time_utc, one.revocation_reason)
    return None


def _responder(response: ocsp.OCSPResponse, issuer: Certificate) -> x509.Certificate:
    """The issuer, or a certificate in the response that it issued for answering. Raises what `_BROKEN` has."""
    for one in response.certificates:
        if one == issuer.parsed:
            continue
        one.verify_directly_issued_by(issuer.parsed)
        usage = one.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        if ExtendedKeyUsageOID.OCSP_SIGNING in usage:
            return one
    return issuer.parsed
