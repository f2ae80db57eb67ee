"""Verdicts on evidence whose head was cosigned by witnesses: how many, which ones, when, and on what."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from witness_world import BEGUN, NAMES, SEEN, cosigned, evidence, head_of, lines, trusting, witness
from world import ISSUED, NOON, ORIGIN, fixed_key, make_world

from verifier import Check, CheckResult, Outcome, Policy, State, TrustBundle, verify_evidence
from verifier.cosignature import (
    SKEW,
    Cosignature,
    Witness,
    check_cosigned,
    cosign,
    due_from,
    find_cosignatures,
    open_signed,
    witness_key,
)
from verifier.errors import MalformedError, SignatureError, VerificationError, WitnessError
from verifier.evidence import EVIDENCE_POLICY, EvidenceBundle
from verifier.note import Checkpoint, from_vkey, key_hash, sign_checkpoint, split_note, to_vkey
from verifier.suites import SoftwareKey, Suite
from verifier.trust_content import TrustedKey
from verifier.witnessing import without_witnesses

WORLD = make_world()
TRUST = trusting(WORLD)
FIRST, SECOND, THIRD = NAMES


def judged(data: bytes, trust: TrustBundle = TRUST, **options: Any) -> tuple[State, CheckResult | None]:
    """The state, and the result of the witnesses' check."""
    verdict = verify_evidence(data, trust, options.pop("at", NOON), **options)
    return verdict.state, next((one for one in verdict.checks if one.check is Check.WITNESSES), None)


def with_note(note: bytes) -> bytes:
    return replace(WORLD.bundle(1), cosigned=note).to_bytes()


def test_two_of_three_witnesses_are_enough_and_are_named_with_their_times() -> None:
    state, result = judged(evidence(WORLD, FIRST, THIRD))
    assert state is State.VALID
    assert result is not None and result.outcome is Outcome.PASSED
    assert result.evidence == {"witnesses": {FIRST: "2026-11-20T01:02:00Z", THIRD: "2026-11-20T01:02:00Z"}}
    assert result.as_of == SEEN
    later = cosigned(WORLD, FIRST, SECOND) + lines(WORLD, THIRD, at=NOON)
    _, result = judged(with_note(later))
    # Two are asked for: since the second newest of the three, two had seen nothing larger.
    assert result is not None and result.as_of == SEEN


@pytest.mark.parametrize(
    "names", [(), (FIRST,), (FIRST, FIRST), ("stranger.example", "another.example"), (FIRST, "stranger.example")]
)
def test_fewer_than_are_asked_for_leave_the_verdict_open(names: tuple[str, ...]) -> None:
    state, result = judged(evidence(WORLD, *names))
    assert state is State.UNDECIDED
    assert result is not None and (result.outcome, result.reason) == (Outcome.NOT_CHECKED, "too_few_witnesses")
    assert result.evidence["required"] == 2


def test_evidence_without_cosignatures_is_undecided_where_they_are_asked_for_and_nowhere_else() -> None:
    plain = WORLD.bundle(1).to_bytes()
    assert judged(plain)[0] is State.UNDECIDED
    assert judged(plain)[1].reason == "not_cosigned"  # type: ignore[union-attr]
    assert judged(plain, WORLD.trust()) == (State.VALID, None)
    assert judged(plain, trusting(WORLD, 0)) == (State.VALID, None)
    # A policy may do without; then the verdict says so, and does not hang on it.
    state, result = judged(plain, policy=without_witnesses(EVIDENCE_POLICY))
    assert state is State.VALID
    assert result is not None and result.outcome is Outcome.NOT_CHECKED


def test_cosignatures_that_nobody_asked_for_are_shown() -> None:
    state, result = judged(evidence(WORLD, FIRST), trusting(WORLD, 0))
    assert state is State.VALID
    assert result is not None and result.outcome is Outcome.PASSED and list(result.evidence["witnesses"]) == [FIRST]
    state, result = judged(evidence(WORLD, FIRST), WORLD.trust())
    assert state is State.VALID
    assert result is not None and (result.outcome, result.reason) == (Outcome.NOT_CHECKED, "no_trusted_witness")


def test_a_wrong_line_of_a_trusted_witness_is_invalid_however_many_others_are_right() -> None:
    wrong = lines(WORLD, THIRD, head=replace(head_of(WORLD), size=4))
    for trust in (TRUST, trusting(WORLD, 0)):
        state, result = judged(with_note(cosigned(WORLD, FIRST, SECOND) + wrong), trust)
        assert state is State.INVALID
        assert result is not None and (result.outcome, result.reason) == (Outcome.FAILED, "bad_cosignature")
        assert result.evidence == {"witness": THIRD}
    # The same line by somebody we do not know is nobody's.
    assert judged(with_note(cosigned(WORLD, FIRST, SECOND) + wrong), trusting(WORLD, 2, NAMES[:2]))[0] is State.VALID


@pytest.mark.parametrize("change", [{"root": bytes(32)}, {"size": 4}, {"origin": "another.example/log"}])
def test_a_cosigned_head_that_is_not_the_receipts_head_is_invalid(change: dict[str, Any]) -> None:
    other = replace(head_of(WORLD), **change)
    state, result = judged(evidence(WORLD, *NAMES, head=other))
    assert state is State.INVALID
    assert result is not None and result.outcome is Outcome.FAILED


def test_lines_of_one_head_do_not_serve_another() -> None:
    other = replace(head_of(WORLD), size=4)
    note = sign_checkpoint(head_of(WORLD), WORLD.log_key).encode() + lines(WORLD, FIRST, SECOND, head=other)
    assert judged(with_note(note))[0] is State.INVALID


def test_a_checkpoint_that_the_log_did_not_sign_is_invalid() -> None:
    head = head_of(WORLD)
    forged = sign_checkpoint(head, fixed_key("stranger")).encode() + lines(WORLD, *NAMES)
    state, result = judged(with_note(forged))
    assert state is State.INVALID
    assert result is not None and result.reason == "not_signed_by_log"


def test_a_key_of_the_log_from_before_a_rotation_still_vouches_for_its_checkpoint() -> None:
    old = fixed_key("an older log key")
    content = WORLD.content
    trust = trusting(WORLD, keys=(TrustedKey(old.public, "registry", ("log",), BEGUN, ISSUED), *content.keys))
    note = sign_checkpoint(head_of(WORLD), old).encode() + lines(WORLD, FIRST, SECOND)
    assert judged(with_note(note), trust)[0] is State.VALID
    assert open_signed(note.decode(), ORIGIN, [WORLD.log_key.public, old.public]) == head_of(WORLD)
    with pytest.raises(SignatureError):
        open_signed(note.decode(), ORIGIN, [])


def test_a_cosignature_counts_within_the_period_of_its_key_and_not_from_the_future() -> None:
    def counted(at: Any, **changes: Any) -> State:
        trust = trusting(WORLD, 1, witnesses=(witness(FIRST, **changes),))
        return judged(evidence(WORLD, FIRST, at=at), trust)[0]

    assert counted(SEEN, valid_to=SEEN + timedelta(seconds=1)) is State.VALID
    assert counted(SEEN, valid_to=SEEN) is State.UNDECIDED
    assert counted(SEEN, valid_from=SEEN - timedelta(minutes=2)) is State.VALID
    assert counted(BEGUN - timedelta(seconds=1)) is State.UNDECIDED
    assert counted(NOON + SKEW) is State.VALID
    assert counted(NOON + SKEW + timedelta(seconds=1)) is State.UNDECIDED


def test_evidence_judged_for_an_earlier_time_may_have_been_cosigned_since() -> None:
    earlier = WORLD.content.issued_at - timedelta(hours=20)
    late = evidence(WORLD, FIRST, SECOND, at=WORLD.content.issued_at)
    assert judged(late, at=earlier)[0] is State.VALID


def test_heads_anchored_before_there_were_witnesses_enough_are_not_asked_for_them() -> None:
    anchored_at = WORLD.content.heads[0].block_at
    after = anchored_at + timedelta(seconds=1)
    late = trusting(WORLD, witnesses=(witness(FIRST), witness(SECOND, valid_from=after)))
    state, result = judged(WORLD.bundle(1).to_bytes(), late)
    assert state is State.VALID
    assert result is not None and (result.outcome, result.reason) == (Outcome.NOT_CHECKED, "before_witnesses")
    in_time = trusting(WORLD, witnesses=(witness(FIRST), witness(SECOND, valid_from=anchored_at)))
    assert judged(WORLD.bundle(1).to_bytes(), in_time)[0] is State.UNDECIDED
    # A witness that ended later had begun all the same: nobody can take the duty back by letting witnesses go.
    ended = trusting(WORLD, witnesses=(witness(FIRST, valid_to=anchored_at), witness(SECOND, valid_to=anchored_at)))
    assert judged(WORLD.bundle(1).to_bytes(), ended)[0] is State.UNDECIDED
    assert due_from((witness(FIRST), witness(SECOND)), 3) is None


def test_two_keys_of_one_witness_count_once() -> None:
    old = fixed_key("the first key of a witness")
    rotated = (Witness(FIRST, old.public, BEGUN, SEEN), witness(FIRST, valid_from=SEEN), witness(SECOND))
    trust = trusting(WORLD, 2, witnesses=rotated)
    head = head_of(WORLD)
    both = cosigned(WORLD, FIRST) + cosign(head, FIRST, old, SEEN - timedelta(seconds=1)).encode()
    assert judged(with_note(both), trust)[0] is State.UNDECIDED
    assert judged(with_note(both + lines(WORLD, SECOND)), trust)[0] is State.VALID


def test_one_key_under_two_names_is_refused_because_a_cosignature_does_not_bind_its_name() -> None:
    key = fixed_key(FIRST).public
    relabelled = (witness(FIRST), Witness(SECOND, key, BEGUN))
    with pytest.raises(MalformedError):
        trusting(WORLD, 2, witnesses=relabelled)
    with pytest.raises(MalformedError):
        trusting(WORLD, 1, witnesses=(Witness(FIRST, WORLD.log_key.public, BEGUN),))


def test_a_threshold_that_cannot_be_reached_is_refused() -> None:
    for threshold in (4, -1, True, "2"):
        with pytest.raises(MalformedError):
            trusting(WORLD, threshold)  # type: ignore[arg-type]
    with pytest.raises(MalformedError):
        trusting(WORLD, 2, witnesses=(witness(FIRST), Witness(FIRST, fixed_key("again").public, BEGUN)))


def test_a_trust_bundle_without_witnesses_has_the_bytes_it_always_had() -> None:
    assert not {"witnesses", "witness_threshold"} & orjson.loads(WORLD.trust().data)["signed"].keys()
    content = TrustBundle.open(TRUST.data).content
    assert (content.witnesses, content.witness_threshold) == (TRUST.content.witnesses, 2)


@pytest.mark.parametrize("name", ["witnesses", "witness_threshold"])
def test_half_of_the_witnesses_parts_are_malformed(name: str) -> None:
    for put in (None, 7, [], {}, "x", [{}], [None], -1, True, [{"name": "a b"}]):
        value = orjson.loads(TRUST.data)
        value["signed"][name] = put
        with pytest.raises(VerificationError):
            TrustBundle.open(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))


def test_evidence_comes_back_with_and_without_its_cosigned_checkpoint() -> None:
    for data in (WORLD.bundle(1).to_bytes(), evidence(WORLD, FIRST)):
        assert EvidenceBundle.from_bytes(data).to_bytes() == data


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_no_changed_byte_of_a_cosigned_checkpoint_keeps_both_witnesses(data: st.DataObject) -> None:
    note = bytearray(cosigned(WORLD, FIRST, SECOND))
    note[data.draw(st.integers(0, len(note) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert judged(with_note(bytes(note)))[0] is not State.VALID


@given(st.binary(max_size=300))
@settings(max_examples=300, deadline=None)
def test_noise_as_a_cosigned_checkpoint_gets_a_verdict(noise: bytes) -> None:
    assert judged(with_note(noise))[0] is State.INVALID
    assert judged(with_note(cosigned(WORLD, FIRST) + noise))[0] is not State.VALID


def test_a_vkey_comes_back_and_a_slip_of_the_pen_is_noticed() -> None:
    key = fixed_key(FIRST).public
    vkey = witness(FIRST).vkey
    assert witness_key(vkey) == (FIRST, key)
    log_vkey = to_vkey(ORIGIN, WORLD.log_key.public)
    assert from_vkey(log_vkey) == (ORIGIN, WORLD.log_key.public)
    for wrong in (vkey.replace("market", "marked"), vkey[:-2], vkey + "A", "x", "", "a b+00000000+AAAA", log_vkey):
        with pytest.raises(MalformedError):
            witness_key(wrong)
    assert key_hash("a", key) != key_hash("a", key, b"\x04")


def test_only_ed25519_keys_cosign() -> None:
    with pytest.raises(MalformedError):
        cosign(head_of(WORLD), FIRST, SoftwareKey.generate(Suite.ES256), SEEN)


def test_a_cosignature_says_when_and_for_which_head() -> None:
    head = Checkpoint("example.com/log", 7, bytes(32))
    note = sign_checkpoint(head, fixed_key("l")) + cosign(head, FIRST, fixed_key(FIRST), SEEN)
    text, found = split_note(note)
    assert [one for one, _ in find_cosignatures(text, found, [witness(FIRST)])] == [Cosignature(witness(FIRST), SEEN)]
    moved = note.replace("\n7\n", "\n8\n")
    with pytest.raises(WitnessError):
        find_cosignatures(*split_note(moved), [witness(FIRST)])


def test_times_beyond_every_calendar_are_wrong_and_no_crash() -> None:
    key = fixed_key(FIRST)
    head = head_of(WORLD)
    text = f"cosignature/v1\ntime {2**63}\n{head.to_text()}".encode()
    from verifier.note import COSIGNATURE, signature_line

    line = signature_line(FIRST, key_hash(FIRST, key.public, COSIGNATURE) + (2**63).to_bytes(8, "big") + key.sign(text))
    note = sign_checkpoint(head, WORLD.log_key) + line
    with pytest.raises(WitnessError):
        check_cosigned(note.encode(), head, TRUST.log_keys(), TRUST.content.witnesses, 1, NOON)


def test_a_stricter_policy_cannot_ask_for_more_than_the_trust_bundle_knows() -> None:
    policy = Policy(frozenset((Check.WITNESSES,)))
    assert judged(WORLD.bundle(1).to_bytes(), WORLD.trust(), policy=policy)[0] is State.VALID
