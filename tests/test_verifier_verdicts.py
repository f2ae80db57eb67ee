"""Whole verdicts: evidence bundles and codes under a trust bundle, and everything that may be wrong with them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make_vectors import VECTORS, make_vectors
from world import DEPARTMENT, FOOD, ISSUED, NOON, OTHER_DEPARTMENT, fixed_draw, fixed_key, food_face, make_world

from verifier import (
    Check,
    CodeKind,
    Outcome,
    State,
    TrustBundle,
    Verdict,
    cbor,
    check_code,
    sign_trust,
    verify,
    verify_code,
    verify_evidence,
)
from verifier.anchor import AnchorProof
from verifier.commitment import seal
from verifier.cose import Type, sign1
from verifier.entry import Entry, Kind
from verifier.errors import (
    MalformedError,
    SignatureError,
    StaleTrustError,
    VerificationError,
)
from verifier.evidence import MAGIC, EvidenceBundle
from verifier.status import Status
from verifier.trust_content import Scope, TrustedKey

WORLD = make_world()
TRUST = WORLD.trust()
BUNDLE = WORLD.bundle(1).to_bytes()


def outcome(verdict: Verdict, check: Check) -> Outcome:
    return next(result.outcome for result in verdict.checks if result.check is check)


def test_genuine_evidence_is_valid_and_every_required_check_says_so() -> None:
    verdict = verify_evidence(WORLD.bundle(0).to_bytes(), TRUST, NOON)
    assert verdict.state is State.VALID
    assert {result.check for result in verdict.checks if result.outcome is Outcome.PASSED} == set(Check) - {
        Check.WITNESSES,
        Check.KIND,
        Check.DELEGATION,
        Check.HOLDER,
        Check.POSSESSION,
        Check.RECEIVER,
    }
    shown = verdict.to_json()
    json.dumps(shown)
    status = next(check for check in shown["checks"] if check["check"] == "status")
    assert status["age_seconds"] == (NOON - TRUST.content.issued_at).total_seconds()
    assert "上海随证餐饮有限公司" not in json.dumps(shown, ensure_ascii=False)


def test_no_flipped_bit_anywhere_in_a_bundle_is_valid() -> None:
    data = WORLD.bundle(0).to_bytes()
    for place in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            assert verify(bytes(flipped), TRUST, NOON).state is not State.VALID, (place, bit)


def test_no_truncation_and_no_addition_to_a_bundle_is_valid() -> None:
    for end in range(len(BUNDLE)):
        assert verify(BUNDLE[:end], TRUST, NOON).state is State.INVALID
    assert verify(BUNDLE + b"\0", TRUST, NOON).state is State.INVALID


@given(
    st.binary(max_size=300),
    st.lists(st.binary(max_size=300), max_size=3),
    st.none() | st.lists(st.binary(min_size=32, max_size=32), max_size=3),
    st.none() | st.binary(max_size=300),
)
def test_a_bundles_bytes_are_those_of_the_general_encoder(
    salts: bytes, files: list[bytes], path: list[bytes] | None, cosigned: bytes | None
) -> None:
    proof = None if path is None else AnchorProof(b"proof", tuple(path))
    bundle = replace(WORLD.bundle(1), salts=salts, files=tuple(files), proof=proof, cosigned=cosigned)
    value: dict[int, Any] = {
        1: "suizheng-evidence/1", 2: bundle.face, 3: salts, 4: bundle.signed_entry, 5: bundle.receipt,
        6: bundle.anchor.to_list(), 7: files,
    }  # fmt: skip
    value |= {} if path is None else {8: [b"proof", path]}
    value |= {} if cosigned is None else {9: cosigned}
    assert bundle.to_bytes() == MAGIC + cbor.encode(value)
    assert EvidenceBundle.from_bytes(bundle.to_bytes()) == bundle


def test_a_bundle_in_another_encoding_is_refused() -> None:
    bundle = WORLD.bundle(1)
    anchor = cbor.encode(bundle.anchor.to_list())
    others = {
        "a length in more bytes": BUNDLE.replace(b"\x03\x58\xe0", b"\x03\x59\x00\xe0", 1),
        "a map of open length": MAGIC + b"\xbf" + BUNDLE[4:] + b"\xff",
        "a list of open length": BUNDLE.replace(anchor, b"\x9f" + anchor[1:] + b"\xff", 1),
        "an integer in more bytes": BUNDLE.replace(
            anchor, anchor[:1] + b"\x1b" + bytes(4) + anchor[2:6] + anchor[6:], 1
        ),
        "truth for the block's number": BUNDLE.replace(
            anchor, cbor.encode([*bundle.anchor.to_list()[:5], True, *bundle.anchor.to_list()[6:]]), 1
        ),
        "a key twice": MAGIC + b"\xa8" + BUNDLE[4:] + b"\x07\x80",
        "a byte behind": BUNDLE + b"\x00",
    }
    for how, other in others.items():
        assert other != BUNDLE, how
        verdict = verify_evidence(other, TRUST, NOON)
        assert (verdict.state, outcome(verdict, Check.FORMAT)) == (State.INVALID, Outcome.FAILED), how


def test_a_receipt_in_another_encoding_is_refused() -> None:
    bundle = WORLD.bundle(1)
    receipt, proof = bundle.receipt, b"\x19\x01\x8c\xa1\x20\x81"
    assert receipt.count(proof) == 1
    others = {
        "a list of open length": receipt.replace(proof, proof[:-1] + b"\x9f", 1).replace(
            b"\xf6\x58\x40", b"\xff\xf6\x58\x40"
        ),
        "a key in more bytes": receipt.replace(proof, b"\x1a\x00\x00" + proof[1:], 1),
        "two proofs": receipt.replace(proof, proof[:-1] + b"\x82\x40", 1),
        "nothing": receipt.replace(proof, b"", 1),
        "another header": receipt.replace(proof, b"\x19\x01\x8d" + proof[3:], 1),
    }
    for how, other in others.items():
        verdict = verify_evidence(replace(bundle, receipt=other).to_bytes(), TRUST, NOON)
        assert verdict.state is State.INVALID, how
        assert outcome(verdict, Check.INCLUSION) is Outcome.FAILED, how


def test_evidence_of_one_item_does_not_serve_another() -> None:
    mine, other = WORLD.bundle(1), WORLD.bundle(2)
    for part in ("face", "salts", "signed_entry", "receipt"):
        mixed = replace(mine, **{part: getattr(other, part)})
        assert verify_evidence(mixed.to_bytes(), TRUST, NOON).state is State.INVALID, part


@pytest.mark.parametrize(
    ("status", "reason"),
    [(Status.REVOKED, "status_revoked"), (Status.SUSPENDED, "status_suspended"), (Status.PENALTY, "status_penalty")],
)
def test_a_certificate_that_lost_its_force_is_not_in_force(status: Status, reason: str) -> None:
    verdict = verify_evidence(BUNDLE, WORLD.with_status(1, status), NOON)
    assert (verdict.state, verdict.reason) == (State.NOT_IN_FORCE, reason)
    assert verify_evidence(BUNDLE, WORLD.with_status(2, status), NOON).state is State.VALID


def test_a_period_of_validity_counts_shanghai_days() -> None:
    last_moment = datetime.fromisoformat("2031-11-19T23:59:59+08:00")
    trust = WORLD.trust(issued_at=last_moment - timedelta(hours=1), expires_at=last_moment + timedelta(days=1))
    assert verify_evidence(BUNDLE, trust, last_moment).state is State.VALID
    after = verify_evidence(BUNDLE, trust, last_moment + timedelta(seconds=1))
    assert (after.state, after.reason) == (State.NOT_IN_FORCE, "expired")
    before = verify_evidence(BUNDLE, trust, datetime.fromisoformat("2026-11-19T23:59:59+08:00"))
    assert (before.state, before.reason) == (State.NOT_IN_FORCE, "not_yet_valid")


@pytest.mark.parametrize(
    ("changes", "state", "reason"),
    [
        ({"keys": TRUST.content.keys[1:]}, State.UNDECIDED, "unknown_key"),
        ({"scopes": ()}, State.INVALID, "out_of_scope"),
        ({"scopes": (Scope(DEPARTMENT, FOOD, ISSUED + timedelta(hours=1)),)}, State.INVALID, "out_of_scope"),
        ({"heads": ()}, State.UNDECIDED, "head_unknown"),
        ({"heads": (replace(TRUST.content.heads[0], root=b"x" * 32),)}, State.INVALID, "head_contradicted"),
        ({"heads": (replace(TRUST.content.heads[0], block_number=8),)}, State.INVALID, "anchor_differs"),
        ({"types": ()}, State.UNDECIDED, "unknown_type"),
        ({"statuses": {}}, State.UNDECIDED, "no_status_list"),
        ({"expires_at": NOON}, State.UNDECIDED, "trust_expired"),
        (
            {"issued_at": NOON - timedelta(days=8), "expires_at": NOON + timedelta(days=8)},
            State.UNDECIDED,
            "trust_too_old",
        ),
        (
            {"keys": (replace(TRUST.content.keys[0], owner=OTHER_DEPARTMENT), *TRUST.content.keys[1:])},
            State.INVALID,
            "key_of_another",
        ),
        (
            {"keys": (replace(TRUST.content.keys[0], valid_to=ISSUED), *TRUST.content.keys[1:])},
            State.INVALID,
            "key_not_valid_then",
        ),
        (
            {"keys": (replace(TRUST.content.keys[0], purposes=("log",)), *TRUST.content.keys[1:])},
            State.INVALID,
            "wrong_purpose_of_key",
        ),
    ],
)
def test_each_part_of_trust_decides(changes: dict[str, Any], state: State, reason: str) -> None:
    verdict = verify_evidence(BUNDLE, WORLD.trust(**changes), NOON)
    assert (verdict.state, verdict.reason) == (state, reason)


def test_a_scope_that_ended_after_signing_still_covers_what_was_signed() -> None:
    ended = (Scope(DEPARTMENT, FOOD, ISSUED - timedelta(days=1), ISSUED + timedelta(days=1)),)
    assert verify_evidence(BUNDLE, WORLD.trust(scopes=ended), NOON).state is State.VALID


def test_receipts_by_a_log_key_that_was_rotated_out_stay_valid() -> None:
    new = TrustedKey(fixed_key("next log").public, "registry", ("log",), ISSUED + timedelta(hours=2))
    department, old, *others = TRUST.content.keys
    ended = replace(old, valid_to=ISSUED + timedelta(hours=2))
    rotated = WORLD.trust(keys=(department, ended, new, *others), log_kid=new.public.kid)
    assert verify_evidence(BUNDLE, rotated, NOON).state is State.VALID
    forgotten = WORLD.trust(keys=(department, new, *others), log_kid=new.public.kid)
    verdict = verify_evidence(BUNDLE, forgotten, NOON)
    assert (verdict.state, verdict.reason) == (State.UNDECIDED, "unknown_log_key")
    misused = WORLD.trust(keys=(department, replace(old, purposes=("status",)), new, *others), log_kid=new.public.kid)
    assert verify_evidence(BUNDLE, misused, NOON).state is State.INVALID


def _forge(face: dict[str, Any], **facts: Any) -> bytes:
    """A bundle signed by the department for other data: right signature, but in no log."""
    sealed = seal(face, fixed_draw("forged"))
    known = {"type": FOOD, "type_version": 1, "version": 1, "status_list": 1, "status_index": 1}
    entry = Entry(Kind.CERTIFICATE, b"f" * 16, DEPARTMENT, ISSUED, sealed.digest, {**known, **facts})
    signed = sign1(entry.to_bytes(), WORLD.department_key, Type.ENTRY)
    return replace(WORLD.bundle(1), face=sealed.canonical, salts=sealed.salts, signed_entry=signed).to_bytes()


def test_a_signed_entry_that_the_log_does_not_hold_is_invalid() -> None:
    verdict = verify_evidence(_forge(food_face(99)), TRUST, NOON)
    assert outcome(verdict, Check.SIGNATURE) is Outcome.PASSED
    assert (verdict.state, verdict.reason) == (State.INVALID, "wrong_signature")
    assert outcome(verdict, Check.INCLUSION) is Outcome.FAILED
    assert outcome(verdict, Check.ANCHOR) is Outcome.NOT_CHECKED


def test_face_data_must_fit_its_type_and_its_entry() -> None:
    for face, check in (
        (food_face(9, extend_info={"premises": "只有地址"}), Check.SCHEMA),
        (food_face(9, certificate_type_code="another"), Check.COMMITMENT),
        (food_face(9, issuing_authority_code=OTHER_DEPARTMENT), Check.COMMITMENT),
        (food_face(9, valid_to="20300230"), Check.VALIDITY),
    ):
        verdict = verify_evidence(_forge(face), TRUST, NOON)
        assert verdict.state is State.INVALID
        assert outcome(verdict, check) is Outcome.FAILED, check


def test_attached_files_are_compared_with_what_was_registered() -> None:
    bundle = WORLD.bundle(0)
    left_out = verify_evidence(replace(bundle, files=()).to_bytes(), TRUST, NOON)
    assert (left_out.state, outcome(left_out, Check.FILES)) == (State.VALID, Outcome.NOT_CHECKED)
    for files in ((b"another",), (*bundle.files, b"one more")):
        assert verify_evidence(replace(bundle, files=files).to_bytes(), TRUST, NOON).state is State.INVALID
    assert verify_evidence(replace(WORLD.bundle(1), files=(b"x",)).to_bytes(), TRUST, NOON).state is State.INVALID


@pytest.mark.parametrize("kind", list(CodeKind))
def test_each_kind_of_code_is_valid_where_it_is_accepted_and_nowhere_else(kind: CodeKind) -> None:
    text = WORLD.code(kind)
    assert verify_code(text, TRUST, NOON).state is State.VALID
    assert check_code(text, TRUST, NOON, (kind,)) == WORLD.claims(kind)
    others = tuple(other for other in CodeKind if other is not kind)
    refused = verify_code(text, TRUST, NOON, others)
    assert (refused.state, refused.reason) == (State.INVALID, "wrong_kind")


def test_a_code_lives_from_its_issue_to_its_expiry() -> None:
    text = WORLD.code()
    for at, state, reason in (
        (NOON - timedelta(seconds=119), State.VALID, "ok"),
        (NOON - timedelta(seconds=121), State.NOT_IN_FORCE, "not_yet_valid"),
        (NOON + timedelta(seconds=239), State.VALID, "ok"),
        (NOON + timedelta(seconds=240), State.NOT_IN_FORCE, "expired"),
    ):
        verdict = verify_code(text, TRUST, at)
        assert (verdict.state, verdict.reason) == (state, reason)


def test_a_lost_code_a_code_by_an_unknown_key_and_a_code_by_a_key_for_something_else() -> None:
    lost = verify_code(WORLD.code(), WORLD.with_status(900, Status.LOST), NOON)
    assert (lost.state, lost.reason) == (State.NOT_IN_FORCE, "status_lost")
    stranger = replace(WORLD, code_key=fixed_key("stranger")).code()
    assert verify_code(stranger, TRUST, NOON).state is State.UNDECIDED
    department = replace(WORLD, code_key=WORLD.department_key).code()
    assert (verify_code(department, TRUST, NOON).reason) == "wrong_purpose_of_key"
    venue_only = WORLD.trust(
        keys=(*TRUST.content.keys[:3], TrustedKey(WORLD.code_key.public, "registry", ("code:venue",), ISSUED))
    )
    assert verify_code(WORLD.code(CodeKind.VENUE), venue_only, NOON).state is State.VALID
    assert verify_code(WORLD.code(CodeKind.PERSON), venue_only, NOON).state is State.INVALID


def test_no_changed_character_of_a_code_is_valid() -> None:
    text = WORLD.code()
    for place in range(len(text)):
        for character in "0AZ:% ":
            changed = text[:place] + character + text[place + 1 :]
            if changed != text:
                assert verify_code(changed, TRUST, NOON).state is not State.VALID, (place, character)


@given(
    st.binary(max_size=400)
    | st.text(max_size=400).map(str.encode)
    | st.binary(max_size=300).map(b"\xd9\xd9\xf7".__add__)
)
def test_noise_gets_a_verdict_and_never_an_exception(data: bytes) -> None:
    verdict = verify(data, TRUST, NOON)
    # What begins as a PDF or an OFD does is one that came without its evidence.
    assert verdict.state is State.INVALID or verdict.reason == "document_alone"


@given(st.integers(0, len(BUNDLE) - 1), st.binary(min_size=1, max_size=12))
@settings(max_examples=300)
def test_overwritten_stretches_of_a_bundle_are_never_valid(place: int, patch: bytes) -> None:
    changed = BUNDLE[:place] + patch + BUNDLE[place + len(patch) :]
    if changed != BUNDLE:
        assert verify(changed, TRUST, NOON).state is not State.VALID


def test_a_trust_bundle_is_held_by_its_roots() -> None:
    data = TRUST.data
    assert TrustBundle.open(data).content == TRUST.content
    with pytest.raises(SignatureError):
        TrustBundle.open(sign_trust(TRUST.content, [fixed_key("stranger")]))
    two = replace(TRUST.content, root_keys=(WORLD.root_key.public, fixed_key("second").public), root_threshold=2)
    with pytest.raises(SignatureError):
        TrustBundle.open(sign_trust(two, [WORLD.root_key]))
    with pytest.raises(SignatureError):
        TrustBundle.open(sign_trust(two, [WORLD.root_key, WORLD.root_key]))
    assert TrustBundle.open(sign_trust(two, [WORLD.root_key, fixed_key("second")])).content == two


def test_a_successor_must_be_newer_and_held_by_the_old_roots_too() -> None:
    content = TRUST.content
    newer = sign_trust(replace(content, version=4), [WORLD.root_key])
    assert TRUST.accept(newer).content.version == 4
    with pytest.raises(StaleTrustError):
        TRUST.accept(sign_trust(replace(content, version=2), [WORLD.root_key]))
    with pytest.raises(SignatureError):
        TRUST.accept(sign_trust(replace(content, origin="another"), [WORLD.root_key]))
    with pytest.raises(SignatureError):
        TRUST.accept(sign_trust(replace(content, version=4, registry="310104"), [WORLD.root_key]))
    usurper = fixed_key("usurper")
    taken = replace(content, version=4, root_keys=(usurper.public,))
    with pytest.raises(SignatureError):
        TRUST.accept(sign_trust(taken, [usurper]))
    assert TRUST.accept(sign_trust(taken, [usurper, WORLD.root_key])).content.version == 4


@given(st.integers(0, len(TRUST.data) - 1), st.integers(0, 7))
@settings(max_examples=300)
def test_a_flipped_bit_in_a_trust_bundle_is_never_opened(place: int, bit: int) -> None:
    flipped = bytearray(TRUST.data)
    flipped[place] ^= 1 << bit
    with pytest.raises(VerificationError):
        TrustBundle.open(bytes(flipped))


@pytest.mark.parametrize("name", sorted(TRUST.content.to_json()))
def test_a_trust_bundle_without_one_of_its_parts_is_malformed_even_when_signed(name: str) -> None:
    for put in (None, 7, [], {}, "x", [{}], [None], -1, True):
        value = orjson.loads(TRUST.data)
        value["signed"][name] = put
        if TRUST.content.to_json()[name] != put:
            with pytest.raises(VerificationError):
                TrustBundle.open(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
    value = orjson.loads(TRUST.data)
    del value["signed"][name]
    with pytest.raises(MalformedError):
        TrustBundle.open(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))


def test_the_published_vectors_are_what_the_code_makes(tmp_path: Path) -> None:
    make_vectors(tmp_path)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    kept = {path.name: path.read_bytes() for path in VECTORS.glob("*.*") if path.suffix != ".md"}
    assert made == kept


def test_each_published_vector_gets_its_published_verdict() -> None:
    expected = json.loads((VECTORS / "verdicts.json").read_text())
    assert len(expected) >= 15
    for name, verdict in expected.items():
        data = (VECTORS / name).read_bytes()
        trust = TrustBundle.open((VECTORS / verdict.get("trust", "trust.json")).read_bytes())
        got = verify(data, trust, datetime.fromisoformat(verdict["at"]))
        assert (got.state.value, got.reason) == (verdict["state"], verdict["reason"]), name
