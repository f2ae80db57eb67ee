"""The dynamic code: a code and its phone's proof; each way it holds beside the ways it must not."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import qrcode
from hypothesis import given, settings
from hypothesis import strategies as st
from world import NOON, VENUE_ID, World, fixed_key, make_world

from codes import payload
from verifier import Check, Outcome, State, VerificationError, cbor, verify
from verifier.admission import Admitted, Decision, decide
from verifier.code import CODE_POLICY, CodeKind, check_code, examine_code, show_code, sign_code
from verifier.cose import sign1
from verifier.errors import Check as Checks
from verifier.presentation import open_shown
from verifier.status import Status
from verifier.suites import PublicKey, SoftwareKey, Suite
from verifier.venue import Venue, VenueRule

WORLD = make_world(1)
TRUST = WORLD.trust()
DEVICES = {Suite.ED25519: fixed_key("device"), Suite.ES256: SoftwareKey.generate(Suite.ES256)}
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def static(suite: Suite = Suite.ED25519, kind: CodeKind = CodeKind.PERSON, world: World = WORLD, **changes: Any) -> str:
    return world.code(kind, device_key=DEVICES[suite].public, **changes)


def shown(suite: Suite = Suite.ED25519, seconds: float = 0, **changes: Any) -> str:
    return show_code(static(suite, **changes), DEVICES[suite], NOON + timedelta(seconds=seconds))


def judged(text: str, seconds: float = 0) -> tuple[State, str]:
    verdict = verify(text.encode(), TRUST, NOON + timedelta(seconds=seconds))
    return verdict.state, verdict.reason


@pytest.mark.parametrize("suite", list(DEVICES))
@pytest.mark.parametrize("kind", [CodeKind.PERSON, CodeKind.ENTERPRISE])
def test_a_code_shown_by_its_own_phone_is_valid_and_its_copy_is_not(suite: Suite, kind: CodeKind) -> None:
    text = shown(suite, kind=kind)
    assert judged(text) == (State.VALID, "ok")
    claims = check_code(text, TRUST, NOON, (kind,))
    assert (claims.shown_at, claims.made_at, claims.device_key) == (NOON, NOON, DEVICES[suite].public)
    verdict = verify(text.encode(), TRUST, NOON)
    assert [one.outcome for one in verdict.checks if one.check is Checks.POSSESSION] == [Outcome.PASSED]
    assert judged(static(suite, kind)) == (State.INVALID, "proof_missing")


def test_another_phone_cannot_show_it() -> None:
    thief = SoftwareKey.from_seed(bytes(32))
    assert judged(show_code(static(), thief, NOON)) == (State.INVALID, "wrong_proof")
    elliptic = SoftwareKey.generate(Suite.ES256)
    assert judged(show_code(static(), elliptic, NOON)) == (State.INVALID, "wrong_proof")


def test_a_proof_round_a_code_that_names_no_phone_is_invalid() -> None:
    assert judged(WORLD.code()) == (State.VALID, "ok")
    assert judged(show_code(WORLD.code(), DEVICES[Suite.ED25519], NOON)) == (State.INVALID, "proof_unexpected")


def test_a_proof_cannot_be_moved_to_another_code_of_the_same_phone() -> None:
    first, second = payload.decode(shown()), payload.decode(shown(generation=2))
    parts, others = cbor.decode_any(first), cbor.decode_any(second)
    moved = payload.encode(cbor.encode([*parts[:2], *others[2:]]))
    assert judged(moved) == (State.INVALID, "wrong_proof")


def test_another_thing_the_phone_signed_is_no_proof() -> None:
    device, code = DEVICES[Suite.ED25519], payload.decode(static())
    signed = cbor.decode_any(sign1(cbor.encode([code, int(NOON.timestamp())]), device, 65001)[1:])
    parts = cbor.decode_any(payload.decode(shown()))
    assert judged(payload.encode(cbor.encode([parts[0], signed[3], *parts[2:]]))) == (State.INVALID, "wrong_proof")


def test_a_screenshot_ends_with_the_window_and_the_tolerance_for_clocks() -> None:
    text = shown()
    for seconds, state, reason in (
        (-11, State.NOT_IN_FORCE, "proof_from_future"),
        (-10, State.VALID, "ok"),
        (39, State.VALID, "ok"),
        (40, State.NOT_IN_FORCE, "proof_expired"),
        (3600, State.NOT_IN_FORCE, "proof_expired"),
    ):
        assert judged(text, seconds) == (state, reason), seconds


def test_the_window_is_the_policys() -> None:
    strict = replace(CODE_POLICY, proof_window=timedelta(seconds=5), proof_skew=timedelta(0))
    text = shown()
    for seconds, state in ((-1, State.NOT_IN_FORCE), (0, State.VALID), (4, State.VALID), (5, State.NOT_IN_FORCE)):
        at = NOON + timedelta(seconds=seconds)
        assert examine_code(text, TRUST, at, policy=strict)[0].state is state
    with pytest.raises(VerificationError):
        check_code(text, TRUST, NOON + timedelta(seconds=5), policy=strict)


def test_a_lost_phone_shows_nothing_any_more() -> None:
    lost = WORLD.with_status(900, Status.LOST)
    verdict = verify(shown().encode(), lost, NOON)
    assert (verdict.state, verdict.reason) == (State.NOT_IN_FORCE, "status_lost")


def test_a_forged_code_is_invalid_however_fresh_its_proof() -> None:
    claims = WORLD.claims(device_key=DEVICES[Suite.ED25519].public)
    stranger = fixed_key("stranger")
    forged = show_code(sign_code(claims, stranger), DEVICES[Suite.ED25519], NOON)
    assert judged(forged) == (State.UNDECIDED, "unknown_key")
    department = show_code(sign_code(claims, WORLD.department_key), DEVICES[Suite.ED25519], NOON)
    assert judged(department)[0] is State.INVALID


@pytest.mark.parametrize("suite", list(DEVICES))
def test_no_flipped_bit_of_a_presentation_is_valid(suite: Suite) -> None:
    data = payload.decode(shown(suite))
    for place in range(len(data)):
        for bit in range(8):
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            verdict = verify(payload.encode(bytes(flipped)).encode(), TRUST, NOON)
            assert verdict.state is not State.VALID, (place, bit)


def test_the_mirrored_signature_of_a_phone_is_refused() -> None:
    parts = cbor.decode_any(payload.decode(shown(Suite.ES256)))
    s = int.from_bytes(parts[1][32:])
    parts[1] = parts[1][:32] + (P256_ORDER - s).to_bytes(32)
    assert judged(payload.encode(cbor.encode(parts))) == (State.INVALID, "wrong_proof")


@given(st.data())
@settings(max_examples=200)
def test_whatever_stands_in_its_parts_only_our_own_errors_leave(data: st.DataObject) -> None:
    parts = cbor.decode_any(payload.decode(shown()))
    anything = st.none() | st.integers() | st.binary(max_size=80) | st.text(max_size=9) | st.lists(st.integers())
    parts[data.draw(st.integers(0, 4))] = data.draw(anything)
    extra = data.draw(st.lists(anything, max_size=1))
    raw = cbor.encode([*parts, *extra])[: payload.MAX_CODE_BYTES]
    with contextlib.suppress(VerificationError):
        open_shown(raw, limit=2048)
    assert judged(payload.encode(raw))[0] is not State.VALID or raw == payload.decode(shown())


@given(st.binary(min_size=1, max_size=300).map(b"\x85".__add__))
def test_noise_that_begins_like_a_presentation_is_invalid(raw: bytes) -> None:
    assert judged(payload.encode(raw))[0] is State.INVALID


@pytest.mark.parametrize("raw", [b"", bytes(31), bytes(34), b"\x02" + b"\xff" * 32, 7, None])
def test_a_code_bound_to_something_that_is_no_key_is_malformed(raw: Any) -> None:
    claims = cbor.decode_any(WORLD.claims().to_bytes())
    claims[-65537].append(raw)
    text = payload.encode(sign1(cbor.encode(claims), WORLD.code_key, CodeKind.PERSON.envelope))
    assert judged(text)[0] is State.INVALID


@pytest.mark.parametrize("suite", list(DEVICES))
def test_a_dynamic_code_with_a_pass_fits_a_qr_of_version_12(suite: Suite) -> None:
    picture = qrcode.QRCode(error_correction=qrcode.ERROR_CORRECT_M)
    picture.add_data(qrcode.util.QRData(shown(suite, status_index=900_000).encode(), mode=2))
    picture.make(fit=True)
    assert picture.version <= 12


# At the gate.
def at_gate(text: str, seconds: float = 0, seen: dict[bytes, Admitted] | None = None, **rule: Any) -> Decision:
    at = NOON + timedelta(seconds=seconds)
    verdict, claims = examine_code(text, TRUST, at)
    venue = Venue(VENUE_ID, "随证体育馆", "某路 2 号", VenueRule((), frozenset(), True, 0, **rule))
    return decide(verdict, claims, venue, TRUST, at, seen or {})


def test_one_showing_opens_a_gate_once_and_the_next_showing_opens_it_again() -> None:
    decision = at_gate(shown())
    assert decision.admit and decision.code_issued_at == NOON
    seen = {WORLD.claims().code_id: Admitted(NOON, NOON)}
    again = at_gate(shown(), 5, seen)
    assert (again.admit, again.state, again.reason) == (False, State.INVALID, "replayed")
    assert at_gate(shown(seconds=30), 31, seen).admit
    assert at_gate(shown(seconds=-5), 5, seen).reason == "replayed"


def test_a_venue_may_refuse_codes_that_stand_alone() -> None:
    assert at_gate(WORLD.code()).admit
    refused = at_gate(WORLD.code(), dynamic_only=True)
    assert (refused.admit, refused.state, refused.reason) == (False, State.INVALID, "static_not_accepted")
    assert at_gate(shown(), dynamic_only=True).admit
    assert at_gate(static()).reason == "proof_missing"


def test_the_rule_for_codes_that_stand_alone_is_written_only_where_it_is_made() -> None:
    plain = VenueRule((), frozenset(), True, 0)
    strict = replace(plain, dynamic_only=True)
    assert "dynamic_only" not in plain.to_json() and strict.to_json()["dynamic_only"] is True
    for rule in (plain, strict):
        assert VenueRule.from_json(rule.to_json()) == rule
    with pytest.raises(VerificationError):
        VenueRule.from_json(plain.to_json() | {"dynamic_only": "yes"})


def test_device_keys_are_told_apart_by_their_length() -> None:
    for key in DEVICES.values():
        claims = check_code(show_code(WORLD.code(device_key=key.public), key, NOON), TRUST, NOON)
        assert isinstance(claims.device_key, PublicKey) and claims.device_key.suite is key.public.suite
    assert Check.POSSESSION in {one.check for one in verify(shown().encode(), TRUST, NOON).checks}
