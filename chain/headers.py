"""Block headers as nodes tell them in JSON, and as bytes."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

from verifier import rlp
from verifier.seals import ADDRESS_BYTES, SEAL_BYTES, read_header

_VANITY_BYTES = 32

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
# How many fields a header has at least.
_ETHEREUM_LEAST, _KAIA_LEAST = 15, 14
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
    """The RLP of a header from the JSON that nodes give, in the form that hashes to what they say.

    Fields of later forks may be missing at the end, and a node may name some that its header does not have: Kaia tells
    a base fee of 0 before there is one. Raises ValueError, TypeError, KeyError, AttributeError for other JSON.
    """
    names, least = (_KAIA, _KAIA_LEAST) if engine == "kaia" else (_ETHEREUM, _ETHEREUM_LEAST)
    fields = [_field(name, block[name]) for name in takewhile(lambda name: block.get(name) is not None, names)]
    named = bytes.fromhex(block["hash"].removeprefix("0x"))
    for count in range(len(fields), least - 1, -1):
        raw = rlp.encode(fields[:count])
        if read_header(engine, raw).hash == named:
            return raw
    raise ValueError("no form of the header hashes to its hash")


def clique_validators(extra: bytes) -> tuple[bytes, ...]:
    """The addresses in the extra data of a genesis or epoch block on clique, ascending; none in any other form."""
    listed = extra[_VANITY_BYTES:-SEAL_BYTES]
    if len(extra) <= _VANITY_BYTES + SEAL_BYTES or len(listed) % ADDRESS_BYTES:
        return ()
    return tuple(sorted({listed[at : at + ADDRESS_BYTES] for at in range(0, len(listed), ADDRESS_BYTES)}))


def _field(name: str, value: Any) -> bytes:
    if name not in _NUMBERS:
        return bytes.fromhex(value.removeprefix("0x"))
    return rlp.from_uint(int(value, 16) if isinstance(value, str) else int(value))
