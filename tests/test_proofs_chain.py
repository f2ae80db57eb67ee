"""Chain proofs: what they prove, to whom, and everything by which somebody might make them say more."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import rlp as reference
from chain_vectors import make_chain_vectors, under_a_later_head, with_state
from hypothesis import given, settings
from hypothesis import strategies as st
from make_vectors import VECTORS
from proof_stage import BLOCK, FOUR, STRANGER, Stage, make_stage
from sealed_blocks import addresses
from world import NOON

from verifier import cbor
from verifier.anchor import MAX_PROOF_BYTES, AnchorProof
from verifier.chain_proof import check_chain_proof
from verifier.errors import Check, VerificationError
from verifier.evidence import EvidenceBundle, verify_evidence
from verifier.seals import ENGINES, keccak
from verifier.state_proof import Nodes
from verifier.trust import TrustBundle
from verifier.trusted_chain import ValidatorSet
from verifier.verdict import State, Verdict

CLIQUE = make_stage("clique")


def shown(verdict: Verdict) -> dict[str, Any]:
    return next(dict(result.evidence) for result in verdict.checks if result.check is Check.ANCHOR)


def judge(stage: Stage, bundle: bytes, **changes: Any) -> Verdict:
    return verify_evidence(bundle, stage.trust(**changes), NOON)


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_evidence_holds_under_trust_that_never_listed_its_head(engine: str) -> None:
    stage = make_stage(engine)
    verdict = judge(stage, stage.bundle())
    assert verdict.state is State.VALID, verdict.to_json()
    proof = shown(verdict)
    assert (proof["listed"], proof["engine"], proof["block_number"]) == (False, engine, BLOCK)
    assert len(proof["sealed_by"]) == stage.chain.validators[0].threshold
    assert json.loads(json.dumps(verdict.to_json()))
    # Without the proof, and without the chain, nothing is known of the head.
    assert judge(stage, bare(stage)).reason == "head_unknown"
    assert judge(stage, stage.bundle(), chains=()).reason == "chain_unknown"


def bare(stage: Stage) -> bytes:
    return replace(EvidenceBundle.from_bytes(stage.bundle()), proof=None).to_bytes()


def test_a_listed_head_needs_no_known_chain_and_a_known_chain_no_list() -> None:
    verdict = judge(CLIQUE, CLIQUE.bundle(), heads=(CLIQUE.anchor,), chains=())
    assert (verdict.state, shown(verdict)) == (State.VALID, {"listed": True, "chain_proof": "chain_unknown"})
    assert shown(judge(CLIQUE, CLIQUE.bundle(), heads=(CLIQUE.anchor,)))["listed"] is True


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_no_flipped_bit_of_a_proof_is_passed_over(engine: str) -> None:
    stage = make_stage(engine)
    data, trust = stage.proof.to_bytes(), stage.trust()
    listing = stage.trust(heads=(stage.anchor,))
    for place in range(len(data)):
        flipped = data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :]
        with pytest.raises(VerificationError):
            check_chain_proof(flipped, stage.chain).check_is(stage.anchor)
        if place % 50 == 0:
            bundle = stage.bundle(flipped)
            assert verify_evidence(bundle, trust, NOON).state is not State.VALID
            assert verify_evidence(bundle, listing, NOON).state is not State.VALID


Attack = Callable[[], Verdict]

ATTACKS: dict[str, tuple[Attack, State, str]] = {
    "the seal of a non-validator": (
        lambda: judge(CLIQUE, CLIQUE.bundle(CLIQUE.sealed_by([FOUR[0], FOUR[1], STRANGER]))),
        State.UNDECIDED,
        "sealed_by_stranger",
    ),
    "the same validator twice": (
        lambda: judge(CLIQUE, CLIQUE.bundle(CLIQUE.sealed_by([FOUR[0], FOUR[1], FOUR[0]]))),
        State.UNDECIDED,
        "too_few_seals",
    ),
    "the same seal twice in one header": (
        lambda: judge(make_stage("qbft"), make_stage("qbft").bundle(make_stage("qbft").sealed_by([FOUR[0]] * 3))),
        State.UNDECIDED,
        "too_few_seals",
    ),
    "too few headers": (
        lambda: judge(CLIQUE, CLIQUE.bundle(replace(CLIQUE.proof, headers=CLIQUE.proof.headers[:2]))),
        State.UNDECIDED,
        "too_few_seals",
    ),
    "headers that do not follow each other": (
        lambda: judge(CLIQUE, CLIQUE.bundle(replace(CLIQUE.proof, headers=CLIQUE.proof.headers[::2]))),
        State.INVALID,
        "headers_not_linked",
    ),
    "a header too many where one has all seals": (
        lambda: judge(
            make_stage("qbft"),
            make_stage("qbft").bundle(replace(make_stage("qbft").proof, headers=make_stage("qbft").proof.headers * 2)),
        ),
        State.INVALID,
        "headers_not_linked",
    ),
    "a trust bundle with fewer validators": (
        lambda: judge(CLIQUE, CLIQUE.bundle(), chains=(with_validators(CLIQUE, FOUR[:2], 2),)),
        State.UNDECIDED,
        "sealed_by_stranger",
    ),
    "validators of a later time": (
        lambda: judge(CLIQUE, CLIQUE.bundle(), chains=(with_validators(CLIQUE, FOUR, 3, from_block=BLOCK + 1),)),
        State.UNDECIDED,
        "validators_unknown",
    ),
    "another engine": (
        lambda: judge(CLIQUE, CLIQUE.bundle(), chains=(replace(CLIQUE.chain, engine="qbft"),)),
        State.INVALID,
        "not_rlp",
    ),
    "an engine of the future": (
        lambda: judge(CLIQUE, CLIQUE.bundle(), chains=(replace(CLIQUE.chain, engine="hotstuff"),)),
        State.UNDECIDED,
        "engine_unknown",
    ),
    "another layout": (
        lambda: judge(CLIQUE, CLIQUE.bundle(), chains=(replace(CLIQUE.chain, layout=2),)),
        State.UNDECIDED,
        "engine_unknown",
    ),
    "another chain": (
        lambda: judge(CLIQUE, CLIQUE.bundle(), chains=(replace(CLIQUE.chain, chain_id=1),)),
        State.UNDECIDED,
        "chain_unknown",
    ),
    "another contract": (
        lambda: judge(CLIQUE, CLIQUE.bundle(), chains=(replace(CLIQUE.chain, contract="0x" + "5b" * 20),)),
        State.UNDECIDED,
        "chain_unknown",
    ),
    "the state of another contract": (
        lambda: judge(CLIQUE, CLIQUE.bundle(with_state(CLIQUE, contract="0x" + "5b" * 20))),
        State.INVALID,
        "state_proof_broken",
    ),
    "the slots of another log": (
        lambda: judge(CLIQUE, CLIQUE.bundle(with_state(CLIQUE, log_id=b"l" * 32))),
        State.INVALID,
        "state_proof_broken",
    ),
    "other code at the address": (
        lambda: judge(CLIQUE, CLIQUE.bundle(), chains=(replace(CLIQUE.chain, code_hash=keccak(b"other")),)),
        State.INVALID,
        "wrong_code",
    ),
    "another root in the slot": (
        lambda: judge(CLIQUE, CLIQUE.bundle(with_state(CLIQUE, root=b"r" * 32))),
        State.INVALID,
        "proof_differs",
    ),
    "a head of a later block": (
        lambda: judge(CLIQUE, CLIQUE.bundle(with_state(CLIQUE, block_number=BLOCK + 9))),
        State.INVALID,
        "proof_from_later",
    ),
    "an anchor that names another block": (
        lambda: judge(CLIQUE, CLIQUE.bundle(anchor=replace(CLIQUE.anchor, block_hash=b"b" * 32))),
        State.INVALID,
        "proof_differs",
    ),
    "an anchor of another size": (
        lambda: judge(CLIQUE, CLIQUE.bundle(anchor=replace(CLIQUE.anchor, size=6))),
        State.INVALID,
        "path_too_short",
    ),
    "a listed head that contradicts": (
        lambda: judge(CLIQUE, CLIQUE.bundle(), heads=(replace(CLIQUE.anchor, root=b"r" * 32),)),
        State.INVALID,
        "head_contradicted",
    ),
    "a listed record that differs": (
        lambda: judge(CLIQUE, CLIQUE.bundle(), heads=(replace(CLIQUE.anchor, transaction_hash=b"t" * 32),)),
        State.INVALID,
        "anchor_differs",
    ),
    "a chain that was left": (
        lambda: judge(CLIQUE, CLIQUE.bundle(), chains=(replace(CLIQUE.chain, valid_to=CLIQUE.anchor.block_at),)),
        State.UNDECIDED,
        "chain_closed",
    ),
    "a node too many": (
        lambda: judge(CLIQUE, CLIQUE.bundle(replace(CLIQUE.proof, nodes=(*CLIQUE.proof.nodes, b"\xc0")))),
        State.INVALID,
        "state_proof_broken",
    ),
    "a node twice": (
        lambda: judge(CLIQUE, CLIQUE.bundle(replace(CLIQUE.proof, nodes=CLIQUE.proof.nodes * 2))),
        State.INVALID,
        "state_proof_broken",
    ),
    "a node too few": (
        lambda: judge(CLIQUE, CLIQUE.bundle(replace(CLIQUE.proof, nodes=CLIQUE.proof.nodes[:-1]))),
        State.INVALID,
        "state_proof_broken",
    ),
    "a signature beside headers that have seals": (
        lambda: judge(CLIQUE, CLIQUE.bundle(replace(CLIQUE.proof, seals=(b"\1" * 65,)))),
        State.INVALID,
        "wrong_seal",
    ),
    "no signature of the operator": (
        lambda: judge(
            make_stage("operator"), make_stage("operator").bundle(replace(make_stage("operator").proof, seals=()))
        ),
        State.UNDECIDED,
        "too_few_seals",
    ),
    "the proof of another engine's chain": (
        lambda: judge(CLIQUE, CLIQUE.bundle(make_stage("operator").proof)),
        State.INVALID,
        "wrong_seal",
    ),
    "too long": (
        lambda: judge(CLIQUE, CLIQUE.bundle(CLIQUE.proof.to_bytes() + bytes(MAX_PROOF_BYTES))),
        State.INVALID,
        "too_long",
    ),
}


def with_validators(stage: Stage, who: Any, threshold: int, from_block: int = 1) -> Any:
    return replace(stage.chain, validators=(ValidatorSet(from_block, tuple(sorted(addresses(who))), threshold),))


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_and_named(name: str) -> None:
    attack, state, reason = ATTACKS[name]
    verdict = attack()
    assert (verdict.state, verdict.reason) == (state, reason), verdict.to_json()


def test_one_proof_serves_the_receipts_of_all_earlier_heads() -> None:
    upgraded = under_a_later_head(CLIQUE)
    assert judge(CLIQUE, upgraded).state is State.VALID
    parts = EvidenceBundle.from_bytes(upgraded)
    assert parts.proof is not None
    # The later head may as well be one that is listed.
    assert judge(CLIQUE, upgraded, heads=(parts.anchor,), chains=()).state is State.VALID
    # A path that was altered, or is missing, connects nothing.
    path = parts.proof.path
    for wrong in ((*path[:-1], b"x" * 32), path[:-1], ()):
        assert judge(CLIQUE, under_a_later_head(CLIQUE, wrong)).state is State.INVALID


def test_the_published_vectors_are_what_the_code_makes(tmp_path: Path) -> None:
    make_chain_vectors(tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == sorted(path.name for path in (VECTORS / "chain").iterdir())
    for name in names:
        assert (tmp_path / name).read_bytes() == (VECTORS / "chain" / name).read_bytes(), name


def test_a_proof_at_a_realistic_state_stays_small() -> None:
    """4,000 accounts and 300 slots; docs/decisions/0016 has the figures for larger states."""
    stage = make_stage("clique", 4_000, 300)
    assert len(stage.proof.to_bytes()) < 6_000
    assert judge(stage, stage.bundle()).state is State.VALID


def test_a_proof_is_limited_together_with_its_path() -> None:
    most = AnchorProof(bytes(MAX_PROOF_BYTES - 64), (b"h" * 32, b"h" * 32))
    assert AnchorProof.from_list(most.to_list()) == most
    with pytest.raises(VerificationError):
        AnchorProof.from_list(replace(most, path=(b"h" * 32,) * 3).to_list())


DEEP = b"\xc1" * 4000 + b"\xc0"
NODE = st.recursive(st.binary(max_size=40), lambda inner: st.lists(inner, max_size=17), max_leaves=20)


@settings(deadline=None)
@given(st.lists(st.one_of(NODE.map(reference.encode), st.binary(max_size=80), st.just(DEEP)), max_size=6), st.data())
def test_of_any_nodes_only_our_own_errors_leave(nodes: list[bytes], data: st.DataObject) -> None:
    root = keccak(nodes[0]) if nodes else bytes(32)
    for look in (lambda found: found.account(root, b"a" * 20), lambda found: found.slot(root, 2**256 - 1)):
        with pytest.raises(VerificationError):
            look(Nodes(nodes))


@settings(deadline=None)
@given(st.sampled_from(sorted(ENGINES)), st.data())
def test_of_any_proof_only_our_own_errors_leave(engine: str, data: st.DataObject) -> None:
    """Whole items of a true proof replaced by noise, bombs, or items of another."""
    stage = make_stage(engine)
    parts = [list(stage.proof.headers), list(stage.proof.seals), list(stage.proof.nodes)]
    part = data.draw(st.sampled_from([part for part in parts if part]))
    place = data.draw(st.integers(0, len(part) - 1))
    noise = st.one_of(st.binary(max_size=700), st.just(DEEP), NODE.map(reference.encode))
    replaced = data.draw(noise)
    if replaced == part[place]:
        return
    part[place] = replaced
    with pytest.raises(VerificationError):
        check_chain_proof(cbor.encode(parts), stage.chain)


@given(st.binary(max_size=300))
def test_of_any_bytes_only_our_own_errors_leave(data: bytes) -> None:
    with pytest.raises(VerificationError):
        check_chain_proof(data, CLIQUE.chain)


def test_trust_in_chains_survives_its_file_and_nothing_half_said_is_read() -> None:
    trust = CLIQUE.trust(chains=(CLIQUE.chain, replace(make_stage("qbft").chain, chain_id=5, valid_to=NOON)))
    assert TrustBundle.open(trust.data).content.chains == trust.content.chains
    said = trust.content.chains[0].to_json()
    for name, value in {
        "contract": "0x12",
        "code_hash": "ab",
        "engine": "",
        "layout": -1,
        "validators": [{**said["validators"][0], "threshold": 2}],
        "valid_to": "tomorrow",
    }.items():
        content = {**trust.content.to_json(), "chains": [{**said, name: value}]}
        with pytest.raises(VerificationError):
            type(trust.content).from_json(content)


def test_a_bundle_without_a_proof_loads_neither_curve_nor_hash_of_ethereum() -> None:
    script = (
        "import sys; from datetime import *; from pathlib import Path; from verifier import TrustBundle, verify\n"
        "folder = Path('tests/vectors'); trust = TrustBundle.open((folder / 'trust.json').read_bytes())\n"
        "at = datetime(2026, 11, 22, 4, tzinfo=UTC)\n"
        "print(verify((folder / 'valid-evidence.szb').read_bytes(), trust, at).state)\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('coincurve', 'Crypto')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["valid", "[]"]


def test_evidence_is_judged_at_any_later_time_as_its_block_was() -> None:
    """The age of the anchor is told; a proof does not go stale by itself."""
    later = NOON + timedelta(days=5)
    verdict = verify_evidence(CLIQUE.bundle(), CLIQUE.trust(), later)
    assert verdict.state is State.VALID
