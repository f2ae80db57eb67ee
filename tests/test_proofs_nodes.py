"""Proofs as nodes give them: the embedded chain's tries, headers in JSON, and nodes that give none."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import rlp as reference
from chain_world import LOG, World, account, new_world, uniform_proof, uniform_root
from eth_utils.crypto import keccak
from make_vectors import VECTORS
from proof_stage import FOUR
from sealed_blocks import addresses, clique_header, istanbul_fields, kaia_fields
from trie import HexaryTrie

from chain.errors import ChainUnavailableError, TransactionRejectedError
from chain.headers import clique_validators, header_of
from chain.node import Node
from chain.proofs import ChainProofs, SealPatience, threshold
from contracts.compile import FOLDER
from verifier.anchor import Anchor
from verifier.chain_proof import ChainProof, check_chain_proof, head_slots
from verifier.errors import VerificationError
from verifier.seals import bare, read_header
from verifier.trusted_chain import TrustedChain

ETHEREUM = (
    "parentHash sha3Uncles miner stateRoot transactionsRoot receiptsRoot logsBloom difficulty number gasLimit gasUsed "
    "timestamp extraData mixHash nonce"
)
KAIA = (
    "parentHash reward stateRoot transactionsRoot receiptsRoot logsBloom blockScore number gasUsed timestamp "
    "timestampFoS extraData governanceData voteData"
)


@pytest.fixture(params=["memory", "file"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    made = new_world(request.param, tmp_path)
    yield made
    made.close()


def test_every_head_of_the_embedded_chain_is_proved_at_its_own_block(world: World) -> None:
    proofs = ChainProofs(world.node, world.deployment, LOG, account(1))
    anchors = [
        world.anchors.anchor(size, uniform_root(size), old, uniform_proof(old, size) if old else [])
        for old, size in ((0, 3), (3, 700), (700, 10**6))
    ]
    # Older states are kept here, so an anchor that was not recorded in time is still proved.
    for anchor in anchors:
        evidence = proofs.prove(anchor)
        assert evidence is not None
        proven = check_chain_proof(evidence.proof, evidence.chain)
        assert (proven.size, proven.root, proven.block_hash) == (anchor.size, anchor.root, anchor.block_hash)
        assert proven.validators == (bytes.fromhex(account(1).address[2:]),)
        assert evidence.chain.code_hash == keccak(world.node.code(anchor.contract))


def test_the_nodes_lead_another_library_to_the_same_values(world: World) -> None:
    anchor = world.anchors.anchor(5, uniform_root(5), 0, [])
    evidence = ChainProofs(world.node, world.deployment, LOG, account(1)).prove(anchor)
    assert evidence is not None
    proof = ChainProof.from_bytes(evidence.proof)
    nodes = [reference.decode(node) for node in proof.nodes]
    state_root = read_header("operator", proof.headers[0]).state_root
    address = keccak(bytes.fromhex(anchor.contract[2:]))
    storage_root = reference.decode(HexaryTrie.get_from_proof(state_root, address, nodes))[2]
    meta, root = (
        int.from_bytes(reference.decode(HexaryTrie.get_from_proof(storage_root, keccak(slot.to_bytes(32)), nodes)))
        for slot in head_slots(1, LOG)
    )
    assert (meta >> 128, meta >> 64 & 2**64 - 1) == (5, anchor.block_number)
    assert root.to_bytes(32) == uniform_root(5)


def test_a_head_that_is_not_on_the_chain_is_not_proved(world: World, caplog: pytest.LogCaptureFixture) -> None:
    anchor = world.anchors.anchor(5, uniform_root(5), 0, [])
    proofs = ChainProofs(world.node, world.deployment, LOG, account(1))
    assert proofs.prove(replace(anchor, size=6)) is None
    assert proofs.prove(replace(anchor, block_number=anchor.block_number - 1)) is None
    assert "does not hold: proof_differs" in caplog.text


def test_a_node_without_proofs_is_told_about_once_and_no_error(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """eth-tester names no validators and has no block in a form that one could hash."""
    proofs = ChainProofs(world.node, world.deployment, LOG, None)
    with caplog.at_level(logging.WARNING):
        for size in (5, 6):
            old = 0 if size == 5 else 5
            anchor = world.anchors.anchor(size, uniform_root(size), old, uniform_proof(old, size) if old else [])
            assert proofs.prove(anchor) is None
    assert len(caplog.records) == 1


class Answering(Node):
    """A node that answers JSON-RPC from a table; what is missing is refused as an unknown method."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers

    def ask(self, method: str, *params: Any) -> Any:
        answer = self.answers.get(method)
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            raise TransactionRejectedError("the method does not exist", "节点拒绝了这一请求")
        return answer


GARBAGE = {"stateRoot": "0x12"}
NOTHING: dict[str, Any] = {"accountProof": [], "storageProof": []}
SOMEBODY = "0x" + "11" * 20


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {"clique_getSigners": []},
        {"clique_getSigners": ["0x12"], "eth_getProof": {}},
        {"clique_getSigners": 7},
        {"qbft_getValidatorsByBlockNumber": [SOMEBODY], "eth_getProof": {"accountProof": [], "storageProof": 3}},
        {"qbft_getValidatorsByBlockNumber": [SOMEBODY], "eth_getProof": [], "eth_getBlockByNumber": [7]},
        {"clique_getSigners": [SOMEBODY], "eth_getProof": NOTHING, "eth_getBlockByNumber": [7]},
        {"kaia_getCouncil": [SOMEBODY], "eth_getProof": NOTHING},
        {"clique_getSigners": [SOMEBODY], "eth_getProof": NOTHING,
         "eth_getBlockByNumber": GARBAGE},
        {"eth_getBlockByNumber": {"extraData": "0x"}},
        {"eth_getBlockByNumber": GARBAGE},
        {"clique_getSigners": ChainUnavailableError("node_unreachable", "节点没有应答")},
    ],
)  # fmt: skip
def test_whatever_a_node_answers_the_head_is_anchored_without_a_proof(answers: dict[str, Any], tmp_path: Path) -> None:
    world = new_world("memory", tmp_path)
    anchor = world.anchors.anchor(5, uniform_root(5), 0, [])
    patience = SealPatience(timeout_seconds=0, poll_seconds=0)
    assert ChainProofs(Answering(answers), world.deployment, LOG, None, patience).prove(anchor) is None
    world.close()


def in_json(engine: str, names: str, header: bytes) -> dict[str, Any]:
    """A header as nodes show it: numbers without leading zeros, and the hash."""
    fields = reference.decode(header)
    numbers = {"difficulty", "number", "gasLimit", "gasUsed", "timestamp", "blockScore", "timestampFoS"}
    shown = {
        name: hex(int.from_bytes(field)) if name in numbers else "0x" + field.hex()
        for name, field in zip(names.split(), fields, strict=True)
    }
    return {**shown, "hash": "0x" + read_header(engine, header).hash.hex()}


def test_a_header_in_json_is_the_header() -> None:
    ethereum = reference.encode(clique_header(FOUR[0]))
    shown = in_json("clique", ETHEREUM, ethereum)
    assert header_of("clique", shown) == ethereum
    kaia = reference.encode(istanbul_fields(FOUR, b"\5" * 32, kaia_fields))
    # As Kaia's kcn 1.0.3 does before its headers have a base fee.
    assert header_of("kaia", {**in_json("kaia", KAIA, kaia), "baseFeePerGas": "0x0"}) == kaia
    # The round is in no hash, so a proof carries none.
    assert bare("kaia", kaia) != kaia
    assert read_header("kaia", bare("kaia", kaia)).hash == read_header("kaia", kaia).hash
    for name, value in {"stateRoot": None, "gasUsed": "0x1", "hash": "0x" + "00" * 32}.items():
        with pytest.raises(ValueError, match="hash"):
            header_of("clique", {**shown, name: value})


def test_validators_of_a_genesis_block() -> None:
    four = addresses(FOUR)
    assert clique_validators(bytes(32) + b"".join(four) + bytes(65)) == tuple(sorted(four))
    for other in (b"", bytes(32), bytes(97), bytes(98)):
        assert clique_validators(other) == ()


def test_thresholds_are_those_of_the_protocols() -> None:
    assert [threshold("clique", count) for count in (1, 3, 4, 5)] == [1, 2, 3, 3]
    assert [threshold("qbft", count) for count in (1, 3, 4, 7)] == [1, 2, 3, 5]
    for engine in ("clique", "qbft", "kaia"):
        assert all(2 * threshold(engine, count) > count for count in range(1, 100))


def test_the_heads_contract_stores_heads_where_layout_1_says() -> None:
    from vyper.compiler import compile_code

    source = (FOLDER / "heads.vy").read_text(encoding="utf-8")
    layout = compile_code(source, contract_path="heads.vy", output_formats=["layout"])["layout"]["storage_layout"]
    slot = layout["_heads"]["slot"]
    assert head_slots(1, LOG)[0] == int.from_bytes(keccak(slot.to_bytes(32) + LOG))


@pytest.mark.parametrize("name", sorted(path.name for path in (VECTORS / "recorded").iterdir()))
def test_what_real_nodes_answered_still_proves_what_it_did(name: str) -> None:
    """Recorded once from four validators of each program (tests/vectors/README.md)."""
    recorded = json.loads((VECTORS / "recorded" / name).read_text())
    chain, anchor = TrustedChain.from_json(recorded["chain"]), Anchor.from_json(recorded["anchor"])
    proof = bytes.fromhex(recorded["proof"])
    proven = check_chain_proof(proof, chain)
    proven.check_is(anchor)
    assert (proven.size, proven.root, proven.block_hash) == (5, uniform_root(5), anchor.block_hash)
    assert (len(proven.validators), proven.of) == (3, 4)
    for place in range(len(proof)):
        flipped = proof[:place] + bytes([proof[place] ^ 1 << place % 8]) + proof[place + 1 :]
        with pytest.raises(VerificationError):
            check_chain_proof(flipped, chain).check_is(anchor)
