"""A head of the small log of `world` on a chain of four fixed validators, for any engine: state, headers, trust.

The state is made with the tries of the EVM's own library; no contract is run, so the bytes are the same in every run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import rlp
from eth_keys import keys
from eth_utils.crypto import keccak
from sealed_blocks import (
    VANITY,
    addresses,
    clique_header,
    istanbul_fields,
    kaia_fields,
    plain_fields,
    qbft_header,
    validator,
)
from trie import HexaryTrie
from world import World, make_world

from verifier.anchor import Anchor, AnchorProof
from verifier.chain_proof import ChainProof, head_slots
from verifier.seals import operator_digest, read_header
from verifier.trust import TrustBundle
from verifier.trusted_chain import TrustedChain, ValidatorSet

FOUR = tuple(validator(number) for number in range(4))
STRANGER = validator(99)
CODE_HASH = keccak(b"the code of the heads contract")
BLOCK = 7


@dataclass(frozen=True)
class State:
    """A state of the chain: its root, and the nodes that lead from it to the head of the log."""

    root: bytes
    nodes: tuple[bytes, ...]


def make_state(
    anchor: Anchor, others: int = 40, slots: int = 12, code_hash: bytes = CODE_HASH, engine: str = ""
) -> State:
    """The heads contract holding the anchor's head, among other accounts and other slots."""
    seconds = int(anchor.block_at.timestamp())
    first, second = head_slots(1, anchor.log_id)
    storage, accounts = HexaryTrie({}, prune=True), HexaryTrie({}, prune=True)
    for number in range(slots):
        storage[keccak(number.to_bytes(32))] = rlp.encode(_some("slot", number))
    meta = anchor.size << 128 | anchor.block_number << 64 | seconds
    for slot, value in ((first, meta), (second, int.from_bytes(anchor.root))):
        storage[keccak(slot.to_bytes(32))] = rlp.encode(value)
    for number in range(others):
        nonce = number.to_bytes(2).lstrip(b"\0")
        accounts[keccak(_some("account", number)[:20])] = rlp.encode([nonce, b"\1" * 9, _some("s", number), CODE_HASH])
    key = keccak(bytes.fromhex(anchor.contract[2:]))
    accounts[key] = rlp.encode([b"\1", b"", storage.root_hash, code_hash])
    if engine == "kaia":
        # A contract account: type 2; nonce, balance, flag, key type and key; storage root; code hash; kind of code.
        known = [b"\1", b"", b"", b"\3", []]
        accounts[key] = b"\2" + rlp.encode([known, storage.root_hash, code_hash, b"\x10"])
    paths = [accounts.get_proof(key), *(storage.get_proof(keccak(slot.to_bytes(32))) for slot in (first, second))]
    return State(accounts.root_hash, tuple(dict.fromkeys(rlp.encode(node) for path in paths for node in path)))


def make_headers(
    engine: str, state_root: bytes, anchor: Anchor, by: Sequence[keys.PrivateKey]
) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Headers that show the state, sealed by these, and the seals beside them; on clique one header for each."""
    seconds = int(anchor.block_at.timestamp())
    plain: dict[str, Any] = {
        "state_root": state_root,
        "number": bytes([anchor.block_number]),
        "time": seconds.to_bytes(4),
    }
    if engine == "clique":
        made, parent = [], b"p" * 32
        for offset, key in enumerate(by):
            numbers = {"block_number": anchor.block_number + offset, "timestamp": seconds + offset}
            root = state_root if offset == 0 else _some("state", offset)
            header = clique_header(key, **numbers, parent_hash=parent, state_root=root)
            made.append(rlp.encode(header))
            parent = header.hash
        return tuple(made), ()
    if engine == "qbft":
        return (rlp.encode(qbft_header(by, 1, **plain)),), ()
    if engine == "istanbul":
        return (rlp.encode(istanbul_fields(by, VANITY, lambda extra: plain_fields(**plain, extra=extra))),), ()
    if engine == "kaia":
        return (rlp.encode(istanbul_fields(by, VANITY, lambda extra: kaia_fields(extra, **plain))),), ()
    header = rlp.encode(plain_fields(**plain))
    return (header,), tuple(
        key.sign_msg_hash(operator_digest(read_header(engine, header).hash)).to_bytes() for key in by
    )


@dataclass(frozen=True)
class Stage:
    """One engine's chain, the proof of the head on it, and what is trusted of it."""

    world: World
    chain: TrustedChain
    anchor: Anchor
    proof: ChainProof

    def bundle(self, proof: ChainProof | AnchorProof | bytes | None = None, anchor: Anchor | None = None) -> bytes:
        """An evidence bundle that carries a chain proof."""
        shown = self.proof if proof is None else proof
        if isinstance(shown, ChainProof):
            shown = shown.to_bytes()
        if isinstance(shown, bytes):
            shown = AnchorProof(shown)
        return replace(self.world.bundle(1), anchor=anchor or self.anchor, proof=shown).to_bytes()

    def trust(self, **changes: Any) -> TrustBundle:
        """A trust bundle that lists no head, but knows the chain."""
        return self.world.trust(**{"heads": (), "chains": (self.chain,), **changes})

    def sealed_by(self, by: Sequence[keys.PrivateKey]) -> ChainProof:
        """The proof with headers that others sealed."""
        root = read_header(self.chain.engine, self.proof.headers[0]).state_root
        headers, beside = make_headers(self.chain.engine, root, self.anchor, by)
        return replace(self.proof, headers=headers, seals=beside)


@cache
def make_stage(engine: str = "clique", others: int = 40, slots: int = 12, chain_id: int = 310105) -> Stage:
    """The stage of an engine, among so many other accounts and slots."""
    world = make_world()
    by = FOUR[:1] if engine == "operator" else FOUR[:3]
    allowed = tuple(sorted(addresses(FOUR[:1] if engine == "operator" else FOUR)))
    anchor = replace(world.content.heads[0], block_number=BLOCK, chain_id=chain_id)
    state = make_state(anchor, others, slots, engine=engine)
    headers, beside = make_headers(engine, state.root, anchor, by)
    anchor = replace(anchor, block_hash=read_header(engine, headers[0]).hash)
    chain = TrustedChain(
        chain_id=anchor.chain_id,
        contract=anchor.contract,
        code_hash=CODE_HASH,
        log_id=anchor.log_id,
        layout=1,
        engine=engine,
        validators=(ValidatorSet(1, allowed, len(by)),),
    )
    return Stage(world, chain, anchor, ChainProof(headers, beside, state.nodes))


def _some(kind: str, number: int) -> bytes:
    return hashlib.sha256(f"{kind} {number}".encode()).digest()
