"""The vectors of chain proofs: one chain of each engine in one trust bundle, which lists no head."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from proof_stage import FOUR, STRANGER, Stage, make_headers, make_stage, make_state
from world import NOON

from verifier import State, verify
from verifier.anchor import AnchorProof
from verifier.chain_proof import ChainProof
from verifier.merkle import Frontier, consistency_path
from verifier.seals import ENGINES, keccak, read_header
from verifier.times import to_text


def make_chain_vectors(folder: Path) -> None:
    """Write trust.json, evidence bundles and verdicts.json into the folder."""
    stages = [make_stage(engine, chain_id=310105 + place) for place, engine in enumerate(sorted(ENGINES))]
    trust = stages[0].trust(chains=tuple(stage.chain for stage in stages))
    (folder / "trust.json").write_bytes(trust.data)
    verdicts = {}
    for name, data in sorted(_presented(stages).items()):
        (folder / name).write_bytes(data)
        verdict = verify(data, trust, NOON)
        verdicts[name] = {"at": to_text(NOON), "state": verdict.state.value, "reason": verdict.reason}
        if (verdict.state is State.VALID) != name.startswith("valid-"):
            raise ValueError(f"{name}: {verdict.state} {verdict.reason}")
    text = json.dumps(verdicts, ensure_ascii=False, indent=2, sort_keys=True)
    (folder / "verdicts.json").write_text(text + "\n")


def _presented(stages: list[Stage]) -> dict[str, bytes]:
    presented = {f"valid-{stage.chain.engine}.szb": stage.bundle() for stage in stages}
    clique = next(stage for stage in stages if stage.chain.engine == "clique")
    flipped = bytearray(clique.proof.to_bytes())
    flipped[1000] ^= 1
    other_code = with_state(clique, code_hash=keccak(b"another contract"))
    return presented | {
        "valid-under-a-later-head.szb": under_a_later_head(clique),
        "sealed-by-a-stranger.szb": clique.bundle(clique.sealed_by([FOUR[0], FOUR[1], STRANGER])),
        "sealed-twice-by-one.szb": clique.bundle(clique.sealed_by([FOUR[0], FOUR[1], FOUR[0]])),
        "other-code.szb": clique.bundle(other_code),
        "flipped-bit.szb": clique.bundle(bytes(flipped)),
    }


def with_state(stage: Stage, code_hash: bytes | None = None, **changes: object) -> ChainProof:
    """A proof of another state, sealed by the true validators."""
    anchor = replace(stage.anchor, **changes)  # type: ignore[arg-type]
    state = make_state(anchor) if code_hash is None else make_state(anchor, code_hash=code_hash)
    headers, beside = make_headers(stage.chain.engine, state.root, stage.anchor, FOUR[:3])
    return ChainProof(headers, beside, state.nodes)


def under_a_later_head(stage: Stage, path: tuple[bytes, ...] | None = None) -> bytes:
    """The bundle upgraded to a head with two entries more; path: what connects the two heads, if not the truth."""
    nodes: dict[tuple[int, int], bytes] = {}
    leaves = (*stage.world.leaves, b"n" * 32, b"m" * 32)
    root = Frontier().append_many(leaves, lambda level, at, node: nodes.__setitem__((level, at), node)).root()
    proof = with_state(stage, size=len(leaves), root=root)
    block_hash = read_header(stage.chain.engine, proof.headers[0]).hash
    later = replace(stage.anchor, size=len(leaves), root=root, block_hash=block_hash)
    if path is None:
        path = tuple(consistency_path(len(stage.world.leaves), len(leaves), lambda level, at: nodes[level, at]))
    return stage.bundle(AnchorProof(proof.to_bytes(), path), later)
