"""Revocation that a PDF carries: judged at the time of signing, and only by who issued the certificate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from pdf_maker import Signer, change_page, make_people, make_signer, make_stamper, plain, sign, store

from verifier import State
from verifier.documents.findings import Inspection, Roots
from verifier.documents.inspecting import inspect

ROOT, SIGNER = make_people()
NOW = datetime.now(UTC).replace(microsecond=0)
BEFORE, AFTER = NOW - timedelta(days=1), NOW + timedelta(days=1)
LATER = NOW + timedelta(days=2)
DER = serialization.Encoding.DER
Reason = x509.ReasonFlags


def judge(data: bytes) -> Inspection:
    return inspect(data, "a.pdf", Roots((ROOT.trusted,)), LATER)


def outcome(data: bytes) -> tuple[State, str]:
    found = judge(data)
    return found.state, found.reason


def notes_of(data: bytes) -> set[str]:
    return {note.reason for note in judge(data).signatures[0].notes}


def crl(
    at: datetime | None, reason: x509.ReasonFlags | None = None, issuer: Signer = ROOT, who: Signer = SIGNER
) -> bytes:
    builder = x509.CertificateRevocationListBuilder().issuer_name(issuer.certificate.subject)
    builder = builder.last_update(NOW).next_update(LATER)
    if at is not None:
        entry = x509.RevokedCertificateBuilder().serial_number(who.certificate.serial_number).revocation_date(at)
        if reason is not None:
            entry = entry.add_extension(x509.CRLReason(reason), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(DER)


def answer(at: datetime | None, responder: Signer = ROOT, who: Signer = SIGNER) -> bytes:
    builder = ocsp.OCSPResponseBuilder().add_response(
        who.certificate,
        ROOT.certificate,
        hashes.SHA1(),
        ocsp.OCSPCertStatus.GOOD if at is None else ocsp.OCSPCertStatus.REVOKED,
        NOW,
        LATER,
        at,
        None if at is None else Reason.key_compromise,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, responder.certificate)
    if responder is not ROOT:
        builder = builder.certificates([responder.certificate])
    return builder.sign(responder.key, hashes.SHA256()).public_bytes(DER)


@pytest.fixture(scope="module")
def signed() -> bytes:
    return sign(plain(), SIGNER, root=ROOT)


def test_a_store_that_is_added_later_changes_nothing_and_says_good(signed: bytes) -> None:
    for held in ({"CRLs": crl(None)}, {"OCSPs": answer(None)}):
        data = store(signed, **held)
        assert outcome(data) == (State.VALID, "ok") and "not_revoked" in notes_of(data)
        assert judge(data).signatures[0].facts["later_changes"] == "lta_updates"
        assert judge(change_page(data)).reason == "changed_after_signing"


def test_a_certificate_that_was_revoked_before_it_signed_is_not_in_force(signed: bytes) -> None:
    for held in ({"CRLs": crl(BEFORE)}, {"OCSPs": answer(BEFORE)}, {"CRLs": crl(BEFORE, Reason.superseded)}):
        assert outcome(store(signed, **held)) == (State.NOT_IN_FORCE, "certificate_revoked")
    assert judge(store(signed, CRLs=crl(BEFORE))).signatures[0].integrity == "intact"


def test_one_that_was_revoked_since_counts_only_at_a_proved_time(signed: bytes) -> None:
    # Who has the key can write any time.
    assert outcome(store(signed, CRLs=crl(AFTER))) == (State.UNDECIDED, "revoked_since")
    assert outcome(store(signed, OCSPs=answer(AFTER))) == (State.UNDECIDED, "revoked_since")
    stamped = sign(plain(), SIGNER, root=ROOT, stamper=make_stamper(NOW, ROOT))
    data = store(stamped, CRLs=crl(AFTER))
    assert outcome(data) == (State.VALID, "ok") and "revoked_since" in notes_of(data)
    # A key that was merely replaced was in no other hands.
    assert outcome(store(signed, CRLs=crl(AFTER, Reason.superseded))) == (State.VALID, "ok")


def test_only_who_issued_the_certificate_or_answers_for_it_revokes_it(signed: bytes) -> None:
    other = make_signer("PDF 测试根")
    idle = make_signer("随便谁", ROOT)
    responder = make_signer("应答服务", ROOT, usage=ExtendedKeyUsageOID.OCSP_SIGNING)
    for held in (
        {"CRLs": crl(BEFORE, issuer=other)},
        {"CRLs": crl(BEFORE, who=make_signer("别人", ROOT))},
        {"CRLs": b"noise"},
        {"OCSPs": answer(BEFORE, responder=other)},
        {"OCSPs": answer(BEFORE, responder=idle)},
        {"OCSPs": answer(BEFORE, who=make_signer("别人", ROOT))},
        {"OCSPs": answer(BEFORE)[:-5]},
    ):
        assert outcome(store(signed, **held)) == (State.VALID, "ok")
    assert outcome(store(signed, OCSPs=answer(BEFORE, responder=responder))) == (
        State.NOT_IN_FORCE,
        "certificate_revoked",
    )


def test_an_authority_in_between_is_found_in_the_store() -> None:
    between = make_signer("PDF 中间", ROOT, authority=True)
    data = sign(plain(), make_signer("下级签名人", between))
    assert outcome(data) == (State.UNDECIDED, "unknown_maker")
    assert outcome(store(data, Certs=between.certificate.public_bytes(DER))) == (State.VALID, "ok")
