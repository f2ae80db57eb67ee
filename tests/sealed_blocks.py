"""Blocks sealed by fixed validators, for tests of seals and of chain proofs: made by the libraries of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rlp
from eth.consensus.clique._utils import sign_block_header
from eth.rlp.headers import BlockHeader
from eth_keys import keys
from eth_utils.crypto import keccak

VANITY = b"suizheng".ljust(32, b"\0")


def validator(number: int) -> keys.PrivateKey:
    """A fixed validator's key."""
    return keys.PrivateKey(keccak(b"validator %d" % number))


def addresses(keys_: Sequence[keys.PrivateKey]) -> tuple[bytes, ...]:
    return tuple(key.public_key.to_canonical_address() for key in keys_)


def plain_fields(**changes: Any) -> list[Any]:
    """The 15 fields of an Ethereum header, before any seal."""
    fields: dict[str, Any] = {
        "parent": b"p" * 32,
        "uncles": b"u" * 32,
        "coinbase": b"\0" * 20,
        "state_root": b"s" * 32,
        "transactions": b"t" * 32,
        "receipts": b"r" * 32,
        "bloom": b"\0" * 256,
        "difficulty": b"\2",
        "number": b"\7",
        "gas_limit": b"\x01\xc9\xc3\x80",
        "gas_used": b"",
        "time": (1_795_000_000).to_bytes(4),
        "extra": VANITY,
        "mix": b"\0" * 32,
        "nonce": b"\0" * 8,
    }
    assert changes.keys() <= fields.keys()
    return list({**fields, **changes}.values())


def clique_header(key: keys.PrivateKey, **changes: Any) -> BlockHeader:
    """A header sealed by py-evm's Clique, and so hashed and written by it."""
    fields = {
        "difficulty": 2,
        "block_number": 7,
        "gas_limit": 30_000_000,
        "timestamp": 1_795_000_000,
        "parent_hash": b"p" * 32,
        "uncles_hash": b"u" * 32,
        "state_root": b"s" * 32,
        "extra_data": VANITY + b"\0" * 65,
    }
    return sign_block_header(BlockHeader(**{**fields, **changes}), key)


def qbft_header(seals_by: Sequence[keys.PrivateKey], round_: int = 0, **changes: Any) -> list[Any]:
    """A header as Besu writes it: [vanity, validators, vote, round, committed seals] in its extra data."""
    extra: list[Any] = [VANITY, list(addresses(seals_by)), [], rlp.sedes.big_endian_int.serialize(round_), []]
    digest = keccak(rlp.encode(plain_fields(**changes, extra=rlp.encode(extra))))
    extra[4] = [key.sign_msg_hash(digest).to_bytes() for key in seals_by]
    return plain_fields(**changes, extra=rlp.encode(extra))


def istanbul_fields(seals_by: Sequence[keys.PrivateKey], vanity: bytes, build: Any) -> list[Any]:
    """A header with Istanbul's extra data: vanity, then [validators, proposer's seal, committed seals].

    build(extra) gives the fields; the round in the last byte of the vanity is no part of the hash on Kaia.
    """
    body: list[Any] = [list(addresses(seals_by)), b"\1" * 65, []]
    hashed = vanity[:31] + (b"\0" if len(build(b"")) == 14 else vanity[31:])
    block_hash = keccak(rlp.encode(build(hashed + rlp.encode(body))))
    digest = keccak(block_hash + b"\2")
    body[2] = [key.sign_msg_hash(digest).to_bytes() for key in seals_by]
    return build(vanity + rlp.encode(body))


def kaia_fields(extra: bytes) -> list[Any]:
    """The 14 fields of a Kaia header."""
    return [
        b"p" * 32, b"\0" * 20, b"s" * 32, b"t" * 32, b"r" * 32, b"\0" * 256, b"\1", b"\7", b"",
        (1_795_000_000).to_bytes(4), b"\5", extra, b"", b"",
    ]  # fmt: skip
