"""Anchors: a head of the log as recorded on the chain, and how a verifier comes to believe in one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from verifier import cbor, times
from verifier.errors import MalformedError
from verifier.merkle import HASH_BYTES, MAX_SIZE

#: Of a chain proof and its path together.
MAX_PROOF_BYTES = 12_288

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Anchor:
    """Which head, on which chain, in which contract, in which block.

    contract: 0x and 40 hex digits; log_id, root, block_hash, transaction_hash: 32 bytes; size in entries; block_at: the
    block's own time.
    """

    chain_id: int
    contract: str
    log_id: bytes
    size: int
    root: bytes
    block_number: int
    block_hash: bytes
    block_at: datetime
    transaction_hash: bytes

    def to_list(self) -> list[Any]:
        """The fields in order, times as seconds, for CBOR."""
        return [
            self.chain_id,
            self.contract,
            self.log_id,
            self.size,
            self.root,
            self.block_number,
            self.block_hash,
            int(self.block_at.timestamp()),
            self.transaction_hash,
        ]

    @classmethod
    def from_list(cls, value: Any) -> Anchor:
        """The inverse of `to_list`. Raises MalformedError."""
        return cls.with_bytes(value)[0]

    @classmethod
    def with_bytes(cls, value: Any) -> tuple[Anchor, bytes]:
        """As `from_list`, and the one encoding of the list. Raises MalformedError."""
        try:
            return _anchor(*cbor.require_list(value, 9, 9))
        except TypeError as error:
            raise MalformedError("wrong_field", "锚定记录的字段类型不对") from error

    def to_json(self) -> dict[str, Any]:
        """The same as a JSON object, hashes in hex."""
        return {
            "chain_id": self.chain_id,
            "contract": self.contract,
            "log_id": self.log_id.hex(),
            "size": self.size,
            "root": self.root.hex(),
            "block_number": self.block_number,
            "block_hash": self.block_hash.hex(),
            "block_at": times.to_text(self.block_at),
            "transaction_hash": self.transaction_hash.hex(),
        }

    @classmethod
    def from_json(cls, value: Any) -> Anchor:
        """The inverse of `to_json`. Raises MalformedError."""
        if not isinstance(value, dict) or value.keys() != _JSON_KEYS:
            raise MalformedError("wrong_fields", "锚定记录的字段与格式不符")
        try:
            parts = [bytes.fromhex(value[name]) if name in _HEX else value[name] for name in _JSON_ORDER]
        except (TypeError, ValueError) as error:
            raise MalformedError("wrong_field", "锚定记录的字段不是十六进制") from error
        parts[7] = int(times.from_text(value["block_at"]).timestamp())
        return cls.from_list(parts)


@dataclass(frozen=True, slots=True)
class AnchorProof:
    """What an evidence bundle may carry beside its anchor, not yet believed.

    chain_proof: bytes of a `verifier.chain_proof.ChainProof` of the anchor's head; path: the consistency proof from the
    receipt's head to the anchor's, 32 bytes each, empty where they are one.
    """

    chain_proof: bytes
    path: tuple[bytes, ...] = ()

    def to_list(self) -> list[Any]:
        """[chain proof, path], for CBOR."""
        return [self.chain_proof, list(self.path)]

    @classmethod
    def from_list(cls, value: Any) -> AnchorProof:
        """The inverse of `to_list`. Raises MalformedError."""
        chain_proof, path = cbor.require_list(value, 2, 2)
        hashes = tuple(cbor.require_bytes(hash_, HASH_BYTES) for hash_ in cbor.require_list(path, 64))
        if len(cbor.require_bytes(chain_proof)) + HASH_BYTES * len(hashes) > MAX_PROOF_BYTES:
            raise MalformedError("too_long", f"链上证明超过上限 {MAX_PROOF_BYTES} 字节")
        return cls(chain_proof, hashes)


@lru_cache(maxsize=1024, typed=True)
def _anchor(
    chain_id: int,
    contract: str,
    log_id: bytes,
    size: int,
    root: bytes,
    number: int,
    block_hash: bytes,
    seconds: int,
    transaction: bytes,
) -> tuple[Anchor, bytes]:
    # All evidence under one head carries the same anchor: it is checked once. Types count, lest True pass for 1.
    if not _ADDRESS.fullmatch(cbor.require_text(contract, 42)):
        raise MalformedError("wrong_field", "合约地址应为 0x 加 40 位十六进制")
    for hash_ in (log_id, root, block_hash, transaction):
        cbor.require_bytes(hash_, HASH_BYTES)
    for count in (chain_id, size, number, seconds):
        cbor.require_uint(count, MAX_SIZE)
    at = times.from_seconds(seconds)
    anchor = Anchor(chain_id, contract, log_id, size, root, number, block_hash, at, transaction)
    return anchor, cbor.encode(anchor.to_list())


_JSON_ORDER = (
    "chain_id",
    "contract",
    "log_id",
    "size",
    "root",
    "block_number",
    "block_hash",
    "block_at",
    "transaction_hash",
)
_JSON_KEYS = frozenset(_JSON_ORDER)
_HEX = frozenset(("log_id", "root", "block_hash", "transaction_hash"))
