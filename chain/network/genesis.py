"""The first block of a network, and its validators' keys. Pure: everything random is an argument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import rlp
from eth_keys.constants import SECPK1_N
from eth_keys.datatypes import PrivateKey

# The last rules before fees became compulsory: a base fee that once rose above zero never returns to it.
_FORKS = (
    "homesteadBlock",
    "eip150Block",
    "eip155Block",
    "eip158Block",
    "byzantiumBlock",
    "constantinopleBlock",
    "petersburgBlock",
    "istanbulBlock",
    "berlinBlock",
)
_GAS_LIMIT = 30_000_000
_EPOCH = 30_000
# 2026-01-01 in Shanghai: a fixed moment makes the same keys give the same network.
GENESIS_AT = 1_767_196_800


@dataclass(frozen=True, slots=True)
class Key:
    """A secp256k1 key of a validator or a node."""

    secret: bytes

    @property
    def address(self) -> str:
        """The 0x address, with checksum."""
        return str(PrivateKey(self.secret).public_key.to_checksum_address())

    @property
    def node_id(self) -> str:
        """The public key in hex, as enode addresses name it."""
        return bytes(PrivateKey(self.secret).public_key.to_bytes()).hex()

    @classmethod
    def is_possible(cls, secret: bytes) -> bool:
        """Whether these 32 bytes are a key of the curve."""
        return len(secret) == 32 and 0 < int.from_bytes(secret) < SECPK1_N


def clique_genesis(validators: Sequence[str], chain_id: int, period_seconds: int) -> dict[str, object]:
    """go-ethereum's genesis file. EIP-225: extraData is 32 bytes of vanity, the signers in order, 65 bytes of seal."""
    signers = "".join(sorted(address[2:].lower() for address in validators))
    return {
        "config": {
            "chainId": chain_id,
            **dict.fromkeys(_FORKS, 0),
            "clique": {"period": period_seconds, "epoch": _EPOCH},
        },
        "nonce": "0x0",
        "timestamp": hex(GENESIS_AT),
        "extraData": "0x" + "00" * 32 + signers + "00" * 65,
        "gasLimit": hex(_GAS_LIMIT),
        "difficulty": "0x1",
        "alloc": {},
    }


def kaia_genesis(validators: Sequence[str], chain_id: int) -> dict[str, object]:
    """kcn's genesis file. extraData is 32 bytes of vanity, then RLP of the validators, a seal and committed seals."""
    addresses = sorted(bytes.fromhex(address[2:]) for address in validators)
    extra = bytes(32) + rlp.encode([addresses, bytes(65), []])
    return {
        "config": {
            "chainId": chain_id,
            # Magma and later are left out: they make fees compulsory.
            "istanbulCompatibleBlock": 0,
            "londonCompatibleBlock": 0,
            "ethTxTypeCompatibleBlock": 0,
            "istanbul": {"epoch": _EPOCH, "policy": 0, "sub": len(addresses)},
            "unitPrice": 0,
            "deriveShaImpl": 0,
            "governance": None,
        },
        "timestamp": hex(GENESIS_AT),
        "extraData": "0x" + extra.hex(),
        "governanceData": None,
        "blockScore": "0x1",
        "alloc": {},
    }
