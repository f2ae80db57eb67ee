"""Fields of a PDF that are filled in after a signature: whose word they are."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pdf_maker import fill, form, make_people, make_signer, make_stamper, plain, sign, stamp_document
from pyhanko.sign.fields import MDPPerm

from verifier import State
from verifier.documents.findings import Roots
from verifier.documents.inspecting import inspect

ROOT, SIGNER = make_people()


def outcome(data: bytes) -> tuple[State, str]:
    found = inspect(data, "a.pdf", Roots((ROOT.trusted,)), datetime(2100, 1, 1, tzinfo=UTC))
    return found.state, found.reason


def test_what_was_filled_in_after_the_last_signature_is_nobodys_word() -> None:
    signed = sign(form(), SIGNER, root=ROOT)
    assert outcome(signed) == (State.VALID, "ok")
    assert outcome(fill(signed)) == (State.UNDECIDED, "filled_after_signing")
    # A timestamp says when, not who.
    stamped = stamp_document(fill(signed), make_stamper(datetime.now(UTC), ROOT), ROOT)
    assert outcome(stamped) == (State.UNDECIDED, "filled_after_signing")
    # Whoever signs after it answers for it.
    assert outcome(sign(fill(signed), make_signer("第二签名人", ROOT), "Sig2", root=ROOT)) == (State.VALID, "ok")
    assert outcome(sign(fill(signed), make_signer("不认识的人"), "Sig2")) == (State.UNDECIDED, "unknown_maker")


@pytest.mark.parametrize("allowed", list(MDPPerm))
def test_an_author_says_whether_fields_may_be_filled_in(allowed: MDPPerm) -> None:
    certified = sign(form(), SIGNER, root=ROOT, certify=True, allowed=allowed)
    assert outcome(certified) == (State.VALID, "ok")
    forbidden = allowed is MDPPerm.NO_CHANGES
    assert outcome(fill(certified)) == ((State.INVALID, "changed_after_signing") if forbidden else (State.VALID, "ok"))


def test_a_second_signature_fills_in_nothing_but_itself() -> None:
    twice = sign(sign(plain(), SIGNER, root=ROOT), make_signer("第二签名人", ROOT), "Sig2", root=ROOT)
    assert outcome(twice) == (State.VALID, "ok")
