"""Block headers as nodes tell them in JSON, and as bytes."""

from __future__ import annotations

from typing import Any

from verifier import rlp

_ETHEREUM = (
    "parentHash",
    "sha3Uncles",
    "miner",
    "stateRoot",
    "transactionsRoot",
    "receiptsRoot",
    "logsBloom",
    "difficulty",
    "number",
    "gasLimit",
    "gasUsed",
    "timestamp",
    "extraData",
    "mixHash",
    "nonce",
    "baseFeePerGas",
    "withdrawalsRoot",
    "blobGasUsed",
    "excessBlobGas",
    "parentBeaconBlockRoot",
    "requestsHash",
)
_KAIA = (
    "parentHash",
    "reward",
    "stateRoot",
    "transactionsRoot",
    "receiptsRoot",
    "logsBloom",
    "blockScore",
    "number",
    "gasUsed",
    "timestamp",
    "timestampFoS",
    "extraData",
    "governanceData",
    "voteData",
    "baseFeePerGas",
    "randomReveal",
    "mixHash",
)
_NUMBERS = frozenset(
    (
        "difficulty",
        "number",
        "gasLimit",
        "gasUsed",
        "timestamp",
        "baseFeePerGas",
        "blobGasUsed",
        "excessBlobGas",
        "blockScore",
        "timestampFoS",
    )
)


def header_of(engine: str, block: dict[str, Any]) -> bytes:
    """The RLP of a header from the JSON that nodes give; fields of later forks may be missing at the end.

    Raises ValueError, TypeError for what is no such JSON.
    """
    names = _KAIA if engine == "kaia" else _ETHEREUM
    present = [name for name in names if block.get(name) is not None]
    if present != list(names[: len(present)]):
        raise ValueError("a field of the header is missing")
    return rlp.encode([_field(name, block[name]) for name in present])


def _field(name: str, value: Any) -> bytes:
    if name not in _NUMBERS:
        return bytes.fromhex(value.removeprefix("0x"))
    return rlp.from_uint(int(value, 16) if isinstance(value, str) else int(value))
