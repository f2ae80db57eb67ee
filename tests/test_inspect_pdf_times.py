"""Timestamps in PDF: what they prove, whose word they are, and what is left where they prove nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from pdf_maker import Signer, change_page, make_people, make_signer, make_stamper, plain, sign, stamp_document

from verifier import State
from verifier.documents.findings import Inspection, Roots
from verifier.documents.inspecting import inspect

ROOT, SIGNER = make_people()
NOW = datetime.now(UTC)
MARCH, JUNE, LATER = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC), NOW + timedelta(minutes=5)
#: Signs now, though the certificate ended in June.
ENDED = make_signer("到期的人", ROOT, end=JUNE)


def judge(data: bytes, *others: Signer) -> Inspection:
    return inspect(data, "a.pdf", Roots(tuple(one.trusted for one in (ROOT, *others))), LATER)


def notes_of(found: Inspection) -> set[str]:
    return {note.reason for one in found.signatures for note in one.notes} | {note.reason for note in found.notes}


def test_a_trusted_timestamp_proves_that_a_certificate_was_in_force_that_has_ended_since() -> None:
    found = judge(sign(plain(), ENDED, root=ROOT, stamper=make_stamper(MARCH, ROOT)))
    assert (found.state, found.signatures[0].facts["timestamp"]["at"]) == (State.VALID, "2026-03-01T00:00:00Z")
    assert notes_of(found) == {"time_is_proved", "certificate_ended_since"}
    # Without it, and with one that nobody trusts, the signer's own word counts.
    other = make_signer("别的时间戳根")
    for data in (sign(plain(), ENDED, root=ROOT), sign(plain(), ENDED, root=ROOT, stamper=make_stamper(MARCH, other))):
        assert (judge(data).state, judge(data).reason) == (State.NOT_IN_FORCE, "certificate_not_in_force")
    assert judge(data, other).state is State.VALID
    assert "timestamp_unknown_authority" in notes_of(judge(data)) and "由签名人自称" in str(judge(data).to_json())


def test_a_timestamp_from_after_the_end_proves_nothing_of_before_it() -> None:
    found = judge(sign(plain(), ENDED, root=ROOT, stamper=make_stamper(NOW, ROOT)))
    assert (found.state, found.reason) == (State.UNDECIDED, "stamped_after_end")
    early = make_signer("还没到的人", ROOT, begin=JUNE)
    found = judge(sign(plain(), early, root=ROOT, stamper=make_stamper(MARCH, ROOT)))
    assert (found.state, found.reason) == (State.NOT_IN_FORCE, "certificate_not_in_force")
    found = judge(sign(plain(), SIGNER, root=ROOT, stamper=make_stamper(NOW + timedelta(days=1), ROOT)))
    assert (found.state, found.reason) == (State.NOT_IN_FORCE, "signed_later")


def test_only_a_certificate_for_timestamps_makes_timestamps() -> None:
    stamper = make_stamper(MARCH, ROOT, usage=ExtendedKeyUsageOID.EMAIL_PROTECTION)
    found = judge(sign(plain(), ENDED, root=ROOT, stamper=stamper))
    assert (found.state, found.reason) == (State.NOT_IN_FORCE, "certificate_not_in_force")


def test_a_timestamp_that_was_altered_keeps_the_file_from_being_valid() -> None:
    signed = sign(plain(), SIGNER, root=ROOT, stamper=make_stamper(NOW, ROOT))
    assert judge(signed).state is State.VALID
    # The time it states, as hexadecimal ASCII: another hour.
    stated = NOW.strftime("%Y%m%d%H%M%S").encode().hex().encode()
    assert signed.count(stated) == 1
    hour = f"{(NOW.hour + 1) % 24:02}".encode().hex().encode()
    found = judge(signed.replace(stated, stated[:16] + hour + stated[20:]))
    assert (found.state, found.reason) == (State.UNDECIDED, "wrong_timestamp")
    assert found.signatures[0].integrity == "intact"


def test_a_document_timestamp_proves_the_signatures_before_it() -> None:
    signed = sign(plain(), ENDED, root=ROOT)
    stamped = stamp_document(signed, make_stamper(MARCH, ROOT), ROOT)
    found = judge(stamped)
    assert (found.state, [one.kind for one in found.signatures]) == (State.VALID, ["signature"])
    assert {"document_timestamp", "time_is_proved"} <= notes_of(found)
    # A signature that came after it is not in it.
    twice = judge(sign(stamped, ENDED, "Sig2", root=ROOT))
    assert [one.verdict.state for one in twice.signatures] == [State.VALID, State.NOT_IN_FORCE]


def test_a_document_timestamp_of_an_unknown_authority_takes_nothing_from_a_signature() -> None:
    other = make_signer("别的时间戳根")
    found = judge(stamp_document(sign(plain(), SIGNER, root=ROOT), make_stamper(NOW, other), other))
    assert found.state is State.VALID
    assert {"document_timestamp_unproved", "time_is_claimed"} <= notes_of(found)


@pytest.mark.parametrize("with_signature", [True, False])
def test_a_file_that_was_changed_after_its_document_timestamp_is_invalid(with_signature: bool) -> None:
    data = sign(plain(), SIGNER, root=ROOT) if with_signature else plain()
    stamped = stamp_document(data, make_stamper(NOW, ROOT), ROOT)
    found = judge(change_page(stamped))
    assert (found.state, found.reason) == (State.INVALID, "changed_after_signing")
    assert found.signatures[-1].kind == "timestamp"
    flipped = judge(stamped.replace(b"(100)", b"(900)", 1))
    assert flipped.state is State.INVALID
    if not with_signature:
        found = judge(stamped)
        assert (found.state, found.reason) == (State.UNDECIDED, "only_timestamps")
