"""Timestamps in PDF (RFC 3161): of one signature (PAdES B-T) and of the document as it stood (DocTimeStamp, B-LTA).

A timestamp proves that what it covers was there at a time, if its authority is among the trusted certificates or leads
to one of them, and its certificate is for timestamps alone (RFC 3161 2.3).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from pyhanko.sign.general import extract_signer_info
from pyhanko.sign.validation.generic_cms import (
    extract_certs_for_validation,
    extract_tst_data_iter,
    validate_sig_integrity,
)
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from verifier import times
from verifier.documents.certificates import Certificate, check_trusted, load_many
from verifier.documents.findings import POLICY, Note, Roots, Signed
from verifier.documents.pdf_content import FAILURES, STRONG, check_content, covered_bytes
from verifier.errors import (
    Check,
    CommitmentError,
    MalformedError,
    SignatureError,
    UndecidedError,
    UntrustedIssuerError,
    ValidityError,
)
from verifier.verdict import Examination, State

MAX_STAMPS = 8
_SKEW = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Stamp:
    """A timestamp that holds: the time it states, whose it is, the certificates that came with it."""

    at: datetime
    authority: Certificate
    others: tuple[Certificate, ...]

    def is_trusted(self, roots: Roots) -> bool:
        """Whether it proves its time to somebody with these roots."""
        try:
            self.check_trusted(roots)
        except (SignatureError, UndecidedError, ValidityError):
            return False
        return True

    def check_trusted(self, roots: Roots) -> None:
        """Raises UntrustedIssuerError, SignatureError, ValidityError."""
        check_trusted(self.authority, roots.certificates, self.others, self.at, "时间戳签发者")
        if not _is_for_timestamps(self.authority):
            raise UntrustedIssuerError("not_a_timestamp_authority", "时间戳签发者的证书不是时间戳专用证书")
        if not self.authority.covers(self.at):
            raise ValidityError("timestamp_certificate_ended", "盖时间戳时，其签发者的证书不在有效期内")

    def to_json(self, roots: Roots) -> dict[str, Any]:
        """{at, authority, trusted}."""
        at, authority = times.to_text(self.at), self.authority.describe()
        return {"at": at, "authority": authority, "trusted": self.is_trusted(roots)}


def prove(
    embedded: EmbeddedPdfSignature, later: list[Stamp], roots: Roots, facts: dict[str, Any], notes: list[Note]
) -> Stamp | None:
    """The earliest timestamp that proves that the signature was there; None if nothing does, and a note says why.

    later: trusted timestamps of the document that cover the signature. Raises UndecidedError for a timestamp on the
    signature that is of another one or was altered: what else has been put there is anybody's guess.
    """
    try:
        own = _stamps_on(embedded)
    except UndecidedError as error:
        notes.append(Note(error.reason, error.message))
        own = []
    except (CommitmentError, SignatureError, MalformedError) as error:
        message = f"签名时间不能采信：{error.message}"
        raise UndecidedError(error.reason, message, check=Check.VALIDITY) from error
    if own:
        facts["timestamp"] = own[0].to_json(roots)
    trusted = sorted((*(one for one in own if one.is_trusted(roots)), *later), key=lambda one: one.at)
    if trusted:
        stamp = trusted[0]
        message = f"时间戳证明签名在 {times.for_people(stamp.at)} 已经作出，由 {stamp.authority.subject} 签发"
        notes.append(Note("time_is_proved", message))
        return stamp
    if own:
        message = (
            f"签名带有 {times.for_people(own[0].at)} 的时间戳，但其签发者（{own[0].authority.subject}）不在可信名单中"
        )
        notes.append(Note("timestamp_unknown_authority", f"{message}；签名时间仍由签名人自称"))
    else:
        notes.append(Note("time_is_claimed", "签名时间由签名人自称，没有可信时间戳"))
    return None


def _stamps_on(embedded: EmbeddedPdfSignature) -> list[Stamp]:
    try:
        tokens = list(extract_tst_data_iter(embedded.signer_info, signed=False))[:MAX_STAMPS]
        value = embedded.signer_info["signature"].native
        return [_read(token, value) for token in tokens]
    except FAILURES as error:
        raise MalformedError("timestamp_unreadable", "签名上的时间戳无法解析") from error


def judge_document_stamp(embedded: EmbeddedPdfSignature, roots: Roots, at: datetime) -> tuple[Signed, Stamp | None]:
    """The verdict on a DocTimeStamp, and what it proves if it holds and is trusted."""
    exam, facts, notes = Examination(at), dict[str, Any](), list[Note]()
    exam.run(Check.COMMITMENT, lambda: check_content(embedded, facts, notes), "盖了时间戳的内容没有改动")
    stamp = exam.run(Check.SIGNATURE, lambda: _of_document(embedded), "时间戳与内容一致")
    if stamp is not None:
        facts |= {
            "form": "ETSI.RFC3161",
            "signer": stamp.authority.describe(),
            "time": {"text": times.to_text(stamp.at), "at": times.to_text(stamp.at), "ambiguous": False},
        }
        exam.run(Check.FORMAT, lambda: stamp, "时间戳结构完整")
        exam.run(Check.ISSUER, lambda: stamp.check_trusted(roots), "时间戳签发者可信")
        exam.run(Check.VALIDITY, lambda: _check_not_later(stamp, at), "时间戳的时间在核验之前")
    signed = Signed(str(embedded.field_name)[:60], "timestamp", exam.conclude(POLICY), facts, tuple(notes))
    return signed, stamp if signed.verdict.state is State.VALID else None


def _check_not_later(stamp: Stamp, at: datetime) -> None:
    if stamp.at - at > _SKEW:
        raise ValidityError("signed_later", f"时间戳的时间 {times.for_people(stamp.at)} 晚于核验时间")


def _of_document(embedded: EmbeddedPdfSignature) -> Stamp:
    try:
        return _read(embedded.signed_data, covered_bytes(embedded))
    except FAILURES as error:
        raise UndecidedError("timestamp_unreadable", "时间戳无法解析或算法不受支持，未能核验") from error


def _read(token: Any, stamped: bytes) -> Stamp:
    """The timestamp of these bytes. Raises CommitmentError, SignatureError, UndecidedError, FAILURES."""
    inside = token["encap_content_info"]["content"]
    info = inside.parsed
    imprint = info["message_imprint"]
    method, signer = imprint["hash_algorithm"]["algorithm"].native, extract_signer_info(token)
    own = signer["digest_algorithm"]["algorithm"].native
    if not {method, own} <= STRONG:
        raise UndecidedError("timestamp_weak", "时间戳的摘要算法已不安全或不受支持，不能证明时间")
    if hashlib.new(method, stamped).digest() != imprint["hashed_message"].native:
        raise CommitmentError("timestamp_differs", "时间戳与它所证明的内容不符")
    certificates = extract_certs_for_validation(token)
    digest = hashlib.new(own, bytes(inside)).digest()
    fits, genuine = validate_sig_integrity(signer, certificates.signer_cert, "tst_info", digest)
    if not (fits and genuine):
        raise SignatureError("wrong_timestamp", "时间戳上的签名不成立")
    authority = Certificate.load(certificates.signer_cert.dump())
    others = load_many(one.dump() for one in certificates.other_certs)
    return Stamp(info["gen_time"].native.astimezone(UTC), authority, tuple(others))


def _is_for_timestamps(certificate: Certificate) -> bool:
    try:
        usage = certificate.parsed.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except (x509.ExtensionNotFound, ValueError):
        return False
    return list(usage.value) == [ExtendedKeyUsageOID.TIME_STAMPING]
