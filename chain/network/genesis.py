"""The first block of a network, and its validators' keys. Pure: everything random is an argument."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import rlp
from eth_keys.constants import SECPK1_N
from eth_keys.datatypes import PrivateKey
from eth_utils.address import is_checksum_address, is_hex_address
from eth_utils.address import is_checksum_formatted_address as is_mixed

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
# What Istanbul's descendants expect as mixHash of every block.
_ISTANBUL_DIGEST = "0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365"
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


def is_address(text: str) -> bool:
    """Whether this is a 0x address, and its checksum holds if it has one."""
    return text.startswith("0x") and is_hex_address(text) and (not is_mixed(text) or is_checksum_address(text))


def genesis_for(
    engine: Literal["clique", "kaia", "besu"], validators: Sequence[str], chain_id: int, period_seconds: int
) -> dict[str, object]:
    """The genesis file of an engine. Kaia's does not hold the period; its nodes are started with it."""
    if engine == "kaia":
        return kaia_genesis(validators, chain_id)
    make = clique_genesis if engine == "clique" else besu_genesis
    return make(validators, chain_id, period_seconds)


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


def besu_genesis(validators: Sequence[str], chain_id: int, period_seconds: int) -> dict[str, object]:
    """Hyperledger Besu's genesis file for QBFT. extraData: RLP of vanity, validators, no vote, round 0, no seals."""
    addresses = sorted(bytes.fromhex(address[2:]) for address in validators)
    return {
        "config": {
            "chainId": chain_id,
            "berlinBlock": 0,
            "qbft": {
                "epochlength": _EPOCH,
                "blockperiodseconds": period_seconds,
                "requesttimeoutseconds": 2 * period_seconds,
            },
        },
        "nonce": "0x0",
        "timestamp": hex(GENESIS_AT),
        "extraData": "0x" + rlp.encode([bytes(32), addresses, [], b"", []]).hex(),
        "gasLimit": hex(_GAS_LIMIT),
        "difficulty": "0x1",
        "mixHash": _ISTANBUL_DIGEST,
        "coinbase": "0x" + "00" * 20,
        "alloc": {},
    }
