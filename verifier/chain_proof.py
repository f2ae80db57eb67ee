"""Chain proofs: that a head stood in the heads contract, shown by the chain's own headers, seals and state.

    proof = [headers, seals, nodes]      deterministic CBOR; three arrays of byte strings, at most 12,288 bytes
      headers   RLP of the block whose state is shown, and on clique of the blocks after it, sealed by more validators
      seals     for the engine "operator" its one signature; else empty, the headers have them
      nodes     Merkle Patricia nodes from the state root to the contract's account and on to the two slots of the head

It is checked from the trust bundle alone: (1) every header names the one before it as its parent, (2) whoever sealed
them is a validator of that time, and enough different ones did, (3) the state has the trusted code at the contract's
address, (4) its slots hold a head of the log.

Layout 1 of the heads contract: the head of a log is a pair of slots from keccak(2 || log id): size << 128 | block
number << 64 | block time, and the root.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import Any

from verifier import cbor, seals, times
from verifier.anchor import MAX_PROOF_BYTES, Anchor
from verifier.errors import AnchorContradictionError, Check, MalformedError, UnanchoredError
from verifier.seals import Header, keccak
from verifier.state_proof import ETHEREUM, KAIA, Nodes
from verifier.trusted_chain import TrustedChain

#: Enough for a majority of 60 validators; the limit in bytes comes first.
MAX_HEADERS = 32
MAX_NODES = 64

_SLOT_OF_HEADS = {1: 2}
_LOW = 2**64 - 1


@dataclass(frozen=True, slots=True)
class ChainProof:
    """The parts, not yet believed."""

    headers: tuple[bytes, ...]
    seals: tuple[bytes, ...]
    nodes: tuple[bytes, ...]

    def to_bytes(self) -> bytes:
        """The one encoding."""
        return cbor.encode([list(self.headers), list(self.seals), list(self.nodes)])

    @classmethod
    def from_bytes(cls, data: bytes) -> ChainProof:
        """Parse. Raises MalformedError."""
        headers, beside, nodes = cbor.require_list(cbor.decode(data, limit=MAX_PROOF_BYTES), 3, 3)
        return cls(_byte_strings(headers, MAX_HEADERS, 1), _byte_strings(beside, 1), _byte_strings(nodes, MAX_NODES, 1))


@dataclass(frozen=True, slots=True)
class ProvenHead:
    """A head that stood in the contract, and how that is known.

    size, root, set_in_block, set_at: as the contract has them; block_number, block_hash, block_at: of the block whose
    state shows it; validators: the distinct addresses that sealed it or a block after it; of: how many there were.
    """

    size: int
    root: bytes
    set_in_block: int
    set_at: datetime
    engine: str
    chain_id: int
    block_number: int
    block_hash: bytes
    block_at: datetime
    validators: tuple[bytes, ...]
    of: int

    def to_json(self) -> dict[str, Any]:
        """What a verdict shows, what matters most first."""
        return {
            "engine": self.engine,
            "block_number": self.block_number,
            "block_at": times.to_text(self.block_at),
            "sealed_by": ["0x" + address.hex() for address in self.validators],
            "validators": self.of,
            "chain_id": self.chain_id,
            "block_hash": self.block_hash.hex(),
            "size": self.size,
        }

    def check_is(self, anchor: Anchor) -> None:
        """Raises AnchorContradictionError unless this is the head that the anchor records, set in the block it names.

        The transaction's hash is no part of the state: it is not covered.
        """
        shown = (self.size, self.root, self.set_in_block, self.set_at)
        if shown != (anchor.size, anchor.root, anchor.block_number, anchor.block_at):
            raise AnchorContradictionError(
                "proof_differs", "链上证明的日志头与锚定记录不一致", evidence={"size": self.size}
            )
        if self.block_number == anchor.block_number and self.block_hash != anchor.block_hash:
            raise AnchorContradictionError(
                "proof_differs", "链上证明的区块与锚定记录不一致", evidence={"size": self.size}
            )


@lru_cache(maxsize=64)
def check_chain_proof(data: bytes, chain: TrustedChain) -> ProvenHead:
    """The head that a proof shows, judged by what is trusted of its chain; all evidence under one head shares a proof.

    Raises MalformedError: it does not hold; UnanchoredError: this trust bundle does not know its sealers, or not enough
    of them; AnchorContradictionError: at the trusted address stands other code.
    """
    proof = ChainProof.from_bytes(data)
    if chain.engine not in seals.ENGINES or chain.layout not in _SLOT_OF_HEADS:
        raise UnanchoredError("engine_unknown", "本程序不认识该链的共识引擎或存储布局，请更新程序")
    headers = _linked(chain.engine, proof.headers)
    validators = _sealed_by(chain, headers, proof.seals)
    first = headers[0]
    meta, root = _head_slots(chain, first, proof.nodes)
    set_in_block = meta >> 64 & _LOW
    if set_in_block > first.number:
        raise MalformedError("proof_from_later", "链上证明的日志头晚于其区块", check=Check.ANCHOR)
    return ProvenHead(
        size=meta >> 128,
        root=root.to_bytes(32),
        set_in_block=set_in_block,
        set_at=times.from_seconds(meta & _LOW),
        engine=chain.engine,
        chain_id=chain.chain_id,
        block_number=first.number,
        block_hash=first.hash,
        block_at=times.from_seconds(first.time),
        validators=validators,
        of=len(chain.validators_at(first.number).addresses),
    )


def head_slots(layout: int, log_id: bytes) -> tuple[int, int]:
    """The two storage slots of a log's head, for a layout that is known here."""
    first = int.from_bytes(keccak(_SLOT_OF_HEADS[layout].to_bytes(32) + log_id))
    return first, (first + 1) % 2**256


def _linked(engine: str, shown: Sequence[bytes]) -> list[Header]:
    """Step (1)."""
    headers = [seals.read_header(engine, one) for one in shown]
    for header in headers:
        seals.check_bare(engine, header)
    for before, after in pairwise(headers):
        if (after.parent, after.number) != (before.hash, before.number + 1):
            raise MalformedError("headers_not_linked", "链上证明的区块头不相连", check=Check.ANCHOR)
    if len(headers) > 1 and not seals.has_one_each(engine):
        raise MalformedError("too_many_headers", "该共识引擎的链上证明只应有一个区块头", check=Check.ANCHOR)
    return headers


def _sealed_by(chain: TrustedChain, headers: Sequence[Header], beside: Sequence[bytes]) -> tuple[bytes, ...]:
    """Step (2): the distinct validators, ascending."""
    found: set[bytes] = set()
    for header in headers:
        known = chain.validators_at(header.number)
        sealed_by = seals.sealers(chain.engine, header, beside)
        strangers = set(sealed_by) - set(known.addresses)
        if strangers:
            evidence: dict[str, Any] = {"sealers": sorted("0x" + one.hex() for one in strangers)}
            evidence["block_number"] = header.number
            raise UnanchoredError("sealed_by_stranger", "区块的封印不属于信任包中的验证节点", evidence=evidence)
        found.update(sealed_by)
    threshold = max(chain.validators_at(header.number).threshold for header in headers)
    if len(found) < threshold:
        evidence = {"validators": len(found), "threshold": threshold}
        raise UnanchoredError(
            "too_few_seals", f"区块只有 {len(found)} 个验证节点封印，需要 {threshold} 个", evidence=evidence
        )
    if chain.valid_to is not None and headers[-1].time >= int(chain.valid_to.timestamp()):
        raise UnanchoredError("chain_closed", "区块晚于该链停用的时间")
    return tuple(sorted(found))


def _head_slots(chain: TrustedChain, header: Header, shown: Sequence[bytes]) -> tuple[int, int]:
    """Steps (3) and (4)."""
    nodes = Nodes(shown)
    form = KAIA if chain.engine == "kaia" else ETHEREUM
    account = nodes.account(header.state_root, bytes.fromhex(chain.contract[2:]), form)
    if account.code_hash != chain.code_hash:
        evidence = {"code_hash": account.code_hash.hex()}
        raise AnchorContradictionError("wrong_code", "链上该地址的合约代码与信任包不一致", evidence=evidence)
    meta, root = (nodes.slot(account.storage_root, slot) for slot in head_slots(chain.layout, chain.log_id))
    nodes.check_all_used()
    return meta, root


def _byte_strings(value: Any, most: int, least: int = 0) -> tuple[bytes, ...]:
    return tuple(cbor.require_bytes(item) for item in cbor.require_list(value, most, least))
