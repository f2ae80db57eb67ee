"""What a trust bundle says of a chain: where the heads stand on it, and whose seals make one of its blocks."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from verifier import cbor, times
from verifier.errors import MalformedError, UnanchoredError
from verifier.merkle import HASH_BYTES, MAX_SIZE

ADDRESS_BYTES = 20
MAX_VALIDATORS = 256

_ADDRESS = re.compile(r"0x[0-9a-f]{40}", re.ASCII)
_CONTRACT = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ValidatorSet:
    """Who seals blocks from a block on: distinct 20-byte addresses in ascending order.

    threshold: how many of them must have sealed a block, or one after it; more than half.
    """

    from_block: int
    addresses: tuple[bytes, ...]
    threshold: int

    def to_json(self) -> dict[str, Any]:
        """{from_block, addresses, threshold}."""
        return {
            "from_block": self.from_block,
            "addresses": ["0x" + address.hex() for address in self.addresses],
            "threshold": self.threshold,
        }

    @classmethod
    def from_json(cls, value: Any) -> ValidatorSet:
        """The inverse of `to_json`. Raises MalformedError."""
        item = cbor.require_map(value, frozenset(("from_block", "addresses", "threshold")))
        texts = cbor.require_list(item["addresses"], MAX_VALIDATORS, 1)
        if not all(isinstance(text, str) and _ADDRESS.fullmatch(text) for text in texts):
            raise MalformedError("wrong_field", "信任包的验证节点地址应为 0x 加 40 位小写十六进制")
        addresses = tuple(bytes.fromhex(text[2:]) for text in texts)
        threshold = cbor.require_uint(item["threshold"], len(addresses))
        if list(addresses) != sorted(set(addresses)) or threshold * 2 <= len(addresses):
            raise MalformedError("wrong_field", "信任包的验证节点应按地址升序且不重复，门限应过半")
        return cls(cbor.require_uint(item["from_block"], MAX_SIZE), addresses, threshold)


@dataclass(frozen=True, slots=True)
class TrustedChain:
    """A chain on which heads of the log are, or were, anchored.

    contract: 0x address of the heads contract, code_hash the Keccak-256 of its code, layout how it stores heads (1: see
    `verifier.chain_proof`); engine: one of `verifier.seals`; validators: ascending by from_block; valid_to: blocks from
    this time on prove nothing (None: no end), so that keys of a network that was given up cannot go on.
    """

    chain_id: int
    contract: str
    code_hash: bytes
    log_id: bytes
    layout: int
    engine: str
    validators: tuple[ValidatorSet, ...]
    valid_to: datetime | None = None

    def validators_at(self, block_number: int) -> ValidatorSet:
        """The set in force at a block. Raises UnanchoredError for a block before the first known set."""
        place = bisect_right([known.from_block for known in self.validators], block_number)
        if not place:
            evidence = {"block_number": block_number}
            raise UnanchoredError(
                "validators_unknown", "信任包没有该区块时的验证节点，可能要用更新的信任包", evidence=evidence
            )
        return self.validators[place - 1]

    def to_json(self) -> dict[str, Any]:
        """{chain_id, contract, code_hash, log_id, layout, engine, validators, valid_to}."""
        return {
            "chain_id": self.chain_id,
            "contract": self.contract,
            "code_hash": self.code_hash.hex(),
            "log_id": self.log_id.hex(),
            "layout": self.layout,
            "engine": self.engine,
            "validators": [known.to_json() for known in self.validators],
            "valid_to": None if self.valid_to is None else times.to_text(self.valid_to),
        }

    @classmethod
    def from_json(cls, value: Any) -> TrustedChain:
        """The inverse of `to_json`. Raises MalformedError; ValueError, TypeError for what is no hex or no text."""
        item = cbor.require_map(value, _KEYS)
        if not _CONTRACT.fullmatch(cbor.require_text(item["contract"], 42)):
            raise MalformedError("wrong_field", "信任包的合约地址应为 0x 加 40 位十六进制")
        validators = tuple(ValidatorSet.from_json(known) for known in cbor.require_list(item["validators"], 4096))
        starts = [known.from_block for known in validators]
        if starts != sorted(set(starts)):
            raise MalformedError("wrong_field", "信任包的验证节点应按起始区块升序")
        return cls(
            chain_id=cbor.require_uint(item["chain_id"], MAX_SIZE),
            contract=item["contract"],
            code_hash=cbor.require_bytes(bytes.fromhex(item["code_hash"]), HASH_BYTES),
            log_id=cbor.require_bytes(bytes.fromhex(item["log_id"]), HASH_BYTES),
            layout=cbor.require_uint(item["layout"]),
            engine=cbor.require_text(item["engine"], 20),
            validators=validators,
            valid_to=None if item["valid_to"] is None else times.from_text(item["valid_to"]),
        )


_KEYS = frozenset(("chain_id", "contract", "code_hash", "log_id", "layout", "engine", "validators", "valid_to"))
