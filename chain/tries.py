"""Headers and state proofs of the embedded EVM, under the names by which nodes offer them; eth-tester has neither."""

from __future__ import annotations

from typing import Any

import rlp
from eth_tester import EthereumTester
from eth_utils.crypto import keccak
from trie import HexaryTrie


def get_header(tester: EthereumTester, params: Any) -> str:
    """debug_getRawHeader(number): the header's RLP, in hex."""
    return _hex(_header(tester, params[0]))


def get_proof(tester: EthereumTester, params: Any) -> dict[str, Any]:
    """eth_getProof(address, slots, number), as far as it is used here: the nodes, not the values they lead to."""
    address, slots, number = params
    nodes = tester.backend.chain.chaindb.db
    state = HexaryTrie(nodes, _header(tester, number).state_root)
    key = keccak(bytes.fromhex(address[2:]))
    account = state.get(key)
    storage = HexaryTrie(nodes, rlp.decode(account)[2] if account else state.BLANK_NODE_HASH)
    return {
        "accountProof": _nodes(state, key),
        "storageProof": [
            {"key": slot, "proof": _nodes(storage, keccak(bytes.fromhex(slot[2:].zfill(64))))} for slot in slots
        ],
    }


def _header(tester: EthereumTester, number: str) -> Any:
    return tester.backend.chain.get_canonical_block_header_by_number(int(number, 16))


def _nodes(trie: Any, key: bytes) -> list[str]:
    return [_hex(node) for node in trie.get_proof(key)]


def _hex(item: Any) -> str:
    return "0x" + bytes(rlp.encode(item)).hex()
